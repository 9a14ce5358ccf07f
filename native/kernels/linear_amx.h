// Matrix product of quantised panels with tall batches of quantised activations, on the tiles of AMX.
//
// The bits are those of linear_int8.h: tiles give the same exact int32 dot products of 32 (or 16) columns, and each output
// takes them into its f32 accumulator by the same operations in the same order:
// acc = fma(dot * weightScale, activationScale, acc), then its minimum, in ascending order of the columns.
//
// Of a chunk of units the weights are expanded once, to signed bytes, which is where their zero point goes (Q8_0 lies so): a group's 32
// columns are then a tile of 8 rows of 64 bytes as they lie. Sixteen rows of activations are a tile of 16 rows of 32 bytes.
// For each group of 16 outputs and each unit one TDPBSSD gives 16 x 16 dot products, which go through a ring in the first
// cache to the vector registers that hold the accumulators. What is issued runs ahead of what is accumulated (kLead): a tile
// is stored when two later ones have begun, and loaded again two stores later. While tiles are in use the second 512-bit
// multiplier stands still, so the two multiplications for each 16 outputs are what bounds the loop.
#pragma once

#include <utility>

#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "linear_int8.h"
#include "panel_output.h"
#include "weight_stream.h"

namespace octavo {
namespace {

/** Up to so many tiles of rows wait for memory: fewer units at a time. Measured with 16 and 32 rows of Q8_0, Q4_0 and Q4_K. */
constexpr int32_t kWaitingTiles = 3;
constexpr int32_t kWaitingUnits = 8;
/** Units of each chunk. */
constexpr int32_t chunk_units_of(int32_t tiles, int32_t units) {
  return even_part(units, tiles <= kWaitingTiles ? kWaitingUnits : most_expanded(units));
}
/** Bytes are multiplied where they lie (Kernels::signed_bytes), and only their scales are expanded. */
template <class F>
constexpr bool lies_ready() {
  return F::kFormat.code_bits == 8;
}
/** From one unit's floats to the next one's, and from its codes: expanded ones lie before their floats. */
template <class F>
constexpr size_t tile_unit_bytes() {
  return (lies_ready<F>() ? 0 : 1024) + static_cast<size_t>(F::kHalves) * 128 * (F::kHasMin ? 2 : 1);
}
template <class F>
constexpr size_t tile_code_bytes() {
  return lies_ready<F>() ? F::kFormat.unit_bytes : tile_unit_bytes<F>();
}

template <class F, int... kSteps>
OCTAVO_INLINE void store_signed(const F& from, int group, uint8_t* to, std::integer_sequence<int, kSteps...>) {
  (b_store(to + kSteps * 64, _mm512_sub_epi8(from.template codes<kSteps>(group), _mm512_set1_epi8(static_cast<char>(F::kZero)))), ...);
}

/** Units [first, first + count) of a panel: codes - zero of both groups where they do not lie ready, f32 scales [half][32], minima. */
template <class F>
void expand_signed(const uint8_t* panel, int32_t first, int32_t count, uint8_t* to) {
  for (int32_t i = 0; i < count; ++i, to += tile_unit_bytes<F>()) {
    const F from = F::at(panel, first + i);
    float* floats = reinterpret_cast<float*>(to + (lies_ready<F>() ? 0 : 1024));
    for (int group = 0; group < 2; ++group) {
      if constexpr (!lies_ready<F>()) store_signed(from, group, to + group * 512, std::make_integer_sequence<int, 8>{});
      for (int half = 0; half < F::kHalves; ++half) {
        v_store(floats + half * 32 + group * 16, from.scale(half, group));
        if constexpr (F::kHasMin) v_store(floats + F::kHalves * 32 + half * 32 + group * 16, from.min(half, group));
      }
    }
  }
}

/** How far beyond a line of few tiles another is fetched. Measured with 2, 4 and 8 KiB on llama-3.2-1b in Q8_0: 16 rows ran 3, 13 and 8 % faster with it. */
constexpr size_t kFarAhead = 4096;

/** Fetches some lines of the next chunk at every product whose index has no bit of `mask`, into the first (`near`) or second cache. */
struct NextLines {
  const uint8_t* at;
  int32_t lines;
  uint32_t mask;
  bool near;

