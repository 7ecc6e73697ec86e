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
        values[i].number = proof::proof().base("w " + std::to_string(*codes), T::type().all(), T::fraction_v);
    return codes;
}

// What stands in for a value: every code that the golden layer can put out, as far as the type holds it. That the layer
// puts out the same is proven at this tap, so that nothing else reaches the next layer.
inline proof::Number golden_code(size_t place, const proof::Type &type) {
    proof::Proof &proof = proof::proof();
    proof::Interval codes = type.all();
    int fraction = type.fraction();
    if (proof.golden.count(proof.segment) && place < proof.golden[proof.segment].codes.size()) {
        const proof::GoldenLayer &layer = proof.golden[proof.segment];
        int down = type.fraction() - layer.fraction; // the type's grid is finer by so many bits
        if (down >= 0)
            codes = {-((-codes.low) >> down), codes.high >> down}, fraction = layer.fraction;
        proof::Interval golden = layer.codes[place];
        if (down < 0)
            golden = {golden.low >> -down, golden.high >> -down};
        codes = {std::max(codes.low, golden.low), std::max(std::min(codes.high, golden.high), std::max(codes.low, golden.low))};
    }
    std::string definition = "t " + std::to_string(proof.segment) + ' ' + std::to_string(place) + ' ' + std::to_string(fraction);
    proof.name_place(definition, proof.segment);
    return proof::shifted(proof.base(definition, codes, fraction), type.fraction() - fraction);
}

template <class T> void record(T &value, size_t place) {
    proof::Proof &proof = proof::proof();
    proof::Interval codes = value.number.is_constant() ? value.number.codes : proof.of(value.number);
    std::fprintf(proof.out, "o %u %u %zu %s %s %s\n", proof.event, proof.segment, place, proof::text(codes.low).c_str(),
                 proof::text(codes.high).c_str(), proof::text(value.number.form).c_str());
    proof.note_reader(value.number.form);
    value.number = proof.needs(proof.segment) ? golden_code(place, T::type()) : proof::constant(0, T::fraction_v);
}

inline void begin(const char *name, size_t size, const proof::Type &type) {
    proof::Proof &proof = proof::proof();
    std::fprintf(proof.out, "l %u %u %s %zu %s\n", proof.event, proof.segment, name, size, type.text().c_str());
}

template <class T> void tap(T *data, const char *name, size_t size) {
    begin(name, size, T::type());
    for (size_t i = 0; i < size; i++)
        record(data[i], i);
    proof::proof().pass_tap();
}

// A stream is read once round: every pack goes back in behind the others.
template <class P> void tap(hls::stream<P> &data, const char *name, size_t size) {
    begin(name, size, P::value_type::type());
    for (size_t i = 0; i < size / P::size; i++) {
        P pack = data.read();
        for (size_t j = 0; j < P::size; j++)
            record(pack[j], i * P::size + j);
        data.write(pack);
    }
    if (data.size() != size / P::size)
        throw proof::Unprovable("a stream holds more than one event");
    proof::proof().pass_tap();
}

} // namespace csim

#endif
