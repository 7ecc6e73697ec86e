// What a run needs of a project.
#ifndef FPGAAE_PROOF_RUN_H_
#define FPGAAE_PROOF_RUN_H_

#include <cstddef>
#include <cstdint>

namespace proof {

struct Project {
    size_t n_inputs;
    int64_t (*load_weights)(const int64_t *codes);
    int64_t (*load_thresholds)(const int64_t *codes);
    int64_t (*run_objects)(const int64_t *objects, int64_t n, int64_t *codes);
};

// Prints all that was found; `golden_file` begins with the number of ports and, by port, the first one of those
// that are taken as one; then a line a tap: its number, bits behind the point, number of values, and the smallest and largest
// code of each.
int run(const char *golden_file, const Project &project);

} // namespace proof

#endif
