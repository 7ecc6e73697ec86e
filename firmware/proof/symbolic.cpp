// Sums and products of polynomials in exact integers, and their text.
#include "symbolic.h"

namespace proof {

Form::Form() = default;
Form::Form(const Form &other) = default;
Form::Form(Form &&other) = default;
Form &Form::operator=(const Form &other) = default;
Form &Form::operator=(Form &&other) = default;
Form::~Form() = default;

bool Form::operator==(const Form &other) const { return constant == other.constant && terms == other.terms; }

std::string text(big value) {
    if (value < 0)
        return "-" + text(-value);
    std::string digits;
    do {
        digits.insert(digits.begin(), char('0' + int(value % 10)));
        value /= 10;
    } while (value);
    return digits;
}

big checked_sum(big a, big b) {
    big sum;
    if (__builtin_add_overflow(a, b, &sum))
        throw Unprovable("a sum takes more than 127 bits");
    return sum;
}

big checked_product(big a, big b) {
    big product;
    if (__builtin_mul_overflow(a, b, &product))
        throw Unprovable("a product takes more than 127 bits");
    return product;
}

big checked_shift(big a, int bits) {
    if (a == 0 || bits == 0)
        return a;
    if (bits > 120)
        throw Unprovable("a number is shifted by more than 120 bits");
    return checked_product(a, big(1) << bits);
}

std::vector<unsigned> symbols_of(Monomial m) {
    std::vector<unsigned> found;
    for (; m; m >>= monomial_bits)
        found.push_back(unsigned(m & most_symbols));
    return found;
}

Monomial product_of(Monomial a, Monomial b) {
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

Form scaled(const Form &form, big factor) {
    Form result;
    if (factor == 0)
        return result;
    result.terms.reserve(form.terms.size());
    for (auto &term : form.terms)
        result.terms.emplace_back(term.first, checked_product(term.second, factor));
    result.constant = checked_product(form.constant, factor);
    return result;
}

Form sum_of(const Form &a, const Form &b) {
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

Form product_of(const Form &a, const Form &b) {
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

Interval product_of(const Interval &a, const Interval &b) {
    big corners[] = {checked_product(a.low, b.low), checked_product(a.low, b.high), checked_product(a.high, b.low),
                     checked_product(a.high, b.high)};
    return {*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)};
}

Number constant(big code, int fraction) {
    Number number;
    number.form.constant = code;
    number.fraction = fraction;
    number.codes = {code, code};
    return number;
}

std::string text(const Form &form) {
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
