/* Reads weights as tb_data/weights.dat of the HLS project has them: a line a port, its name, then its codes in hexadecimal, two's
 * complement of the bits that its type has. */
#ifndef @GUARD@_WEIGHTS_FILE_H_
#define @GUARD@_WEIGHTS_FILE_H_

#include "@NAME@_emulator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long count_weights(void) {
    long n = 0;
    int port;
    for (port = 0; port < @NAME@_n_weight_ports(); port++)
        n += @NAME@_weight_size(port);
    return n;
}

/* The codes of all ports, which the caller frees; null, and a line on stderr: the file is none of this emulator. */
static int64_t *read_weights_file(const char *path) {
    int64_t *codes = malloc(count_weights() * sizeof *codes), *next = codes;
    FILE *file = fopen(path, "r");
    char name[256];
    int port, i, whole = codes && file;
    for (port = 0; whole && port < @NAME@_n_weight_ports(); port++) {
        const int64_t smallest = @NAME@_smallest_weight(port), largest = @NAME@_largest_weight(port);
        whole = fscanf(file, "%255s", name) == 1 && !strcmp(name, @NAME@_weight_port(port));
        for (i = 0; whole && i < @NAME@_weight_size(port); i++) {
            unsigned long long bits;
            whole = fscanf(file, "%llx", &bits) == 1;
            *next++ = (int64_t)bits > largest ? (int64_t)bits + 2 * smallest : (int64_t)bits;
        }
    }
    whole = whole && fscanf(file, "%255s", name) != 1;
    if (file)
        fclose(file);
    if (whole)
        return codes;
    fprintf(stderr, "ERROR: %s does not hold the weights of this emulator\n", path);
    free(codes);
    return NULL;
}

#endif
