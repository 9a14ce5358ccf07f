// Matrix product of quantised panels with activations quantised per 32 columns.
//
// The dot product of 32 columns (16 where a format has two scales) is exact in int32; each output has one f32
// accumulator that takes one multiply-add per dot product, and one more where the format has minima, in ascending
// order, whatever the tile: acc = fma(dot * weightScale, activationScale, acc). The bits of an output therefore depend
// on its own row alone, and direct and expanded weights give the same ones.
//
// Formats whose scales are integers are summed otherwise (linear_blocks.h).
#pragma once

#include "formats.h"
#include "int8_dots.h"
#include "kernels.h"
#include "linear_blocks.h"
#include "linear_half_blocks.h"
#include "weight_stream.h"

namespace octavo {
namespace {

/** Units that are expanded at a time, at most, and where these are not all that there are; what they take stays in the first cache. */
constexpr int32_t kExpandedUnits = 18;
constexpr int32_t kExpandedTurn = 16;
constexpr int32_t most_expanded(int32_t units) { return units <= kExpandedUnits ? kExpandedUnits : kExpandedTurn; }
#if defined(OCTAVO_ZEN)
/**
 * Units of a turn of a few tiles, at most. Measured on a Zen 5 with two tiles: Q8_0 takes 0.94 of the time that turns of 4 take, Q4_0 0.90; with turns of 28 or 32 instead of 14 or 16 Q8_0 takes 1.0 to 1.2,
 * Q4_0 0.97 to 0.99 and, where 28 are all, 0.95 (two tiles) and 0.89 to 0.97 (four).
 */
constexpr int32_t most_of_turn(DType dtype, int32_t, int32_t units) { return dtype == DType::kQ4_0 ? 32 : most_expanded(units); }
/**
 * Whether many tiles expand their weights. Shifts and masks go to units that products leave idle, where what is expanded has to be loaded: not to expand four-bit codes takes 0.88 to 0.95 of the
 * time, from 32 to 512 rows.
 */
constexpr bool expands(DType dtype) { return dtype != DType::kQ8_0 && dtype != DType::kQ4_0 && dtype != DType::kQ4_1 && !sums_halves(dtype); }
/**
 * Up to so many tiles, what they read next is fetched ahead. Tiles of 72 to 128 rows take 0.90 to 0.95 of the time in Q8_0 and 0.95 to 1.0 in Q4_0, from 256 rows on 1.0; where a turn begins with
 * expanding, 72 rows take 0.81, 192 rows 0.88 and 512 rows 0.95 to 1.0.
 */
constexpr int32_t fetching_tiles(DType dtype) { return expands(dtype) ? INT32_MAX : 24; }
#else
constexpr int32_t most_of_turn(DType, int32_t tiles, int32_t) { return tiles == 2 ? 4 : 8; }
constexpr bool expands(DType dtype) { return dtype != DType::kQ8_0; }
constexpr int32_t fetching_tiles(DType) { return 8; }
#endif

/** Whether so many tiles expand weights once instead of each for itself. */
constexpr bool is_expanded(DType dtype, int32_t tiles) { return expands(dtype) && tiles >= 4; }

/** Passes of `row_count` rows over the weights. */
constexpr int32_t int8_tiles(DType dtype, int32_t row_count) { return ceil_div(row_count, sums_halves(dtype) ? kTileRows : kInt8TileRows); }

#if defined(__AVX2__)

/** kDotBias + n * 2^kShift of kDotBias + n. */
template <int kShift>
OCTAVO_INLINE I16 scaled_initial(int32_t value) {
  if constexpr (kShift == 0) return i_set1(value);
  else return i_add(i_shift_left<kShift>(i_set1(value)), i_set1(static_cast<int32_t>(static_cast<uint32_t>(kDotBias) - (static_cast<uint32_t>(kDotBias) << kShift))));
}

/** kDotBias - zero * sum of the activations, the initial value of a dot product. */
template <class F>
OCTAVO_INLINE I16 initial_dot(const TileRows& rows, int32_t unit, int row) {
  static_assert(F::kHalves == 1 || F::kZero == 0, "sums of whole units");
#if !defined(__AVX512VNNI__)
  if constexpr (F::kWide) return i_set1(kDotBias);
#endif
  if constexpr (F::kZero == 0) return i_set1(kDotBias);
  else if constexpr (F::kZero == 128) return i_set1(read_int(rows.table(unit, kTileMinus128) + row * kTileEntry));
  else return scaled_initial<log2_of(F::kZero / 8)>(read_int(rows.table(unit, kTileMinus8) + row * kTileEntry));
}

/** One half (or the whole) of a unit for kTileGroups groups of outputs. */
template <class F, int kRows, int kHalf>
OCTAVO_INLINE void add_half(const F& weights, const TileRows& rows, int32_t unit, int group, V16 (&sums)[2][kRows]) {
  I16 dots[kTileGroups][kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const I16 initial = initial_dot<F>(rows, unit, row);
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
    const int32_t left = row_count - row;
    const TileRows rows = {input.tiles + static_cast<size_t>(row / kTileRows) * input.tile_bytes, input.block_bytes, row % kTileRows};
    float* const to = out + static_cast<size_t>(row) * out_stride;
#if defined(OCTAVO_ZEN)
    if constexpr (sums_halves(F::kType)) {
      if (left >= kLeastHalfRows) {
        const int32_t height = left < kTileRows ? left : kTileRows;
        half_block_tile<F>(height, panel, first_unit, units, rows, fetch, to, out_stride, resume);
        row += height;
        continue;
      }
    }
#endif
    const int32_t height = left < kInt8TileRows ? left : kInt8TileRows;
    int8_tile_of<F, kInt8TileRows>(height, panel, first_unit, units, rows, fetch, to, out_stride, resume);
    row += height;
  }
}

/** As equal_part, of whole blocks. */
constexpr int32_t blocks_of(int32_t units, int32_t most) {
  return equal_part(units / kBlockUnits, most < kBlockUnits ? 1 : most / kBlockUnits) * kBlockUnits;
}

/**
 * Units of a turn, of which each tile takes one before the first has its next. Many tiles hide the wait for memory by themselves, and weights that need not be expanded are one turn; of a few tiles the first leaves
 * what it fetched in the first cache. Turns are equal: 576 columns lose up to a tenth in those of 16 and 2 units.
 */
OCTAVO_INLINE int32_t int8_turn(DType dtype, int32_t units, int32_t row_count) {
  const int32_t tiles = int8_tiles(dtype, row_count);
  int32_t most = units;
  if (is_expanded(dtype, tiles)) most = most_expanded(units);
  else if (tiles > 1 && tiles <= fetching_tiles(dtype)) most = most_of_turn(dtype, tiles, units);
  return quant_format_of(dtype).has_integer_scales() ? blocks_of(units, most) : equal_part(units, most);
}

/** Whether rows come back to their outputs several times, which then should lie close together. */
OCTAVO_INLINE bool int8_returns(DType dtype, int32_t units, int32_t row_count) {
  return row_count > kInt8TileRows && (quant_format_of(dtype).has_integer_scales() || int8_turn(dtype, units, row_count) < units);
}

/** All rows of a panel in turns of `turn` units, expanded into `scratch` unless that is null. `fetched` is called after each. */
template <DType kDType, bool kSignedBytes, class Fetch, class Fetched>
OCTAVO_INLINE void int8_turns(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, int32_t turn, const Fetch& fetch,
                              Fetched fetched, float* out, size_t out_stride, uint8_t* scratch) {
  const auto take = [&](int32_t first, int32_t count) __attribute__((always_inline)) {
    if constexpr (expands(kDType)) {
      if (scratch != nullptr) {
        expand_units<kDType>(panel, first, count, scratch);
        return int8_rows<Expanded<kDType>>(scratch, first, count, input, row_count, fetch, out, out_stride, first > 0);
      }
    }
    int8_rows<Packed<kDType, kSignedBytes>>(panel, first, count, input, row_count, fetch, out, out_stride, first > 0);
  };
  for (int32_t first = 0; first < units; first += turn) {
    const int32_t count = units - first < turn ? units - first : turn;
    take(first, count);
    fetched(first + count);
  }
}

/** All rows of a panel of `units` units; `input` begins at the tile of the first row. `scratch`: kExpandedUnits units. */
template <DType kDType, bool kSignedBytes = false>
void int8_panel(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, float* out, size_t out_stride,
                uint8_t* scratch) {
  const int32_t tiles = int8_tiles(kDType, row_count);
  constexpr size_t kUnitBytes = Packed<kDType>::stream_bytes();
  const bool fetches = tiles <= fetching_tiles(kDType);
  const int32_t turn = int8_turn(kDType, units, row_count);
  static_assert(kExpandedUnits * Expanded<kDType>::kBytes <= kLinearScratchFloats * 4, "expanded units fit the scratch");
  uint8_t* const expanded = is_expanded(kDType, tiles) ? scratch : nullptr;
  if (fetches) {
    WeightStream stream(panel, row_count);
    const StreamSteps steps = {stream, kUnitBytes / static_cast<size_t>(tiles)};
    const auto fetched = [&](int32_t done) { stream.reach(panel + static_cast<size_t>(done) * kUnitBytes); };
    int8_turns<kDType, kSignedBytes>(panel, units, input, row_count, turn, steps, fetched, out, out_stride, expanded);
  } else {
    int8_turns<kDType, kSignedBytes>(panel, units, input, row_count, turn, NoFetch{}, [](int32_t) {}, out, out_stride, expanded);
  }
}

}  // namespace
}  // namespace octavo
