// Numbers of the proof: exact polynomials over named symbols, with the interval of all their values.
//
// A symbol is a hardware integer, a reloadable weight, what a layer put out, or what a rounding or comparison made of other
// symbols. Nothing here is synthesized; `fpgaae prove` reads what is printed.
#ifndef FPGAAE_PROOF_SYMBOLIC_H_
#define FPGAAE_PROOF_SYMBOLIC_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace proof {

typedef __int128 big;

// What can't be proven; its text names the construct.
struct Unprovable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline std::string text(big value) {
    if (value < 0)
        return "-" + text(-value);
    std::string digits;
    do {
        digits.insert(digits.begin(), char('0' + int(value % 10)));
        value /= 10;
    } while (value);
    return digits;
}

inline big checked_sum(big a, big b) {
    big sum;
    if (__builtin_add_overflow(a, b, &sum))
        throw Unprovable("a sum takes more than 127 bits");
    return sum;
}

inline big checked_product(big a, big b) {
    big product;
    if (__builtin_mul_overflow(a, b, &product))
        throw Unprovable("a product takes more than 127 bits");
    return product;
}

inline big checked_shift(big a, int bits) {
    if (a == 0 || bits == 0)
        return a;
    if (bits > 120)
        throw Unprovable("a number is shifted by more than 120 bits");
    return checked_product(a, big(1) << bits);
}

// Up to three symbols multiplied with each other, 21 bits each in falling order.
typedef uint64_t Monomial;
static const unsigned monomial_bits = 21, most_symbols = (1u << monomial_bits) - 1;

inline std::vector<unsigned> symbols_of(Monomial m) {
    std::vector<unsigned> found;
    for (; m; m >>= monomial_bits)
        found.push_back(unsigned(m & most_symbols));
    return found;
}

inline Monomial product_of(Monomial a, Monomial b) {
    std::vector<unsigned> all = symbols_of(a), more = symbols_of(b);
    all.insert(all.end(), more.begin(), more.end());
    if (all.size() > 3)
        throw Unprovable("a product of more than three symbols");
    std::sort(all.begin(), all.end());
    Monomial m = 0;
    for (unsigned symbol : all)
        m = m << monomial_bits | symbol;
    return m;
}

// constant + sum of coefficient * monomial, in codes.
struct Form {
    std::vector<std::pair<Monomial, big>> terms; // in rising order, no coefficient is zero
    big constant = 0;

    bool is_constant() const { return terms.empty(); }
    bool operator==(const Form &other) const { return constant == other.constant && terms == other.terms; }
};

inline Form scaled(const Form &form, big factor) {
    Form result;
    if (factor == 0)
        return result;
    result.terms.reserve(form.terms.size());
    for (auto &term : form.terms)
        result.terms.emplace_back(term.first, checked_product(term.second, factor));
    result.constant = checked_product(form.constant, factor);
    return result;
}

inline Form sum_of(const Form &a, const Form &b) {
    Form result;
    result.terms.reserve(a.terms.size() + b.terms.size());
    result.constant = checked_sum(a.constant, b.constant);
    auto i = a.terms.begin(), j = b.terms.begin();
    while (i != a.terms.end() || j != b.terms.end()) {
        if (j == b.terms.end() || (i != a.terms.end() && i->first < j->first)) {
            result.terms.push_back(*i++);
        } else if (i == a.terms.end() || j->first < i->first) {
            result.terms.push_back(*j++);
        } else {
            big both = checked_sum(i->second, j->second);
            if (both != 0)
                result.terms.emplace_back(i->first, both);
            i++, j++;
        }
    }
    return result;
}

inline Form product_of(const Form &a, const Form &b) {
    if (a.is_constant())
        return scaled(b, a.constant);
    if (b.is_constant())
        return scaled(a, b.constant);
    std::map<Monomial, big> found;
    auto add = [&](Monomial m, big value) { found[m] = checked_sum(found[m], value); };
    for (auto &left : a.terms) {
        for (auto &right : b.terms)
            add(product_of(left.first, right.first), checked_product(left.second, right.second));
        if (b.constant != 0)
            add(left.first, checked_product(left.second, b.constant));
    }
    if (a.constant != 0)
        for (auto &right : b.terms)
            add(right.first, checked_product(right.second, a.constant));
    Form result;
    result.constant = checked_product(a.constant, b.constant);
    for (auto &term : found)
        if (term.second != 0)
            result.terms.push_back(term);
    return result;
}

struct Interval {
    big low = 0, high = 0;
    bool within(const Interval &other) const { return low >= other.low && high <= other.high; }
    bool operator==(const Interval &other) const { return low == other.low && high == other.high; }
};

inline Interval product_of(const Interval &a, const Interval &b) {
    big corners[] = {checked_product(a.low, b.low), checked_product(a.low, b.high), checked_product(a.high, b.low),
                     checked_product(a.high, b.high)};
    return {*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)};
}

inline Interval common(const Interval &a, const Interval &b) { return {std::max(a.low, b.low), std::min(a.high, b.high)}; }

// A number: value = form * 2^-fraction, and the interval of the form's codes.
struct Number {
    Form form;
    int fraction = 0;
    Interval codes;

    bool is_constant() const { return form.is_constant(); }
};

inline Number constant(big code, int fraction) {
    Number number;
    number.form.constant = code;
    number.fraction = fraction;
    number.codes = {code, code};
    return number;
}

inline std::string text(const Form &form) {
    std::string line = text(form.constant) + ' ' + std::to_string(form.terms.size());
    for (auto &term : form.terms) {
        line += ' ';
        std::vector<unsigned> symbols = symbols_of(term.first);
        for (size_t i = 0; i < symbols.size(); i++)
            line += (i ? "." : "") + std::to_string(symbols[i]);
        line += ' ' + text(term.second);
    }
    return line;
}

} // namespace proof

#endif
