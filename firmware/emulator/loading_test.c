/* Loads weights as a user may: whether the trained ones are those of weights.dat; whether every code beyond its type, at each
 * place, is refused by the number of its port and leaves what was loaded; whether handles have nothing in common.
 * Returns 0: all as it should be; 1: something differs; 2: a file is damaged. */
#include "weights_file.h"

enum { n_features = @N_FEATURES@, n_thresholds = @N_THRESHOLDS@, n_events = 64 };

static long n_compared, n_wrong;

static void expect(int right) {
    n_compared++;
    n_wrong += !right;
}

static void expect_codes(const @NAME@_weights *weights, const int64_t *codes, int64_t *room) {
    @NAME@_read_weights(weights, room);
    expect(!memcmp(room, codes, count_weights() * sizeof *room));
}

/* A port refuses what lies beside its range, in the first, the last and a place between. */
static void refuse(@NAME@_weights *weights, const int64_t *codes, int64_t *changed, int64_t *room) {
    long first = 0;
    int port;
    for (port = 0; port < @NAME@_n_weight_ports(); port++) {
        const int size = @NAME@_weight_size(port);
        const int places[] = {0, size / 2, size - 1};
        const int64_t beyond[] = {@NAME@_smallest_weight(port) - 1, @NAME@_largest_weight(port) + 1, INT64_MIN, INT64_MAX};
        int i, k;
        for (i = 0; i < 3; i++)
            for (k = 0; k < 4; k++) {
                memcpy(changed, codes, count_weights() * sizeof *changed);
                changed[0] = 0; /* nor is what fits loaded */
                changed[first + places[i]] = beyond[k];
                expect(@NAME@_load_weights(weights, changed) == port + 1);
                expect_codes(weights, codes, room);
            }
        first += size;
    }
}

/* What the functions without a handle give, and those with one: whether both are the same. */
static int are_equal(const @NAME@_weights *weights, const int16_t *objects) {
    static int64_t scores[2][n_events];
    static uint8_t accept[2][n_events * n_thresholds];
    @NAME@_score_batch(objects, n_events, scores[0], accept[0]);
    @NAME@_score_batch_with(weights, objects, n_events, scores[1], accept[1]);
    return !memcmp(scores[0], scores[1], sizeof scores[0]) && !memcmp(accept[0], accept[1], sizeof accept[0]) &&
           @NAME@_score(objects, NULL) == scores[0][0] && @NAME@_score_with(weights, objects, NULL) == scores[1][0];
}

int main(int argc, char **argv) {
    static int16_t objects[n_events * n_features];
    int64_t *own = read_weights_file(argc > 1 ? argv[1] : "weights.dat");
    int64_t *other = read_weights_file(argc > 2 ? argv[2] : "other_weights.dat");
    int64_t *changed = malloc(count_weights() * sizeof *changed), *room = malloc(count_weights() * sizeof *room);
    @NAME@_weights *first = @NAME@_open_weights(), *second = @NAME@_open_weights();
    unsigned random = 1;
    long i;
    if (!own || !other || !changed || !room || !first || !second)
        return 2;
    for (i = 0; i < n_events * n_features; i++) {
        const int low = @NAME@_smallest(i % n_features), high = @NAME@_largest(i % n_features);
        random = random * 1664525u + 1013904223u;
        objects[i] = (int16_t)(low + (int)((random >> 8) % (unsigned)(high - low + 1)));
    }
    expect_codes(NULL, own, room);
    expect_codes(first, own, room);
    expect(are_equal(first, objects));
    refuse(first, own, changed, room);
    expect(are_equal(first, objects));
    expect(@NAME@_load_weights(first, other) == 0);
    expect_codes(first, other, room);
    expect_codes(second, own, room);
    expect_codes(NULL, own, room);
    expect(are_equal(second, objects) && are_equal(NULL, objects) && !are_equal(first, objects));
    refuse(first, other, changed, room);
    expect(@NAME@_load_weights(first, own) == 0);
    expect(are_equal(first, objects));
    @NAME@_close_weights(first);
    @NAME@_close_weights(second);
    @NAME@_close_weights(NULL);
    free(own);
    free(other);
    free(changed);
    free(room);
    printf("loading: %ld results compared, %ld wrong\n", n_compared, n_wrong);
    return n_wrong ? 1 : 0;
}
