/* Emulator of the trigger block of @NAME@: the firmware's score and decisions, bit for bit, in software.
 *
 * Plain C, no state, no dependency but libstdc++; every function may be called from several threads at once.@PORT_TABLE@
 */
#ifndef @GUARD@_EMULATOR_H_
#define @GUARD@_EMULATOR_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @GUARD@_N_FEATURES @N_FEATURES@
#define @GUARD@_N_THRESHOLDS @N_THRESHOLDS@
#define @GUARD@_SCORE_FRACTION @SCORE_FRACTION@ /* value = code * 2^-fraction */

/* SHA-256 of all that decides the answer; then of its two parts: the weights, tables and thresholds, and the layers, their
 * types and the scaling of the inputs. */
const char *@NAME@_hash(void);
const char *@NAME@_weights_hash(void);
const char *@NAME@_types_hash(void);

int @NAME@_n_features(void);
int @NAME@_n_thresholds(void);
int @NAME@_score_fraction(void);

/* How many integers of n events are beyond what their ports are declared to carry. Where there are some: the first event
 * that has one, and which of its features; either may be null. Ask this before the scores of events from elsewhere: they
 * answer an integer beyond its declaration as the firmware does, from the bits of its port alone. */
int64_t @NAME@_check(const int16_t *objects, int64_t n, int64_t *event, int *feature);

/* Of a feature, from 0: its name, and the smallest and largest integer of its declaration. */
const char *@NAME@_feature(int feature);
int @NAME@_smallest(int feature);
int @NAME@_largest(int feature);

/* The score's code of one event. objects: what its ports carry, slot by slot, pT, eta and phi each (16 bits without a sign
 * as their bits). accept, where it is not null: one byte a threshold, 1 where the score is above it. */
int64_t @NAME@_score(const int16_t *objects, uint8_t *accept);

/* The same for n events, one behind the other; scores (n), accept (n, n_thresholds) or null. */
void @NAME@_score_batch(const int16_t *objects, int64_t n, int64_t *scores, uint8_t *accept);

/* The decisions, (n, n_thresholds), at n codes of a score, whatever event they are of. Where the thresholds follow sums over
 * an event, cells says of which cell each score is, from 0 to n_cells - 1 (null: all of the first); else it is not read. */
void @NAME@_decide(const int64_t *scores, const int32_t *cells, int64_t n, uint8_t *accept);
int @NAME@_n_cells(void);

/* The same with other thresholds than the trained ones, as they are loaded into registers of the firmware: n_thresholds codes
 * of the score, or (n_cells, n_thresholds), those of one cell behind those of another. */
void @NAME@_decide_with(const int64_t *scores, const int32_t *cells, int64_t n, const int64_t *thresholds, uint8_t *accept);

/* Where the firmware puts out its latents: how many, and their codes of n events, (n, n_latents). */
int @NAME@_n_latents(void);
void @NAME@_latents_batch(const int16_t *objects, int64_t n, int32_t *latents);
@LOADING_H@
#ifdef __cplusplus
}
#endif

#endif
