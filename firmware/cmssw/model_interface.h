// The interface of models that CMSSW loads: its own header where that is at hand, the same four virtual functions otherwise.
#ifndef FPGAAE_MODEL_INTERFACE_H_
#define FPGAAE_MODEL_INTERFACE_H_

#if __has_include("hls4ml/emulator.h")
#include "hls4ml/emulator.h"
#else
#include <any>

namespace hls4mlEmulator {

class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};

} // namespace hls4mlEmulator
#endif

#endif
