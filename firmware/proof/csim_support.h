// Stands in for the taps of the C simulation: each prints what a layer put out, and gives symbols to what follows.
//
// Its guard is that of the project's file, which is left out with it.
#ifndef CSIM_SUPPORT_H_
#define CSIM_SUPPORT_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include <cstdint>
#include <initializer_list>
#include <string>

namespace csim {

// Weights, as the synthesized branch holds them: values of `double` converted to the type; what is missing is zero.
template <class T, size_t N> struct Table {
    T data[N];
    Table(std::initializer_list<double> values) {
        if (values.size() > N)
            throw proof::Unprovable("a weight table has more values than places");
        size_t i = 0;
        for (double value : values)
            data[i++] = T(value);
        for (; i < N; i++)
            data[i] = T(0);
    }
    operator T *() { return data; }
};

struct Recorder { // what a driver sets; not used here
    int64_t *next = nullptr;
    const int64_t *injected = nullptr;
    std::string *description = nullptr;
};

inline Recorder &recorder() {
    static Recorder instance;
    return instance;
}

template <class T> const int64_t *load(T *values, size_t size, const int64_t *codes) {
    for (size_t i = 0; i < size; i++, codes++)
        values[i].number = proof::weight(*codes, T::type());
    return codes;
}

// Prints a value of a layer, and gives what stands in for it behind the tap.
proof::Number record(const proof::Number &value, size_t place, const proof::Type &type);

// Prints which layer follows.
void begin(const char *name, size_t size, const proof::Type &type);

template <class T> void tap(T *data, const char *name, size_t size) {
    begin(name, size, T::type());
    for (size_t i = 0; i < size; i++)
        data[i].number = record(data[i].number, i, T::type());
    proof::proof().pass_tap();
}

// A stream is read once round: every pack goes back in behind the others.
template <class P> void tap(hls::stream<P> &data, const char *name, size_t size) {
    begin(name, size, P::value_type::type());
    for (size_t i = 0; i < size / P::size; i++) {
        P pack = data.read();
        for (size_t j = 0; j < P::size; j++)
            pack[j].number = record(pack[j].number, i * P::size + j, P::value_type::type());
        data.write(pack);
    }
    if (data.size() != size / P::size)
        throw proof::Unprovable("a stream holds more than one event");
    proof::proof().pass_tap();
}

} // namespace csim

#endif
