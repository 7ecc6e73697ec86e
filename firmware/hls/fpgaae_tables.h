// Tables with an entry for every code of their argument, made by `fpgaae convert`: there is no argument for which they have
// none, so that nothing wraps or saturates.
#ifndef FPGAAE_TABLES_H_
#define FPGAAE_TABLES_H_

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct table_config {
    static const unsigned n_in = 1;    // elements of the input
    static const unsigned n_table = 1; // entries
    typedef float table_t;
};

// The bits of v, read as an unsigned number, are the place of its entry.
template <class table_T, class v_T> table_T look_up(table_T *table, v_T v) {
    #pragma HLS INLINE
    ap_uint<v_T::width> place = v.range(v_T::width - 1, 0);
    return table[place];
}

// A function of each element: of arrays (io_parallel), and of streams of packs (io_stream).
template <class x_T, class y_T, typename CONFIG_T>
void tabulated(x_T x[CONFIG_T::n_in], y_T y[CONFIG_T::n_in], typename CONFIG_T::table_t table[CONFIG_T::n_table]) {
    #pragma HLS PIPELINE II=1
Elements:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        y[i] = look_up(table, x[i]);
    }
}

template <class x_T, class y_T, typename CONFIG_T>
void tabulated(hls::stream<x_T> &x, hls::stream<y_T> &y, typename CONFIG_T::table_t table[CONFIG_T::n_table]) {
Packs:
    for (unsigned i = 0; i < CONFIG_T::n_in / x_T::size; i++) {
        #pragma HLS PIPELINE II=1
        x_T x_pack = x.read();
        y_T y_pack;
    Elements:
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            y_pack[j] = look_up(table, x_pack[j]);
        }
        y.write(y_pack);
    }
}

} // namespace nnet

#endif
