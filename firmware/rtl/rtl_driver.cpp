// Drives the Verilated wrappers of a traced trigger block (bench.v): one event a clock, and every clock counted; or with
// gaps, back-pressure and resets, and every clock recorded, so that whoever calls can follow the protocol.
//
// Compiled by `fpgaae rtl` with -DMODEL=V..., -DMODEL_HEADER="V....h", -DINPUT_BITS=..., -DSCORE_BITS=..., -DN_ACCEPT=...; where the
// latents are a port, with -DN_LATENTS=..., -DLATENT_BITS=... and -DLATENT_SIGNED=0 or 1, too.
#include MODEL_HEADER
#include "verilated.h"
#include <climits>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <unistd.h>
#include <vector>

#ifndef N_LATENTS
#define N_LATENTS 0
#define LATENT_BITS 1
#define LATENT_SIGNED 0
#endif

double sc_time_stamp() { return 0; }

namespace {

const size_t n_words = (INPUT_BITS + 31) / 32;
const size_t axis_bits = (INPUT_BITS + 7) / 8 * 8;
const size_t result_bits = SCORE_BITS + N_ACCEPT + N_LATENTS * LATENT_BITS;
const size_t n_results = 1 + N_ACCEPT + N_LATENTS;

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

// At most 64 bits of a port.
template <class Port> uint64_t read_bits(const Port &port, size_t low, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t word;
        if constexpr (std::is_integral_v<Port>)
            word = uint64_t(port) >> (low + i);
        else
            word = port[(low + i) / 32] >> ((low + i) % 32);
        value |= (word & 1) << i;
    }
    return value;
}

// The codes of the latents that lie on a port from a bit on; gives the end of the row.
template <class Port> int64_t *read_latents(const Port &port, size_t low, int64_t *row) {
    for (int i = 0; i < N_LATENTS; i++) {
        uint64_t code = read_bits(port, low + i * LATENT_BITS, LATENT_BITS);
        bool negative = LATENT_SIGNED && code >> (LATENT_BITS - 1);
        *row++ = int64_t(negative ? code | ~uint64_t(0) << (LATENT_BITS - 1) : code);
    }
    return row;
}

// What stands at the outputs of the valid wrapper: the score's code, a code a threshold, those of the latents. Gives the
// end of the row.
int64_t *read_results(const MODEL &model, int64_t *row) {
    *row++ = int64_t(model.out_score);
    for (int i = 0; i < N_ACCEPT; i++)
        *row++ = (uint64_t(model.out_accept) >> i) & 1;
#if N_LATENTS
    row = read_latents(model.out_latents, 0, row);
#endif
    return row;
}

struct Simulation {
    VerilatedContext context;
    std::unique_ptr<MODEL> model;
    std::vector<int64_t> bits; // of each feature
    int64_t clock = 0;         // rising edges so far

