// Anomaly scores: the last layer of the network.
//
// Every intermediate is exact: ap_fixed grows its type at each operation, and CONFIG_T::accum_t, derived from the types of
// the inputs, holds the sum of any inputs. So nothing rounds and nothing overflows before the score, which has accum_t too.
//
//     squared_error               sum over the features of (x - y)^2
//     masked_squared_error        the same over filled slots
//     absolute_error              sum over the features of |x - y|
//     max_absolute_error          largest of the features' |x - y|
//     mu_squared                  sum over the latents of mu^2
//     mu_squared_over_variance    sum over the latents of mu^2 exp(-v), v = log sigma^2
//     kl_divergence               1/2 sum over the latents of (mu^2 + exp(v) - 1 - v)
//     regression                  the network's one output
//
// The exponential is a table with an entry for each code of v, made by `fpgaae convert`: there is no argument for which it
// has none, so that nothing wraps or saturates.
#ifndef FPGAAE_SCORES_H_
#define FPGAAE_SCORES_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "fpgaae_tables.h"
#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct score_config {
    static const unsigned n_in = 1;    // elements of each input
    static const unsigned n_table = 1; // entries of the table; for the masked score, slots
    // Of arrays: clocks from event to event, and the multipliers that are enough for it, as in hls4ml's dense layers.
    static const unsigned reuse_factor = 1;
    static const unsigned multiplier_limit = 1;
    typedef float table_t;
    typedef float accum_t;
};

// ---- terms: what one element adds to the sum, or how it changes the largest ----

struct SquaredErrorTerm {
    template <class sum_T, class x_T, class y_T> static void add(sum_T &sum, x_T x, y_T y) {
        #pragma HLS INLINE
        auto difference = x - y;
        sum += difference * difference;
    }
};

struct AbsoluteErrorTerm {
    template <class sum_T, class x_T, class y_T> static void add(sum_T &sum, x_T x, y_T y) {
        #pragma HLS INLINE
        auto difference = x - y;
        if (difference < 0)
            sum -= difference;
        else
            sum += difference;
    }
};

struct LargestErrorTerm {
    template <class sum_T, class x_T, class y_T> static void add(sum_T &largest, x_T x, y_T y) {
        #pragma HLS INLINE
        sum_T error = 0; // of the score's own type: ap_fixed compares a signed with an unsigned number by their bits
        AbsoluteErrorTerm::add(error, x, y);
        if (error > largest)
            largest = error;
    }
};

struct SquaredTerm {
    template <class sum_T, class mu_T> static void add(sum_T &sum, mu_T mu) {
        #pragma HLS INLINE
        sum += mu * mu;
    }
};

struct OutputTerm {
    template <class sum_T, class x_T> static void add(sum_T &sum, x_T x) {
        #pragma HLS INLINE
        sum += x;
    }
};

struct SquaredOverVarianceTerm {
    template <class sum_T, class mu_T, class v_T, class table_T> static void add(sum_T &sum, mu_T mu, v_T v, table_T *table) {
        #pragma HLS INLINE
        sum += mu * mu * look_up(table, v); // table: exp(-v)
    }
};

struct DivergenceTerm {
    template <class sum_T, class mu_T, class v_T, class table_T> static void add(sum_T &sum, mu_T mu, v_T v, table_T *table) {
        #pragma HLS INLINE
        const ap_ufixed<1, 0> half = 0.5;
        sum += half * (mu * mu + look_up(table, v)); // table: exp(v) - 1 - v
    }
};

// ---- sums over arrays (io_parallel) and over streams of packs (io_stream) ----

template <class TERM, class x_T, class score_T, typename CONFIG_T> void sum_of_terms(x_T x[CONFIG_T::n_in], score_T score[1]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    typename CONFIG_T::accum_t sum = 0;
Elements:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        TERM::add(sum, x[i]);
    }
    score[0] = sum;
}

template <class TERM, class x_T, class score_T, typename CONFIG_T>
void sum_of_terms(hls::stream<x_T> &x, hls::stream<score_T> &score) {
    typename CONFIG_T::accum_t sum = 0;
Packs:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE II=1
        x_T x_pack = x.read();
    Elements:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            TERM::add(sum, x_pack[j]);
        }
    }
    score_T score_pack;
    score_pack[0] = sum;
    score.write(score_pack);
}

template <class TERM, class x_T, class y_T, class score_T, typename CONFIG_T, class... table_T>
void sum_of_pairs(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], score_T score[1], table_T *...table) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    typename CONFIG_T::accum_t sum = 0;
Elements:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        TERM::add(sum, x[i], y[i], table...);
    }
    score[0] = sum;
}

