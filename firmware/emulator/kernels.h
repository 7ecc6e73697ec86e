// Layers of the emulator: integer codes of a block of events at a time, an event a lane.
//
// A tensor is an array of rows, one a value of an event, each of block_events codes. Everything is exact: a layer
// accumulates in float only where no partial sum passes 2^24, and else in int64.
#ifndef FPGAAE_EMULATOR_KERNELS_H_
#define FPGAAE_EMULATOR_KERNELS_H_

#include <cstdint>

namespace fpgaae_emulator {

// Where the compiler may use only what every processor of a kind has, the loader chooses between two builds of a function:
// that, and one with AVX2, seven times as fast. (AVX-512 is no faster than AVX2 with vectors of 32 bytes.) Sanitizers are not
// there yet when the loader asks. Define it as nothing to have the one build only.
#ifndef FPGAAE_CHOSEN_WHEN_LOADED
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__AVX2__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FPGAAE_CHOSEN_WHEN_LOADED __attribute__((target_clones("avx2", "default")))
#else
#define FPGAAE_CHOSEN_WHEN_LOADED
#endif
#endif

static const int block_events = 32;
static const int vector_bytes = 32;

template <class T> struct alignas(64) Row {
    T lane[block_events];
};

// Rounds v * 2^-drop half to even (a negative drop shifts to the left) and saturates to [low, high].
template <class T> inline T requantize(T v, int drop, T low, T high) {
    if (drop > 0)
        v = (v + ((T(1) << (drop - 1)) - 1) + ((v >> drop) & 1)) >> drop;
    else
        v = v * (T(1) << -drop);
    return v < low ? low : v > high ? high : v;
}

// One input: a hardware integer of each event, (code - offset) * 2^-shift in the type of the network's inputs.
template <class code_T>
inline void scale(const code_T *codes, int stride, int n, int offset, int drop, int low, int high, Row<int32_t> &x) {
    for (int e = 0; e < n; e++)
        x.lane[e] = codes[(int64_t)e * stride] - offset;
    for (int e = n; e < block_events; e++)
        x.lane[e] = 0;
    for (int e = 0; e < block_events; e++)
        x.lane[e] = (int32_t)requantize<int64_t>(x.lane[e], drop, low, high);
}

// What cells are made of: sums of hardware integers (never negative), or of how many are above zero.
template <class code_T> inline void add_codes(const code_T *codes, int stride, int n, Row<int64_t> &sum) {
    for (int e = 0; e < n; e++)
        sum.lane[e] += codes[(int64_t)e * stride];
}

template <class code_T> inline void count_filled(const code_T *codes, int stride, int n, Row<int64_t> &sum) {
    for (int e = 0; e < n; e++)
        sum.lane[e] += codes[(int64_t)e * stride] > 0;
}

// The number of edges below a sum counts a cell on.
inline void count_edges(const Row<int64_t> &sum, int n_edges, const int64_t *edges, Row<int32_t> &cell) {
    for (int e = 0; e < block_events; e++)
        cell.lane[e] *= n_edges + 1;
    for (int i = 0; i < n_edges; i++)
        for (int e = 0; e < block_events; e++)
            cell.lane[e] += sum.lane[e] > edges[i];
}

// Kernel of a dense layer without its zeros: those of output j are at first[j] to first[j + 1].
template <class weight_T> struct Sparse {
    const int *first;
    const int *input;
    const weight_T *weight;
};

// y = x W + b in float, on the grid of y; `up` brings a product there.
template <class in_T>
inline void dense_float(const Row<in_T> *x, int n_in, int n_out, const Sparse<float> &kernel, const float *bias,
                        Row<float> *buffer, Row<int32_t> *y) {
    typedef float vector __attribute__((vector_size(vector_bytes)));
    const int n_vectors = block_events * sizeof(float) / vector_bytes;
    static_assert(n_vectors == 4, "the accumulators below are four");
    for (int i = 0; i < n_in; i++)
        for (int e = 0; e < block_events; e++)
            buffer[i].lane[e] = (float)x[i].lane[e];
    for (int j = 0; j < n_out; j++) {
        vector zero = {};
        vector a = zero + bias[j], b = a, c = a, d = a;
        for (int k = kernel.first[j]; k < kernel.first[j + 1]; k++) {
            const vector *row = (const vector *)buffer[kernel.input[k]].lane;
            const float w = kernel.weight[k];
            a += row[0] * w;
            b += row[1] * w;
            c += row[2] * w;
            d += row[3] * w;
        }
        const vector sums[n_vectors] = {a, b, c, d};
        const float *sum = (const float *)sums;
        for (int e = 0; e < block_events; e++)
            y[j].lane[e] = (int32_t)sum[e];
    }
}

// The same in int64, for sums that float can't hold.
template <class in_T, class out_T>
inline void dense_integer(const Row<in_T> *x, int n_out, const Sparse<int64_t> &kernel, const int64_t *bias,
                          Row<out_T> *y) {
    for (int j = 0; j < n_out; j++) {
        Row<int64_t> sum;
        for (int e = 0; e < block_events; e++)
            sum.lane[e] = bias[j];
        for (int k = kernel.first[j]; k < kernel.first[j + 1]; k++)
            for (int e = 0; e < block_events; e++)
                sum.lane[e] += x[kernel.input[k]].lane[e] * kernel.weight[k];
        for (int e = 0; e < block_events; e++)
            y[j].lane[e] = (out_T)sum.lane[e];
    }
}

// Pooling: `input` names the n_values inputs of each output.
template <class T> inline void largest(const Row<T> *x, int n_out, int n_values, const int *input, Row<T> *y) {
    for (int j = 0; j < n_out; j++, input += n_values) {
        y[j] = x[input[0]];
        for (int k = 1; k < n_values; k++)
            for (int e = 0; e < block_events; e++)
                y[j].lane[e] = x[input[k]].lane[e] > y[j].lane[e] ? x[input[k]].lane[e] : y[j].lane[e];
    }
}

// A mean that does not come out even is cut off towards zero, as a division of ap_fixed does.
template <class in_T, class out_T>
inline void mean(const Row<in_T> *x, int n_out, int n_values, const int *input, int up, Row<out_T> *y) {
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
template <class T> inline void move(const Row<T> *x, int n_out, const int *input, Row<T> *y) {
    for (int j = 0; j < n_out; j++)
        y[j] = input[j] < 0 ? Row<T>() : x[input[j]];
}

template <class in_T>
inline void relu(const Row<in_T> *x, int n, int drop, int64_t high, Row<int32_t> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = (int32_t)requantize<in_T>(x[i].lane[e] < 0 ? 0 : x[i].lane[e], drop, 0, (in_T)high);
}

// What is negative stays as it is on a grid that is finer by `up` bits: it has got the slope 2^-up.
template <class in_T, class out_T> inline void leaky_relu(const Row<in_T> *x, int n, int up, Row<out_T> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = x[i].lane[e] < 0 ? (out_T)x[i].lane[e] : (out_T)x[i].lane[e] * (out_T(1) << up);
}

template <class in_T>
inline void quantize(const Row<in_T> *x, int n, int drop, int64_t low, int64_t high, Row<int32_t> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = (int32_t)requantize<in_T>(x[i].lane[e], drop, (in_T)low, (in_T)high);
}

// The table has an entry for each code of x, at the place that its bits, read as an unsigned number, give.
inline void tabulated(const Row<int32_t> *x, int n, const int32_t *table, int table_size, Row<int32_t> *y) {
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            y[i].lane[e] = table[x[i].lane[e] & (table_size - 1)];
}

// Scores: `up` brings both inputs to one grid. `empty`, where there is one, holds what the first feature of each slot is in
// an empty slot.
template <class sum_T>
inline void squared_error(const Row<int32_t> *x, const Row<int32_t> *y, int n, int up_x, int up_y, const int32_t *empty,
                          int slot_size, Row<int64_t> &score) {
    Row<sum_T> sum = {};
    for (int i = 0; i < n; i++) {
        const Row<int32_t> &first = x[i - i % slot_size];
        for (int e = 0; e < block_events; e++) {
            sum_T difference = (sum_T)x[i].lane[e] * (sum_T(1) << up_x) - (sum_T)y[i].lane[e] * (sum_T(1) << up_y);
            sum_T filled = !empty || first.lane[e] > empty[i / slot_size];
            sum.lane[e] += filled * difference * difference;
        }
    }
    for (int e = 0; e < block_events; e++)
        score.lane[e] = sum.lane[e];
}

inline void absolute_error(const Row<int32_t> *x, const Row<int32_t> *y, int n, int up_x, int up_y, Row<int64_t> &score) {
    Row<int64_t> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++) {
            int64_t difference = (int64_t)x[i].lane[e] * (1LL << up_x) - (int64_t)y[i].lane[e] * (1LL << up_y);
            sum.lane[e] += difference < 0 ? -difference : difference;
        }
    score = sum;
}

inline void max_absolute_error(const Row<int32_t> *x, const Row<int32_t> *y, int n, int up_x, int up_y,
                               Row<int64_t> &score) {
    Row<int64_t> most = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++) {
            int64_t difference = (int64_t)x[i].lane[e] * (1LL << up_x) - (int64_t)y[i].lane[e] * (1LL << up_y);
            int64_t error = difference < 0 ? -difference : difference;
            most.lane[e] = error > most.lane[e] ? error : most.lane[e];
        }
    score = most;
}

