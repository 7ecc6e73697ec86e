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

std::string text(big value);

big checked_sum(big a, big b);

big checked_product(big a, big b);

big checked_shift(big a, int bits);

// Up to three symbols multiplied with each other, 21 bits each in falling order.
typedef uint64_t Monomial;
static const unsigned monomial_bits = 21, most_symbols = (1u << monomial_bits) - 1;

std::vector<unsigned> symbols_of(Monomial m);

Monomial product_of(Monomial a, Monomial b);

// constant + sum of coefficient * monomial, in codes.
struct Form {
    std::vector<std::pair<Monomial, big>> terms; // in rising order, no coefficient is zero
    big constant = 0;

    // Defined apart, as is all else that every layer would compile again.
    Form();
    Form(const Form &other);
    Form(Form &&other);
    Form &operator=(const Form &other);
    Form &operator=(Form &&other);
    ~Form();

    bool is_constant() const { return terms.empty(); }
    bool operator==(const Form &other) const;
};

Form scaled(const Form &form, big factor);

Form sum_of(const Form &a, const Form &b);

Form product_of(const Form &a, const Form &b);

struct Interval {
    big low = 0, high = 0;
    bool within(const Interval &other) const { return low >= other.low && high <= other.high; }
    bool operator==(const Interval &other) const { return low == other.low && high == other.high; }
};

Interval product_of(const Interval &a, const Interval &b);

inline Interval common(const Interval &a, const Interval &b) { return {std::max(a.low, b.low), std::min(a.high, b.high)}; }

// A number: value = form * 2^-fraction, and the interval of the form's codes.
struct Number {
    Form form;
    int fraction = 0;
    Interval codes;

    bool is_constant() const { return form.is_constant(); }
};

Number constant(big code, int fraction);

std::string text(const Form &form);

} // namespace proof

#endif
