// Tiles of the matrix product of blocks of 256 columns whose scales are integers (Q3_K to Q6_K) with activations that have one scale for the same columns.
//
// The sum of scale * dot over the dot products of 32 columns (16 where a format has two scales) is an integer, of magnitude at most 256 * 32 * 128 * 127 < 2^31, exact in any
// order and rounded to f32 once. Each output has one f32 accumulator that takes one multiply-add per block, in ascending order:
// acc = fma(sum * weightScale, activationScale, acc), or fma(sum * weightScale - minima * min, ...), where minima is such an integer too (docs/decisions/0008-integer-blocks.md).
#pragma once

#include "formats.h"
#include "int8_dots.h"
#include "kernels.h"

namespace octavo {
namespace {

/** Some rows of a block of activations that has one scale (layout.h), from slot `slot` on. */
struct BlockRows {
  const uint8_t* block;
  int32_t slot;

  __attribute__((always_inline)) const uint8_t* quants(int index) const { return block + slot * kBlockColumns + index * kQuantBlock; }
  __attribute__((always_inline)) const uint8_t* minus_sums(int half) const { return block + kBlockMinusSums + static_cast<size_t>(half * kTileRows + slot) * 4; }
  __attribute__((always_inline)) const uint8_t* scales() const { return block + kBlockScales + static_cast<size_t>(slot) * 4; }
  __attribute__((always_inline)) const uint8_t* pair_sums(int pair) const { return block + kBlockPairSums + static_cast<size_t>(pair * kTileRows + slot) * 4; }
};
OCTAVO_INLINE BlockRows block_of(const TileRows& rows, int32_t unit) {
  return {rows.tile + static_cast<size_t>(unit / kBlockUnits) * rows.block_bytes, rows.slot};
}
/** One more block of an output's sum: `scaled` has the weights' scale, `x` is the activations'. */
OCTAVO_INLINE void add_block(float* to, V16 scaled, V16 x, bool resumes) { v_store(to, v_fma(scaled, x, resumes ? v_load(to) : v_zero())); }

#if defined(__AVX2__)

/** -zero * sum of a row's activations, the initial value of the dot product of a half. */
template <class F>
OCTAVO_INLINE I16 initial_half(const BlockRows& rows, int half, int row) {
  return i_shift_left<log2_of(F::kZero)>(i_set1(read_int(rows.minus_sums(half) + row * 4)));
}

/** One half of unit `index` of a block whose scales are integers, or all of it: total += scale * dot. */
template <class F, int kRows, int kHalf>
OCTAVO_INLINE void add_integer_half(const F& weights, const BlockRows& rows, int index, int group, I16 (&totals)[2][kRows]) {
  I16 dots[kTileGroups][kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    I16 initial = i_set1(0);
    if constexpr (F::kZero != 0) {
      static_assert(F::kHalves == 2, "sums of 16 columns");
      initial = initial_half<F>(rows, index * 2 + kHalf, row);
    }
#pragma GCC unroll 2
    for (int g = 0; g < kTileGroups; ++g) dots[g][row] = initial;
  }
  dot_columns<F, kRows, kHalf>(weights, rows.quants(index), group, dots);
#pragma GCC unroll 2
  for (int g = 0; g < kTileGroups; ++g) {
    const I16 scale = weights.integer_scale(kHalf, group + g);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) totals[group + g][row] = i_add(totals[group + g][row], i_mul(dots[g][row], scale));
  }
}

/** The minima of a block for a group of outputs: two units' in each lane, as i_dot_words_at wants them, and what all are multiplied by. */
template <class F>
struct BlockMinima {
  I16 pairs[kBlockUnits / 2];
  V16 min;

