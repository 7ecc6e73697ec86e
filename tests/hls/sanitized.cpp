// Runs the driver of a C simulation over made-up events and injected codes, as a program: sanitizers want their own.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
const char *csim_describe();
int64_t csim_run_objects(const int64_t *objects, int64_t n, int64_t *codes);
int64_t csim_run_values(double *inputs, const int64_t *injected, int64_t n, int64_t *codes);
}

static uint64_t state = 1;
static int64_t drawn(unsigned bits) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return int64_t(state) >> (64 - bits);
}

int main(int, char **arguments) {
    const size_t n_inputs = strtoul(arguments[1], nullptr, 10), n = 100;
    std::istringstream lines(csim_describe());
    size_t an_event = 0, last = 0;
    for (std::string line; std::getline(lines, line);) {
        sscanf(line.c_str(), "%*s %zu", &last);
        an_event += last;
    }
    std::vector<int64_t> objects(n * n_inputs), codes(n * an_event), injected(n * (an_event - last));
    std::vector<double> values(n * n_inputs);
    for (int64_t &object : objects)
        object = drawn(6);
    for (double &value : values)
        value = drawn(12) / 64.0;
    for (int64_t &code : injected)
        code = drawn(4);
    int64_t found = csim_run_objects(objects.data(), n, codes.data());
    found += csim_run_values(values.data(), nullptr, n, codes.data());
    found += csim_run_values(values.data(), injected.data(), n, codes.data());
    printf("%zu\n", size_t(found) / n);
    return size_t(found) != 3 * n * an_event;
}
