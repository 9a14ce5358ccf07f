// Blocks of formats with two scales for 32 columns (Q3_K and Q6_K) on Zen 4 and 5: the sums of linear_blocks.h in another order of work.
//
// Sums are spilled anyway, so a pass may be as tall as a tile of activations: codes are taken apart once for 16 columns of both groups and stay in eight registers while four rows
// after four rows meet them. What four rows leave is scaled and added between the products of the next four: additions that follow each other take products' places. Measured on a
// Zen 5, part of the time of tiles of 8 rows: 0.89 with 16 rows, 0.95 with 32, 0.87 with 128; 8 rows take 1.1.
#pragma once

#include "linear_blocks.h"

namespace octavo {
namespace {

#if defined(OCTAVO_ZEN)

/** Rows that meet codes together, and steps of codes: 16 columns. */
constexpr int kPassingRows = 4;
constexpr int kHalfSteps = 4;
/** Fewer rows are summed as other blocks are. */
constexpr int32_t kLeastHalfRows = 9;

constexpr bool sums_halves(DType dtype) { return quant_format_of(dtype).halves() == 2 && quant_format_of(dtype).has_integer_scales(); }

/** Of four rows and both groups. */
struct PassingSums {
  I16 of[2][kPassingRows];

  __attribute__((always_inline)) void clear() {
#pragma GCC unroll 4
    for (int row = 0; row < kPassingRows; ++row) of[0][row] = of[1][row] = i_set1(0);
  }
};

/** Dot products of four rows that have yet to be added to their sums. */
struct PassedRows {
  PassingSums dots;
  I16 scales[2];
  PassingSums* sums;

  /** One of 2 * kPassingRows outputs: sum += scale * dot. */
  __attribute__((always_inline)) void add(int which) const {
    const int group = which % 2, row = which / 2;
    sums->of[group][row] = i_add(sums->of[group][row], i_mul(dots.of[group][row], scales[group]));
    // In this place, not where the compiler would gather such.
    asm volatile("" ::: "memory");
  }
};

template <class F, int kHalf, int... kSteps>
OCTAVO_INLINE void half_codes(const F& weights, B64 (&codes)[2][kHalfSteps], std::integer_sequence<int, kSteps...>) {
  ((codes[0][kSteps] = weights.template codes<kHalf * kHalfSteps + kSteps>(0), codes[1][kSteps] = weights.template codes<kHalf * kHalfSteps + kSteps>(1)), ...);
}

/** Dot products of four rows with a half of unit `index`, while those that passed before are added. */
template <class F, int kHalf>
OCTAVO_INLINE void pass_rows(const BlockRows& rows, int index, const B64 (&codes)[2][kHalfSteps], const PassedRows& passed, PassingSums& dots) {
#pragma GCC unroll 4
  for (int row = 0; row < kPassingRows; ++row) {
    dots.of[0][row] = dots.of[1][row] = initial_half<F>(rows, index * 2 + kHalf, row);
  }
#pragma GCC unroll 4
  for (int step = 0; step < kHalfSteps; ++step) {
#pragma GCC unroll 4
    for (int row = 0; row < kPassingRows; ++row) {
      const int32_t x = read_int(rows.quants(index) + row * kBlockColumns + (kHalf * kHalfSteps + step) * 4);
      dots.of[0][row] = i_dot<F::kWide>(dots.of[0][row], codes[0][step], x);
      dots.of[1][row] = i_dot<F::kWide>(dots.of[1][row], codes[1][step], x);
      const int pair = step * kPassingRows + row;
      if (pair % 2 == 1) passed.add(pair / 2);
    }
  }
}

/** All rows against one half of a unit; what the last four leave stays in `passed`. */
template <class F, int kHalf>
OCTAVO_INLINE void pass_half(const F& weights, const BlockRows& tile, int index, int passes, PassedRows& passed, PassingSums* sums) {
  B64 codes[2][kHalfSteps];
  half_codes<F, kHalf>(weights, codes, std::make_integer_sequence<int, kHalfSteps>{});
  const I16 scales[2] = {weights.integer_scale(kHalf, 0), weights.integer_scale(kHalf, 1)};
  for (int pass = 0; pass < passes; ++pass) {
    PassedRows next = {{}, {scales[0], scales[1]}, sums + pass};
    pass_rows<F, kHalf>({tile.block, tile.slot + pass * kPassingRows}, index, codes, passed, next.dots);
    passed = next;
  }
}

/** As int8_block_tile, of `height` rows, at most a tile of activations, of which slots up to a multiple of kPassingRows are read. */
template <class F, class Fetch>
void half_block_tile(int32_t height, const uint8_t* panel, int32_t first_unit, int32_t units, const TileRows& tile, const Fetch& fetch, float* out, size_t out_stride,
                     bool resume) {
  static_assert(F::kHalves == 2 && F::kIntegerScales && F::kFromStart && !F::kHasMin);
  const int passes = ceil_div(height, kPassingRows);
  PassingSums sums[kTileRows / kPassingRows];
  for (int32_t first = 0; first < units; first += kBlockUnits) {
    const BlockRows rows = block_of(tile, first_unit + first);
    for (int pass = 0; pass < passes; ++pass) sums[pass].clear();
    PassedRows passed = {{}, {i_set1(0), i_set1(0)}, sums};
    passed.dots.clear();
    for (int index = 0; index < kBlockUnits; ++index) {
      fetch.step(first + index);
      const F weights = F::at(panel, first_unit + first + index);
      pass_half<F, 0>(weights, rows, index, passes, passed, sums);
      pass_half<F, 1>(weights, rows, index, passes, passed, sums);
    }
#pragma GCC unroll 8
    for (int which = 0; which < 2 * kPassingRows; ++which) passed.add(which);
    const F block = F::at(panel, first_unit + first);
    const V16 scales[2] = {block.block_scale(0), block.block_scale(1)};
    for (int32_t row = 0; row < height; ++row) {
      const V16 x = v_set1(read_float(rows.scales() + row * 4));
#pragma GCC unroll 2
      for (int group = 0; group < 2; ++group) {
        const V16 scaled = v_mul(i_to_float(sums[row / kPassingRows].of[group][row % kPassingRows]), scales[group]);
        add_block(out + static_cast<size_t>(row) * out_stride + group * 16, scaled, x, resume || first > 0);
      }
    }
  }
}

#else

constexpr bool sums_halves(DType) { return false; }

#endif

}  // namespace
}  // namespace octavo
