// The trigger block with words in the place of what its stages give, so that its registers carry what they are given.
//
// Compiled by `fpgaae rtl` with -DMODEL=V..., -DMODEL_HEADER="V....h".
#include MODEL_HEADER
#include "verilated.h"
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

template <class Port> constexpr int64_t n_words() { return (sizeof(Port) + 3) / 4; } // of 32 bits

} // namespace

extern "C" {

// At each of n clock edges the stages give a row of `given`; `seen` is what stands at their inputs and at the outputs of the
// block behind it. 0 if the ports are not as wide as those that the caller knows.
__attribute__((visibility("default"))) int run_registers(int64_t given_words, const uint32_t *given, int64_t seen_words,
                                                         uint32_t *seen, int64_t n) {
    static VerilatedContext context;
    static MODEL model(&context);
    using Given = std::remove_reference_t<decltype(model.given)>;
    using Seen = std::remove_reference_t<decltype(model.seen)>;
    if (given_words > n_words<Given>() || seen_words > n_words<Seen>())
        return 0;
    for (int64_t i = 0; i < n; i++) {
        std::memset(&model.given, 0, sizeof(Given));
        std::memcpy(&model.given, given + i * given_words, std::min<size_t>(sizeof(Given), given_words * 4));
        model.clk = 0;
        model.eval();
        model.clk = 1;
        model.eval();
        std::memcpy(seen + i * seen_words, &model.seen, std::min<size_t>(sizeof(Seen), seen_words * 4));
    }
    return 1;
}

} // extern "C"
