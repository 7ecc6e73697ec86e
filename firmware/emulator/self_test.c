/* Feeds the shipped golden vectors through every function and compares codes: one event at a time, in batches of every
 * length from one event to three blocks, whole, with buffers at places of all kinds, and from several threads at once.
 * The check of declarations is asked for both ends of each; then the decisions at the thresholds, the trained ones and others.
 * Returns 0: all equal; 1: one differs; 2: the vectors are damaged. */
#include "@NAME@_emulator.h"
@INCLUDE_WEIGHTS@#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    n_features = @N_FEATURES@,
    n_thresholds = @N_THRESHOLDS@,
    n_latents = @N_LATENTS@,
    n_cells = @N_CELLS@,
    most = 3 * 32, /* events: three blocks of the emulator */
    places = 32,   /* of a buffer: that many elements behind an address that any vector may have */
    n_threads = 4
};

static const uint8_t guard = 0xa5; /* stands where no result belongs */

/* The vectors, of which the first `most` stand behind the last once more, so that a batch may begin at any event. */
static long n_events;
static int16_t *objects;
static int64_t *scores;
static uint8_t *accept;
static int32_t *latents;
static uint8_t *is_wrong; /* of each event */

@USED_WEIGHTS@/* How one way of calling the emulator went. */
typedef struct {
    long calls, compared, wrong, first_wrong, first_length;
} Check;

static void *room(size_t n, size_t size) {
    void *found = calloc(n ? n : 1, size);
    if (!found) {
        fprintf(stderr, "ERROR: out of memory\n");
        exit(2);
    }
    return found;
}

static long count_lines(FILE *file) {
    long n = 0;
    int c, last = '\n';
    while ((c = getc(file)) != EOF) {
        n += c == '\n';
        last = c;
    }
    rewind(file);
    return n + (last != '\n');
}

static int read_event(FILE *file, long event) {
    long long code;
    int i;
    for (i = 0; i < n_features; i++) {
        if (fscanf(file, "%lld", &code) != 1)
            return 0;
        objects[event * n_features + i] = (int16_t)code;
    }
    if (fscanf(file, "%lld", &code) != 1)
        return 0;
    scores[event] = code;
    for (i = 0; i < n_thresholds; i++) {
        if (fscanf(file, "%lld", &code) != 1)
            return 0;
        accept[event * n_thresholds + i] = (uint8_t)code;
    }
    for (i = 0; i < n_latents; i++) {
        if (fscanf(file, "%lld", &code) != 1)
            return 0;
        latents[event * n_latents + i] = (int32_t)code;
    }
    return 1;
}

static int read_vectors(const char *path) {
    FILE *file = fopen(path, "r");
    long event;
    if (!file) {
        fprintf(stderr, "ERROR: %s can't be read\n", path);
        return 0;
    }
    n_events = count_lines(file);
    objects = room((n_events + most) * n_features, sizeof *objects);
    scores = room(n_events + most, sizeof *scores);
    accept = room((n_events + most) * n_thresholds, sizeof *accept);
    latents = room((n_events + most) * n_latents, sizeof *latents);
    is_wrong = room(n_events, sizeof *is_wrong);
    for (event = 0; event < n_events; event++)
        if (!read_event(file, event)) {
            fprintf(stderr, "ERROR: %s is short or damaged at event %ld\n", path, event);
            fclose(file);
            return 0;
        }
    fclose(file);
    if (!n_events)
        fprintf(stderr, "ERROR: %s holds no event\n", path);
    for (event = 0; n_events && event < most; event++) {
        const long from = event % n_events, to = n_events + event;
        memcpy(objects + to * n_features, objects + from * n_features, n_features * sizeof *objects);
        scores[to] = scores[from];
        memcpy(accept + to * n_thresholds, accept + from * n_thresholds, n_thresholds);
        if (n_latents)
            memcpy(latents + to * n_latents, latents + from * n_latents, n_latents * sizeof *latents);
    }
    return n_events > 0;
}

/* Notes what became of an event of a batch; events that a batch overwrote beside its own count as its last. */
static void note(Check *check, long event, long length, int wrong) {
    check->compared++;
    if (!wrong)
        return;
    if (!check->wrong++) {
        check->first_wrong = event % n_events;
        check->first_length = length;
    }
    is_wrong[event % n_events] = 1; /* every thread writes the same */
}

static int is_guard(const void *bytes, size_t n) {
    size_t i;
    for (i = 0; i < n; i++)
        if (((const uint8_t *)bytes)[i] != guard)
            return 0;
    return 1;
}

static int differs(long event, int64_t score, const uint8_t *bits) {
    return score != scores[event] || (bits && memcmp(bits, accept + event * n_thresholds, n_thresholds));
}

