// Clocks a Verilated harness (harness.v, or the routed netlist of it): its pins at each edge come from arrays and go into one.
//
// Compiled by `fpgaae place` with -DMODEL=V..., -DMODEL_HEADER="V....h".
#include MODEL_HEADER
#include "verilated.h"
#include <cstdint>

double sc_time_stamp() { return 0; }

extern "C" {

void *netlist_open() { return new MODEL; }

void netlist_close(void *model) { delete static_cast<MODEL *>(model); }

// At each of n rising edges the pins have `in` and `load`; `out` is what stands at the outputs behind the edge.
void netlist_run(void *handle, const uint8_t *in, const uint8_t *load, uint8_t *out, int64_t n) {
    MODEL &model = *static_cast<MODEL *>(handle);
    for (int64_t i = 0; i < n; i++) {
        model.clk = 0;
        model.in = in[i];
        model.load = load[i];
        model.eval();
        model.clk = 1;
        model.eval();
        out[i] = model.out;
    }
}

} // extern "C"
