// A written project over symbols; compiled by `fpgaae prove`.
#include "csim_driver.cpp"
#include FPGAAE_PROOF_NETWORK // the source of the network
#include "run.h"

int main(int, char **arguments) {
    return proof::run(arguments[1], {n_inputs, csim_load_weights, csim_load_thresholds, csim_run_objects});
}
