// Runs a written project over symbols, event after event, until every branch was seen; compiled by `fpgaae prove`.
#include "csim_driver.cpp"
#include <cstdio>
#include <fstream>

// Reads a line a tap: its number, bits behind the point, number of values, and the smallest and largest code of each.
static void read_golden(const char *file) {
    std::ifstream in(file);
    unsigned tap;
    size_t size;
    proof::GoldenLayer layer;
    while (in >> tap >> layer.fraction >> size) {
        layer.codes.resize(size);
        for (proof::Interval &codes : layer.codes) {
            int64_t low, high;
            in >> low >> high;
            codes = {low, high};
        }
        proof::proof().golden[tap] = layer;
    }
}

int main(int, char **arguments) {
    read_golden(arguments[1]);
    proof::Proof &proof = proof::proof();
    std::vector<int64_t> ports(n_inputs), weights(1 << 20), codes(1);
    for (size_t i = 0; i < n_inputs; i++)
        ports[i] = proof::first_port + int64_t(i);
    for (size_t i = 0; i < weights.size(); i++)
        weights[i] = int64_t(i);
    try {
        bool more = true;
        while (more) {
            proof.start_event();
            csim_load_weights(weights.data());
            csim_run_objects(ports.data(), 1, codes.data());
            more = proof.finish_event();
        }
        std::fprintf(proof.out, "end %u\n", proof.event);
    } catch (const proof::Unprovable &reason) {
        std::fprintf(proof.out, "x %u %s\n", proof.segment, reason.what());
    }
    return 0;
}