inline void mu_squared(const Row<int32_t> *mu, int n, Row<int64_t> &score) {
    Row<int64_t> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (int64_t)mu[i].lane[e] * mu[i].lane[e];
    score = sum;
}

inline void regression(const Row<int32_t> *x, Row<int64_t> &score) {
    for (int e = 0; e < block_events; e++)
        score.lane[e] = x[0].lane[e];
}

// The table has an entry for each code of v, at the place that its bits, read as an unsigned number, give.
inline void mu_squared_over_variance(const Row<int32_t> *mu, const Row<int32_t> *v, int n, const int64_t *table,
                                     int table_size, Row<int64_t> &score) {
    Row<int64_t> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (int64_t)mu[i].lane[e] * mu[i].lane[e] * table[v[i].lane[e] & (table_size - 1)];
    score = sum;
}

inline void kl_divergence(const Row<int32_t> *mu, const Row<int32_t> *v, int n, int up_mu, int up_table,
                          const int64_t *table, int table_size, Row<int64_t> &score) {
    Row<int64_t> sum = {};
    for (int i = 0; i < n; i++)
        for (int e = 0; e < block_events; e++)
            sum.lane[e] += (int64_t)mu[i].lane[e] * mu[i].lane[e] * (1LL << up_mu) +
                           table[v[i].lane[e] & (table_size - 1)] * (1LL << up_table);
    score = sum;
}

} // namespace fpgaae_emulator

#endif
