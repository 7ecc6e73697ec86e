// Prints what fixed-point types make of every code of some types, and of random and extreme codes of wide ones.
//
// Compiled twice: over the vendor's ap_types, and over those of the proof, whose numbers are constants here.
#include "ap_fixed.h"
#include "ap_int.h"
#include <cstdint>
#include <cstdio>
#include <utility>

template <class T> T number(int64_t code) {
    T x;
    ap_int<64> bits = code;
    ap_uint<T::width> low = bits;
    x.range(T::width - 1, 0) = low.range(T::width - 1, 0);
    return x;
}

template <class T> long long code(const T &x) {
    ap_uint<T::width> bits = x.range(T::width - 1, 0);
    return bits.to_int64();
}

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N> ap_fixed_base<W, I, S, Q, O, N> plain(const ap_fixed_base<W, I, S, Q, O, N> &x) {
    return x;
}

template <class FROM, class TO> void cast(int64_t value) {
    TO to = number<FROM>(value);
    std::printf("a %d %lld %lld\n", TO::width, (long long)value, code(to));
}

template <class FROM, template <int, int, ap_q_mode, ap_o_mode, int> class TO, ap_q_mode Q> void casts(int64_t value) {
    cast<FROM, TO<5, 3, Q, AP_SAT, 0>>(value);
}

template <class FROM, template <int, int, ap_q_mode, ap_o_mode, int> class TO> void modes(int64_t value) {
    casts<FROM, TO, AP_TRN>(value);
    casts<FROM, TO, AP_TRN_ZERO>(value);
    casts<FROM, TO, AP_RND>(value);
    casts<FROM, TO, AP_RND_ZERO>(value);
    casts<FROM, TO, AP_RND_INF>(value);
    casts<FROM, TO, AP_RND_MIN_INF>(value);
    casts<FROM, TO, AP_RND_CONV>(value);
    cast<FROM, TO<5, 3, AP_RND_CONV, AP_SAT_ZERO, 0>>(value);
    cast<FROM, TO<5, 3, AP_TRN, AP_SAT_SYM, 0>>(value);
    cast<FROM, TO<5, 3, AP_RND, AP_WRAP, 0>>(value);
    cast<FROM, TO<14, 6, AP_RND_ZERO, AP_SAT, 0>>(value); // more bits behind the point
    cast<FROM, TO<3, 6, AP_RND_CONV, AP_WRAP, 0>>(value); // a grid above 1
}

template <class A, class B> void operations(int64_t first, int64_t second) {
    A a = number<A>(first);
    B b = number<B>(second);
    auto sum = a + b;
    auto difference = a - b;
    auto product = a * b;
    auto negative = -a;
    std::printf("o %lld %lld %d %lld %d %lld %d %lld %d %lld", (long long)first, (long long)second, sum.width, code(sum),
                difference.width, code(difference), product.width, code(product), negative.width, code(negative));
    std::printf(" %d %d %d %d %lld %lld\n", bool(a > 0), bool(a == 0), bool(a < 0), bool(a >= 1), code(a << 2), code(a >> 2));
    auto same = number<A>(second);
    std::printf("c %d %d %d %d %d %d\n", bool(a > same), bool(a < same), bool(a >= same), bool(a <= same), bool(a == same),
                bool(a != same));
    A total = a;
    total += b;
    total -= product;
    ap_ufixed<20, 10> mean = b;
    mean /= 3u;
    std::printf("t %lld %lld\n", code(total), code(mean));
}

static uint64_t state = 88172645463325252ull;
static int64_t random_code() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return int64_t(state) >> 4; // larger numbers are the ports of the proof
}

template <class A, class B> void pairs() {
    int64_t ends[] = {0, 1, -1, int64_t(1) << (A::width - 1), (int64_t(1) << (A::width - 1)) - 1, -(int64_t(1) << (A::width - 1))};
    for (int64_t a : ends)
        for (int64_t b : ends)
            operations<A, B>(a, b);
    for (int i = 0; i < 200; i++) {
        int64_t a = random_code();
        operations<A, B>(a, random_code());
    }
}

int main() {
    for (int value = -256; value < 256; value++) {
        modes<ap_fixed<9, 4>, ap_fixed>(value);
        modes<ap_fixed<9, 4>, ap_ufixed>(value);
    }
    for (int value = 0; value < 256; value++) {
        modes<ap_ufixed<8, 3>, ap_fixed>(value);
        modes<ap_ufixed<8, 3>, ap_ufixed>(value);
    }
    pairs<ap_ufixed<8, 5>, ap_fixed<8, 2>>();
    pairs<ap_ufixed<12, -2>, ap_ufixed<13, 15>>();
    pairs<ap_fixed<26, 18>, ap_fixed<24, 3>>();
}
