// Loads a model as CMSSW does and compares it with golden vectors: `loader ./LIBRARY.so VECTORS N_WORDS N_THRESHOLDS`.
// Returns 0: all equal; 1: one differs; 2: the library or the vectors can't be read.
#include "model_interface.h"
#include <any>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <exception>
#include <fstream>
#include <utility>
#include <vector>

int main(int argc, char **argv) try {
    if (argc != 5)
        return 2;
    const int n_words = std::atoi(argv[3]), n_thresholds = std::atoi(argv[4]);
    void *library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        std::fprintf(stderr, "ERROR: %s\n", dlerror());
        return 2;
    }
    auto create = reinterpret_cast<hls4mlEmulator::Model *(*)()>(dlsym(library, "create_model"));
    auto destroy = reinterpret_cast<void (*)(hls4mlEmulator::Model *)>(dlsym(library, "destroy_model"));
    std::ifstream vectors(argv[2]);
    if (!create || !destroy || !vectors) {
        std::fprintf(stderr, "ERROR: %s has no create_model and destroy_model, or %s can't be read\n", argv[1], argv[2]);
        return 2;
    }
    hls4mlEmulator::Model *model = create();
    std::vector<std::int16_t> words(n_words);
    std::pair<std::int64_t, std::vector<std::uint8_t>> expected, found;
    expected.second.resize(n_thresholds);
    long events = 0, wrong = 0, code = 0;
    while (vectors >> code) {
        for (int i = 0; i < n_words; i++) {
            words[i] = std::int16_t(code);
            vectors >> code;
        }
        expected.first = code;
        for (auto &bit : expected.second) {
            vectors >> code;
            bit = std::uint8_t(code);
        }
        vectors.ignore(1 << 20, '\n'); // latents, where there are some
        model->prepare_input(std::any(&words));
        model->predict();
        model->read_result(std::any(&found));
        events++;
        wrong += found != expected;
    }
    destroy(model);
    dlclose(library);
    std::printf("%ld events, %ld wrong\n", events, wrong);
    return events == 0 ? 2 : wrong != 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "ERROR: %s\n", error.what());
    return 1;
}
