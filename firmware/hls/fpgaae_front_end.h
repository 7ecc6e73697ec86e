// What stands around the network: from the hardware integers of the trigger objects to its inputs, and from the score to
// the decision.
#ifndef FPGAAE_FRONT_END_H_
#define FPGAAE_FRONT_END_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

namespace fpgaae {

// Type of (code - offset) * 2^-SHIFT: room for a sign and for the difference, and for the bit at which it is rounded, which
// the simulation of ap_fixed reads even where it lies beyond the others.
template <int SHIFT, class code_T> struct Scaled {
    static const int needed = code_T::width + 2;
    static const int width = needed > SHIFT ? needed : SHIFT + 1;
    typedef ap_fixed<width, width - SHIFT> type;
};

// x = (code - offset) * 2^-SHIFT, exactly: the power of two only moves the point. Assigned to an input of the network, it
// is rounded half to even and saturated by the input's type.
template <int SHIFT, class code_T> typename Scaled<SHIFT, code_T>::type scale(code_T code, int offset) {
    #pragma HLS INLINE
    const int width = Scaled<SHIFT, code_T>::width;
    ap_int<width> centred = ap_int<width>(code) - ap_int<width>(offset);
    typename Scaled<SHIFT, code_T>::type x;
    x.range(width - 1, 0) = centred.range(width - 1, 0);
    return x;
}

// Bit i: whether the code of the score is above threshold i. No score is negative.
template <unsigned N, class score_T> ap_uint<N> decide(score_T score, const ap_uint<score_T::width> thresholds[N]) {
    #pragma HLS INLINE
    ap_uint<score_T::width> code = score.range(score_T::width - 1, 0);
    ap_uint<N> accept = 0;
Thresholds:
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        accept[i] = code > thresholds[i];
    }
    return accept;
}

// What a layer put out, to a port: an array's elements (io_parallel), or those of a stream's packs (io_stream).
template <unsigned N, class value_T> void put_out(value_T values[N], value_T port[N]) {
    #pragma HLS INLINE off
Values:
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        port[i] = values[i];
    }
}

template <unsigned N, class pack_T> void put_out(hls::stream<pack_T> &values, typename pack_T::value_type port[N]) {
    #pragma HLS INLINE off
Packs:
    for (unsigned i = 0; i < N / pack_T::size; i++) {
        #pragma HLS PIPELINE II=1
        pack_T pack = values.read();
    Values:
        for (unsigned j = 0; j < pack_T::size; j++) {
            #pragma HLS UNROLL
            port[i * pack_T::size + j] = pack[j];
        }
    }
}

} // namespace fpgaae

#endif