  OCTAVO_INLINE BlockMinima of(const uint8_t* panel, int32_t unit, int group) {
    BlockMinima minima;
#pragma GCC unroll 4
    for (int pair = 0; pair < kBlockUnits / 2; ++pair) {
      const I16 first = F::at(panel, unit + 2 * pair).integer_min(group);
      minima.pairs[pair] = i_add(first, i_shift_left<16>(F::at(panel, unit + 2 * pair + 1).integer_min(group)));
    }
    minima.min = F::at(panel, unit).block_min(group);
    return minima;
  }
  /** scaled - (sum of minima times the activations' sums) * min; `sums`: of pairs, kTileRows words of two apart. */
  __attribute__((always_inline)) V16 subtract(V16 scaled, const uint8_t* sums) const {
    I16 total = i_set1(0);
#pragma GCC unroll 4
    for (int pair = 0; pair < kBlockUnits / 2; ++pair) total = i_dot_words_at(total, pairs[pair], sums + pair * kTileRows * 4);
    return v_fnma(i_to_float(total), min, scaled);
  }
};

/** Units of which scale * dot may be summed in floats: 4 * 32 * 15 * 127 * 63 < 2^24 are exact, and cost Intel's processors an instruction less. 0: none. */
#if defined(OCTAVO_ZEN)
// Multiplying integers costs what multiplying floats does; 8 rows of Q4_K take 0.91 of the time, 16 and more 0.88 to 0.93.
template <class F>
constexpr int kFloatUnits = 0;
#else
template <class F>
constexpr int kFloatUnits = F::kHasMin && F::kCodeBits == 4 ? 4 : 0;
#endif

/** What units are summed in. */
template <bool kFloats>
struct UnitSum {
  using Type = I16;
};
template <>
struct UnitSum<true> {
  using Type = V16;
};

/** One unit: sum += scale * dot, exactly. */
template <class F, int kRows>
OCTAVO_INLINE void add_float_unit(const F& weights, const BlockRows& rows, int index, int group, V16 (&sums)[2][kRows]) {
  static_assert(F::kHalves == 1 && F::kZero == 0);
  I16 dots[kTileGroups][kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int g = 0; g < kTileGroups; ++g) dots[g][row] = i_set1(kDotBias);
  }
  dot_columns<F, kRows, 0>(weights, rows.quants(index), group, dots);
#pragma GCC unroll 2
  for (int g = 0; g < kTileGroups; ++g) {
    const V16 scale = i_to_float(weights.integer_scale(0, group + g));
    const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) sums[group + g][row] = v_add(sums[group + g][row], v_fma(i_as_float(dots[g][row]), scale, bias));
  }
}

/** The block at unit `unit` of the panel (`index` from where fetching began): sums of scale * dot, rounded to floats once. */
template <class F, int kRows, class Fetch>
OCTAVO_INLINE void block_totals(const uint8_t* panel, int32_t unit, int32_t index, const BlockRows& rows, const Fetch& fetch, V16 (&floats)[2][kRows]) {
  constexpr int kUnits = kFloatUnits<F> > 0 ? kFloatUnits<F> : kBlockUnits;
  for (int first = 0; first < kBlockUnits; first += kUnits) {
    typename UnitSum<(kFloatUnits<F> > 0)>::Type totals[2][kRows];
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      if constexpr (kFloatUnits<F> == 0) totals[0][row] = totals[1][row] = i_set1(0);
      else totals[0][row] = totals[1][row] = v_zero();
    }
    for (int u = first; u < first + kUnits; ++u) {
      fetch.step(index + u);
      const F weights = F::at(panel, unit + u);
#pragma GCC unroll 2
      for (int group = 0; group < 2; group += kTileGroups) {
        if constexpr (kFloatUnits<F> > 0) {
          add_float_unit<F, kRows>(weights, rows, u, group, totals);
        } else {
          add_integer_half<F, kRows, 0>(weights, rows, u, group, totals);
          if constexpr (F::kHalves == 2) add_integer_half<F, kRows, 1>(weights, rows, u, group, totals);
        }
      }
    }
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (int group = 0; group < 2; ++group) {
        if constexpr (kFloatUnits<F> == 0) floats[group][row] = i_to_float(totals[group][row]);
        else floats[group][row] = first == 0 ? totals[group][row] : v_add(floats[group][row], totals[group][row]);
      }
    }
  }
}

