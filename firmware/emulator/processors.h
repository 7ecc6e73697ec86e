// The kernels of the emulator, built for each kind of processor that a library is for.
#ifndef FPGAAE_EMULATOR_PROCESSORS_H_
#define FPGAAE_EMULATOR_PROCESSORS_H_

#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Where the compiler may use only what every processor of a kind has, there are builds for AVX2 and AVX-512 beside that one,
// and each block takes the one for its processor. Define FPGAAE_ONE_BUILD to have only what the compiler is told to compile
// for, and FPGAAE_PORTABLE to have it without any instructions by name.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__AVX2__) && !defined(FPGAAE_PORTABLE) && \
    !defined(FPGAAE_ONE_BUILD)
#define FPGAAE_MORE_BUILDS
#endif

#ifdef __clang__
#define FPGAAE_SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FPGAAE_SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, type{__VA_ARGS__})
#endif

namespace fpgaae_emulator {

static const int block_events = 32;

// A value of each event.
template <class T> struct alignas(64) Row {
    T lane[block_events];
};

// Two values of each event, side by side.
struct alignas(64) Pairs {
    int16_t code[2 * block_events];
};

// Kernel of a dense layer without its zeros: those of output j are at first[j] to first[j + 1].
template <class weight_T> struct Sparse {
    const int *first;
    const int *input;
    const weight_T *weight;
};

// How many steps of an angle make a turn.
template <int steps> struct Turn {};

#if defined(__AVX512BW__) && !defined(FPGAAE_PORTABLE)
#define FPGAAE_VECTOR_BYTES 64
#elif defined(__AVX2__) && !defined(FPGAAE_PORTABLE)
#define FPGAAE_VECTOR_BYTES 32
#else
#define FPGAAE_VECTOR_BYTES 16
#endif
struct Any {
#include "kernels.h"
#include "words.h"
};
#undef FPGAAE_VECTOR_BYTES

#ifdef FPGAAE_MORE_BUILDS
inline bool has_avx2() { return __builtin_cpu_supports("avx2"); }
inline bool has_avx512() {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

#pragma GCC push_options
#pragma GCC target("avx2")
#define FPGAAE_VECTOR_BYTES 32
struct Avx2 {
#include "kernels.h"
#include "words.h"
};
#undef FPGAAE_VECTOR_BYTES
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512bw,avx512vl,avx512dq")
#define FPGAAE_VECTOR_BYTES 64
struct Avx512 {
#include "kernels.h"
#include "words.h"
};
#undef FPGAAE_VECTOR_BYTES
#pragma GCC pop_options
#endif

} // namespace fpgaae_emulator

#endif
