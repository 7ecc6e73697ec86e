// Emulator of the trigger block of @NAME@. Written by `fpgaae export` from the golden network.
#include "@NAME@_emulator.h"
#include "processors.h"
@MORE_HEADERS@
using namespace fpgaae_emulator;

namespace {

@CONSTANTS@
@LOADED_WEIGHTS@
// Decisions at the codes of n scores, by the cell of each where thresholds follow sums over an event.
void decide(const int64_t *scores, const int32_t *cells, int64_t n, const int64_t *thresholds, uint8_t *accept) {
    (void)cells;
    for (int64_t e = 0; e < n; e++)
        for (int i = 0; i < @N_THRESHOLDS@; i++)
            accept[e * @N_THRESHOLDS@ + i] = scores[e] > thresholds[@OF_CELL@i];
}

// A block of at most block_events events.
template <class Kernels>
void run_block_with(const int16_t *objects, int n, int64_t *scores, uint8_t *accept, int32_t *latents@WEIGHTS@) {
@BODY@
    if (latents)
        for (int e = 0; e < n; e++)
            for (int i = 0; i < @N_LATENTS@; i++)
                latents[e * @N_LATENTS@ + i] = @LATENTS@;
    if (!scores)
        return;
    for (int e = 0; e < n; e++)
        scores[e] = score.lane[e];
    if (accept)
        decide(scores, @CELLS@, n, thresholds, accept);
}

// The same with the kernels for this processor.
void run_block(const int16_t *objects, int n, int64_t *scores, uint8_t *accept, int32_t *latents@WEIGHTS@) {
#ifdef FPGAAE_MORE_BUILDS
    if (has_avx512())
        return run_block_with<Avx512>(objects, n, scores, accept, latents@OF_WEIGHTS@);
    if (has_avx2())
        return run_block_with<Avx2>(objects, n, scores, accept, latents@OF_WEIGHTS@);
#endif
    run_block_with<Any>(objects, n, scores, accept, latents@OF_WEIGHTS@);
}

// The smallest and largest integer that each port is declared to carry, and its name.
const int limits[@N_FEATURES@][2] = {
    @LIMITS@};
const char *const names[@N_FEATURES@] = {
    @FEATURES@};

// Whether 16 bits are beyond what a port is declared to carry: `above` is what is above its smallest integer.
bool is_beyond(uint16_t above, int feature) { return above > (uint16_t)(limits[feature][1] - limits[feature][0]); }

} // namespace
@HANDLE_TYPE@
extern "C" {

__attribute__((visibility("default"))) const char *@NAME@_hash(void) { return "@HASH@"; }
__attribute__((visibility("default"))) const char *@NAME@_weights_hash(void) { return "@WEIGHTS_HASH@"; }
__attribute__((visibility("default"))) const char *@NAME@_types_hash(void) { return "@TYPES_HASH@"; }
__attribute__((visibility("default"))) int @NAME@_n_features(void) { return @N_FEATURES@; }
__attribute__((visibility("default"))) int @NAME@_n_thresholds(void) { return @N_THRESHOLDS@; }
__attribute__((visibility("default"))) int @NAME@_n_cells(void) { return @N_CELLS@; }
__attribute__((visibility("default"))) int @NAME@_score_fraction(void) { return @SCORE_FRACTION@; }

__attribute__((visibility("default"))) const char *@NAME@_feature(int feature) {
    return feature >= 0 && feature < @N_FEATURES@ ? names[feature] : nullptr;
}

__attribute__((visibility("default"))) int @NAME@_smallest(int feature) { return limits[feature][0]; }
__attribute__((visibility("default"))) int @NAME@_largest(int feature) { return limits[feature][1]; }

__attribute__((visibility("default"))) int64_t @NAME@_check(const int16_t *objects, int64_t n, int64_t *event, int *feature) {
    uint16_t low[@N_FEATURES@];
    for (int i = 0; i < @N_FEATURES@; i++)
        low[i] = (uint16_t)limits[i][0];
    int64_t beyond = 0;
    for (int64_t e = 0; e < n; e++, objects += @N_FEATURES@) {
        int here = 0;
        for (int i = 0; i < @N_FEATURES@; i++)
            here += is_beyond((uint16_t)((uint16_t)objects[i] - low[i]), i);
        if (here && !beyond) {
            int first = 0;
            while (!is_beyond((uint16_t)((uint16_t)objects[first] - low[first]), first))
                first++;
            if (event)
                *event = e;
            if (feature)
                *feature = first;
        }
        beyond += here;
    }
    return beyond;
}

__attribute__((visibility("default"))) void @NAME@_score_batch@WITH@(@HANDLE@const int16_t *objects, int64_t n, int64_t *scores,
                                                               uint8_t *accept) {
    for (int64_t first = 0; first < n; first += block_events) {
        int here = n - first < block_events ? (int)(n - first) : block_events;
        run_block(objects + first * @N_FEATURES@, here, scores + first, accept ? accept + first * @N_THRESHOLDS@ : accept,
                  nullptr@CHOSEN@);
    }
}

__attribute__((visibility("default"))) int @NAME@_n_latents(void) { return @N_LATENTS@; }

__attribute__((visibility("default"))) void @NAME@_latents_batch@WITH@(@HANDLE@const int16_t *objects, int64_t n, int32_t *latents) {
    for (int64_t first = 0; first < n; first += block_events) {
        int here = n - first < block_events ? (int)(n - first) : block_events;
        run_block(objects + first * @N_FEATURES@, here, nullptr, nullptr, latents + first * @N_LATENTS@@CHOSEN@);
    }
}

__attribute__((visibility("default"))) int64_t @NAME@_score@WITH@(@HANDLE@const int16_t *objects, uint8_t *accept) {
    int64_t score;
    @NAME@_score_batch@WITH@(@GIVEN@objects, 1, &score, accept);
    return score;
}

__attribute__((visibility("default"))) void @NAME@_decide(const int64_t *scores, const int32_t *cells, int64_t n,
                                                          uint8_t *accept) {
    decide(scores, cells, n, thresholds, accept);
}

__attribute__((visibility("default"))) void @NAME@_decide_with(const int64_t *scores, const int32_t *cells, int64_t n,
                                                               const int64_t *loaded, uint8_t *accept) {
    decide(scores, cells, n, loaded, accept);
}
@LOADING@}