/** As int8_tile, of blocks of kBlockUnits units: `first_unit` and `units` are multiples of that. */
template <class F, int kRows, class Fetch>
void int8_block_tile(const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& tile, const Fetch& fetch, float* out,
                     size_t out_stride, bool resume) {
  for (int32_t first = 0; first < units; first += kBlockUnits) {
    const BlockRows rows = block_of(tile, first_unit + first);
    const int32_t unit = (F::kFromStart ? first_unit : 0) + first;
    V16 totals[2][kRows];
    block_totals<F, kRows>(panel, unit, first, rows, fetch, totals);
    const bool resumes = resume || first > 0;
#pragma GCC unroll 2
    for (int group = 0; group < 2; ++group) {
      const V16 scale = F::at(panel, unit).block_scale(group);
      [[maybe_unused]] BlockMinima<F> minima;
      if constexpr (F::kHasMin) minima = BlockMinima<F>::of(panel, unit, group);
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        V16 scaled = v_mul(totals[group][row], scale);
        if constexpr (F::kHasMin) scaled = minima.subtract(scaled, rows.pair_sums(0) + row * 4);
        add_block(out + row * out_stride + group * 16, scaled, v_set1(read_float(rows.scales() + row * 4)), resumes);
      }
    }
  }
}

#else

/** As int8_tile, of blocks of kBlockUnits units whose scales are integers: `first_unit` and `units` are multiples of that. */
template <class F, int kRows, class Fetch>
void int8_block_tile(const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& tile, const Fetch& fetch, float* out,
                     size_t out_stride, bool resume) {
  (void)fetch;
  constexpr int kSpan = kQuantBlock / F::kHalves;
  for (int32_t first = 0; first < units; first += kBlockUnits) {
    const BlockRows rows = block_of(tile, first_unit + first);
    const int32_t unit = (F::kFromStart ? first_unit : 0) + first;
    int32_t totals[kRows][2][kGroupRows] = {};
    [[maybe_unused]] int32_t minima[kRows][2][kGroupRows] = {};
    for (int index = 0; index < kBlockUnits; ++index) {
      const F weights = F::at(panel, unit + index);
      for (int group = 0; group < 2; ++group) {
        WideUnit wide;
        wide.fill(weights, group);
        if constexpr (F::kHasMin) {
          int32_t mins[kGroupRows];
          i_store(mins, weights.integer_min(group));
          for (int row = 0; row < kRows; ++row) {
            int16_t sums[2];
            std::memcpy(sums, rows.pair_sums(index / 2) + row * 4, sizeof sums);
            for (int lane = 0; lane < kGroupRows; ++lane) minima[row][group][lane] += mins[lane] * sums[index % 2];
          }
        }
        for (int half = 0; half < F::kHalves; ++half) {
          int32_t scales[kGroupRows];
          i_store(scales, weights.integer_scale(half, group));
          for (int row = 0; row < kRows; ++row) {
            int32_t dots[kGroupRows];
            wide.dot(reinterpret_cast<const int8_t*>(rows.quants(index) + row * kBlockColumns), half * kSpan, (half + 1) * kSpan, dots);
            for (int lane = 0; lane < kGroupRows; ++lane) totals[row][group][lane] += dots[lane] * scales[lane];
          }
        }
      }
    }
    const F block = F::at(panel, unit);
    for (int row = 0; row < kRows; ++row) {
      const V16 x = v_set1(read_float(rows.scales() + row * 4));
      for (int group = 0; group < 2; ++group) {
        V16 scaled = v_mul(to_floats(totals[row][group]), block.block_scale(group));
        if constexpr (F::kHasMin) scaled = v_fnma(to_floats(minima[row][group]), block.block_min(group), scaled);
        add_block(out + row * out_stride + group * 16, scaled, x, resume || first > 0);
      }
    }
  }
}

#endif

}  // namespace
}  // namespace octavo
