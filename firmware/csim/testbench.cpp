// Stand-alone testbench of @PROJECT@: feeds golden input codes, compares the integer codes of the output, and returns
// non-zero when one differs. Runs under plain g++ and in a vendor's C and RTL simulation alike:
//
//   g++ -std=c++17 -Ifirmware/ap_types -I. @PROJECT@_test.cpp firmware/@PROJECT@.cpp -o testbench && ./testbench
//
// tb_data/input_codes.dat holds one event a line, @N_INPUTS@ codes of the input type; tb_data/expected_codes.dat the
// codes that must come out. Returns 0: all equal; 1: a code differs; 2: the vectors are missing, short or damaged.
#include "firmware/@PROJECT@.h"
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

static const size_t n_inputs = @N_INPUTS@;
static const size_t n_outputs = @N_OUTPUTS@;

// Reads exactly n integers from a line.
static bool read_codes(const std::string &line, long long *codes, size_t n) {
    std::istringstream words(line);
    for (size_t i = 0; i < n; i++)
        if (!(words >> codes[i]))
            return false;
    std::string more;
    return !(words >> more);
}

// A value of type T has width T::width and the bits of the code.
template <class T> T from_code(long long code) {
    T value = 0;
    value.range(T::width - 1, 0) = ap_int<T::width>(code);
    return value;
}

// The code in two's complement, so that signed and unsigned types compare alike.
template <class T> std::string bits_of(const T &value) {
    return ap_uint<T::width>(value.range(T::width - 1, 0)).to_string(16);
}

int main() {
    std::ifstream inputs_file("tb_data/input_codes.dat");
    std::ifstream expected_file("tb_data/expected_codes.dat");
    if (!inputs_file || !expected_file) {
        std::cerr << "ERROR: tb_data/input_codes.dat or tb_data/expected_codes.dat is missing" << std::endl;
        return 2;
    }
    std::ofstream log(results_log);
    std::string input_line, expected_line;
    size_t n_events = 0, n_wrong = 0;
    while (std::getline(inputs_file, input_line)) {
        long long input_codes[n_inputs], expected_codes[n_outputs];
        if (!std::getline(expected_file, expected_line) || !read_codes(input_line, input_codes, n_inputs) ||
            !read_codes(expected_line, expected_codes, n_outputs)) {
            std::cerr << "ERROR: the golden vectors are short or damaged at event " << n_events << std::endl;
            return 2;
        }
        @INPUT_DECLARATION@
        @OUTPUT_DECLARATION@
        @INPUT_FILL@
        @PROJECT@(inputs, outputs);
        @OUTPUT_READ@
        for (size_t i = 0; i < n_outputs; i++) {
            std::string found = bits_of(results[i]);
            std::string expected = bits_of(from_code<@OUTPUT_ELEMENT@>(expected_codes[i]));
            log << found << (i + 1 < n_outputs ? ' ' : '\n');
            if (found != expected) {
                if (n_wrong++ < 10)
                    std::cerr << "ERROR: event " << n_events << ", output " << i << ": expected " << expected << ", found "
                              << found << std::endl;
            }
        }
        n_events++;
    }
    if (n_events == 0 || std::getline(expected_file, expected_line)) {
        std::cerr << "ERROR: the golden vectors are empty, or expect more events than there are" << std::endl;
        return 2;
    }
    std::cout << n_events << " events, " << n_wrong << " wrong codes" << std::endl;
    return n_wrong ? 1 : 0;
}
