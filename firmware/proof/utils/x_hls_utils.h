// The limits of the proof's types.
#ifndef FPGAAE_PROOF_X_HLS_UTILS_H_
#define FPGAAE_PROOF_X_HLS_UTILS_H_

#include "ap_fixed.h"

namespace hls {

template <class T> struct numeric_limits {
    static T min() { return of(T::type().all().low); }
    static T max() { return of(T::type().all().high); }

  private:
    static T of(proof::big code) {
        T value;
        value.number = proof::constant(code, T::fraction_v);
        return value;
    }
};

} // namespace hls

#endif
