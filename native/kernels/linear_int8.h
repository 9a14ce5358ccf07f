// Matrix product of quantised panels with activations quantised per 32 columns.
//
// The dot product of 32 columns (16 where a format has two scales) is exact in int32; each output has one f32
// accumulator that takes one multiply-add per dot product, and one more where the format has minima, in ascending
// order, whatever the tile: acc = fma(dot * weightScale, activationScale, acc). The bits of an output therefore depend
// on its own row alone, and direct and expanded weights give the same ones.
//
// Where scales are integers (Q3_K to Q6_K), 256 columns are summed before that: dot = sum of scale * dot of 32 (16) columns, of magnitude at most
// 256 * 32 * 128 * 127 < 2^31, weightScale is the block's, and activations have one scale for the same columns. Minima are integers too:
// acc = fma(dot * weightScale - sums * min, activationScale, acc).
#pragma once

#include "../processor.h"
#include "formats.h"
#include "kernels.h"
#include "weight_stream.h"

namespace octavo {
namespace {

#if defined(__AVX512VNNI__)
// Sixteen int32 and sixteen f32 accumulators: the f32 ones are spilled, once a block, and that costs less than loading
// the weights more often.
constexpr int kInt8TileRows = 8;
constexpr int kTileGroups = 2;
/** From so many rows on, activations are operands in memory. Measured on an Intel Xeon: Q4_0, Q8_0 and Q6_K take 0.90 to 0.98 of the time; two or three rows of Q8_0 took 1.05. */
constexpr int kDotsFromMemory = 4;
#elif defined(__AVX2__)
constexpr int kInt8TileRows = 2;
constexpr int kTileGroups = 1;
#else
constexpr int kInt8TileRows = 4;
constexpr int kTileGroups = 1;
#endif
static_assert(kTileRows % kInt8TileRows == 0, "a tile of activations is cut into whole tiles of registers");

/** Units that are expanded at a time, at most, and where these are not all that there are; what they take stays in the first cache. */
constexpr int32_t kExpandedUnits = 18;
constexpr int32_t kExpandedTurn = 16;
constexpr int32_t most_expanded(int32_t units) { return units <= kExpandedUnits ? kExpandedUnits : kExpandedTurn; }
/** Up to this many tiles, what they read next is fetched ahead. */
constexpr int32_t kFetchingTiles = 8;
/** From this many tiles on, weights are expanded once instead of for every tile. */
constexpr int32_t kExpandFromTiles = 4;

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
/** Bytes between the quants of two rows. */
template <class F>
constexpr int quants_stride() {
  return F::kIntegerScales ? kBlockColumns : kQuantBlock;
}

constexpr int log2_of(int value) { return value <= 1 ? 0 : 1 + log2_of(value / 2); }

#if defined(__AVX2__)

/** kDotBias + n * 2^kShift of kDotBias + n. */
template <int kShift>
OCTAVO_INLINE I16 scaled_initial(int32_t value) {
  if constexpr (kShift == 0) return i_set1(value);
  else return i_add(i_shift_left<kShift>(i_set1(value)), i_set1(static_cast<int32_t>(static_cast<uint32_t>(kDotBias) - (static_cast<uint32_t>(kDotBias) << kShift))));
}

/** kDotBias - zero * sum of the activations, the initial value of a dot product. */
template <class F>
OCTAVO_INLINE I16 initial_dot(const TileRows& rows, int32_t unit, int half, int row) {
#if !defined(__AVX512VNNI__)
  if constexpr (F::kWide) return i_set1(kDotBias);
#endif
  if constexpr (F::kZero == 0) return i_set1(kDotBias);
  else if constexpr (F::kZero == 128) return i_set1(read_int(rows.table(unit, kTileMinus128) + row * kTileEntry));
  else if constexpr (F::kHalves == 2)
    return scaled_initial<log2_of(F::kZero / 4)>(read_int(rows.table(unit, kTileMinus4Halves + static_cast<size_t>(half) * 4) + row * kTileEntry));
  else return scaled_initial<log2_of(F::kZero / 8)>(read_int(rows.table(unit, kTileMinus8) + row * kTileEntry));
}

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

/** One half (or the whole) of a unit for kTileGroups groups of outputs. */
template <class F, int kRows, int kHalf>
OCTAVO_INLINE void add_half(const F& weights, const TileRows& rows, int32_t unit, int group, V16 (&sums)[2][kRows]) {
  I16 dots[kTileGroups][kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const I16 initial = initial_dot<F>(rows, unit, kHalf, row);
#pragma GCC unroll 2
    for (int g = 0; g < kTileGroups; ++g) dots[g][row] = initial;
  }
  dot_columns<F, kRows, kHalf>(weights, rows.quants(unit), group, dots);
  const uint8_t* scales = rows.table(unit, kTileScales);
  const uint8_t* weighted = rows.table(unit, F::kHalves == 1 ? kTileWeighted : kTileWeightedHalves + kHalf * 4);
#pragma GCC unroll 2
  for (int g = 0; g < kTileGroups; ++g) {
    const V16 scale = weights.scale(kHalf, group + g);
    const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      V16& sum = sums[group + g][row];
      sum = v_fma(v_fma(i_as_float(dots[g][row]), scale, bias), v_set1(read_float(scales + row * kTileEntry)), sum);
    }
    if constexpr (F::kHasMin) {
      const V16 min = weights.min(kHalf, group + g);
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        V16& sum = sums[group + g][row];
        const V16 x = v_set1(read_float(weighted + row * kTileEntry));
        sum = F::kSubtractsMin ? v_fnma(min, x, sum) : v_fma(min, x, sum);
      }
    }
  }
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
      initial = i_shift_left<log2_of(F::kZero)>(i_set1(read_int(rows.minus_sums(index * 2 + kHalf) + row * 4)));
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

/** Units of which scale * dot may be summed in floats: 4 * 32 * 15 * 127 * 63 < 2^24 are exact, and cost an instruction less. 0: none. */
template <class F>
constexpr int kFloatUnits = F::kHasMin && F::kCodeBits == 4 ? 4 : 0;

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
        float* const to = out + row * out_stride + group * 16;
        v_store(to, v_fma(scaled, v_set1(read_float(rows.scales() + row * 4)), resumes ? v_load(to) : v_zero()));
      }
    }
  }
}