  __attribute__((always_inline)) void step(uint32_t index) {
    if ((index & mask) != 0) return;
    if (near) {
      for (int32_t line = 0; line < lines; ++line, at += 64) {
        __builtin_prefetch(at, 0, 3);
        if (reinterpret_cast<uintptr_t>(at) % 256 == 0) __builtin_prefetch(at + kFarAhead, 0, 2);
      }
    } else for (int32_t line = 0; line < lines; ++line, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

/** A step of the stream with every `kProductsOfStep` products, which use as many bytes as it fetches or a few more: a branch that is foreseen. */
template <uint32_t kProductsOfStep>
struct PacedStream {
  WeightStream& stream;

  __attribute__((always_inline)) void step(uint32_t index) const {
    if (index % kProductsOfStep == 0) stream.step();
  }
};

/** Rows of outputs: where their accumulators come from (null: they begin at zero), and where they go. */
struct TileOutputs {
  const float* from;
  size_t from_stride;
  float* to;
  size_t to_stride;
  bool arrives;  // `to` is where they belong, not in a near cache; rows that only fill a tile up do not go there
};

/** Activations of consecutive tiles from one unit on, and the units that they meet. */
struct TileChunk {
  const uint8_t* codes;
  const uint8_t* floats;
  int32_t units;
  const uint8_t* rows;  // block of the first unit in the first tile of activations
  int32_t row_count;
  size_t block_bytes;
  size_t tile_bytes;
};

/** Issues the products of a chunk: tile after tile of activations, group after group of outputs, unit after unit. */
template <class F>
class Issue {
 public:
  __attribute__((always_inline)) Issue(const TileChunk& chunk, int32_t* ring) : chunk_(chunk), ring_(ring), rows_(chunk.rows), codes_(chunk.codes) {}

  /** Loads what the next product, into tile kParity, multiplies. */
  template <int kParity>
  __attribute__((always_inline)) void load() {
    if constexpr (F::kHalves == 1) {
      tile_load<2>(rows_, kQuantBlock);
      tile_load<4>(codes_, 64);
    } else {
      tile_load<3>(rows_ + kParity * 16, kQuantBlock);
      tile_load<5>(codes_ + kParity * 256, 64);
    }
  }
  /** The product of what was loaded into tile kParity, whose last one goes to its place in the ring first. */
  template <int kParity>
  __attribute__((always_inline)) void next() {
    tile_store<kParity>(ring_ + kParity * kProducts);
    if constexpr (F::kHalves == 1) {
      tile_dot<kParity, 2, 4>();
      // An odd number of units is made even by a product that nothing reads.
      ++unit_;
      if (unit_ < chunk_.units) advance();
      else if (unit_ == (chunk_.units + 1) / 2 * 2) wrap();
    } else {
      tile_dot<kParity, 3, 5>();
      if constexpr (kParity == 1) {
        ++unit_;
        if (unit_ < chunk_.units) advance();
        else wrap();
      }
    }
  }

 private:
  __attribute__((always_inline)) void advance() {
    rows_ += chunk_.block_bytes;
    codes_ += tile_code_bytes<F>();
  }
  __attribute__((always_inline)) void wrap() {
    unit_ = 0;
    group_ ^= 1;
    // Past the last product, some are issued again that nothing reads.
    if (group_ == 0 && tile_ + 1 < ceil_div(chunk_.row_count, kTileRows)) ++tile_;
    rows_ = chunk_.rows + static_cast<size_t>(tile_) * chunk_.tile_bytes;
    codes_ = chunk_.codes + group_ * 512;
  }

  const TileChunk& chunk_;
  int32_t* const ring_;
  const uint8_t* rows_;
  const uint8_t* codes_;
  int32_t unit_ = 0;
  int32_t group_ = 0;
  int32_t tile_ = 0;
};

/** Takes the products of one unit, or half of one, into the accumulators of `height` rows. */
template <class F, int kHalf, class Halfway>
OCTAVO_INLINE void accumulate(const int32_t* products, const uint8_t* block, const uint8_t* unit_floats, int group, int height, V16 (&sums)[kTileRows],
                              const Halfway& halfway) {
  const float* floats = reinterpret_cast<const float*>(unit_floats) + kHalf * 32 + group * 16;
  const V16 scale = v_load(floats);
  const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    if (row == height / 2) halfway();
    const I16 dot = i_add(_mm512_load_si512(products + row * kGroupRows), i_set1(kDotBias));
    sums[row] = v_fma(v_fma(i_as_float(dot), scale, bias), v_set1(read_float(block + kTileScales + row * kTileEntry)), sums[row]);
  }
  if constexpr (F::kHasMin) {
    const V16 min = v_load(floats + F::kHalves * 32);
    const uint8_t* weighted = block + (F::kHalves == 1 ? kTileWeighted : kTileWeightedHalves + kHalf * 4);
#pragma GCC unroll 16
    for (int row = 0; row < height; ++row) {
      const V16 x = v_set1(read_float(weighted + row * kTileEntry));
      sums[row] = F::kSubtractsMin ? v_fnma(min, x, sums[row]) : v_fma(min, x, sums[row]);
    }
  }
}

/** One tile of activations, one group of outputs: issues and accumulates the products of all units of the chunk. */
template <class F, class Fetch>
OCTAVO_INLINE void accumulate_units(const TileChunk& chunk, Issue<F>& issue, const int32_t* ring, uint32_t& index, const uint8_t* block, int group,
                                    int height, Fetch& fetch, const TileOutputs& outputs, size_t first_row) {
  const float* from = outputs.from + first_row * outputs.from_stride + group * kGroupRows;
  float* to = outputs.to + first_row * outputs.to_stride + group * kGroupRows;
  const int32_t stored = outputs.arrives && chunk.row_count - static_cast<int32_t>(first_row) < height ? chunk.row_count - static_cast<int32_t>(first_row) : height;
  if (outputs.arrives) {
    for (int row = 0; row < stored; ++row) __builtin_prefetch(to + row * outputs.to_stride, 1, 3);
  }
  V16 sums[kTileRows];
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) sums[row] = outputs.from == nullptr ? v_zero() : v_load(from + row * outputs.from_stride);
  const uint8_t* floats = chunk.floats;
  const auto step = [&](auto parity, bool used) __attribute__((always_inline)) {
    fetch.step(index);
    const auto load = [&]() __attribute__((always_inline)) { issue.template load<parity.value>(); };
    if (!used) load();
    if (used) {
      accumulate<F, F::kHalves == 2 ? parity.value : 0>(ring + parity.value * kProducts, block, floats, group, height, sums, load);
      if (F::kHalves == 1 || parity.value == 1) {
        block += chunk.block_bytes;
        floats += tile_unit_bytes<F>();
      }
    }
    issue.template next<parity.value>();
    ++index;
  };
  const int32_t steps = chunk.units * F::kHalves;
  for (int32_t i = 0; i < steps; i += 2) {
    step(std::integral_constant<int, 0>{}, true);
    step(std::integral_constant<int, 1>{}, i + 1 < steps);
  }
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    if (row < stored) v_store(to + row * outputs.to_stride, sums[row]);
  }
}

/** All rows of a chunk. */
template <class F, class Fetch>
void tile_chunk(const TileChunk& chunk, Fetch fetch, const TileOutputs& outputs) {
  alignas(64) int32_t ring[2 * kProducts];
  Issue<F> issue(chunk, ring);
  issue_lead(issue);
  uint32_t index = 0;
  const uint8_t* block = chunk.rows;
  for (int32_t row = 0; row < chunk.row_count; row += kTileRows, block += chunk.tile_bytes) {
    const size_t first = static_cast<size_t>(row);
    const int32_t height = padded_rows(chunk.row_count - row);
    for (int group = 0; group < 2; ++group) {
      // Heights are known to the compiler, which then keeps the accumulators in registers.
      if (height == 16) accumulate_units<F>(chunk, issue, ring, index, block, group, 16, fetch, outputs, first);
      else if (height == 12) accumulate_units<F>(chunk, issue, ring, index, block, group, 12, fetch, outputs, first);
      else accumulate_units<F>(chunk, issue, ring, index, block, group, height, fetch, outputs, first);
    }
  }
}

/**
 * `row_count` rows of a panel, no more than kTileRows where `kOneTile`; `scratch`: kExpandedUnits units. The last chunk leaves them where they belong if
 * nothing is left to do. One tile waits for weights, which a stream fetches (measured: 24 and 20 % faster with Q4_K and Q4_0); from two tiles on that is no gain.
 */
template <DType kDType, bool kOneTile>
void tile_panel(const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, const PanelOutput& output, uint8_t* scratch) {
  using F = Packed<kDType>;
  static_assert(kExpandedUnits * tile_unit_bytes<F>() <= kLinearScratchFloats * 4, "expanded units fit the scratch");
  const int32_t tiles = kOneTile ? 1 : ceil_div(row_count, kTileRows);
  const int32_t chunk_units = chunk_units_of(tiles, units);
  [[maybe_unused]] WeightStream stream(panel);
  for (int32_t first = 0; first < units; first += chunk_units) {
    const int32_t count = units - first < chunk_units ? units - first : chunk_units;
    expand_signed<F>(panel, first, count, scratch);
    // Tiles are loaded behind the compiler's back.
    asm volatile("" ::: "memory");
    const uint8_t* const codes = lies_ready<F>() ? panel + static_cast<size_t>(first) * F::kFormat.unit_bytes : scratch;
    const uint8_t* const floats = lies_ready<F>() ? scratch : scratch + 1024;
    const TileChunk chunk = {codes,     floats,           count, input.tiles + static_cast<size_t>(first) * input.block_bytes,
                             row_count, input.block_bytes, input.tile_bytes};
    const uint8_t* next = panel + static_cast<size_t>(first + count) * F::stream_bytes();
    const bool arrives = first + count == units && output.only_copied();
    const TileOutputs outputs = {first == 0 ? nullptr : output.out, output.stride, arrives ? output.target : output.out,
                                 arrives ? output.target_stride : output.stride, arrives};
    const int32_t products = tiles * 2 * count * F::kHalves;
    if constexpr (kOneTile) {
      constexpr size_t kBytes = F::stream_bytes() / (2 * F::kHalves);
      tile_chunk<F>(chunk, PacedStream<kBytes >= 256 ? 2 : kBytes >= 128 ? 4 : 8>{stream}, outputs);
      stream.reach(next);
    } else {
      const int32_t lines = static_cast<int32_t>(F::stream_bytes() * static_cast<size_t>(count) / 64);
      // Where there are more products than lines, a line at every second, fourth, ... of them.
      uint32_t mask = 0;
      while (static_cast<int32_t>(2 * mask + 2) * lines <= products) mask = 2 * mask + 1;
      tile_chunk<F>(chunk, NextLines{next, ceil_div(lines, products), mask, tiles <= kWaitingTiles}, outputs);
    }
  }
}

template <bool kOneTile>
void tile_panel_of(DType dtype, const uint8_t* panel, int32_t units, const QuantizedRows& input, int32_t row_count, const PanelOutput& output,
                   uint8_t* scratch) {
  switch (dtype) {
    // Few tiles of these take turns (linear_amx_direct.h).
    case DType::kQ8_0:
      if constexpr (!kOneTile) tile_panel<DType::kQ8_0, kOneTile>(panel, units, input, row_count, output, scratch);
      return;
    case DType::kQ4_0:
      if constexpr (!kOneTile) tile_panel<DType::kQ4_0, kOneTile>(panel, units, input, row_count, output, scratch);
      return;
    case DType::kQ4_1: return tile_panel<DType::kQ4_1, kOneTile>(panel, units, input, row_count, output, scratch);
    case DType::kQ5_0: return tile_panel<DType::kQ5_0, kOneTile>(panel, units, input, row_count, output, scratch);
    case DType::kQ5_1: return tile_panel<DType::kQ5_1, kOneTile>(panel, units, input, row_count, output, scratch);
    case DType::kQ2_K: return tile_panel<DType::kQ2_K, kOneTile>(panel, units, input, row_count, output, scratch);
    default: return;
  }
}

/** Rows [first_row, first_row + row_count) of some panels, one by one. */
template <bool kOneTile>
void tile_panels(const LinearJob& job, int32_t panel, int32_t count, int32_t first_row, int32_t row_count, float* scratch) {
  const Matrix& matrix = *job.weight;
  for (int32_t i = panel; i < panel + count; ++i) {
    const PanelOutput output = panel_output(job, i, first_row, scratch, true);
    tile_panel_of<kOneTile>(matrix.dtype, matrix.data + static_cast<size_t>(i) * matrix.panel_bytes, matrix.columns / kQuantBlock,
                            quantized_from(job, first_row), row_count, output, reinterpret_cast<uint8_t*>(scratch));
    if (!output.only_copied()) finish_panel(output, row_count);
  }
}

}  // namespace
}  // namespace octavo
