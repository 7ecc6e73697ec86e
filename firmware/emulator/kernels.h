// Layers of the emulator: integer codes of a block of events at a time, an event a lane.
//
// Included by processors.h into a struct for each kind of processor, with the size of its vectors. Everything is exact: codes
// and sums are held in integers that hold them, which the types of the network say when a source is written.

// As many sums of 32 bits as a vector has, or twice as many codes of 16.
static const int vector_bytes = FPGAAE_VECTOR_BYTES;
typedef int32_t vector __attribute__((vector_size(FPGAAE_VECTOR_BYTES), may_alias));

// Both products of each pair of codes of 16 bits, added.
static inline vector multiply_add(vector pairs, vector weights) {
#if FPGAAE_VECTOR_BYTES == 64
    return (vector)_mm512_madd_epi16((__m512i)pairs, (__m512i)weights);
#elif FPGAAE_VECTOR_BYTES == 32
    return (vector)_mm256_madd_epi16((__m256i)pairs, (__m256i)weights);
#elif defined(__SSE2__) && !defined(FPGAAE_PORTABLE)
    return (vector)_mm_madd_epi16((__m128i)pairs, (__m128i)weights);
#elif defined(__aarch64__) && !defined(FPGAAE_PORTABLE)
    const int16x8_t x = (int16x8_t)pairs, w = (int16x8_t)weights;
    return (vector)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(w)), vmull_high_s16(x, w));
#else
    return ((pairs << 16) >> 16) * ((weights << 16) >> 16) + (pairs >> 16) * (weights >> 16);
#endif
}

// Rounds v * 2^-drop half to even (a negative drop shifts to the left) and saturates to [low, high].
template <class T> static inline T requantize(T v, int drop, T low, T high) {
    if (drop > 0)
        v = (v + ((T(1) << (drop - 1)) - 1) + ((v >> drop) & 1)) >> drop;
    else
        v = v * (T(1) << -drop);
    return v < low ? low : v > high ? high : v;
}

