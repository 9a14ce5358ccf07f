// Matrix product of bytes (Q8_0) with one tile of quantised activations, on the tiles of AMX: sixteen rows or fewer, which wait for weights.
//
// The bits are those of linear_amx.h. Weights are read where they lie, as unsigned codes: what expanding them would cost is not shared by many rows. A
// product is then dot - 128 * (sum of the row's activations), the same integer, whose second part the activations carry. And products are issued through the
// whole panel without a pause. Measured with 16 rows, two threads that read 31 to 33 GB/s: weights go through 27 GB/s, expanded 23.5.
#pragma once

#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "panel_output.h"
#include "weight_stream.h"

namespace octavo {
namespace {

/** The product of one panel with one tile of activations. */
struct DirectPanel {
  using Weights = Packed<DType::kQ8_0>;
  static constexpr size_t kUnitBytes = Weights::stream_bytes();
  /** Units whose products one group of outputs takes before the other one has its turn; even. */
  static constexpr int32_t kTurn = 8;
  static_assert(Weights::kZero == 128 && Weights::kFormat.unit_offset(1) == kUnitBytes, "units follow each other");

  const uint8_t* panel;
  int32_t units;
  const uint8_t* rows;
  size_t block_bytes;

  int32_t turn_from(int32_t unit) const { return units - unit < kTurn ? units - unit : kTurn; }
};

/** Issues the products of a panel: turn after turn, group after group of outputs, unit after unit. */
class DirectIssue {
 public:
  __attribute__((always_inline)) DirectIssue(const DirectPanel& job, int32_t* ring)
      : job_(job), ring_(ring), left_(job.turn_from(0)), rows_(job.rows), weights_(job.panel) {}

  /** The next product into tile kParity, whose last one goes to the ring first. */
  template <int kParity>
  __attribute__((always_inline)) void next() {
    tile_store<kParity>(ring_ + (index_ + 2) % kRing * kProducts);
    tile_load<2>(rows_, kQuantBlock);
    tile_load<4>(weights_, 64);
    tile_dot<kParity, 2, 4, false>();
    // An odd number of units is made even by a product that nothing reads.
    if (--left_ > 0) {
      rows_ += job_.block_bytes;
      weights_ += DirectPanel::kUnitBytes;
    } else if (kParity == 1) {
      end_turn();
    }
    ++index_;
  }

 private:
  __attribute__((always_inline)) void end_turn() {
    group_ ^= 1;
    // Past the last product, some are issued again that nothing reads.
    if (group_ == 0 && first_ + DirectPanel::kTurn < job_.units) first_ += DirectPanel::kTurn;
    left_ = job_.turn_from(first_);
    rows_ = job_.rows + static_cast<size_t>(first_) * job_.block_bytes;
    weights_ = job_.panel + static_cast<size_t>(first_) * DirectPanel::kUnitBytes + static_cast<size_t>(group_) * DirectPanel::Weights::kFormat.group_bytes();
  }

  const DirectPanel& job_;
  int32_t* const ring_;
  int32_t left_;
  const uint8_t* rows_;
  const uint8_t* weights_;
  uint32_t index_ = 0;
  int32_t group_ = 0;
  int32_t first_ = 0;
};

/** Takes the products of one unit into the accumulators of `height` rows. */
OCTAVO_INLINE void accumulate_direct(const int32_t* products, const uint8_t* block, const uint8_t* panel, int32_t unit, int group, int height,
                                     V16 (&sums)[kTileRows]) {
  const V16 scale = DirectPanel::Weights::at(panel, unit).scale(0, group);
  const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    const size_t entry = static_cast<size_t>(row) * kTileEntry;
    const I16 dot = i_add(_mm512_load_si512(products + row * kGroupRows), i_set1(read_int(block + kTileMinus128 + entry)));
    sums[row] = v_fma(v_fma(i_as_float(dot), scale, bias), v_set1(read_float(block + kTileScales + entry)), sums[row]);
  }
}

template <class Height>
OCTAVO_INLINE void direct_panel_of(const DirectPanel& job, Height height_of, const PanelOutput& output) {
  const int height = height_of();
  alignas(64) int32_t ring[kRing * kProducts];
  DirectIssue issue(job, ring);
  WeightStream stream(job.panel);
  static_assert(kLead == 4);
  issue.next<0>();
  issue.next<1>();
  issue.next<0>();
  issue.next<1>();
  uint32_t index = 0;
  for (int32_t first = 0; first < job.units; first += DirectPanel::kTurn) {
    const int32_t count = job.turn_from(first);
    const bool arrives = first + count == job.units && output.only_copied();
    const size_t stride = arrives ? output.target_stride : output.stride;
    for (int group = 0; group < 2; ++group) {
      const float* from = output.out + group * kGroupRows;
      float* to = (arrives ? output.target : output.out) + group * kGroupRows;
      if (arrives) {
        for (int row = 0; row < height; ++row) __builtin_prefetch(to + static_cast<size_t>(row) * stride, 1, 3);
      }
      V16 sums[kTileRows];
#pragma GCC unroll 16
      for (int row = 0; row < height; ++row) sums[row] = first == 0 ? v_zero() : v_load(from + static_cast<size_t>(row) * output.stride);
      const auto step = [&](auto parity, int32_t i) __attribute__((always_inline)) {
        issue.template next<parity.value>();
        stream.advance(DirectPanel::kUnitBytes / 2);
        if (i < count) {
          const uint8_t* block = job.rows + static_cast<size_t>(first + i) * job.block_bytes;
          accumulate_direct(ring + index % kRing * kProducts, block, job.panel, first + i, group, height, sums);
        }
        ++index;
      };
      for (int32_t i = 0; i < count; i += 2) {
        step(std::integral_constant<int, 0>{}, i);
        step(std::integral_constant<int, 1>{}, i + 1);
      }
#pragma GCC unroll 16
      for (int row = 0; row < height; ++row) v_store(to + static_cast<size_t>(row) * stride, sums[row]);
    }
    stream.reach(job.panel + static_cast<size_t>(first + count) * DirectPanel::kUnitBytes);
  }
}

/** At most kTileRows rows of a panel. The last turn leaves them where they belong if nothing is left to do. */
void direct_panel(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, const PanelOutput& output) {
  const DirectPanel job = {panel, units, input.tiles, input.block_bytes};
  // The height of a whole tile is known to the compiler, which then keeps the accumulators in registers.
  if (row_count == kTileRows) direct_panel_of(job, std::integral_constant<int, kTileRows>{}, output);
  else direct_panel_of(job, [row_count] { return row_count; }, output);
}

}  // namespace
}  // namespace octavo
