// What the C simulation adds to a project: layer taps, and weight tables that compile fast.
//
// Included under #ifdef FPGAAE_CSIM only, which `fpgaae csim` defines: synthesis and a vendor's simulator see nothing of it.
#ifndef CSIM_SUPPORT_H_
#define CSIM_SUPPORT_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace csim {

// Stands for `T name[N] = {values}`: a compiler takes minutes over thousands of ap_fixed constructors in a row, so the
// values are converted by a loop when the library is loaded.
template <class T, size_t N> struct Table {
    T data[N];
    Table(std::initializer_list<double> values) {
        if (values.size() > N)
            throw std::length_error("a weight table has more values than places");
        size_t i = 0;
        for (double value : values)
            data[i++] = T(value);
        for (; i < N; i++)
            data[i] = T(0);
    }
    operator T *() { return data; }
};

// Layer taps: each records the integer codes of one layer's output, and may then replace them, so that the layers behind
// it can be driven with any codes of their input's type. Off unless a driver turns them on.

struct Recorder {
    int64_t *next = nullptr;            // where the next code goes
    const int64_t *injected = nullptr;  // what stands in for the next code
    std::string *description = nullptr; // instead: one line a tap, "name size width integer signed"
};

inline Recorder &recorder() {
    static Recorder instance;
    return instance;
}

// Sign and bits before the point. hls4ml writes ap_int and ap_uint where nothing stands behind the point.
template <bool S, int I> struct Kind {
    static const bool is_signed = S;
    static const int integer = I;
};
template <class T> struct KindOf;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct KindOf<ap_fixed<W, I, Q, O, N>> : Kind<true, I> {};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct KindOf<ap_ufixed<W, I, Q, O, N>> : Kind<false, I> {};
template <int W> struct KindOf<ap_int<W>> : Kind<true, W> {};
template <int W> struct KindOf<ap_uint<W>> : Kind<false, W> {};

// The raw bits of a number, sign-extended.
template <class T> inline int64_t code_of(const T &value) {
    ap_int_base<T::width, KindOf<T>::is_signed> bits;
    bits.V = value.V;
    return bits.to_int64();
}

template <class T> inline void set_code(T &value, int64_t code) {
    value.range(T::width - 1, 0) = ap_int<T::width>(code);
}

// Sets the elements of an array to codes, and gives the place behind those.
template <class T> const int64_t *load(T *values, size_t size, const int64_t *codes) {
    for (size_t i = 0; i < size; i++)
        set_code(values[i], *codes++);
    return codes;
}

// Records an element and replaces it where the driver asks for it.
template <class T> inline void record(T &value) {
    *recorder().next++ = code_of(value);
    if (recorder().injected)
        set_code(value, *recorder().injected++);
}

template <class T> bool describe(const char *name, size_t size) {
    std::string *text = recorder().description;
    if (!text)
        return false;
    *text += std::string(name) + ' ' + std::to_string(size) + ' ' + std::to_string(T::width) + ' ' +
             std::to_string(KindOf<T>::integer) + ' ' + (KindOf<T>::is_signed ? '1' : '0') + '\n';
    return true;
}

template <class T> void tap(T *data, const char *name, size_t size) {
    if (describe<T>(name, size) || !recorder().next)
        return;
    for (size_t i = 0; i < size; i++)
        record(data[i]);
}

// A stream is read once round: every pack goes back in behind the others.
template <class P> void tap(hls::stream<P> &data, const char *name, size_t size) {
    if (describe<typename P::value_type>(name, size) || !recorder().next)
        return;
    for (size_t i = 0; i < size / P::size; i++) {
        P pack = data.read();
        for (size_t j = 0; j < P::size; j++)
            record(pack[j]);
        data.write(pack);
    }
}

} // namespace csim

#endif