// Codes of 8 events, and the first and the last four of two, in turn.
typedef int16_t eight __attribute__((vector_size(16), may_alias));
static inline eight first_of_both(eight a, eight b) { return FPGAAE_SHUFFLE(eight, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static inline eight last_of_both(eight a, eight b) { return FPGAAE_SHUFFLE(eight, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

// Words of 8 events, n_features apart, as rows: each of three rounds of interleaving moves a bit of the place in an event to
// the lane.
static inline void transpose_tile(const int16_t *objects, int n_features, int first_lane, Row<int16_t> *words) {
    eight rows[8], next[8];
    for (int e = 0; e < 8; e++)
        std::memcpy(&rows[e], objects + (int64_t)e * n_features, sizeof rows[e]);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            next[2 * i] = first_of_both(rows[i], rows[i + 4]);
            next[2 * i + 1] = last_of_both(rows[i], rows[i + 4]);
        }
        for (int i = 0; i < 8; i++)
            rows[i] = next[i];
    }
    for (int i = 0; i < 8; i++)
        std::memcpy(words[i].lane + first_lane, &rows[i], sizeof rows[i]);
}

// The words of n events, n_features each, as rows; lanes without an event are zero.
static void read_words(const int16_t *objects, int n_features, int n, Row<int16_t> *words) {
    for (int e = 0; e < block_events; e += 8) {
        const int16_t *first = objects + (int64_t)e * n_features;
        if (n_features >= 8 && e + 8 <= n) {
            for (int i = 0; i < n_features; i += 8) { // the last tile ends with the event
                const int place = i + 8 <= n_features ? i : n_features - 8;
                transpose_tile(first + place, n_features, e, words + place);
            }
            continue;
        }
        for (int i = 0; i < n_features; i++)
            for (int lane = e; lane < e + 8; lane++)
                words[i].lane[lane] = lane < n ? objects[(int64_t)lane * n_features + i] : (int16_t)0;
    }
}

// Inputs: hardware integers, (code - offset) * 2^-shift in the type of the network's inputs. Six numbers for each say in which
// row it is, which of its bits count, the offset, the bits to drop, and the smallest and the largest code.
template <class code_T, class number_T, class out_T>
static void scale(const Row<code_T> *codes, int n, const number_T *how, Row<out_T> *x) {
    for (int i = 0; i < n; i++, how += 6) {
        const Row<code_T> &row = codes[how[0]];
        const number_T mask = how[1], offset = how[2], low = how[4], high = how[5];
        const int drop = (int)how[3];
        for (int e = 0; e < block_events; e++)
            x[i].lane[e] = (out_T)requantize<number_T>((row.lane[e] & mask) - offset, drop, low, high);
    }
}

// What cells are made of: sums of hardware integers (never negative), or of how many are above zero.
template <class code_T> static void add_codes(const Row<code_T> &codes, int mask, Row<int64_t> &sum) {
    for (int e = 0; e < block_events; e++)
        sum.lane[e] += codes.lane[e] & mask;
}

template <class code_T> static void count_filled(const Row<code_T> &codes, int mask, Row<int64_t> &sum) {
    for (int e = 0; e < block_events; e++)
        sum.lane[e] += (codes.lane[e] & mask) > 0;
}

// The number of edges below a sum counts a cell on.
static void count_edges(const Row<int64_t> &sum, int n_edges, const int64_t *edges, Row<int32_t> &cell) {
    for (int e = 0; e < block_events; e++)
        cell.lane[e] *= n_edges + 1;
    for (int i = 0; i < n_edges; i++)
        for (int e = 0; e < block_events; e++)
            cell.lane[e] += sum.lane[e] > edges[i];
}

// y = x W + b on the grid of y, of codes and weights of 16 bits and sums of 32. Inputs 2 i and 2 i + 1 are pair i: `kernel`
// names pairs, and has two weights for each.
static void dense_pairs(const Row<int16_t> *x, int n_in, int n_out, const Sparse<int16_t> &kernel, const int32_t *bias,
                        Pairs *buffer, Row<int32_t> *y) {
    const int n_vectors = block_events * sizeof(int32_t) / vector_bytes;
    const Row<int16_t> nothing = {};
    for (int i = 0; i < n_in; i += 2) {
        const eight *a = (const eight *)x[i].lane, *b = (const eight *)(i + 1 < n_in ? x[i + 1] : nothing).lane;
        eight *both = (eight *)buffer[i / 2].code;
        for (int v = 0; v < block_events / 8; v++) {
            both[2 * v] = first_of_both(a[v], b[v]);
            both[2 * v + 1] = last_of_both(a[v], b[v]);
        }
    }
    for (int j = 0; j < n_out; j++) {
        const vector zero = {};
        vector sums[n_vectors];
        for (int v = 0; v < n_vectors; v++)
            sums[v] = zero + bias[j];
        for (int k = kernel.first[j]; k < kernel.first[j + 1]; k++) {
            const vector *pairs = (const vector *)buffer[kernel.input[k]].code;
            int32_t both;
            std::memcpy(&both, kernel.weight + 2 * k, sizeof both);
            for (int v = 0; v < n_vectors; v++)
                sums[v] += multiply_add(pairs[v], zero + both);
        }
        for (int v = 0; v < n_vectors; v++)
            ((vector *)y[j].lane)[v] = sums[v];
    }
}

// The same without pairs, for codes, weights or sums that are wider.
template <class in_T, class sum_T, class out_T>
static void dense_wide(const Row<in_T> *x, int n_out, const Sparse<sum_T> &kernel, const sum_T *bias, Row<out_T> *y) {
    for (int j = 0; j < n_out; j++) {
        Row<sum_T> sum;
        for (int e = 0; e < block_events; e++)
            sum.lane[e] = bias[j];
        for (int k = kernel.first[j]; k < kernel.first[j + 1]; k++)
            for (int e = 0; e < block_events; e++)
                sum.lane[e] += x[kernel.input[k]].lane[e] * kernel.weight[k];
        for (int e = 0; e < block_events; e++)
            y[j].lane[e] = (out_T)sum.lane[e];
    }
}

// y = x W + b of weights that were loaded, at each position of a window: `input` names its n_in inputs, negative for a zero, and
// `weight` has the n_out weights of each one behind the other.
template <class in_T, class sum_T, class out_T>
static void loaded_sums(const Row<in_T> *x, int n_positions, int n_in, int n_out, const int *input, const sum_T *weight,
                        const sum_T *bias, Row<out_T> *y) {
    for (int p = 0; p < n_positions; p++, input += n_in)
        for (int j = 0; j < n_out; j++, y++) {
            Row<sum_T> sum;
            for (int e = 0; e < block_events; e++)
                sum.lane[e] = bias[j];
            for (int k = 0; k < n_in; k++) {
                if (input[k] < 0)
                    continue;
                for (int e = 0; e < block_events; e++)
                    sum.lane[e] += x[input[k]].lane[e] * weight[k * n_out + j];
            }
            for (int e = 0; e < block_events; e++)
                y->lane[e] = (out_T)sum.lane[e];
        }
}

// Pooling: `input` names the n_values inputs of each output.
template <class T> static void largest(const Row<T> *x, int n_out, int n_values, const int *input, Row<T> *y) {
    for (int j = 0; j < n_out; j++, input += n_values) {
        y[j] = x[input[0]];
        for (int k = 1; k < n_values; k++)
            for (int e = 0; e < block_events; e++)
                y[j].lane[e] = x[input[k]].lane[e] > y[j].lane[e] ? x[input[k]].lane[e] : y[j].lane[e];
    }
}

// A mean that does not come out even is cut off towards zero, as a division of ap_fixed does.
template <class in_T, class out_T>
static void mean(const Row<in_T> *x, int n_out, int n_values, const int *input, int up, Row<out_T> *y) {
    for (int j = 0; j < n_out; j++, input += n_values) {
        Row<int64_t> sum = {};
        for (int k = 0; k < n_values; k++)
            for (int e = 0; e < block_events; e++)
                sum.lane[e] += x[input[k]].lane[e];
        for (int e = 0; e < block_events; e++)
            y[j].lane[e] = (out_T)(sum.lane[e] * (1LL << up) / n_values);
    }
}

// Outputs that are inputs, or zero where `input` is negative.
template <class T> static void move(const Row<T> *x, int n_out, const int *input, Row<T> *y) {
    for (int j = 0; j < n_out; j++)
        y[j] = input[j] < 0 ? Row<T>() : x[input[j]];
}

// An activation is computed in 32 bits where its input has fewer.
template <class in_T, class out_T> static void relu(const Row<in_T> *x, int n, int drop, int64_t high, Row<out_T> *y) {
    typedef decltype(x->lane[0] + 0) sum_T;
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = (out_T)requantize<sum_T>(x[i].lane[e] < 0 ? 0 : x[i].lane[e], drop, 0, (sum_T)high);
}

// What is negative stays as it is on a grid that is finer by `up` bits: it has got the slope 2^-up.
template <class in_T, class out_T> static void leaky_relu(const Row<in_T> *x, int n, int up, Row<out_T> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = x[i].lane[e] < 0 ? (out_T)x[i].lane[e] : (out_T)x[i].lane[e] * (out_T(1) << up);
}

template <class in_T, class out_T>
static void quantize(const Row<in_T> *x, int n, int drop, int64_t low, int64_t high, Row<out_T> *y) {
    typedef decltype(x->lane[0] + 0) sum_T;
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = (out_T)requantize<sum_T>(x[i].lane[e], drop, (sum_T)low, (sum_T)high);
}

// The table has an entry for each code of x, at the place that its bits, read as an unsigned number, give.
template <class in_T, class out_T>
static void tabulated(const Row<in_T> *x, int n, const int32_t *table, int table_size, Row<out_T> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = (out_T)table[x[i].lane[e] & (table_size - 1)];
}

// Scores, summed up in the type of the row that takes them: `up` brings both inputs to one grid. `empty`, where there is one,
// holds what the first feature of each slot is in an empty slot.
template <class x_T, class y_T, class sum_T>
static void squared_error(const Row<x_T> *x, const Row<y_T> *y, int n, int up_x, int up_y, const int32_t *empty,
                          int slot_size, Row<sum_T> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++) {
        const Row<x_T> &first = x[i - i % slot_size];
        for (int e = 0; e < block_events; e++) {
            sum_T difference = (sum_T)x[i].lane[e] * (sum_T(1) << up_x) - (sum_T)y[i].lane[e] * (sum_T(1) << up_y);
            sum_T filled = !empty || first.lane[e] > empty[i / slot_size];
            sum.lane[e] += filled * difference * difference;
        }
    }
    score = sum;
}

template <class x_T, class y_T, class sum_T>
static void absolute_error(const Row<x_T> *x, const Row<y_T> *y, int n, int up_x, int up_y, Row<sum_T> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++) {
            sum_T difference = (sum_T)x[i].lane[e] * (sum_T(1) << up_x) - (sum_T)y[i].lane[e] * (sum_T(1) << up_y);
            sum.lane[e] += difference < 0 ? -difference : difference;
        }
    score = sum;
}

