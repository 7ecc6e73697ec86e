// From the words that a trigger sends to hardware integers: words of a block of events, an event a lane, `stride` apart.
#ifndef FPGAAE_EMULATOR_WORDS_H_
#define FPGAAE_EMULATOR_WORDS_H_

#include "kernels.h"

namespace fpgaae_emulator {

// 0 where a slot is empty, all ones where it is not: its pT is the word for that, or the one of an overflow that counts as
// none; -1: there is no such word.
inline void find_filled(const int16_t *pt, int stride, int n, int none, int overflow, Row<int32_t> &filled) {
    for (int e = 0; e < block_events; e++)
        filled.lane[e] = 0;
    for (int e = 0; e < n; e++) {
        const int word = (uint16_t)pt[(int64_t)e * stride];
        filled.lane[e] = word == none || word == overflow ? 0 : -1;
    }
}

// word - offset.
template <class word_T>
inline void read_word(const word_T *words, int stride, int n, int offset, const Row<int32_t> &filled, Row<int32_t> &code) {
    for (int e = 0; e < block_events; e++)
        code.lane[e] = 0;
    for (int e = 0; e < n; e++)
        code.lane[e] = (words[(int64_t)e * stride] - offset) & filled.lane[e];
}

// The angle within half a turn around 0, of any word.
template <int STEPS, class word_T>
inline void read_angle(const word_T *words, int stride, int n, int offset, const Row<int32_t> &filled, Row<int32_t> &code) {
    read_word(words, stride, n, offset - STEPS / 2, filled, code);
    for (int e = 0; e < block_events; e++) {
        const int rest = code.lane[e] % STEPS;
        code.lane[e] = (rest + (rest < 0 ? STEPS : 0) - STEPS / 2) & filled.lane[e];
    }
}

// One input of the network: (code - offset) * 2^-shift in its type.
inline void scale_code(const Row<int32_t> &code, int offset, int drop, int low, int high, Row<int32_t> &x) {
    for (int e = 0; e < block_events; e++)
        x.lane[e] = (int32_t)requantize<int64_t>(code.lane[e] - offset, drop, low, high);
}

} // namespace fpgaae_emulator

#endif
