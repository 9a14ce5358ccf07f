// Matrix product of bytes (Q8_0) with a few tiles of quantised activations, on the tiles of AMX: rows that wait for weights.
//
// The bits are those of linear_amx.h. Weights are read where they lie, as unsigned codes: what expanding them would cost is not shared by many rows. A
// product is then dot - 128 * (sum of the row's activations), the same integer, whose second part the activations carry. And products are issued through the
// whole panel without a pause. Measured with two threads that read 31 to 33 GB/s: weights go through 27 GB/s with 16 rows, expanded 23.5, and 18.5 with 32 rows, expanded 16.5.
#pragma once

#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "panel_output.h"
#include "weight_stream.h"

namespace octavo {
namespace {

/** The product of one panel with one tile of activations, or some. */
template <bool kOneTile>
struct DirectPanel {
  using Weights = Packed<DType::kQ8_0>;
  static constexpr size_t kUnitBytes = Weights::stream_bytes();
  /** Units whose products one group of outputs of one tile takes before the others have their turn; even. */
  static constexpr int32_t kTurn = kOneTile ? 8 : 16;
  static_assert(Weights::kZero == 128 && Weights::kFormat.unit_offset(1) == kUnitBytes, "units follow each other");

  const uint8_t* panel;
  int32_t units;
  const uint8_t* rows;
  size_t block_bytes;
  size_t tile_bytes;
  int32_t tiles;

  int32_t turn_from(int32_t unit) const { return units - unit < kTurn ? units - unit : kTurn; }
};

/** Issues the products of a panel: turn after turn, tile after tile of activations, group after group of outputs, unit after unit. */
template <bool kOneTile>
class DirectIssue {
 public:
  using Panel = DirectPanel<kOneTile>;

  __attribute__((always_inline)) DirectIssue(const Panel& job, int32_t* ring)
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
      weights_ += Panel::kUnitBytes;
    } else if (kParity == 1) {
      end_turn();
    }
    ++index_;
  }

 private:
  __attribute__((always_inline)) void end_turn() {
    group_ ^= 1;
    if (group_ == 0) {
      // Past the last product, some are issued again that nothing reads.
      if (!kOneTile && tile_ + 1 < job_.tiles) {
        ++tile_;
      } else if (first_ + Panel::kTurn < job_.units) {
        tile_ = 0;
        first_ += Panel::kTurn;
      }
    }
    left_ = job_.turn_from(first_);
    rows_ = job_.rows + static_cast<size_t>(tile_) * job_.tile_bytes + static_cast<size_t>(first_) * job_.block_bytes;
    weights_ = job_.panel + static_cast<size_t>(first_) * Panel::kUnitBytes + static_cast<size_t>(group_) * Panel::Weights::kFormat.group_bytes();
  }

  const Panel& job_;
  int32_t* const ring_;
  int32_t left_;
  const uint8_t* rows_;
  const uint8_t* weights_;
  uint32_t index_ = 0;
  int32_t group_ = 0;
  int32_t tile_ = 0;
  int32_t first_ = 0;
};

/** Takes the products of one unit into the accumulators of `height` rows. */
OCTAVO_INLINE void accumulate_direct(const int32_t* products, const uint8_t* block, const uint8_t* panel, int32_t unit, int group, int height,
                                     V16 (&sums)[kTileRows]) {
  const V16 scale = Packed<DType::kQ8_0>::at(panel, unit).scale(0, group);
  const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    const size_t entry = static_cast<size_t>(row) * kTileEntry;
    const I16 dot = i_add(_mm512_load_si512(products + row * kGroupRows), i_set1(read_int(block + kTileMinus128 + entry)));
    sums[row] = v_fma(v_fma(i_as_float(dot), scale, bias), v_set1(read_float(block + kTileScales + entry)), sums[row]);
  }
}

/** One turn of one tile of activations, from unit `first` on. */
template <bool kOneTile, class Height>
OCTAVO_INLINE void direct_turn(const DirectPanel<kOneTile>& job, DirectIssue<kOneTile>& issue, const int32_t* ring, uint32_t& index, int32_t first, int32_t tile,
                               Height height_of, StreamSteps fetch, const PanelOutput& output, bool arrives) {
  const int height = height_of();
  const int32_t count = job.turn_from(first);
  const size_t row = static_cast<size_t>(tile) * kTileRows;
  const size_t stride = arrives ? output.target_stride : output.stride;
  const uint8_t* const rows = job.rows + static_cast<size_t>(tile) * job.tile_bytes + static_cast<size_t>(first) * job.block_bytes;
  for (int group = 0; group < 2; ++group) {
    const float* from = output.out + row * output.stride + group * kGroupRows;
    float* to = (arrives ? output.target : output.out) + row * stride + group * kGroupRows;
    if (arrives) {
      for (int i = 0; i < height; ++i) __builtin_prefetch(to + static_cast<size_t>(i) * stride, 1, 3);
    }
    V16 sums[kTileRows];
#pragma GCC unroll 16
    for (int i = 0; i < height; ++i) sums[i] = first == 0 ? v_zero() : v_load(from + static_cast<size_t>(i) * output.stride);
    const auto step = [&](auto parity, int32_t i) __attribute__((always_inline)) {
      issue.template next<parity.value>();
      fetch.step(i);
      if (i < count) {
        accumulate_direct(ring + index % kRing * kProducts, rows + static_cast<size_t>(i) * job.block_bytes, job.panel, first + i, group, height, sums);
      }
      ++index;
    };
    for (int32_t i = 0; i < count; i += 2) {
      step(std::integral_constant<int, 0>{}, i);
      step(std::integral_constant<int, 1>{}, i + 1);
    }
#pragma GCC unroll 16
    for (int i = 0; i < height; ++i) v_store(to + static_cast<size_t>(i) * stride, sums[i]);
  }
}

/** A few tiles of rows of a panel. The last turn leaves them where they belong if nothing is left to do. */
template <bool kOneTile>
void direct_panel(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, const PanelOutput& output) {
  const int32_t tiles = kOneTile ? 1 : (row_count + kTileRows - 1) / kTileRows;
  const DirectPanel<kOneTile> job = {panel, units, input.tiles, input.block_bytes, input.tile_bytes, tiles};
  alignas(64) int32_t ring[kRing * kProducts];
  DirectIssue<kOneTile> issue(job, ring);
  WeightStream stream(panel);
  const StreamSteps fetch = {stream, job.kUnitBytes / static_cast<size_t>(2 * tiles)};
  issue_lead(issue);
  uint32_t index = 0;
  for (int32_t first = 0; first < units; first += job.kTurn) {
    const int32_t after = first + job.turn_from(first);
    const bool arrives = after == units && output.only_copied();
    for (int32_t tile = 0; tile < tiles; ++tile) {
      const int32_t left = row_count - tile * kTileRows;
      // The height of a whole tile is known to the compiler, which then keeps the accumulators in registers.
      if (left >= kTileRows) direct_turn(job, issue, ring, index, first, tile, std::integral_constant<int, kTileRows>{}, fetch, output, arrives);
      else direct_turn(job, issue, ring, index, first, tile, [left] { return left; }, fetch, output, arrives);
    }
    stream.reach(panel + static_cast<size_t>(after) * job.kUnitBytes);
  }
}

}  // namespace
}  // namespace octavo