template <class x_T, class y_T, class sum_T>
static void max_absolute_error(const Row<x_T> *x, const Row<y_T> *y, int n, int up_x, int up_y, Row<sum_T> &score) {
    Row<sum_T> most = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++) {
            sum_T difference = (sum_T)x[i].lane[e] * (sum_T(1) << up_x) - (sum_T)y[i].lane[e] * (sum_T(1) << up_y);
            sum_T error = difference < 0 ? -difference : difference;
            most.lane[e] = error > most.lane[e] ? error : most.lane[e];
        }
    score = most;
}

template <class mu_T, class sum_T> static void mu_squared(const Row<mu_T> *mu, int n, Row<sum_T> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (sum_T)mu[i].lane[e] * mu[i].lane[e];
    score = sum;
}

template <class x_T, class sum_T> static void regression(const Row<x_T> *x, Row<sum_T> &score) {
    for (int e = 0; e < block_events; e++)
        score.lane[e] = x[0].lane[e];
}

// The table has an entry for each code of v, at the place that its bits, read as an unsigned number, give.
template <class mu_T, class v_T, class sum_T>
static void mu_squared_over_variance(const Row<mu_T> *mu, const Row<v_T> *v, int n, const sum_T *table, int table_size,
                                     Row<sum_T> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (sum_T)mu[i].lane[e] * mu[i].lane[e] * table[v[i].lane[e] & (table_size - 1)];
    score = sum;
}

template <class mu_T, class v_T, class sum_T>
static void kl_divergence(const Row<mu_T> *mu, const Row<v_T> *v, int n, int up_mu, int up_table, const sum_T *table,
                          int table_size, Row<sum_T> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (sum_T)mu[i].lane[e] * mu[i].lane[e] * (sum_T(1) << up_mu) +
                           table[v[i].lane[e] & (table_size - 1)] * (sum_T(1) << up_table);
    score = sum;
}
