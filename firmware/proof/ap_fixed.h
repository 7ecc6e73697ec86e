// ap_fixed and ap_int of the proof: the types and their growth as UG1399 states them, over symbolic numbers.
//
// What is not here does not compile, and what can't be followed exactly throws `proof::Unprovable`; nothing is guessed.
#ifndef FPGAAE_PROOF_AP_FIXED_H_
#define FPGAAE_PROOF_AP_FIXED_H_

#include "quantize.h"
#include <cstddef>
#include <iostream>
#include <sstream>
#include <type_traits>

namespace proof {

constexpr int larger(int a, int b) { return a > b ? a : b; }

} // namespace proof

template <int W, int I, bool S, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0> struct ap_fixed_base;

// Bits of a number, all of them: its code, without a point.
template <class T> struct ap_range_ref {
    T &of;

    void put(const proof::Number &code) {
        proof::Number bits = proof::assigned(code, {T::width, T::width, T::is_signed_v, AP_TRN, AP_WRAP});
        bits.fraction = T::fraction_v;
        of.number = bits;
    }
    proof::Number code() const {
        proof::Number bits = of.number;
        bits.fraction = 0;
        return bits;
    }
    template <class U> ap_range_ref &operator=(const ap_range_ref<U> &other) {
        if (int(U::width) != int(T::width))
            throw proof::Unprovable("a range of bits is copied into one of another width");
        put(other.code());
        return *this;
    }
    ap_range_ref &operator=(const ap_range_ref &other) {
        put(other.code());
        return *this;
    }
    template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
    ap_range_ref &operator=(const ap_fixed_base<W, I, S, Q, O, N> &value) {
        if (W != I)
            throw proof::Unprovable("a number with a point is copied into a range of bits");
        put(value.number);
        return *this;
    }
};

template <class T> struct ap_bit_ref {
    T &of;
    int place;

    proof::Number bit() const {
        proof::Number code = of.number;
        code.fraction = 0;
        return proof::bit_of(code, place);
    }
    void put(const proof::Number &bit) {
        proof::Number old = this->bit();
        proof::Number change = proof::sum_of(bit, proof::negative(old)), code = of.number;
        bool is_sign = T::is_signed_v && place == T::width - 1;
        change = proof::product_of(change, proof::constant((is_sign ? -1 : 1) * (proof::big(1) << place), 0));
        code.fraction = 0;
        code = proof::sum_of(code, change);
        code.fraction = T::fraction_v;
        if (!code.is_constant())
            code.codes = proof::proof().of_terms(code.form);
        of.number = code;
    }
    ap_bit_ref &operator=(const proof::Condition &condition) {
        put(condition.bit());
        return *this;
    }
    ap_bit_ref &operator=(const ap_bit_ref &other) {
        put(other.bit());
        return *this;
    }
    template <class U, class = std::enable_if_t<std::is_arithmetic<U>::value>> ap_bit_ref &operator=(U value) {
        put(proof::constant(value != 0, 0));
        return *this;
    }
    operator bool() const { return proof::proof().decide(bit(), false); }
};

