// Runs the branch of @PROJECT@ that is synthesized: no taps, weights as plain arrays, and what a synthesizer defines.
//
// Written by `fpgaae convert`, compiled by `fpgaae csim`; never synthesized. Everything is one translation unit, since the
// headers take most of the time; what comes out is a value, exact in a double, so that no type is taken for granted.
#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include <cstddef>
#include <cstdint>

// Only behind the headers above: those of a vendor take the place of theirs in synthesis.
#define __SYNTHESIS__
#define __HLS_SYN__
#include "firmware/@PROJECT@.cpp"
#include "firmware/@PROJECT@_trigger.cpp"

static const size_t n_inputs = @N_INPUTS@;
static const size_t n_latents = @N_LATENTS@;

@DECLARE_WEIGHTS@@DECLARE_THRESHOLDS@
namespace csim {
// Sets the elements of an array to codes, and gives the place behind those.
template <class T> const int64_t *load(T *values, size_t size, const int64_t *codes) {
    for (size_t i = 0; i < size; i++)
        values[i].range(T::width - 1, 0) = ap_int<T::width>(*codes++);
    return codes;
}
} // namespace csim

extern "C" {

// Loads the codes of every weight that is a port, and gives their number.
int64_t synthesis_load_weights(const int64_t *codes) {
    const int64_t *first = codes;
@LOAD_WEIGHTS@    return codes - first;
}

// Loads the codes of every threshold, where they are a port, and gives their number.
int64_t synthesis_load_thresholds(const int64_t *codes) {
    const int64_t *first = codes;
@LOAD_THRESHOLDS@    return codes - first;
}

// How many values an event gives.
int64_t synthesis_results() { return 1 + n_thresholds + n_latents; }

// Runs n events: hardware integers (n, n_inputs); for each the score, the decisions and the latents.
void synthesis_run(const int64_t *events, int64_t n, double *results) {
    for (int64_t event = 0; event < n; event++, events += n_inputs) {
        const int64_t *codes = events;
@OBJECTS@
        score_t score;
        ap_uint<n_thresholds> accept;@DECLARE_LATENTS@
        @PROJECT@_trigger(@PORT_NAMES@, @TRIGGER_ARGUMENTS@);
        *results++ = score.to_double();
        for (unsigned i = 0; i < n_thresholds; i++)
            *results++ = accept[i] ? 1 : 0;@LATENT_VALUES@
    }
}

// How many values a decision gives.
int64_t synthesis_decisions() { return 1 + n_thresholds; }

// Decides alone about n codes of the score, each of an event of one cell (0 where thresholds follow nothing); for each the
// score and the decisions. Events hardly ever lie exactly at a threshold.
void synthesis_decide(const int64_t *codes, const int64_t *cells, int64_t n, double *results) {
    for (int64_t event = 0; event < n; event++) {
        @LOCAL_OUTPUT@
        @GIVE_SCORE@@GIVE_CELL@
        score_t score;
        ap_uint<n_thresholds> accept;
        decide(outputs, @CELL_NAME@@THRESHOLD_NAME@score, accept);
        *results++ = score.to_double();
        for (unsigned i = 0; i < n_thresholds; i++)
            *results++ = accept[i] ? 1 : 0;
    }
}

// One event, all zero.
void synthesis_probe() {
    int64_t event[n_inputs] = {};
    double results[1 + n_thresholds + n_latents];
    synthesis_run(event, 1, results);
}
}
