// Stand-alone testbench of @PROJECT@: feeds golden events into the trigger block, compares the codes of the score and the
// accept bits, and returns non-zero when one differs. Runs under plain g++ and in a vendor's C and RTL simulation alike:
//
//   g++ -std=c++17 -DFPGAAE_CSIM -Ifirmware/ap_types -I. @PROJECT@_test.cpp firmware/@PROJECT@.cpp \
//       firmware/@PROJECT@_trigger.cpp -o testbench && ./testbench
//
// (FPGAAE_CSIM only makes the weights compile fast.) tb_data/stimulus.dat holds one event a line: the hardware integers in
// the order of the ports' elements, in two's complement, hexadecimal. tb_data/expected.dat: the score's code and the accept
// bits, then the codes of the latents where they are a port. tb_data/weights.dat and tb_data/thresholds.dat, where weights or
// thresholds are ports: the name of each, then the codes that are loaded into it. Returns 0: all equal; 1: a code differs; 2: the vectors are missing, short or damaged.
#include "firmware/@PROJECT@_trigger.h"
#include <cstddef>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#ifdef RTL_SIM
static const char *results_log = "tb_data/rtl_cosim_results.log";
#else
static const char *results_log = "tb_data/csim_results.log";
#endif

static const size_t n_codes = @N_CODES@;
static const size_t n_latents = @N_LATENTS@;
static const size_t n_results = 2 + n_latents;
@DECLARE_WEIGHTS@@DECLARE_THRESHOLDS@
// Reads exactly n hexadecimal numbers from a line.
static bool read_codes(const std::string &line, unsigned long long *codes, size_t n) {
    std::istringstream words(line);
    words >> std::hex;
    for (size_t i = 0; i < n; i++)
        if (!(words >> codes[i]))
            return false;
    std::string more;
    return !(words >> more);
}

template <class T> static bool read_port(std::istream &file, const char *name, T *values, size_t n) {
    std::string found;
    unsigned long long code;
    if (!(file >> found) || found != name)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!(file >> std::hex >> code))
            return false;
        values[i].range(T::width - 1, 0) = ap_uint<T::width>(code);
    }
    return true;
}

static bool load_weights(const char *path) {
    std::ifstream file(path);
    return @READ_WEIGHTS@;
}

static bool load_thresholds(const char *path) {
    std::ifstream file(path);
    return @READ_THRESHOLDS@;
}

template <class T> static unsigned long long code_of(const T &value) {
    T copy = value;
    return ap_uint<T::width>(copy.range(T::width - 1, 0)).to_uint64();
}

int main() {
    std::ifstream stimulus_file("tb_data/stimulus.dat");
    std::ifstream expected_file("tb_data/expected.dat");
    if (!stimulus_file || !expected_file) {
        std::cerr << "ERROR: tb_data/stimulus.dat or tb_data/expected.dat is missing" << std::endl;
        return 2;
    }
    if (!load_weights("tb_data/weights.dat")) {
        std::cerr << "ERROR: tb_data/weights.dat is missing, short or damaged" << std::endl;
        return 2;
    }
    if (!load_thresholds("tb_data/thresholds.dat")) {
        std::cerr << "ERROR: tb_data/thresholds.dat is missing, short or damaged" << std::endl;
        return 2;
    }
    std::ofstream log(results_log);
    std::string stimulus_line, expected_line;
    size_t n_events = 0, n_wrong = 0;
    while (std::getline(stimulus_file, stimulus_line)) {
        unsigned long long codes[n_codes], expected[n_results], found[n_results];
        if (!std::getline(expected_file, expected_line) || !read_codes(stimulus_line, codes, n_codes) ||
            !read_codes(expected_line, expected, n_results)) {
            std::cerr << "ERROR: the golden vectors are short or damaged at event " << n_events << std::endl;
            return 2;
        }
@OBJECTS@
        score_t score;
        ap_uint<n_thresholds> accept;@DECLARE_LATENTS@
        @PROJECT@_trigger(@PORT_NAMES@, @TRIGGER_ARGUMENTS@);
        found[0] = code_of(score);
        found[1] = accept.to_uint64();@LATENT_CODES@
        bool equal = true;
        for (size_t i = 0; i < n_results; i++) {
            log << (i ? " " : "") << std::hex << found[i] << std::dec;
            equal &= found[i] == expected[i];
        }
        log << '\n';
        if (!equal && n_wrong++ < 10) {
            std::cerr << "ERROR: event " << n_events << std::hex << ": expected score " << expected[0] << ", accept "
                      << expected[1] << "; found score " << found[0] << ", accept " << found[1];
            for (size_t i = 2; i < n_results; i++)
                std::cerr << "; latent " << std::dec << i - 2 << std::hex << ": expected " << expected[i] << ", found " << found[i];
            std::cerr << std::dec << std::endl;
        }
        n_events++;
    }
    if (n_events == 0 || std::getline(expected_file, expected_line)) {
        std::cerr << "ERROR: the golden vectors are empty, or expect more events than there are" << std::endl;
        return 2;
    }
    std::cout << n_events << " events, " << n_wrong << " wrong" << std::endl;
    return n_wrong ? 1 : 0;
}