template <class TERM, class x_T, class y_T, class score_T, typename CONFIG_T, class... table_T>
void sum_of_pairs(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<score_T> &score, table_T *...table) {
    static_assert(x_T::size == y_T::size, "both inputs must come in packs of one size");
    typename CONFIG_T::accum_t sum = 0;
Packs:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE II=1
        x_T x_pack = x.read();
        y_T y_pack = y.read();
    Elements:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            TERM::add(sum, x_pack[j], y_pack[j], table...);
        }
    }
    score_T score_pack;
    score_pack[0] = sum;
    score.write(score_pack);
}

// ---- kernels: io_T is an array's element or a stream's pack ----

template <class x_T, class y_T, class score_T, typename CONFIG_T, class X, class Y, class S>
void squared_error(X &x, Y &y, S &score) {
    #pragma HLS INLINE
    sum_of_pairs<SquaredErrorTerm, x_T, y_T, score_T, CONFIG_T>(x, y, score);
}

template <class x_T, class y_T, class score_T, typename CONFIG_T, class X, class Y, class S>
void absolute_error(X &x, Y &y, S &score) {
    #pragma HLS INLINE
    sum_of_pairs<AbsoluteErrorTerm, x_T, y_T, score_T, CONFIG_T>(x, y, score);
}

template <class x_T, class y_T, class score_T, typename CONFIG_T, class X, class Y, class S>
void max_absolute_error(X &x, Y &y, S &score) {
    #pragma HLS INLINE
    sum_of_pairs<LargestErrorTerm, x_T, y_T, score_T, CONFIG_T>(x, y, score);
}

template <class mu_T, class score_T, typename CONFIG_T, class M, class S> void mu_squared(M &mu, S &score) {
    #pragma HLS INLINE
    sum_of_terms<SquaredTerm, mu_T, score_T, CONFIG_T>(mu, score);
}

template <class x_T, class score_T, typename CONFIG_T, class X, class S> void regression(X &x, S &score) {
    #pragma HLS INLINE
    static_assert(CONFIG_T::n_in == 1, "a regression has one output");
    sum_of_terms<OutputTerm, x_T, score_T, CONFIG_T>(x, score);
}

template <class mu_T, class v_T, class score_T, typename CONFIG_T, class M, class V, class S>
void mu_squared_over_variance(M &mu, V &v, S &score, typename CONFIG_T::table_t table[CONFIG_T::n_table]) {
    #pragma HLS INLINE
    sum_of_pairs<SquaredOverVarianceTerm, mu_T, v_T, score_T, CONFIG_T>(mu, v, score, table);
}

template <class mu_T, class v_T, class score_T, typename CONFIG_T, class M, class V, class S>
void kl_divergence(M &mu, V &v, S &score, typename CONFIG_T::table_t table[CONFIG_T::n_table]) {
    #pragma HLS INLINE
    sum_of_pairs<DivergenceTerm, mu_T, v_T, score_T, CONFIG_T>(mu, v, score, table);
}

// A slot counts where its first feature, the pT, is above what it is in an empty slot.
template <class x_T, class y_T, class score_T, typename CONFIG_T>
void masked_squared_error(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], score_T score[1],
                          typename CONFIG_T::table_t empty[CONFIG_T::n_table]) {
    #pragma HLS PIPELINE II=1
    const unsigned slot_size = CONFIG_T::n_in / CONFIG_T::n_table;
    typename CONFIG_T::accum_t sum = 0;
Slots:
    for (unsigned slot = 0; slot < CONFIG_T::n_table; slot++) {
        #pragma HLS UNROLL
        bool filled = x[slot * slot_size] > empty[slot];
    Elements:
        for (unsigned i = slot * slot_size; i < (slot + 1) * slot_size; i++) {
            #pragma HLS UNROLL
            if (filled)
                SquaredErrorTerm::add(sum, x[i], y[i]);
        }
    }
    score[0] = sum;
}

template <class x_T, class y_T, class score_T, typename CONFIG_T>
void masked_squared_error(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<score_T> &score,
                          typename CONFIG_T::table_t empty[CONFIG_T::n_table]) {
    const unsigned slot_size = CONFIG_T::n_in / CONFIG_T::n_table;
    static_assert(x_T::size == y_T::size, "both inputs must come in packs of one size");
    static_assert(x_T::size % (CONFIG_T::n_in / CONFIG_T::n_table) == 0, "a pack must hold whole slots");
    typename CONFIG_T::accum_t sum = 0;
Packs:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE II=1
        x_T x_pack = x.read();
        y_T y_pack = y.read();
    Elements:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            unsigned slot = (i * x_T::size + j) / slot_size;
            if (x_pack[j - j % slot_size] > empty[slot])
                SquaredErrorTerm::add(sum, x_pack[j], y_pack[j]);
        }
    }
    score_T score_pack;
    score_pack[0] = sum;
    score.write(score_pack);
}

} // namespace nnet

#endif
