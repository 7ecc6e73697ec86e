#include "@PROJECT@_trigger.h"

// The inputs of the network, x = (code - offset) * 2^-shift, in the order of the slots.
static void scale_objects(
    @PORTS@,
    @NETWORK_INPUT@
) {
    #pragma HLS INLINE off
@SCALE@
}

@FIND_CELL@static void decide(@NETWORK_OUTPUT@, @CELL_ARGUMENT@@THRESHOLD_ARGUMENT@score_t &score, ap_uint<n_thresholds> &accept) {
    #pragma HLS INLINE off
@READ_SCORE@
    score = result;@LOOK_UP@
    accept = fpgaae::decide<n_thresholds>(result, thresholds);
}

void @PROJECT@_trigger(
    @PORTS@@WEIGHT_PORTS@@THRESHOLD_PORT@,
    score_t &score,
    ap_uint<n_thresholds> &accept@LATENT_PORT@
) {
@PARTITIONS@@WEIGHT_PRAGMAS@@THRESHOLD_PRAGMAS@@LATENT_PARTITION@
    #pragma HLS @SCHEDULE@
    @LOCAL_INPUT@
    @LOCAL_OUTPUT@@LOCAL_LATENTS@
    scale_objects(@PORT_NAMES@, features);
    @PROJECT@(features, outputs@MORE_ARGUMENTS@);
@CALL_FIND_CELL@    decide(outputs, @CELL_NAME@@THRESHOLD_NAME@score, accept);@PUT_OUT_LATENTS@
}
