/* The limit of a core for integer multiply-adds, 16 by 16 bits into 32: independent sums, all operands in registers or L1.
 * Prints multiply-adds a CPU second, in millions. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { n_sums = 12, n_rounds = 1000, n_repeats = 20000 };

#if defined(__AVX512VNNI__)
typedef __m512i vector;
static inline vector multiply_add(vector sum, vector a, vector b) { return _mm512_dpwssd_epi32(sum, a, b); }
#elif defined(__AVX2__)
typedef __m256i vector;
static inline vector multiply_add(vector sum, vector a, vector b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}
#else
typedef int32_t vector __attribute__((vector_size(16)));
static inline vector multiply_add(vector sum, vector a, vector b) { return sum + a * b; }
#endif

int main(void) {
    const int a_vector = sizeof(vector) / (sizeof(vector) == 16 ? sizeof(int32_t) : sizeof(int16_t));
    static vector x[n_sums], sums[n_sums];
    clock_t started = clock();
    for (int repeat = 0; repeat < n_repeats; repeat++) {
        vector local[n_sums], weight = x[repeat % n_sums];
        for (int i = 0; i < n_sums; i++)
            local[i] = sums[i];
        for (int round = 0; round < n_rounds / n_sums; round++) {
#pragma GCC unroll 12
            for (int i = 0; i < n_sums; i++)
                local[i] = multiply_add(local[i], weight, x[i]);
            __asm__ volatile("" ::: "memory"); /* the compiler must not see that every round does the same */
        }
        for (int i = 0; i < n_sums; i++)
            sums[i] = local[i];
    }
    double seconds = (double)(clock() - started) / CLOCKS_PER_SEC;
    double n = (double)n_repeats * (n_rounds / n_sums) * n_sums * a_vector;
    volatile int32_t used = *(int32_t *)sums;
    (void)used;
    printf("%.0f\n", n / seconds / 1e6);
    return 0;
}
