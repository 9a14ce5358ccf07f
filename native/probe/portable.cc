// Loops in plain C++, for processors without loops of their own.
#include "probe.h"

namespace octavo {
namespace {

// A register of four floats in an asm statement: one that the compiler must take to have changed.
#if defined(__x86_64__)
#define OCTAVO_CHANGED(value) asm volatile("" : "+x"(value))
#elif defined(__aarch64__)
#define OCTAVO_CHANGED(value) asm volatile("" : "+w"(value))
#else
#define OCTAVO_CHANGED(value) asm volatile("" : "+m"(value))
#endif

constexpr int kAccumulators = 12;
typedef float Float4 __attribute__((vector_size(16)));

double f32_loop(int64_t rounds) {
  Float4 sums[kAccumulators];
#pragma GCC unroll 12
  for (int i = 0; i < kAccumulators; ++i) sums[i] = Float4{};
  Float4 left = {1.0f, 1.0f, 1.0f, 1.0f}, right = left * 1e-9f;
  OCTAVO_CHANGED(left);
  OCTAVO_CHANGED(right);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kAccumulators; ++i) {
      OCTAVO_CHANGED(left);
      sums[i] += left * right;
      OCTAVO_CHANGED(sums[i]);
    }
  }
  return static_cast<double>(rounds) * kAccumulators * 4 * 2;
}

uint64_t read_loop(const uint8_t* data, size_t bytes) {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes / 8; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] ^= words[i + j];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total ^= sum;
  return total;
}

}  // namespace

void set_portable_loops(ProbeLoops& loops) {
  loops.f32 = f32_loop;
  loops.read = read_loop;
}

}  // namespace octavo
