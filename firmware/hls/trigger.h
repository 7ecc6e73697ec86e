// The trigger block of @PROJECT@: @OBJECTS_ARE@ of the trigger objects in, score and accept bits out.
//
@PORT_TABLE@// Written by `fpgaae convert` from the config's `hardware`, the frozen scaling and the thresholds.
#ifndef @GUARD@_TRIGGER_H_
#define @GUARD@_TRIGGER_H_

#include "@PROJECT@.h"
#include "fpgaae_front_end.h"@WORDS_HEADER@@CELLS_HEADER@
#include "thresholds.h"

@STRUCTS@
typedef @SCORE_TYPE@ score_t;@LATENT_TYPE@

// accept[i] is 1 where the score is above threshold i.@PORT_COMMENT@
void @PROJECT@_trigger(
    @PORTS@@WEIGHT_PORTS@@THRESHOLD_PORT@,
    score_t &score,
    ap_uint<n_thresholds> &accept@LATENT_PORT@
);

#endif