namespace proof {

template <class U> using if_integer = std::enable_if_t<std::is_integral<U>::value>;

// A number of C++ as ap_fixed takes it in an operation: an integer of its own width.
template <class U> using as_fixed =
    ap_fixed_base<std::is_same<U, bool>::value ? 1 : int(sizeof(U) * 8), std::is_same<U, bool>::value ? 1 : int(sizeof(U) * 8),
                  std::is_signed<U>::value && !std::is_same<U, bool>::value>;

} // namespace proof

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N> struct ap_fixed_base {
    static const int width = W, iwidth = I;
    static const ap_q_mode qmode = Q;
    static const ap_o_mode omode = O;
    static const bool is_signed_v = S;
    static const int fraction_v = W - I;
    proof::Number number;

    static proof::Type type() {
        if (N != 0 && O != AP_SAT && O != AP_SAT_ZERO && O != AP_SAT_SYM)
            throw proof::Unprovable("a type that wraps with saturated bits");
        return {W, I, S, Q, O};
    }

    ap_fixed_base() { number.fraction = W - I; }
    template <int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
    ap_fixed_base(const ap_fixed_base<W2, I2, S2, Q2, O2, N2> &other) : number(proof::assigned(other.number, type())) {}
    ap_fixed_base(const ap_fixed_base &) = default;
    ap_fixed_base &operator=(const ap_fixed_base &) = default;
    template <class U, class = std::enable_if_t<std::is_arithmetic<U>::value>> ap_fixed_base(U value) { set(value); }
    template <class T> ap_fixed_base(const ap_range_ref<T> &range) : number(proof::assigned(range.code(), type())) {}
    template <class T> ap_fixed_base(const ap_bit_ref<T> &bit) : number(proof::assigned(bit.bit(), type())) {}
    ap_fixed_base(const proof::Condition &condition) : number(proof::assigned(condition.bit(), type())) {}

    template <class U> std::enable_if_t<std::is_floating_point<U>::value> set(U value) {
        number = proof::assigned(proof::of_double(value), type());
    }
    template <class U> proof::if_integer<U> set(U value) {
        if (sizeof(U) == 8 && int64_t(value) >= proof::first_port)
            number = proof::port(int64_t(value) - proof::first_port, type());
        else
            number = proof::assigned(proof::constant(value, 0), type());
    }

    ap_range_ref<ap_fixed_base> range(int high, int low) const {
        if (low != 0 || high != W - 1)
            throw proof::Unprovable("a range of some of a number's bits");
        return {const_cast<ap_fixed_base &>(*this)};
    }
    ap_range_ref<ap_fixed_base> range() const { return range(W - 1, 0); }
    ap_range_ref<ap_fixed_base> operator()(int high, int low) const { return range(high, low); }
    ap_bit_ref<ap_fixed_base> operator[](int place) { return {*this, place}; }
    ap_bit_ref<ap_fixed_base> operator[](int place) const { return {const_cast<ap_fixed_base &>(*this), place}; }

    // ---- numbers of C++: a path for each code ----

    proof::big whole() const {
        proof::big code = proof::enumerated(number);
        return W > I ? proof::without_bits(code, W - I, AP_TRN_ZERO) : proof::checked_shift(code, I - W);
    }
    double to_double() const { return std::ldexp(double(proof::enumerated(number)), I - W); }
    float to_float() const { return float(to_double()); }
    int64_t to_int64() const { return int64_t(whole()); }
    int to_int() const { return int(whole()); }
    unsigned to_uint() const { return unsigned(whole()); }
    explicit operator float() const { return to_float(); }
    explicit operator double() const { return to_double(); }
    explicit operator int() const { return to_int(); }
    explicit operator unsigned() const { return to_uint(); }
    explicit operator bool() const { return !proof::proof().decide(number, true); }

    // ---- arithmetic ----

    template <class T> ap_fixed_base &operator+=(const T &other) { return *this = ap_fixed_base(*this + other); }
    template <class T> ap_fixed_base &operator-=(const T &other) { return *this = ap_fixed_base(*this - other); }
    template <class T> ap_fixed_base &operator*=(const T &other) { return *this = ap_fixed_base(*this * other); }
    template <class T> ap_fixed_base &operator/=(const T &other) { return *this = ap_fixed_base(*this / other); }

    ap_fixed_base<W + 1, I + 1, true> operator-() const {
        ap_fixed_base<W + 1, I + 1, true> result;
        result.number = proof::negative(number);
        return result;
    }
    ap_fixed_base operator+() const { return *this; }

    // A shift keeps the type: bits that leave it are lost.
    ap_fixed_base operator<<(int bits) const {
        ap_fixed_base result;
        proof::Number moved = number;
        moved.fraction -= bits;
        result.number = proof::assigned(moved, {W, I, S, AP_TRN, AP_WRAP});
        return result;
    }
    ap_fixed_base operator>>(int bits) const { return *this << -bits; }
};

#define FPGAAE_FIXED template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, int W2, int I2, bool S2, ap_q_mode Q2, ap_o_mode O2, int N2>
#define FPGAAE_A ap_fixed_base<W, I, S, Q, O, N>
#define FPGAAE_B ap_fixed_base<W2, I2, S2, Q2, O2, N2>

namespace proof {

template <class A, class B> struct Growth;
FPGAAE_FIXED struct Growth<FPGAAE_A, FPGAAE_B> {
    static const int F = W - I, F2 = W2 - I2;
    static const int sum_i = larger(I + (S2 && !S), I2 + (S && !S2)) + 1, sum_w = sum_i + larger(F, F2);
    typedef ap_fixed_base<sum_w, sum_i, S || S2> sum;
    typedef ap_fixed_base<sum_w, sum_i, true> difference;
    typedef ap_fixed_base<W + W2, I + I2, S || S2> product;
    typedef ap_fixed_base<S2 + W + larger(F2, 0), S2 + I + F2, S || S2> quotient;
};

template <class A, class B> Number difference(const A &a, const B &b) {
    return difference(a.number, A::is_signed_v, b.number, B::is_signed_v);
}

} // namespace proof

