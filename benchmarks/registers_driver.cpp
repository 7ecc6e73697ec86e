// Drives NAME_registers: events and resets clock by clock, and reads and writes that come one behind the other with delays.
// A write may be offered before the answer to the one before it is taken.
#include MODEL_HEADER
#include "verilated.h"
#include <cstdint>
#include <type_traits>

double sc_time_stamp() { return 0; }

namespace {

template <class Port> void write_port(Port &port, const uint32_t *words, int64_t n_words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = words[0];
        if (n_words > 1)
            value |= uint64_t(words[1]) << 32;
        port = Port(value);
    } else {
        for (int64_t i = 0; i < n_words; i++)
            port[i] = words[i];
    }
}

} // namespace

extern "C" {

// objects: n_words 32-bit words a clock, the lowest first. ops: (write, address, word, strobe, earliest clock) each; done: the
// clock of its handshake, -1 of one that a reset ended, and what was read. rows: out_valid, score, accept at each rising edge.
// pace: random bits that hold handshakes up. Gives the number of clocks at which there is an answer to no write, or none to
// one, or two are due.
int64_t run(int64_t n, int64_t n_words, const uint32_t *objects, const uint8_t *in_valid, const uint8_t *reset,
            const uint8_t *pace, int64_t n_ops, const int64_t *ops, int64_t *done, int64_t *rows) {
    MODEL model;
    int64_t op = 0, unanswered = 0, violations = 0; // writes without an answer
    bool address = false, data = false, answered = true;
    for (int64_t clock = 0; clock < n; clock++) {
        const bool starts = op < n_ops && answered && clock >= ops[5 * op + 4] && !reset[clock];
        const bool writes = op < n_ops && ops[5 * op];
        if (starts) {
            address |= pace[clock] & 1;
            data |= writes && (pace[clock] & 2);
        }
        model.aresetn = !reset[clock];
        model.in_valid = in_valid[clock];
        write_port(model.in_objects, objects + n_words * clock, n_words);
        model.s_axi_awvalid = writes && address;
        model.s_axi_wvalid = data;
        model.s_axi_arvalid = !writes && address;
        if (op < n_ops) {
            model.s_axi_awaddr = model.s_axi_araddr = ops[5 * op + 1];
            model.s_axi_wdata = ops[5 * op + 2];
            model.s_axi_wstrb = ops[5 * op + 3];
        }
        model.s_axi_bready = pace[clock] >> 2 & 1;
        model.s_axi_rready = pace[clock] >> 3 & 1;
        model.aclk = 0;
        model.eval();
        rows[3 * clock] = model.out_valid;
        rows[3 * clock + 1] = model.out_score;
        rows[3 * clock + 2] = model.out_accept;
        bool ends = false;
        if (reset[clock]) {
            if (address || data || !answered) { // the operation is lost
                if (answered)
                    done[2 * op] = -1;
                ends = true;
            }
            unanswered = 0;
        } else {
            violations += bool(model.s_axi_bvalid) != (unanswered > 0) || unanswered > 1;
            unanswered -= model.s_axi_bvalid && model.s_axi_bready;
            if (!answered) {
                if (model.s_axi_rvalid && model.s_axi_rready) {
                    done[2 * op + 1] = model.s_axi_rdata;
                    ends = true;
                }
            } else if (model.s_axi_awvalid && model.s_axi_awready && model.s_axi_wvalid && model.s_axi_wready) {
                done[2 * op] = clock;
                done[2 * op + 1] = 0;
                unanswered++;
                ends = true;
            } else if (model.s_axi_arvalid && model.s_axi_arready) {
                done[2 * op] = clock;
                answered = address = false;
            }
        }
        if (ends) {
            op++;
            answered = true;
            address = data = false;
        }
        model.aclk = 1;
        model.eval();
    }
    return violations;
}

} // extern "C"
