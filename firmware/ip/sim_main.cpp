// Streams the golden vectors through @NAME@_axis with gaps and back-pressure, and compares every transfer that comes out.
// A line of vectors.dat: s_axis_tdata and m_axis_tdata in hexadecimal. Returns 0: all equal; 1: one differs; 2: no vectors.
#include "V@NAME@_axis.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <type_traits>
#include <vector>

double sc_time_stamp() { return 0; }

namespace {

// 32-bit words of a hexadecimal number, the lowest first.
std::vector<uint32_t> words_of(const std::string &digits) {
    std::vector<uint32_t> words((digits.size() + 7) / 8);
    for (size_t i = 0; i < digits.size(); i++)
        words[i / 8] |= uint32_t(std::stoul(digits.substr(digits.size() - 1 - i, 1), nullptr, 16)) << (4 * (i % 8));
    return words;
}

template <class Port> void write_port(Port &port, const std::vector<uint32_t> &words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = 0;
        for (size_t i = 0; i < words.size() && i < 2; i++)
            value |= uint64_t(words[i]) << (32 * i);
        port = Port(value);
    } else {
        for (size_t i = 0; i < sizeof(Port) / 4; i++)
            port[i] = i < words.size() ? words[i] : 0;
    }
}

template <class Port> bool equals(const Port &port, const std::vector<uint32_t> &words) {
    for (size_t i = 0; i < (sizeof(Port) + 3) / 4; i++) {
        uint32_t found;
        if constexpr (std::is_integral_v<Port>)
            found = uint32_t(uint64_t(port) >> (32 * i));
        else
            found = port[i];
        if (found != (i < words.size() ? words[i] : 0))
            return false;
    }
    return true;
}

} // namespace

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    std::vector<std::vector<uint32_t>> events, golden;
    std::ifstream file("vectors.dat");
    for (std::string in, out; file >> in >> out;) {
        events.push_back(words_of(in));
        golden.push_back(words_of(out));
    }
    V@NAME@_axis model;
    size_t sent = 0, received = 0, wrong = 0;
    uint32_t random = 1;
    bool offers = false, finished = false;
    for (uint64_t clock = 0; clock < 1000 + 40 * events.size(); clock++) {
        random = random * 1664525u + 1013904223u;
        const bool reset = clock < 4;
        offers = !reset && sent < events.size() && (offers || random >> 30);
        model.aresetn = !reset;
        model.s_axis_tvalid = offers;
        model.s_axis_tlast = sent + 1 == events.size();
        if (offers)
            write_port(model.s_axis_tdata, events[sent]);
        model.m_axis_tready = !reset && (random >> 20 & 3) != 0;
        model.aclk = 0;
        model.eval();
        if (model.m_axis_tvalid && model.m_axis_tready) {
            const bool is_last = received + 1 == events.size();
            finished |= received >= events.size();
            if (finished || !equals(model.m_axis_tdata, golden[received]) || bool(model.m_axis_tlast) != is_last) {
                if (!wrong++)
                    std::printf("ERROR: transfer %zu differs\n", received);
            }
            received++;
        }
        const bool taken = model.s_axis_tvalid && model.s_axis_tready;
        model.aclk = 1;
        model.eval();
        if (taken) {
            sent++;
            offers = false;
        }
    }
    std::printf("%zu events sent, %zu received, %zu wrong\n", sent, received, wrong);
    if (events.empty())
        return 2;
    return wrong != 0 || sent != events.size() || received != events.size();
}
