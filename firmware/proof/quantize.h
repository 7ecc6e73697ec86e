// Assignment to a fixed-point type, as UG1399 states it: dropped bits by AP_Q modes, then the range by AP_O modes.
#ifndef FPGAAE_PROOF_QUANTIZE_H_
#define FPGAAE_PROOF_QUANTIZE_H_

#include "paths.h"

enum ap_q_mode { AP_RND, AP_RND_ZERO, AP_RND_MIN_INF, AP_RND_INF, AP_RND_CONV, AP_TRN, AP_TRN_ZERO };
enum ap_o_mode { AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM };

namespace proof {

struct Type {
    int width, integer;
    bool is_signed;
    ap_q_mode rounding;
    ap_o_mode overflow;

    int fraction() const { return width - integer; }
    Interval all() const {
        if (is_signed)
            return {-(big(1) << (width - 1)), (big(1) << (width - 1)) - 1};
        return {0, (big(1) << width) - 1};
    }
    std::string text() const {
        return std::to_string(width) + ' ' + std::to_string(integer) + ' ' + std::to_string(is_signed) + ' ' +
               std::to_string(int(rounding)) + ' ' + std::to_string(int(overflow));
    }
};

big without_bits(big code, int drop, ap_q_mode mode);

big within_range(big code, const Type &type);

big quantized(big code, int fraction, const Type &type);

bool divides(const Form &form, int bits);

Number shifted(Number number, int up);

// What each symbol that only wraps stands for, modulo 2^width: { symbol: (number, width) }.
std::map<unsigned, std::pair<Number, int>> &wraps();

// The same number modulo 2^width, with symbols that only wrap replaced by what was wrapped.
Number unwrapped(const Number &number, int width);

// The symbol for what a type makes of a number that it does not hold exactly.
Number lossy(const Number &number, const Type &type);

Number assigned(const Number &number, const Type &type);

// A number with the interval that the path leaves it.
Number limited(const Number &number);

Number sum_of(const Number &a, const Number &b);

Number negative(const Number &a);

Number product_of(const Number &a, const Number &b);

// The code of a number as an integer of C++, on a path for each; bits that were taken as they are stand for their number.
big enumerated(const Number &number);

// A quotient by a positive integer, cut off towards zero on the grid of the number.
Number quotient(const Number &number, big divisor);

// An exact number of C++ as a fixed-point one.
Number of_double(double value);

// Integers of C++ from here on stand for symbols: a driver fills the ports with them.
static const int64_t first_port = int64_t(1) << 62;
Number port(int64_t place, const Type &type);

// A weight that can be reloaded, as a symbol for every code of its type.
Number weight(int64_t place, const Type &type);

// a - b, to be compared with zero.
Number difference(const Number &a, bool a_is_signed, const Number &b, bool b_is_signed);

// A comparison; a branch on it may depend on symbols.
struct Condition {
    Number difference; // compared with zero
    bool is_equal, inverted;

    Condition operator!() const { return {difference, is_equal, !inverted}; }
    operator bool() const;

    // The same as a symbol of one bit.
    Number bit() const;
};

// Bit `place` of a number whose bits are constants, or symbols of one bit each.
Number bit_of(const Number &number, int place);

} // namespace proof

#endif
