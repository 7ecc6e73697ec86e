#include "@PROJECT@_trigger.h"

// The inputs of the network, x = (code - offset) * 2^-shift, in the order of the slots.
static void scale_objects(
    @PORTS@,
    @NETWORK_INPUT@
) {
    #pragma HLS INLINE off
@SCALE@
}

static void decide(@NETWORK_OUTPUT@, score_t &score, ap_uint<n_thresholds> &accept) {
    #pragma HLS INLINE off
@READ_SCORE@
    score = result;
    accept = fpgaae::decide<n_thresholds>(result, thresholds);
}

void @PROJECT@_trigger(
    @PORTS@,
    score_t &score,
    ap_uint<n_thresholds> &accept
) {
@PARTITIONS@
    #pragma HLS @SCHEDULE@
    @LOCAL_INPUT@
    @LOCAL_OUTPUT@
    scale_objects(@PORT_NAMES@, features);
    @PROJECT@(features, outputs);
    decide(outputs, score, accept);
}
