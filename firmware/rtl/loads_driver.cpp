// Loads sets of thresholds into NAME_registers over AXI4-Lite, and streams the same events behind each of them.
//
// Compiled by `fpgaae rtl` with -DMODEL=V..., -DMODEL_HEADER="V....h".
#include MODEL_HEADER
#include "verilated.h"
#include <cstdint>
#include <cstring>
#include <memory>
#include <unistd.h>

double sc_time_stamp() { return 0; }

namespace {

const int reset_clocks = 4;

struct Simulation {
    VerilatedContext context;
    std::unique_ptr<MODEL> model;

    void clock() {
        model->aclk = 1;
        model->eval();
        model->aclk = 0;
        model->eval();
    }
};

} // namespace

extern "C" {

// Opens the block behind a reset; the folder holds its tables. Null if that can't be entered.
__attribute__((visibility("default"))) void *loads_open(const char *folder) {
    char before[4096];
    if (!getcwd(before, sizeof before) || chdir(folder))
        return nullptr;
    auto simulation = std::make_unique<Simulation>();
    simulation->model = std::make_unique<MODEL>(&simulation->context);
    MODEL &model = *simulation->model;
    model.aresetn = model.aclk = 0;
    model.in_valid = model.s_axi_awvalid = model.s_axi_wvalid = model.s_axi_arvalid = model.s_axi_rready = 0;
    model.s_axi_bready = 1;
    model.eval(); // reads the tables
    for (int i = 0; i < reset_clocks; i++)
        simulation->clock();
    model.aresetn = 1;
    model.eval();
    return chdir(before) ? nullptr : simulation.release();
}

__attribute__((visibility("default"))) void loads_close(void *handle) { delete static_cast<Simulation *>(handle); }

// Makes n writes (address, word), one behind the other; gives how many were taken within the patience, in clocks, of each.
__attribute__((visibility("default"))) int64_t loads_write(void *handle, const uint32_t *writes, int64_t n, int64_t patience) {
    Simulation &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    for (int64_t i = 0; i < n; i++) {
        model.s_axi_awaddr = writes[2 * i];
        model.s_axi_wdata = writes[2 * i + 1];
        model.s_axi_wstrb = 15;
        model.s_axi_awvalid = model.s_axi_wvalid = 1;
        model.eval();
        bool taken = false;
        for (int64_t waited = 0; waited < patience && !taken; waited++) {
            taken = model.s_axi_awready && model.s_axi_wready;
            simulation.clock();
        }
        model.s_axi_awvalid = model.s_axi_wvalid = 0;
        model.eval();
        if (!taken)
            return i;
    }
    return n;
}

// Sends n events on consecutive clocks, packed as the port has them, n_words words of 32 bits each, and waits for what comes
// out: a row (score, accept bits) each. Gives how many came; more than n if there are too many.
__attribute__((visibility("default"))) int64_t loads_run(void *handle, const uint32_t *events, int64_t n, int64_t n_words,
                                                         int64_t patience, int64_t *rows) {
    Simulation &simulation = *static_cast<Simulation *>(handle);
    MODEL &model = *simulation.model;
    int64_t found = 0;
    for (int64_t clock = 0; clock < n + patience; clock++) {
        model.in_valid = clock < n;
        if (clock < n)
            std::memcpy(&model.in_objects, events + clock * n_words, sizeof model.in_objects);
        model.eval();
        simulation.clock();
        if (!model.out_valid)
            continue;
        if (found < n) {
            rows[2 * found] = int64_t(model.out_score);
            rows[2 * found + 1] = int64_t(model.out_accept);
        }
        found++;
    }
    return found;
}

} // extern "C"
