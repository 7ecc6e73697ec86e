// One stage of a traced pipeline, Verilated by itself, as a function that a Verilated design calls in its place.
//
// Compiled by `fpgaae rtl --mutate` with -DMODEL=V..., -DMODEL_HEADER="V....h", -DFUNCTION=..., -DINPUT_BITS=...,
// -DOUTPUT_BITS=...
#include MODEL_HEADER
#include "svdpi.h"
#include "verilated.h"
#include <cstdint>
#include <type_traits>

namespace {

const size_t n_in = (INPUT_BITS + 31) / 32, n_out = (OUTPUT_BITS + 31) / 32;

template <class Port> void write_port(Port &port, const svBitVecVal *words, size_t n_words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = 0;
        for (size_t i = 0; i < n_words; i++)
            value |= uint64_t(words[i]) << (32 * i);
        port = Port(value);
    } else {
        for (size_t i = 0; i < n_words; i++)
            port[i] = words[i];
    }
}

template <class Port> void read_port(const Port &port, svBitVecVal *words, size_t n_words) {
    for (size_t i = 0; i < n_words; i++) {
        if constexpr (std::is_integral_v<Port>)
            words[i] = uint32_t(uint64_t(port) >> (32 * i));
        else
            words[i] = port[i];
    }
}

} // namespace

// Tables are read when the model is made, which happens in the folder of the sources.
static MODEL &stage() {
    static VerilatedContext context;
    static MODEL model(&context);
    return model;
}

extern "C" {

__attribute__((visibility("default"))) void FUNCTION(const svBitVecVal *in, svBitVecVal *out) {
    MODEL &model = stage();
    write_port(model.model_inp, in, n_in);
    model.eval();
    read_port(model.model_out, out, n_out);
}

} // extern "C"
