// Anomaly scores: the last layer of the firmware.
//
// Every intermediate is exact: ap_fixed grows its type at each operation, and CONFIG_T::accum_t, derived from the types of
// the inputs, holds the sum of any inputs. So nothing rounds and nothing overflows before the score, which has accum_t too.
#ifndef FPGAAE_SCORES_H_
#define FPGAAE_SCORES_H_

#include "ap_fixed.h"
#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct score_config {
    static const unsigned n_in = 1;
    typedef float accum_t;
};

// score = sum over i of (x[i] - y[i])^2
template <class x_T, class y_T, class score_T, typename CONFIG_T>
void squared_error(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], score_T score[1]) {
    #pragma HLS PIPELINE II=1
    typename CONFIG_T::accum_t sum = 0;
SquaredErrorLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        auto difference = x[i] - y[i];
        sum += difference * difference;
    }
    score[0] = sum;
}

template <class x_T, class y_T, class score_T, typename CONFIG_T>
void squared_error(hls::stream<x_T> &x, hls::stream<y_T> &y, hls::stream<score_T> &score) {
    static_assert(x_T::size == y_T::size, "both inputs must come in packs of one size");
    typename CONFIG_T::accum_t sum = 0;
SquaredErrorLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE II=1
        x_T x_pack = x.read();
        y_T y_pack = y.read();
    SquaredErrorPack:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            auto difference = x_pack[j] - y_pack[j];
            sum += difference * difference;
        }
    }
    score_T score_pack;
    score_pack[0] = sum;
    score.write(score_pack);
}

// score = sum over i of mu[i]^2
template <class mu_T, class score_T, typename CONFIG_T> void mu_squared(mu_T mu[CONFIG_T::n_in], score_T score[1]) {
    #pragma HLS PIPELINE II=1
    typename CONFIG_T::accum_t sum = 0;
MuSquaredLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        sum += mu[i] * mu[i];
    }
    score[0] = sum;
}

template <class mu_T, class score_T, typename CONFIG_T>
void mu_squared(hls::stream<mu_T> &mu, hls::stream<score_T> &score) {
    typename CONFIG_T::accum_t sum = 0;
MuSquaredLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in / mu_T::size; i++) {
        #pragma HLS PIPELINE II=1
        mu_T pack = mu.read();
    MuSquaredPack:
        for (unsigned j = 0; j < mu_T::size; j++) {
            #pragma HLS UNROLL
            sum += pack[j] * pack[j];
        }
    }
    score_T score_pack;
    score_pack[0] = sum;
    score.write(score_pack);
}

} // namespace nnet

#endif
