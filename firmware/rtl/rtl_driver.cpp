// Drives the Verilated valid wrapper of a traced trigger block: one event a clock, and every clock counted.
//
// Compiled by `fpgaae rtl` with -DMODEL=V..., -DMODEL_HEADER="V....h", -DINPUT_BITS=..., -DSCORE_BITS=..., -DN_ACCEPT=...
#include MODEL_HEADER
#include "verilated.h"
#include <climits>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <unistd.h>
#include <vector>

double sc_time_stamp() { return 0; }

namespace {

const size_t n_words = (INPUT_BITS + 31) / 32;

template <class Port> void write_port(Port &port, const uint32_t *words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = 0;
        for (size_t i = 0; i < n_words; i++)
            value |= uint64_t(words[i]) << (32 * i);
        port = Port(value);
    } else {
        for (size_t i = 0; i < n_words; i++)
            port[i] = words[i];
    }
}

struct Simulation {
    VerilatedContext context;
    std::unique_ptr<MODEL> model;
    std::vector<int64_t> bits; // of each feature
    int64_t clock = 0;         // rising edges so far

    void put(const int64_t *codes) {
        uint32_t words[n_words + 2] = {};
        size_t at = 0;
        for (size_t i = 0; i < bits.size(); i++) {
            if (bits[i]) {
                uint64_t code = uint64_t(codes[i]) & ((uint64_t(1) << bits[i]) - 1);
                uint64_t shifted = code << (at % 32);
                words[at / 32] |= uint32_t(shifted);
                words[at / 32 + 1] |= uint32_t(shifted >> 32);
            }
            at += bits[i];
        }
        write_port(model->in_objects, words);
    }
    void tick() {
        model->clk = 1;
        model->eval();
        model->clk = 0;
        model->eval();
        clock++;
    }
};

} // namespace

extern "C" {

// Tables are read from files beside the sources, so that the first evaluation happens in their folder.
void *rtl_open(const char *folder, const int64_t *bits, int64_t n_features) {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here) || chdir(folder))
        return nullptr;
    auto *simulation = new Simulation;
    simulation->bits.assign(bits, bits + n_features);
    simulation->model = std::make_unique<MODEL>(&simulation->context);
    MODEL &model = *simulation->model;
    model.clk = 0;
    model.in_valid = 0;
    model.reset = 1;
    model.eval();
    for (int i = 0; i < 4; i++)
        simulation->tick();
    model.reset = 0;
    if (chdir(here)) {
        delete simulation;
        return nullptr;
    }
    return simulation;
}

void rtl_close(void *handle) { delete static_cast<Simulation *>(handle); }

// Sends events on consecutive clocks and collects their results until all are there, or for `patience` clocks more.
// results: score code, then a code a threshold, for each event; out_clocks: the clock behind which each result came,
// counted from 1 for the edge that takes the first event. Gives the number of results.
int64_t rtl_run(void *handle, const int64_t *codes, int64_t n, int64_t patience, int64_t *results, int64_t *out_clocks) {
    auto &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    const size_t n_features = simulation.bits.size();
    const int64_t start = simulation.clock;
    int64_t n_found = 0;
    for (int64_t step = 0; step < n + patience && n_found < n; step++) {
        model.in_valid = step < n;
        if (step < n)
            simulation.put(codes + step * n_features);
        simulation.tick();
        if (model.out_valid) {
            int64_t *row = results + n_found * (1 + N_ACCEPT);
            row[0] = int64_t(model.out_score);
            for (int i = 0; i < N_ACCEPT; i++)
                row[1 + i] = (uint64_t(model.out_accept) >> i) & 1;
            out_clocks[n_found++] = simulation.clock - start;
        }
    }
    model.in_valid = 0;
    return n_found;
}

// Holds one event until the outputs rest, changes to another, and gives the clock behind which the outputs change for the
// last time: the latency of the data, whatever the valid bit says.
int64_t rtl_settling(void *handle, const int64_t *first, const int64_t *second, int64_t patience) {
    auto &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    simulation.put(first);
    for (int64_t i = 0; i < patience; i++)
        simulation.tick();
    uint64_t score = model.out_score, accept = model.out_accept;
    simulation.put(second);
    int64_t changed = 0;
    for (int64_t i = 1; i <= patience; i++) {
        simulation.tick();
        if (score != uint64_t(model.out_score) || accept != uint64_t(model.out_accept))
            changed = i;
        score = model.out_score;
        accept = model.out_accept;
    }
    return changed;
}
}