FPGAAE_FIXED typename proof::Growth<FPGAAE_A, FPGAAE_B>::sum operator+(const FPGAAE_A &a, const FPGAAE_B &b) {
    typename proof::Growth<FPGAAE_A, FPGAAE_B>::sum result;
    result.number = proof::sum_of(a.number, b.number);
    return result;
}
FPGAAE_FIXED typename proof::Growth<FPGAAE_A, FPGAAE_B>::difference operator-(const FPGAAE_A &a, const FPGAAE_B &b) {
    typename proof::Growth<FPGAAE_A, FPGAAE_B>::difference result;
    result.number = proof::sum_of(a.number, proof::negative(b.number));
    return result;
}
FPGAAE_FIXED typename proof::Growth<FPGAAE_A, FPGAAE_B>::product operator*(const FPGAAE_A &a, const FPGAAE_B &b) {
    typename proof::Growth<FPGAAE_A, FPGAAE_B>::product result;
    result.number = proof::product_of(a.number, b.number);
    return result;
}
// A quotient is cut off towards zero, on the grid of its type; the divisor is a constant.
FPGAAE_FIXED typename proof::Growth<FPGAAE_A, FPGAAE_B>::quotient operator/(const FPGAAE_A &a, const FPGAAE_B &b) {
    typename proof::Growth<FPGAAE_A, FPGAAE_B>::quotient result;
    if (!b.number.is_constant() || b.number.form.constant <= 0 || W2 != I2)
        throw proof::Unprovable("a division by what is no positive integer");
    result.number = proof::quotient(a.number, b.number.form.constant);
    return result;
}

#define FPGAAE_COMPARE(op, x, y, equal, inverse)                                                                             \
    FPGAAE_FIXED proof::Condition operator op(const FPGAAE_A &a, const FPGAAE_B &b) {                                        \
        return {proof::difference(x, y), equal, inverse};                                                                    \
    }
FPGAAE_COMPARE(>, a, b, false, false)
FPGAAE_COMPARE(<, b, a, false, false)
FPGAAE_COMPARE(>=, b, a, false, true)
FPGAAE_COMPARE(<=, a, b, false, true)
FPGAAE_COMPARE(==, a, b, true, false)
FPGAAE_COMPARE(!=, a, b, true, true)

#define FPGAAE_WITH_INTEGER(op)                                                                                              \
    template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class U, class = proof::if_integer<U>>                  \
    auto operator op(const FPGAAE_A &a, U b) {                                                                               \
        return a op proof::as_fixed<U>(b);                                                                                   \
    }                                                                                                                        \
    template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N, class U, class = proof::if_integer<U>>                  \
    auto operator op(U a, const FPGAAE_A &b) {                                                                               \
        return proof::as_fixed<U>(a) op b;                                                                                   \
    }
FPGAAE_WITH_INTEGER(+)
FPGAAE_WITH_INTEGER(-)
FPGAAE_WITH_INTEGER(*)
FPGAAE_WITH_INTEGER(/)
FPGAAE_WITH_INTEGER(>)
FPGAAE_WITH_INTEGER(<)
FPGAAE_WITH_INTEGER(>=)
FPGAAE_WITH_INTEGER(<=)
FPGAAE_WITH_INTEGER(==)
FPGAAE_WITH_INTEGER(!=)

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N> std::istream &operator>>(std::istream &in, FPGAAE_A &value) {
    double read;
    in >> read;
    value = FPGAAE_A(read);
    return in;
}
template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
std::ostream &operator<<(std::ostream &out, const FPGAAE_A &value) {
    return out << value.to_double();
}

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_fixed : ap_fixed_base<W, I, true, Q, O, N> {
    typedef ap_fixed_base<W, I, true, Q, O, N> Base;
    using Base::Base;
    ap_fixed() {}
    ap_fixed(const Base &other) : Base(other) {}
};
template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_ufixed : ap_fixed_base<W, I, false, Q, O, N> {
    typedef ap_fixed_base<W, I, false, Q, O, N> Base;
    using Base::Base;
    ap_ufixed() {}
    ap_ufixed(const Base &other) : Base(other) {}
};
template <int W> struct ap_int : ap_fixed_base<W, W, true> {
    typedef ap_fixed_base<W, W, true> Base;
    using Base::Base;
    ap_int() {}
    ap_int(const Base &other) : Base(other) {}
    operator int64_t() const { return this->to_int64(); }
};
template <int W> struct ap_uint : ap_fixed_base<W, W, false> {
    typedef ap_fixed_base<W, W, false> Base;
    using Base::Base;
    ap_uint() {}
    ap_uint(const Base &other) : Base(other) {}
    operator uint64_t() const { return uint64_t(this->to_int64()); }
};

#endif
