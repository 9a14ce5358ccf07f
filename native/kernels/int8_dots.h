// Exact dot products of codes and quantised activations, which the kernels over units (linear_int8.h) and over blocks (linear_blocks.h) share.
#pragma once

#include <utility>

#include "formats.h"
#include "kernels.h"

namespace octavo {
namespace {

#if defined(__AVX512VNNI__)
// Sixteen int32 and sixteen f32 accumulators: the f32 ones are spilled, once a block, and that costs less than loading
// the weights more often.
constexpr int kInt8TileRows = 8;
constexpr int kTileGroups = 2;
/**
 * From so many rows on, activations are operands in memory. Measured on an Intel Xeon: Q4_0, Q8_0 and Q6_K take 0.90 to 0.98 of the time; two or three rows of Q8_0 took 1.05. Zen 5 loads
 * as many vectors in a cycle as it multiplies: there one load for both groups takes 0.80 to 0.90 of the time from 8 rows on.
 */
#if defined(OCTAVO_ZEN)
constexpr int kDotsFromMemory = kInt8TileRows + 1;
#else
constexpr int kDotsFromMemory = 4;
#endif
#elif defined(__AVX2__)
constexpr int kInt8TileRows = 2;
constexpr int kTileGroups = 1;
#else
constexpr int kInt8TileRows = 4;
constexpr int kTileGroups = 1;
#endif
static_assert(kTileRows % kInt8TileRows == 0, "a tile of activations is cut into whole tiles of registers");

/** Some rows of a tile of activations: `x` points at slot `slot` of the first block. */
struct TileRows {
  const uint8_t* tile;
  size_t block_bytes;
  int32_t slot;

  __attribute__((always_inline)) const uint8_t* quants(int32_t unit) const {
    return tile + static_cast<size_t>(unit) * block_bytes + static_cast<size_t>(slot) * kQuantBlock;
  }
  /** Table whose entries, `offset` bytes into the block, lie kTileEntry apart. */
  __attribute__((always_inline)) const uint8_t* table(int32_t unit, size_t offset) const {
    return tile + static_cast<size_t>(unit) * block_bytes + offset + static_cast<size_t>(slot) * kTileEntry;
  }
};

/** Bytes between the quants of two rows. */
template <class F>
constexpr int quants_stride() {
  return F::kIntegerScales ? kBlockColumns : kQuantBlock;
}

constexpr int log2_of(int value) { return value <= 1 ? 0 : 1 + log2_of(value / 2); }

#if defined(__AVX2__)

/** dot += codes times the four bytes at `x`. */
template <class F, int kRows>
OCTAVO_INLINE void add_dot(I16& dot, B64 codes, const uint8_t* x) {
#if defined(__AVX512VNNI__)
  if constexpr (kRows >= kDotsFromMemory) return i_dot_at(dot, codes, x);
#endif
  dot = i_dot<F::kWide>(dot, codes, read_int(x));
}

template <class F, int kRows, int kStep>
OCTAVO_INLINE void dot_step(const F& weights, const uint8_t* quants, int group, I16 (&dots)[kTileGroups][kRows]) {
  B64 codes[kTileGroups];
#pragma GCC unroll 2
  for (int g = 0; g < kTileGroups; ++g) codes[g] = weights.template codes<kStep>(group + g);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const uint8_t* const x = quants + row * quants_stride<F>() + kStep * 4;
#pragma GCC unroll 2
    for (int g = 0; g < kTileGroups; ++g) add_dot<F, kRows>(dots[g][row], codes[g], x);
  }
}

template <class F, int kRows, int... kSteps>
OCTAVO_INLINE void dot_steps(const F& weights, const uint8_t* quants, int group, I16 (&dots)[kTileGroups][kRows],
                             std::integer_sequence<int, kSteps...>) {
  (dot_step<F, kRows, kSteps>(weights, quants, group, dots), ...);
}

/** The columns of one half (or the whole) of a unit. */
template <class F, int kRows, int kHalf>
OCTAVO_INLINE void dot_columns(const F& weights, const uint8_t* quants, int group, I16 (&dots)[kTileGroups][kRows]) {
  // Columns of one byte of nibbles lie next to each other, so that it is loaded once.
  if constexpr (F::kHalves == 1) dot_steps(weights, quants, group, dots, std::integer_sequence<int, 0, 4, 1, 5, 2, 6, 3, 7>{});
  else if constexpr (kHalf == 0) dot_steps(weights, quants, group, dots, std::integer_sequence<int, 0, 1, 2, 3>{});
  else dot_steps(weights, quants, group, dots, std::integer_sequence<int, 4, 5, 6, 7>{});
}

#else

template <class F, int... kSteps>
OCTAVO_INLINE void store_codes(const F& weights, int group, uint8_t* to, std::integer_sequence<int, kSteps...>) {
  (b_store(to + kSteps * 64, weights.template codes<kSteps>(group)), ...);
}

/** A group of a unit as sixteen-bit integers, so that the compiler can use its widest multiply-add. */
struct WideUnit {
  int16_t weights[kQuantBlock][kGroupRows];

  template <class F>
  void fill(const F& unit, int group) {
    uint8_t bytes[512];
    store_codes(unit, group, bytes, std::make_integer_sequence<int, 8>{});
    for (int column = 0; column < kQuantBlock; ++column) {
      for (int lane = 0; lane < kGroupRows; ++lane) {
        weights[column][lane] = static_cast<int16_t>(bytes[(column / 4) * 64 + lane * 4 + column % 4] - F::kZero);
      }
    }
  }
  /** Dot products of columns [first, last) with a row's quants. */
  void dot(const int8_t* quants, int first, int last, int32_t (&dots)[kGroupRows]) const {
    for (int32_t& lane : dots) lane = 0;
    for (int column = first; column < last; ++column) {
      const int16_t x = quants[column];
      for (int lane = 0; lane < kGroupRows; ++lane) dots[lane] += weights[column][lane] * x;
    }
  }
};

OCTAVO_INLINE V16 to_floats(const int32_t (&values)[kGroupRows]) {
  float lanes[kGroupRows];
  for (int lane = 0; lane < kGroupRows; ++lane) lanes[lane] = static_cast<float>(values[lane]);
  return v_load(lanes);
}

#endif

}  // namespace
}  // namespace octavo