/* One event at a time, with and without decisions. */
static void run_single(Check *check) {
    uint8_t bits[n_thresholds + 1];
    long event;
    for (event = 0; event < n_events; event++) {
        const int16_t *of = objects + event * n_features;
        int wrong;
        memset(bits, guard, sizeof bits);
        wrong = differs(event, @NAME@_score@WITH@(@OF_USED@of, bits), bits) || bits[n_thresholds] != guard;
        wrong |= differs(event, @NAME@_score@WITH@(@OF_USED@of, NULL), NULL);
        check->calls += 2;
        note(check, event, 1, wrong);
    }
}

/* Room for a batch and its results, with places to spare on both sides. */
typedef struct {
    int16_t *objects;
    int64_t *scores;
    uint8_t *accept;
    int32_t *latents;
} Buffers;

static Buffers make_buffers(long n) {
    Buffers made;
    made.objects = room(n * n_features + 2 * places, sizeof *made.objects);
    made.scores = room(n + 2 * places, sizeof *made.scores);
    made.accept = room(n * n_thresholds + 2 * places, 1);
    made.latents = room(n * n_latents + 2 * places, sizeof *made.latents);
    return made;
}

static void free_buffers(Buffers made) {
    free(made.objects);
    free(made.scores);
    free(made.accept);
    free(made.latents);
}

/* Whether the guards on both sides of the results of a batch still stand; n is a number of elements. */
static int kept(const void *whole, long place, long n, size_t size) {
    const uint8_t *bytes = whole;
    return is_guard(bytes, place * size) && is_guard(bytes + (place + n) * size, (2 * places - place) * size);
}

/* A batch of consecutive events, its buffers `place` elements behind their beginnings. */
static void run_batch(Check *check, Buffers in, long first, long n, int place, int with_accept) {
    int16_t *of = in.objects + place;
    uint8_t *bits = with_accept ? in.accept + place : NULL;
    long event;
    int intact;
    memcpy(of, objects + first * n_features, n * n_features * sizeof *of);
    memset(in.scores, guard, (n + 2 * places) * sizeof *in.scores);
    memset(in.accept, guard, n * n_thresholds + 2 * places);
    @NAME@_score_batch@WITH@(@OF_USED@of, n, in.scores + place, bits);
    intact = kept(in.scores, place, n, sizeof *in.scores);
    intact &= kept(in.accept, place, with_accept ? n * n_thresholds : 0, 1);
    intact &= !memcmp(of, objects + first * n_features, n * n_features * sizeof *of);
    check->calls++;
    for (event = 0; event < n; event++)
        note(check, first + event, n,
             differs(first + event, in.scores[place + event], bits ? bits + event * n_thresholds : NULL) ||
                 (!intact && event == n - 1));
    if (n_latents) {
        memset(in.latents, guard, (n * n_latents + 2 * places) * sizeof *in.latents);
        @NAME@_latents_batch@WITH@(@OF_USED@of, n, in.latents + place);
        intact = kept(in.latents, place, n * n_latents, sizeof *in.latents);
        check->calls++;
        for (event = 0; event < n; event++)
            note(check, first + event, n,
                 memcmp(in.latents + place + event * n_latents, latents + (first + event) * n_latents,
                        n_latents * sizeof *latents) ||
                     (!intact && event == n - 1));
    }
}

/* Every length, each from several events on, so that events come to stand in every lane and at every place. */
static void run_lengths(Check *check, long seed) {
    const Buffers in = make_buffers(most);
    long n, round;
    for (n = 1; n <= most; n++)
        for (round = 0; round < 4; round++) {
            const long draw = seed + 4 * n + round;
            run_batch(check, in, draw * 37 % n_events, n, (int)(draw % places), (int)(round % 4 != 3));
        }
    free_buffers(in);
}

static void run_lengths_once(Check *check) { run_lengths(check, 0); }

static void run_whole(Check *check) {
    const Buffers in = make_buffers(n_events);
    int place;
    for (place = 0; place < places; place += 7)
        run_batch(check, in, 0, n_events, place, 1);
    free_buffers(in);
}

static void *run_thread(void *check) {
    run_lengths(check, ((Check *)check)->first_length);
    return NULL;
}

/* The same from several threads, each with events of its own. */
static void run_threads(Check *check) {
    pthread_t thread[n_threads];
    Check part[n_threads];
    int i;
    for (i = 0; i < n_threads; i++) {
        part[i] = *check;
        part[i].first_length = 1000 * i; /* where it begins, until something is wrong */
        if (pthread_create(&thread[i], NULL, run_thread, &part[i])) {
            fprintf(stderr, "ERROR: no thread can be started\n");
            exit(2);
        }
    }
    for (i = 0; i < n_threads; i++) {
        pthread_join(thread[i], NULL);
        check->calls += part[i].calls;
        check->compared += part[i].compared;
        if (part[i].wrong && !check->wrong) {
            check->first_wrong = part[i].first_wrong;
            check->first_length = part[i].first_length;
        }
        check->wrong += part[i].wrong;
    }
}

