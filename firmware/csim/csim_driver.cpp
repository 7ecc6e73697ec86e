// Drives the C simulation of @PROJECT@ over many events and records the integer codes of every tapped layer.
//
// Written by `fpgaae convert`, compiled by `fpgaae csim`; never synthesized.
#include "firmware/@PROJECT@_trigger.cpp" // one translation unit less to read the headers for
#include "firmware/csim_support.h"
#include "firmware/nnet_utils/nnet_helpers.h"

// nnet_helpers.h declares these for its own trace, which is not used here.
namespace nnet {
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = nullptr;
size_t trace_type_size = sizeof(double);
} // namespace nnet

static const size_t n_inputs = @N_INPUTS@;

// Weights and thresholds that can be reloaded stand in the order of the ports; zero until they are loaded.
@DECLARE_WEIGHTS@@DECLARE_THRESHOLDS@
static void tap_accept(ap_uint<n_thresholds> accept) {
    ap_uint<1> bits[n_thresholds];
    for (unsigned i = 0; i < n_thresholds; i++)
        bits[i] = accept[i];
    const int64_t *injected = csim::recorder().injected;
    csim::recorder().injected = nullptr; // nothing stands behind the decisions
    csim::tap(bits, "@ACCEPT_LAYER@", n_thresholds);
    csim::recorder().injected = injected;
}

// One event through the trigger block: hardware integers in.
static void run_objects(const int64_t *codes) {
@OBJECTS@
    score_t score;
    ap_uint<n_thresholds> accept;@DECLARE_LATENTS@
    @PROJECT@_trigger(@PORT_NAMES@, @TRIGGER_ARGUMENTS@);@TAP_LATENTS@
    csim::tap(&score, "@OUTPUT_LAYER@", 1);
    tap_accept(accept);
}

// One event through the network alone: values of its inputs, also such as no hardware integer gives.
static void run_values(double *values) {
    @INPUT_DECLARATION@
    @OUTPUT_DECLARATION@@LOCAL_LATENTS@
    nnet::convert_data<double, @INPUT_TYPE@, n_inputs>(values, inputs);
    @PROJECT@(inputs, outputs@MORE_ARGUMENTS@);@DECLARE_LATENTS@@FIRST_CELL@@PUT_OUT_LATENTS@@TAP_LATENTS@
    @READ_SCORE@
    csim::tap(&result, "@OUTPUT_LAYER@", 1);@LOOK_UP@
    tap_accept(fpgaae::decide<n_thresholds>(result, thresholds));
}

static int64_t written(const int64_t *codes) {
    int64_t n = csim::recorder().next - codes;
    csim::recorder().next = nullptr;
    csim::recorder().injected = nullptr;
    return n;
}

extern "C" {

// Gives one line a layer, in the order of the recorded codes: "name size width integer signed".
const char *csim_describe() {
    static std::string text;
    text.clear();
    double zeros[n_inputs] = {};
    csim::recorder().next = nullptr;
    csim::recorder().description = &text;
    run_values(zeros);
    csim::recorder().description = nullptr;
    return text.c_str();
}

// Loads the codes of every weight that is a port, and gives their number.
int64_t csim_load_weights(const int64_t *codes) {
    const int64_t *first = codes;
@LOAD_WEIGHTS@    return codes - first;
}

// Loads the codes of every threshold, where they are a port, and gives their number.
int64_t csim_load_thresholds(const int64_t *codes) {
    const int64_t *first = codes;
@LOAD_THRESHOLDS@    return codes - first;
}

// Runs n events through the trigger block: hardware integers (n, n_inputs), codes (n, codes an event). Returns the number
// of codes written.
int64_t csim_run_objects(const int64_t *objects, int64_t n, int64_t *codes) {
    csim::recorder().next = codes;
    for (int64_t event = 0; event < n; event++)
        run_objects(objects + event * n_inputs);
    return written(codes);
}

// Runs n events through the network alone: inputs (n, n_inputs) values. `injected`, where it is not null, holds codes for
// every recorded layer but the decisions: each is recorded first, then replaced for the layers behind it.
int64_t csim_run_values(double *inputs, const int64_t *injected, int64_t n, int64_t *codes) {
    csim::recorder().next = codes;
    csim::recorder().injected = injected;
    for (int64_t event = 0; event < n; event++)
        run_values(inputs + event * n_inputs);
    return written(codes);
}
}
