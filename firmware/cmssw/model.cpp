// The emulator of @NAME@, version @VERSION@, behind the interface by which CMSSW loads models of hls4ml.
//
// prepare_input takes a `const std::vector<std::int16_t> *` or a `std::vector<std::int16_t> *`: the @N_FEATURES@ words of an
// event in the order of `features` in model.json (16 bits without a sign as their bits). predict computes. read_result takes
// a `std::pair<std::int64_t, std::vector<std::uint8_t>> *` and writes the score's code (value = code * 2^-@SCORE_FRACTION@) and
// one byte a threshold, 1 where the score is above it. What is out of order is an exception of std.
//
// A model holds one event: a model a thread. Several versions may be loaded in one process; each library sees only its own.
#include "emulator/@NAME@_emulator.h"
#include "model_interface.h"
#include <any>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using Words = std::vector<std::int16_t>;
using Result = std::pair<std::int64_t, std::vector<std::uint8_t>>;

class EmulatedModel : public hls4mlEmulator::Model {
  public:
    void prepare_input(std::any input) override {
        const Words *words = nullptr;
        if (auto given = std::any_cast<const Words *>(&input))
            words = *given;
        else if (auto given = std::any_cast<Words *>(&input))
            words = *given;
        if (words == nullptr)
            throw std::invalid_argument("@NAME@ @VERSION@: prepare_input takes a pointer to std::vector<std::int16_t>");
        if (words->size() != @N_FEATURES@)
            throw std::invalid_argument("@NAME@ @VERSION@: an event has @N_FEATURES@ words, not " +
                                        std::to_string(words->size()));
        int feature = 0;
        if (@NAME@_check(words->data(), 1, nullptr, &feature) != 0)
            throw std::out_of_range(std::string("@NAME@ @VERSION@: ") + @NAME@_feature(feature) + " is not between " +
                                    std::to_string(@NAME@_smallest(feature)) + " and " +
                                    std::to_string(@NAME@_largest(feature)));
        words_ = *words;
        is_computed_ = false;
    }

    void predict() override {
        if (words_.empty())
            throw std::logic_error("@NAME@ @VERSION@: predict needs prepare_input before");
        result_.second.resize(@N_THRESHOLDS@);
        result_.first = @NAME@_score(words_.data(), result_.second.data());
        is_computed_ = true;
    }

    void read_result(std::any result) override {
        auto to = std::any_cast<Result *>(&result);
        if (to == nullptr || *to == nullptr)
            throw std::invalid_argument(
                "@NAME@ @VERSION@: read_result takes a pointer to std::pair<std::int64_t, std::vector<std::uint8_t>>");
        if (!is_computed_)
            throw std::logic_error("@NAME@ @VERSION@: read_result needs predict before");
        **to = result_;
    }

  private:
    Words words_;
    Result result_;
    bool is_computed_ = false;
};

} // namespace

extern "C" {

__attribute__((visibility("default"))) hls4mlEmulator::Model *create_model() { return new EmulatedModel; }
__attribute__((visibility("default"))) void destroy_model(hls4mlEmulator::Model *model) { delete model; }
}