/* Whether the check of declarations finds an integer that stands in the last of three events, or passes them. */
static void expect_beyond(Check *check, const int16_t *events, int feature, int beyond) {
    int64_t event = -1;
    int found = -1;
    int64_t n = @NAME@_check(events, 3, &event, &found);
    check->calls++;
    note(check, 0, 3, n != beyond || n != @NAME@_check(events, 3, NULL, NULL) ||
                          (beyond && (event != 2 || found != feature || !@NAME@_feature(found))));
}

/* Both ends of every declaration, and what lies beside them, as far as 16 bits go. */
static void run_declarations(Check *check) {
    int16_t events[3 * n_features];
    int i, feature;
    for (i = 0; i < 3 * n_features; i++)
        events[i] = (int16_t)@NAME@_largest(i % n_features);
    for (feature = 0; feature < n_features; feature++) {
        const int low = @NAME@_smallest(feature), high = @NAME@_largest(feature);
        int16_t *last = events + 2 * n_features + feature;
        *last = (int16_t)low;
        expect_beyond(check, events, feature, 0);
        *last = (int16_t)(low - 1);
        expect_beyond(check, events, feature, low > -32768 && (low || high < 65535));
        *last = (int16_t)(high + 1);
        expect_beyond(check, events, feature, high < (low < 0 ? 32767 : 65535));
        *last = (int16_t)high;
        expect_beyond(check, events, feature, 0);
    }
}

static const int64_t trained[] = {@THRESHOLDS@}; /* cell by cell */

/* Decisions at, one below and one above each threshold of every cell, and at zero: no event may have these scores. */
static void decide_near(Check *check, const int64_t *thresholds, int is_loaded) {
    const long n = 3 * n_cells * n_thresholds + 1;
    int64_t *codes = room(n, sizeof *codes);
    int32_t *cells = room(n, sizeof *cells);
    uint8_t *bits = room(n * n_thresholds + 1, 1);
    long i;
    int j;
    for (i = 0; i < n - 1; i++) {
        codes[i] = thresholds[i / 3] + i % 3 - 1;
        cells[i] = (int32_t)(i / (3 * n_thresholds));
    }
    memset(bits, guard, n * n_thresholds + 1);
    if (is_loaded)
        @NAME@_decide_with(codes, cells, n, thresholds, bits);
    else
        @NAME@_decide(codes, cells, n, bits);
    check->calls++;
    for (i = 0; i < n; i++) {
        int wrong = bits[n * n_thresholds] != guard;
        for (j = 0; j < n_thresholds; j++)
            wrong |= bits[i * n_thresholds + j] != (codes[i] > thresholds[cells[i] * n_thresholds + j]);
        note(check, 0, n, wrong);
    }
    free(codes);
    free(cells);
    free(bits);
}

static void run_decisions(Check *check) { decide_near(check, trained, 0); }

/* The same with thresholds that are given: the trained ones, also backwards, both ends of the score, and some in no order. */
static void run_loaded(Check *check) {
    enum { n_codes = n_cells * n_thresholds, n_sets = 12 };
    int64_t *loaded = room(n_codes, sizeof *loaded);
    long i, set;
    for (set = 0; set < n_sets; set++) {
        for (i = 0; i < n_codes; i++) {
            const uint64_t drawn = (uint64_t)trained[i] * (2 * set + 1) + (uint64_t)(i * set) * 7919;
            loaded[i] = set == 0   ? trained[i]
                        : set == 1 ? trained[n_codes - 1 - i]
                        : set < 6  ? (((set + i) & 1) && set > 3) || set == 2 ? @LARGEST@LL : 0
                                   : (int64_t)(drawn & @LARGEST@ULL);
        }
        decide_near(check, loaded, 1);
    }
    free(loaded);
}

/* Runs a check and says how it went, at once: a damaged emulator may not live to the next one. */
static void run(const char *what, void (*check)(Check *)) {
    Check done = {0, 0, 0, 0, 0};
    check(&done);
    printf("%s: %ld calls, %ld results compared, %ld wrong", what, done.calls, done.compared, done.wrong);
    if (done.wrong)
        printf("; first event %ld in a batch of %ld", done.first_wrong, done.first_length);
    printf("\n");
    fflush(stdout);
}

@OPEN_USED_FUNCTION@int main(int argc, char **argv) {
    long event, n_wrong = 0;
    if (!read_vectors(argc > 1 ? argv[1] : "vectors.dat"))
        return 2;
@OPEN_USED@    run("batches of 1 to 96 events", run_lengths_once);
    run("all events at once", run_whole);
    run("batches of 1 to 96 events from 4 threads", run_threads);
    run("single events", run_single);
    run("integers beside the declaration of their ports", run_declarations);
    run("decisions at the thresholds", run_decisions);
    run("decisions at thresholds that are given", run_loaded);
    for (event = 0; event < n_events; event++)
        n_wrong += is_wrong[event];
    printf("%ld events, %ld wrong; network %s\n", n_events, n_wrong, @NAME@_hash());
@CLOSE_USED@    free(objects);
    free(scores);
    free(accept);
    free(latents);
    free(is_wrong);
    return n_wrong ? 1 : 0;
}
