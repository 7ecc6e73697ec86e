// Pixels of an image at other places: `stride` pixels apart with zeros between them, behind `top` rows and `left` columns of
// zeros, or without as many rows and columns where these are negative.
#ifndef FPGAAE_IMAGES_H_
#define FPGAAE_IMAGES_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct spread_config {
    static const int in_height = 1, in_width = 1; // what has one dimension has the height 1
    static const int out_height = 1, out_width = 1;
    static const int n_chan = 1;
    static const int stride_height = 1, stride_width = 1;
    static const int top = 0, left = 0;
};

// Whether a pixel of the input lies at a place, counted in the rows or columns between which zeros stand.
inline bool is_spread_pixel(int place, int stride, int extent) {
    #pragma HLS INLINE
    return place >= 0 && place <= (extent - 1) * stride && place % stride == 0;
}

template <class x_T, class y_T, typename CONFIG_T>
void spread(x_T x[CONFIG_T::in_height * CONFIG_T::in_width * CONFIG_T::n_chan],
            y_T y[CONFIG_T::out_height * CONFIG_T::out_width * CONFIG_T::n_chan]) {
    #pragma HLS INLINE
Rows:
    for (int row = 0; row < CONFIG_T::out_height; row++) {
        #pragma HLS UNROLL
    Columns:
        for (int column = 0; column < CONFIG_T::out_width; column++) {
            #pragma HLS UNROLL
            int i = row - CONFIG_T::top, j = column - CONFIG_T::left;
            bool is_pixel = is_spread_pixel(i, CONFIG_T::stride_height, CONFIG_T::in_height) &&
                            is_spread_pixel(j, CONFIG_T::stride_width, CONFIG_T::in_width);
        Channels:
            for (int c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                int to = (row * CONFIG_T::out_width + column) * CONFIG_T::n_chan + c;
                if (is_pixel)
                    y[to] = x[((i / CONFIG_T::stride_height) * CONFIG_T::in_width + j / CONFIG_T::stride_width) *
                                  CONFIG_T::n_chan + c];
                else
                    y[to] = 0;
            }
        }
    }
}

// The rows and columns go from the first that is read or written to the last.
template <class x_T, class y_T, typename CONFIG_T> void spread(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    static_assert(x_T::size == CONFIG_T::n_chan && y_T::size == CONFIG_T::n_chan, "a pack must hold a pixel");
    const int last_row = (CONFIG_T::in_height - 1) * CONFIG_T::stride_height;
    const int last_column = (CONFIG_T::in_width - 1) * CONFIG_T::stride_width;
    const int row_end = CONFIG_T::out_height - CONFIG_T::top, column_end = CONFIG_T::out_width - CONFIG_T::left;
Rows:
    for (int i = CONFIG_T::top > 0 ? -CONFIG_T::top : 0; i <= last_row || i < row_end; i++) {
    Columns:
        for (int j = CONFIG_T::left > 0 ? -CONFIG_T::left : 0; j <= last_column || j < column_end; j++) {
            #pragma HLS PIPELINE II=1
            bool is_pixel = is_spread_pixel(i, CONFIG_T::stride_height, CONFIG_T::in_height) &&
                            is_spread_pixel(j, CONFIG_T::stride_width, CONFIG_T::in_width);
            y_T pack;
        Zeros:
            for (int c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                pack[c] = 0;
            }
            if (is_pixel) {
                x_T pixel = x.read();
            Channels:
                for (int c = 0; c < CONFIG_T::n_chan; c++) {
                    #pragma HLS UNROLL
                    pack[c] = pixel[c];
                }
            }
            if (i >= -CONFIG_T::top && i < row_end && j >= -CONFIG_T::left && j < column_end)
                y.write(pack);
        }
    }
}

} // namespace nnet

#endif
