// Loops for AVX-512: FMA, vpdpbusd where there is VNNI, vdpbf16ps where there is BF16.
#include "probe.h"

#ifdef OCTAVO_X86
#include <cpuid.h>
#include <immintrin.h>

#define OCTAVO_TARGET(features) __attribute__((target("avx512f,avx512bw," features)))
// The first compilers with avx512bf16.
#if defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 10
#define OCTAVO_BF16 1
#endif
#endif

namespace octavo {

#ifdef OCTAVO_X86
namespace {

// Of 32 registers: enough to hide any latency, and room for the operands. Every loop over them is unrolled, or they spill.
constexpr int kAccumulators = 24;

OCTAVO_TARGET("avx512f") double f32_loop(int64_t rounds) {
  __m512 sums[kAccumulators];
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_setzero_ps();
  __m512 left = _mm512_set1_ps(1.0f), right = _mm512_set1_ps(1e-9f);
  asm volatile("" : "+v"(left), "+v"(right));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) {
      sums[i] = _mm512_fmadd_ps(left, right, sums[i]);
      asm volatile("" : "+v"(sums[i]));
    }
  }
  return static_cast<double>(rounds) * kAccumulators * 16 * 2;
}

OCTAVO_TARGET("avx512vnni") double int8_loop(int64_t rounds) {
  __m512i sums[kAccumulators];
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_setzero_si512();
  __m512i left = _mm512_set1_epi8(3), right = _mm512_set1_epi8(-2);
  asm volatile("" : "+v"(left), "+v"(right));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) {
      sums[i] = _mm512_dpbusd_epi32(sums[i], left, right);
      asm volatile("" : "+v"(sums[i]));
    }
  }
  return static_cast<double>(rounds) * kAccumulators * 64 * 2;
}

#ifdef OCTAVO_BF16
OCTAVO_TARGET("avx512bf16") double bf16_loop(int64_t rounds) {
  __m512 sums[kAccumulators];
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_setzero_ps();
  __m512i ones = _mm512_set1_epi16(0x3f80);
  asm volatile("" : "+v"(ones));
  const __m512bh left = (__m512bh)ones, right = (__m512bh)ones;
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) {
      sums[i] = _mm512_dpbf16_ps(sums[i], left, right);
      asm volatile("" : "+v"(sums[i]));
    }
  }
  return static_cast<double>(rounds) * kAccumulators * 32 * 2;
}

bool has_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0;
}
#endif

OCTAVO_TARGET("avx512f") uint64_t read_loop(const uint8_t* data, size_t bytes) {
  __m512i sums[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) sums[i] = _mm512_setzero_si512();
  for (size_t at = 0; at < bytes; at += 512) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = _mm512_xor_si512(sums[i], _mm512_load_si512(data + at + 64 * i));
  }
#pragma GCC unroll 8
  for (int i = 1; i < 8; ++i) sums[0] = _mm512_xor_si512(sums[0], sums[i]);
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, sums[0]);
  uint64_t total = 0;
  for (const uint64_t word : words) total ^= word;
  return total;
}

}  // namespace
#endif

void set_avx512_loops(ProbeLoops& loops) {
#ifdef OCTAVO_X86
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return;
  loops.f32 = f32_loop;
  loops.read = read_loop;
  if (__builtin_cpu_supports("avx512vnni")) loops.int8 = int8_loop;
#ifdef OCTAVO_BF16
  if (has_bf16()) loops.bf16 = bf16_loop;
#endif
#else
  (void)loops;
#endif
}

}  // namespace octavo
