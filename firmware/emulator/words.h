// From the words that a trigger sends to hardware integers, of a block of events, an event a lane.
//
// Included by processors.h behind kernels.h.

// 0 where a slot is empty, all ones where it is not: its pT is the word for that, or the one of an overflow that counts as
// none; -1: there is no such word.
static void find_filled(const Row<int16_t> &pt, int none, int overflow, Row<int32_t> &filled) {
    for (int e = 0; e < block_events; e++) {
        const int word = (uint16_t)pt.lane[e];
        filled.lane[e] = word == none || word == overflow ? 0 : -1;
    }
}

// word - offset, of the bits of a word that count.
static void read_word(const Row<int16_t> &words, int mask, int offset, const Row<int32_t> &filled, Row<int32_t> &code) {
    for (int e = 0; e < block_events; e++)
        code.lane[e] = ((words.lane[e] & mask) - offset) & filled.lane[e];
}

// The angle within half a turn around 0, of any word.
template <int steps>
static void read_angle(const Row<int16_t> &words, int mask, int offset, Turn<steps>, const Row<int32_t> &filled,
                       Row<int32_t> &code) {
    for (int e = 0; e < block_events; e++) {
        const int rest = ((words.lane[e] & mask) - offset + steps / 2) % steps;
        code.lane[e] = (rest + (rest < 0 ? steps : 0) - steps / 2) & filled.lane[e];
    }
}

// What is no word of a trigger, but a hardware integer.
static void read_integer(const Row<int16_t> &words, int mask, Row<int32_t> &code) {
    for (int e = 0; e < block_events; e++)
        code.lane[e] = words.lane[e] & mask;
}
