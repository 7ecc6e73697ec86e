// From the words that a trigger sends to the hardware integers that are scaled: see the table of ports in the header of the
// trigger block. Every word that a port can carry has an answer.
#ifndef FPGAAE_WORDS_H_
#define FPGAAE_WORDS_H_

#include "ap_int.h"

namespace fpgaae {

// Whether a slot is empty: its pT is the word for that, or the one of an overflow that counts as none; -1: no such word.
template <int NONE, int OVERFLOW_PT, class word_T> bool is_empty(word_T pt) {
    #pragma HLS INLINE
    return (NONE >= 0 && pt == NONE) || (OVERFLOW_PT >= 0 && pt == OVERFLOW_PT);
}

// A pT is its word.
template <class word_T> word_T pt_code(word_T pt, bool empty) {
    #pragma HLS INLINE
    return empty ? word_T(0) : pt;
}

// word - OFFSET, which BITS hold.
template <int BITS, int OFFSET, class word_T> ap_int<BITS> eta_code(word_T word, bool empty) {
    #pragma HLS INLINE
    ap_int<19> code = ap_int<19>(word) - ap_int<19>(OFFSET);
    return empty ? ap_int<BITS>(0) : ap_int<BITS>(code);
}

// The angle within half a turn around 0: a whole number of turns of STEPS is taken away, also from a word beyond a turn.
// FIRST brings the smallest word to the first turn, so that nothing is negative; the largest is then in turn 2^TURN_BITS at
// most, and a comparison for each of these bits finds which.
template <int BITS, int STEPS, int FIRST, int TURN_BITS, class word_T> ap_int<BITS> phi_code(word_T word, bool empty) {
    #pragma HLS INLINE
    ap_int<20> rest = ap_int<20>(word) + ap_int<20>(FIRST);
Turns:
    for (int bit = TURN_BITS - 1; bit >= 0; bit--) {
        #pragma HLS UNROLL
        if (rest >= (STEPS << bit))
            rest -= STEPS << bit;
    }
    ap_int<20> code = rest - STEPS / 2;
    return empty ? ap_int<BITS>(0) : ap_int<BITS>(code);
}

} // namespace fpgaae

#endif