    // Writes an event as the bits of a port; a word is written as soon as it is full.
    void pack(const int64_t *codes, uint32_t *words) const {
        uint64_t pending = 0;
        int64_t n_pending = 0;
        for (size_t i = 0; i < bits.size(); i++) {
            pending |= (uint64_t(codes[i]) & ((uint64_t(1) << bits[i]) - 1)) << n_pending;
            for (n_pending += bits[i]; n_pending >= 32; n_pending -= 32) {
                *words++ = uint32_t(pending);
                pending >>= 32;
            }
        }
        *words = uint32_t(pending);
    }
    void put(const int64_t *codes) {
        uint32_t words[n_words + 2] = {};
        pack(codes, words);
        write_port(model->in_objects, words);
    }
    // An event in its lowest bits and ones or zeros above it; or, where nothing is offered, no event at all.
    void put_axis(const int64_t *codes, bool offered, bool ones_above) {
        uint32_t words[n_words + 2] = {};
        pack(codes, words);
        for (size_t bit = INPUT_BITS; bit < axis_bits; bit++)
            words[bit / 32] |= uint32_t(ones_above) << (bit % 32);
        for (size_t i = 0; i < n_words && !offered; i++)
            words[i] = ~words[i];
        if (!offered && axis_bits % 32)
            words[n_words - 1] &= (uint32_t(1) << (axis_bits % 32)) - 1;
        write_port(model->s_axis_tdata, words);
    }
    void tick() {
        model->clk = 1;
        model->eval();
        model->clk = 0;
        model->eval();
        clock++;
    }
    void tick_axis() {
        model->aclk = 1;
        model->eval();
        model->aclk = 0;
        model->eval();
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
    model.clk = model.aclk = 0;
    model.in_valid = model.s_axis_tvalid = model.m_axis_tready = 0;
    model.aresetn = 0;
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
// results: a row of n_results for each event; out_clocks: the clock behind which each result came,
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
            read_results(model, results + n_found * n_results);
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
    int64_t before[n_results], now[n_results];
    read_results(model, before);
    simulation.put(second);
    int64_t changed = 0;
    for (int64_t i = 1; i <= patience; i++) {
        simulation.tick();
        read_results(model, now);
        if (std::memcmp(now, before, sizeof now))
            changed = i;
        std::memcpy(before, now, sizeof now);
    }
    return changed;
}

// Drives the valid wrapper for n clocks: events (n, n_features), in_valid (n), reset (n). rows (n, 1 + n_results): out_valid
// and the results, as they stand at each rising edge.
void rtl_drive_valid(void *handle, const int64_t *events, const uint8_t *in_valid, const uint8_t *reset, int64_t n,
                     int64_t *rows) {
    auto &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    for (int64_t step = 0; step < n; step++) {
        simulation.put(events + step * simulation.bits.size());
        model.in_valid = in_valid[step];
        model.reset = reset[step];
        model.eval();
        *rows++ = model.out_valid;
        rows = read_results(model, rows);
        simulation.tick();
    }
    model.in_valid = model.reset = 0;
}

// Drives the AXI4-Stream wrapper for n clocks with events (n_events, n_features) and their tlast, over and over in this
// order. offer (n): whether the next event is offered from this clock on, which it stays until it is taken or a reset comes;
// ready (n): m_axis_tready; resetn (n). rows (n, 5 + n_results), as it stands at each rising edge: the event that is offered
// or -1, s_axis_tready, m_axis_tvalid, m_axis_tlast, what m_axis_tdata holds above the result, and the results.
void rtl_drive_axis(void *handle, const int64_t *events, const uint8_t *last, int64_t n_events, const uint8_t *offer,
                    const uint8_t *ready, const uint8_t *resetn, int64_t n, int64_t *rows) {
    auto &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    int64_t next = 0;
    bool offered = false;
    for (int64_t step = 0; step < n; step++) {
        offered = offered || offer[step];
        simulation.put_axis(events + next * simulation.bits.size(), offered, next % 2);
        model.s_axis_tvalid = offered;
        model.s_axis_tlast = last[next] == offered;
        model.m_axis_tready = ready[step];
        model.aresetn = resetn[step];
        model.eval();
        bool taken = offered && model.s_axis_tready;
        *rows++ = offered ? next : -1;
        *rows++ = model.s_axis_tready;
        *rows++ = model.m_axis_tvalid;
        *rows++ = model.m_axis_tlast;
        *rows++ = int64_t(read_bits(model.m_axis_tdata, result_bits, (result_bits + 7) / 8 * 8 - result_bits));
        *rows++ = int64_t(read_bits(model.m_axis_tdata, 0, SCORE_BITS));
        for (int i = 0; i < N_ACCEPT; i++)
            *rows++ = int64_t(read_bits(model.m_axis_tdata, SCORE_BITS + i, 1));
        rows = read_latents(model.m_axis_tdata, SCORE_BITS + N_ACCEPT, rows);
        simulation.tick_axis();
        if (taken || !resetn[step]) {
            next = (next + 1) % n_events;
            offered = false;
        }
    }
    model.s_axis_tvalid = model.m_axis_tready = 0;
}
}
