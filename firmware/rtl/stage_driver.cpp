// One stage of a traced pipeline, Verilated by itself, as a function that a Verilated design calls in its place.
//
// Compiled by `fpgaae rtl --mutate` with -DMODEL=V..., -DMODEL_HEADER="V....h", -DFUNCTION=..., -DINPUT_BITS=...,
// -DOUTPUT_BITS=...
#include MODEL_HEADER
#include "svdpi.h"
#include "verilated.h"
#include <climits>
#include <cstdint>
#include <type_traits>
#include <unistd.h>

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

// Computes n events into n outputs. -1 if its ports are not as wide as those that the caller knows, 0 if the folder of the
// sources can't be entered.
__attribute__((visibility("default"))) int run_stage(const char *folder, int64_t in_words, const uint32_t *in,
                                                     int64_t out_words, uint32_t *out, int64_t n) {
    char here[PATH_MAX];
    if (in_words != int64_t(n_in) || out_words != int64_t(n_out))
        return -1;
    if (!getcwd(here, sizeof here) || chdir(folder))
        return 0;
    for (int64_t i = 0; i < n; i++)
        FUNCTION(in + i * n_in, out + i * n_out);
    return chdir(here) == 0;
}

} // extern "C"
