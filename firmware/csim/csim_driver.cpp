// Drives the C simulation of @PROJECT@ over many events and records the integer codes of every tapped layer.
//
// Written by `fpgaae convert`, compiled by `fpgaae csim`; never synthesized.
#include "firmware/@PROJECT@.h"
#include "firmware/csim_support.h"
#include "firmware/nnet_utils/nnet_helpers.h"

// nnet_helpers.h declares these for its own trace, which is not used here.
namespace nnet {
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = nullptr;
size_t trace_type_size = sizeof(double);
} // namespace nnet

static const size_t n_inputs = @N_INPUTS@;
static const size_t n_outputs = @N_OUTPUTS@;

// One event through the top function; the output port is recorded last, under the name of the layer that feeds it.
static void run_event(double *values) {
    @INPUT_DECLARATION@
    @OUTPUT_DECLARATION@
    nnet::convert_data<double, @INPUT_TYPE@, n_inputs>(values, inputs);
    @PROJECT@(inputs, outputs);
    csim::tap(outputs, "@OUTPUT_LAYER@", n_outputs);
    @OUTPUT_DRAIN@
}

extern "C" {

// Gives one line a layer, in the order of the recorded codes: "name size width integer signed".
const char *csim_describe() {
    static std::string text;
    text.clear();
    double zeros[n_inputs] = {};
    csim::recorder().next = nullptr;
    csim::recorder().description = &text;
    run_event(zeros);
    csim::recorder().description = nullptr;
    return text.c_str();
}

// Runs n events: inputs (n, n_inputs) values, codes (n, codes an event). Returns the number of codes written.
int64_t csim_run(double *inputs, int64_t n, int64_t *codes) {
    csim::recorder().next = codes;
    for (int64_t event = 0; event < n; event++)
        run_event(inputs + event * n_inputs);
    int64_t written = csim::recorder().next - codes;
    csim::recorder().next = nullptr;
    return written;
}
}
