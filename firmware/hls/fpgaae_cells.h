// The cell of an event, in which its thresholds are looked up: bins of sums over its hardware integers.
#ifndef FPGAAE_CELLS_H_
#define FPGAAE_CELLS_H_

#include "ap_int.h"

namespace fpgaae {

// 1 where a hardware integer is above zero: a slot, or a cell of a detector, that is filled.
template <class code_T> ap_uint<1> is_filled(code_T code) {
    #pragma HLS INLINE
    return ap_uint<1>(code > 0);
}

// The number of edges below a sum.
template <class cell_T, unsigned N, class sum_T> cell_T bin_of(sum_T sum, const sum_T edges[N]) {
    #pragma HLS INLINE
    cell_T bin = 0;
Edges:
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        bin += ap_uint<1>(sum > edges[i]);
    }
    return bin;
}

// The thresholds of a cell, out of those of all, cell by cell.
template <unsigned N, class cell_T, class code_T> void look_up_thresholds(cell_T cell, const code_T *table, code_T found[N]) {
    #pragma HLS INLINE
    unsigned first = cell.to_uint() * N;
OfCell:
    for (unsigned i = 0; i < N; i++) {
        #pragma HLS UNROLL
        found[i] = table[first + i];
    }
}

} // namespace fpgaae

#endif
