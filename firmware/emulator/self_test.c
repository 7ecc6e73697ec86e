/* Feeds the shipped golden vectors and compares codes. Returns 0: all equal; 1: one differs; 2: the vectors are damaged. */
#include "@NAME@_emulator.h"
#include <stdio.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "vectors.dat";
    FILE *file = fopen(path, "r");
    long n_events = 0, n_wrong = 0;
    if (!file) {
        fprintf(stderr, "ERROR: %s can't be read\n", path);
        return 2;
    }
    for (;;) {
        int16_t objects[@N_FEATURES@];
        uint8_t accept[@N_THRESHOLDS@];
        long long expected;
        int wrong, bit, code, i, read = 0;
        for (i = 0; i < @N_FEATURES@ && (read = fscanf(file, "%d", &code)) == 1; i++)
            objects[i] = (int16_t)code;
        if (i == 0 && read == EOF)
            break;
        if (i < @N_FEATURES@ || fscanf(file, "%lld", &expected) != 1) {
            fprintf(stderr, "ERROR: %s is short or damaged at event %ld\n", path, n_events);
            return 2;
        }
        wrong = @NAME@_score(objects, accept) != expected;
        for (i = 0; i < @N_THRESHOLDS@; i++) {
            if (fscanf(file, "%d", &bit) != 1) {
                fprintf(stderr, "ERROR: %s is short or damaged at event %ld\n", path, n_events);
                return 2;
            }
            wrong |= accept[i] != bit;
        }
        n_wrong += wrong;
        n_events++;
    }
    fclose(file);
    printf("%ld events, %ld wrong; network %s\n", n_events, n_wrong, @NAME@_hash());
    if (!n_events)
        return 2;
    return n_wrong ? 1 : 0;
}
