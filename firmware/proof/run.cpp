// Runs a written project over symbols, event after event, until every branch was seen.
#include "run.h"
#include "quantize.h"
#include <cstdio>
#include <fstream>

namespace proof {

// Reads a line a tap: its number, bits behind the point, number of values, and the smallest and largest code of each.
static void read_golden(const char *file) {
    std::ifstream in(file);
    unsigned tap;
    size_t size;
    in >> size;
    proof().slots.resize(size);
    for (unsigned i = 0; i < size; i++) {
        in >> proof().slots[i];
        proof().has_objects = proof().has_objects || proof().slots[i] != i;
    }
    GoldenLayer layer;
    while (in >> tap >> layer.fraction >> size) {
        layer.codes.resize(size);
        for (Interval &codes : layer.codes) {
            int64_t low, high;
            in >> low >> high;
            codes = {low, high};
        }
        proof().golden[tap] = layer;
    }
}

int run(const char *golden_file, const Project &project) {
    read_golden(golden_file);
    Proof &all = proof();
    std::vector<int64_t> ports(project.n_inputs), weights(1 << 20), codes(1);
    for (size_t i = 0; i < ports.size(); i++)
        ports[i] = first_port + int64_t(i);
    for (size_t i = 0; i < weights.size(); i++)
        weights[i] = int64_t(i);
    try {
        bool more = true;
        while (more) {
            all.start_event();
            project.load_thresholds(weights.data() + project.load_weights(weights.data())); // counted on behind the weights
            project.run_objects(ports.data(), 1, codes.data());
            more = all.finish_event();
        }
        std::fprintf(all.out, "end %u\n", all.event);
    } catch (const Unprovable &reason) {
        std::fprintf(all.out, "x %u %s\n", all.segment, reason.what());
    }
    return 0;
}

} // namespace proof
