// Loops for AVX2 with FMA: int8 as the kernels do it, by vpmaddubsw, vpmaddwd and vpaddd.
#include "probe.h"

#ifdef OCTAVO_X86
#include <immintrin.h>

// Function by function rather than by compiler flags, so that nothing else in this unit needs the instruction set.
#define OCTAVO_TARGET __attribute__((target("avx2,fma")))
#endif

namespace octavo {

#ifdef OCTAVO_X86
namespace {

// Accumulators must stay in the sixteen registers, so every loop over them is unrolled.
constexpr int kAccumulators = 12;

OCTAVO_TARGET double f32_loop(int64_t rounds) {
  __m256 sums[kAccumulators];
#pragma GCC unroll 12
  for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm256_setzero_ps();
  __m256 left = _mm256_set1_ps(1.0f), right = _mm256_set1_ps(1e-9f);
  asm volatile("" : "+x"(left), "+x"(right));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kAccumulators; ++i) {
      sums[i] = _mm256_fmadd_ps(left, right, sums[i]);
      asm volatile("" : "+x"(sums[i]));
    }
  }
  return static_cast<double>(rounds) * kAccumulators * 8 * 2;
}

OCTAVO_TARGET double int8_loop(int64_t rounds) {
  constexpr int kSums = 6;
  __m256i sums[kSums];
#pragma GCC unroll 6
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_setzero_si256();
  __m256i left = _mm256_set1_epi8(3), right = _mm256_set1_epi8(-2), ones = _mm256_set1_epi16(1);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 6
    for (int i = 0; i < kSums; ++i) {
      asm volatile("" : "+x"(left), "+x"(right), "+x"(ones));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(left, right), ones));
      asm volatile("" : "+x"(sums[i]));
    }
  }
  return static_cast<double>(rounds) * kSums * 32 * 2;
}

OCTAVO_TARGET uint64_t read_loop(const uint8_t* data, size_t bytes) {
  __m256i sums[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) sums[i] = _mm256_setzero_si256();
  for (size_t at = 0; at < bytes; at += 256) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(data + at + 32 * i)));
    }
  }
#pragma GCC unroll 8
  for (int i = 1; i < 8; ++i) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  alignas(32) uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), sums[0]);
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

}  // namespace
#endif

void set_avx2_loops(ProbeLoops& loops) {
#ifdef OCTAVO_X86
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  loops.f32 = f32_loop;
  loops.int8 = int8_loop;
  loops.read = read_loop;
#else
  (void)loops;
#endif
}

}  // namespace octavo