template <class F, int kRows, class Fetch>
void int8_tile(const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& rows, const Fetch& fetch, float* out,
               size_t out_stride, bool resume) {
  V16 sums[2][kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    sums[0][row] = resume ? v_load(out + row * out_stride) : v_zero();
    sums[1][row] = resume ? v_load(out + row * out_stride + 16) : v_zero();
  }
  for (int32_t i = 0; i < units; ++i) {
    fetch.step(i);
    const int32_t unit = first_unit + i;
    const F weights = F::at(panel, F::kFromStart ? unit : i);
#pragma GCC unroll 2
    for (int group = 0; group < 2; group += kTileGroups) {
      add_half<F, kRows, 0>(weights, rows, unit, group, sums);
      if constexpr (F::kHalves == 2) add_half<F, kRows, 1>(weights, rows, unit, group, sums);
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, sums[0][row]);
    v_store(out + row * out_stride + 16, sums[1][row]);
  }
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
        float* const to = out + row * out_stride + group * 16;
        v_store(to, v_fma(scaled, x, resume || first > 0 ? v_load(to) : v_zero()));
      }
    }
  }
}

template <class F, int kRows, class Fetch>
void int8_tile(const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& rows, const Fetch& fetch, float* out,
               size_t out_stride, bool resume) {
  (void)fetch;
  V16 sums[kRows][2];
  for (int row = 0; row < kRows; ++row) {
    for (int group = 0; group < 2; ++group) sums[row][group] = resume ? v_load(out + row * out_stride + group * 16) : v_zero();
  }
  constexpr int kSpan = kQuantBlock / F::kHalves;
  for (int32_t i = 0; i < units; ++i) {
    const int32_t unit = first_unit + i;
    const F unit_weights = F::at(panel, F::kFromStart ? unit : i);
    for (int group = 0; group < 2; ++group) {
      WideUnit wide;
      wide.fill(unit_weights, group);
      for (int half = 0; half < F::kHalves; ++half) {
        const V16 scale = unit_weights.scale(half, group);
        const uint8_t* weighted = rows.table(unit, F::kHalves == 1 ? kTileWeighted : kTileWeightedHalves + static_cast<size_t>(half) * 4);
        for (int row = 0; row < kRows; ++row) {
          int32_t dots[kGroupRows];
          wide.dot(reinterpret_cast<const int8_t*>(rows.quants(unit) + row * kQuantBlock), half * kSpan, (half + 1) * kSpan, dots);
          V16& sum = sums[row][group];
          sum = v_fma(v_mul(to_floats(dots), scale), v_set1(read_float(rows.table(unit, kTileScales) + row * kTileEntry)), sum);
          if constexpr (F::kHasMin) {
            const V16 x = v_set1(read_float(weighted + row * kTileEntry));
            sum = F::kSubtractsMin ? v_fnma(unit_weights.min(half, group), x, sum) : v_fma(unit_weights.min(half, group), x, sum);
          }
        }
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int group = 0; group < 2; ++group) v_store(out + row * out_stride + group * 16, sums[row][group]);
  }
}

#endif

template <class F, int kRows, class Fetch>
OCTAVO_INLINE void int8_tile_of(int32_t height, const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& rows,
                                const Fetch& fetch, float* out, size_t out_stride, bool resume) {
  if constexpr (kRows > 0) {
    if (height != kRows) int8_tile_of<F, kRows - 1>(height, panel, first_unit, units, rows, fetch, out, out_stride, resume);
    else if constexpr (F::kIntegerScales) int8_block_tile<F, kRows>(panel, first_unit, units, rows, fetch, out, out_stride, resume);
    else int8_tile<F, kRows>(panel, first_unit, units, rows, fetch, out, out_stride, resume);
  }
}

/** Rows [0, row_count) of consecutive tiles against units [first_unit, first_unit + units). */
template <class F, class Fetch>
OCTAVO_INLINE void int8_rows(const uint8_t* panel, int32_t first_unit, int32_t units, const QuantizedRows& input, int32_t row_count,
                             const Fetch& fetch, float* out, size_t out_stride, bool resume) {
  for (int32_t row = 0; row < row_count;) {
    const int32_t height = row_count - row < kInt8TileRows ? row_count - row : kInt8TileRows;
    const TileRows rows = {input.tiles + static_cast<size_t>(row / kTileRows) * input.tile_bytes, input.block_bytes, row % kTileRows};
    int8_tile_of<F, kInt8TileRows>(height, panel, first_unit, units, rows, fetch, out + static_cast<size_t>(row) * out_stride,
                                   out_stride, resume);
    row += height;
  }
}

/** Whether rows come back to their outputs several times, which then should lie close together. */
OCTAVO_INLINE bool int8_takes_turns(DType dtype, int32_t row_count) {
  const int32_t tiles = ceil_div(row_count, kInt8TileRows);
  return tiles > 1 && (tiles <= kFetchingTiles || dtype != DType::kQ8_0);
}

/** All rows of a panel in turns of `turn` units. `fetched` is called after each. */
template <DType kDType, bool kSignedBytes, class Fetch, class Fetched>
OCTAVO_INLINE void int8_turns(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, int32_t turn, const Fetch& fetch,
                              Fetched fetched, float* out, size_t out_stride, uint8_t* scratch) {
  for (int32_t first = 0; first < units; first += turn) {
    const int32_t count = units - first < turn ? units - first : turn;
    if (scratch != nullptr) {
      expand_units<kDType>(panel, first, count, scratch);
      int8_rows<Expanded<kDType>>(scratch, first, count, input, row_count, fetch, out, out_stride, first > 0);
    } else {
      int8_rows<Packed<kDType, kSignedBytes>>(panel, first, count, input, row_count, fetch, out, out_stride, first > 0);
    }
    fetched(first + count);
  }
}

/** As equal_part, of whole blocks. */
constexpr int32_t blocks_of(int32_t units, int32_t most) {
  return equal_part(units / kBlockUnits, most < kBlockUnits ? 1 : most / kBlockUnits) * kBlockUnits;
}

/** All rows of a panel of `units` units; `input` begins at the tile of the first row. `scratch`: kExpandedUnits units. */
template <DType kDType, bool kSignedBytes = false>
void int8_panel(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, float* out, size_t out_stride,
                uint8_t* scratch) {
  const int32_t tiles = ceil_div(row_count, kInt8TileRows);
  constexpr size_t kUnitBytes = Packed<kDType>::stream_bytes();
  const bool expands = kDType != DType::kQ8_0 && tiles >= kExpandFromTiles;
  // Many tiles hide the wait for memory by themselves. A few take turns over a few units, which the first of them leaves in the first cache. Turns are equal: 576 columns lose up to a
  // tenth in those of 16 and 2 units.
  const bool fetches = tiles <= kFetchingTiles;
  const int32_t most = expands ? most_expanded(units) : tiles == 1 || !fetches ? units : tiles == 2 ? 4 : 8;
  const int32_t turn = Packed<kDType>::kIntegerScales ? blocks_of(units, most) : equal_part(units, most);
  static_assert(kExpandedUnits * Expanded<kDType>::kBytes <= kLinearScratchFloats * 4, "expanded units fit the scratch");
  uint8_t* const expanded = expands ? scratch : nullptr;
  if (fetches) {
    WeightStream stream(panel, tiles > 1 || fetches_plain_streams());
    const StreamSteps steps = {stream, kUnitBytes / static_cast<size_t>(tiles)};
    const auto fetched = [&](int32_t done) { stream.reach(panel + static_cast<size_t>(done) * kUnitBytes); };
    int8_turns<kDType, kSignedBytes>(panel, units, input, row_count, turn, steps, fetched, out, out_stride, expanded);
  } else {
    int8_turns<kDType, kSignedBytes>(panel, units, input, row_count, turn, NoFetch{}, [](int32_t) {}, out, out_stride, expanded);
  }
}

}  // namespace
}  // namespace octavo
