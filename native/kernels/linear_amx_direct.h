// Matrix product of bytes (Q8_0) with one or two tiles of quantised activations, on the tiles of AMX.
//
// The bits are those of linear_amx.h. Weights are read where they lie, as unsigned codes: what expanding them would cost is not shared by many rows. A
// product is then dot - 128 * (sum of the row's activations), the same integer, whose second part the activations carry.
//
// Some panels take turns over the same columns, so that the activations of a turn come from the second cache once for all of them: they are more than the
// weights. A run is one turn of one panel's group of sixteen outputs with one tile of activations. Its products are issued four ahead of what is
// accumulated, the first four in the run before, so that nothing pauses between runs.
//
// Weights are fetched at a steady pace, eight lines with every two products, without a branch. What that and the turns are worth is in docs/decisions/0005-amx.md.
#pragma once

#include "amx_few_tiles.h"
#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "panel_output.h"

namespace octavo {
namespace {

/** Units of a turn, at most: with their activations and accumulators about what the first cache holds. Even. */
constexpr int32_t kTurnUnits = 16;
/** Floats of the accumulators of one panel and one tile of rows. */
constexpr size_t kTileFloats = static_cast<size_t>(kTileRows) * kPanelRows;

using DirectWeights = Packed<DType::kQ8_0>;
constexpr size_t kDirectUnit = DirectWeights::stream_bytes();
static_assert(DirectWeights::kZero == 128 && DirectWeights::kFormat.unit_offset(1) == kDirectUnit, "units follow each other");

/** Some panels, which follow each other, and the tiles of activations that they meet. */
struct DirectPanels {
  const uint8_t* panels;
  size_t panel_bytes;
  int32_t panel_count;
  int32_t units;
  int32_t turn;
  QuantizedRows input;
  int32_t tiles;

  int32_t turn_from(int32_t unit) const { return units - unit < turn ? units - unit : turn; }
};

/** Units of each turn, as equal as can be: even, since a product's tile and place in the ring depend on whether its unit is. */
OCTAVO_INLINE int32_t turn_units_of(int32_t units) {
  const int32_t turns = (units + kTurnUnits - 1) / kTurnUnits;
  return (units + 2 * turns - 1) / (2 * turns) * 2;
}

/** Fetches the next turn's weights of all panels, line by line from eight places, of each of which the prefetcher has what comes next. */
class TurnStream {
 public:
  /** Begins with the turn at unit `next`, or with the first one of the panels that follow. */
  void begin(const DirectPanels& job, int32_t next) {
    const uint8_t* from = job.panels;
    if (next >= job.units) {
      next = 0;
      from += static_cast<size_t>(job.panel_count) * job.panel_bytes;
    }
    const int32_t parts = kStreams / job.panel_count;
    streams_ = parts * job.panel_count;
    const size_t part = round_up(static_cast<size_t>(job.turn_from(next)) * kDirectUnit / static_cast<size_t>(parts), 64);
    for (int32_t i = 0; i < kStreams; ++i) {
      const size_t stream = static_cast<size_t>(i % streams_);
      at_[i] = from + stream / static_cast<size_t>(parts) * job.panel_bytes + static_cast<size_t>(next) * kDirectUnit + stream % static_cast<size_t>(parts) * part;
    }
    fetched_ = 0;
  }
  __attribute__((always_inline)) void step() {
#pragma GCC unroll 8
    for (int32_t i = 0; i < kStreams; ++i) __builtin_prefetch(at_[i] + fetched_, 0, 2);
    fetched_ += 64;
  }
  /** Goes on until so many bytes were fetched. */
  void reach(size_t bytes) {
    while (fetched_ * static_cast<size_t>(streams_) < bytes) step();
  }

 private:
  static constexpr int32_t kStreams = 8;
  static_assert(kPanelsAtOnce <= kStreams, "each panel has a stream");
  const uint8_t* at_[kStreams];
  int32_t streams_ = 1;
  size_t fetched_ = 0;
};

/** One run: where its activations, the codes and the scales of its units begin, and how many there are. */
struct DirectRun {
  const uint8_t* rows;
  const uint8_t* codes;
  const uint8_t* scales;
  int32_t count;

  /** An even number of units, and all that the run before issues. */
  bool is_plain() const { return count % 2 == 0 && count >= kLead; }
};

/** Where a run's accumulators come from (null: they begin at zero), rows kPanelRows apart, and where they go. */
struct RunOutputs {
  const float* from;
  float* to;
  size_t stride;
};

/** Issues a product into tile kParity, whose last one goes to its place in the ring first. */
template <int kParity>
OCTAVO_INLINE void issue_direct(int32_t* ring, const uint8_t* rows, const uint8_t* codes) {
  tile_store<kParity>(ring + kParity * kProducts);
  tile_load<2>(rows, kQuantBlock);
  tile_load<4>(codes, 64);
  tile_dot<kParity, 2, 4, false>();
}

/** Issues the product of a run's unit kIndex; past its end, which runs that are plain do not have, that of the last one again, which nothing reads. */
template <int kIndex, bool kPlain>
OCTAVO_INLINE void issue_first(const DirectRun& run, size_t block_bytes, int32_t* ring) {
  const size_t index = static_cast<size_t>(kPlain || kIndex < run.count ? kIndex : run.count - 1);
  issue_direct<kIndex % 2>(ring, run.rows + index * block_bytes, run.codes + index * kDirectUnit);
}

/** sum = fma(value, *factor, sum), in place: left to choose registers anew for each sum, compilers move and spill them between runs. */
OCTAVO_INLINE void add_scaled(V16& sum, V16 value, const uint8_t* factor) {
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(value), "m"(*reinterpret_cast<const float*>(factor)));
}

/** Takes the products of one unit into the accumulators of `height` rows. */
OCTAVO_INLINE void accumulate_direct(const int32_t* products, const uint8_t* block, const uint8_t* scales, int height, V16 (&sums)[kTileRows]) {
  const V16 scale = v_load_f16(reinterpret_cast<const uint16_t*>(scales));
  const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    const size_t entry = static_cast<size_t>(row) * kTileEntry;
    const I16 dot = i_add(_mm512_load_si512(products + row * kGroupRows), i_set1(read_int(block + kTileMinus128 + entry)));
    add_scaled(sums[row], v_fma(i_as_float(dot), scale, bias), block + kTileScales + entry);
  }
}

/** One run, and the first products of the next one; both are plain if `kPlain`. `fetches`: steps of the stream with every two products. */
template <bool kPlain, class Height>
OCTAVO_INLINE void direct_run(size_t block_bytes, const DirectRun& run, const DirectRun& next, int32_t* ring, Height height_of, TurnStream& stream,
                              int fetches, const RunOutputs& outputs) {
  static_assert(kLead == 4, "as many products of the next run are written out at the end");
  const int height = height_of();
  V16 sums[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < height; ++i) sums[i] = outputs.from == nullptr ? v_zero() : v_load(outputs.from + i * kPanelRows);
  const uint8_t* block = run.rows;
  const uint8_t* scales = run.scales;
  const uint8_t* rows_ahead = run.rows + kLead * block_bytes;
  const uint8_t* codes_ahead = run.codes + kLead * kDirectUnit;
  int32_t left = run.count;
  // An odd number of units is made even, and a short one four, by products that nothing reads.
  const auto take = [&](int index) __attribute__((always_inline)) {
    const size_t at = static_cast<size_t>(index % 2);
    if (kPlain || left > index) accumulate_direct(ring + at * kProducts, block + at * block_bytes, scales + at * kDirectUnit, height, sums);
  };
  const auto fetch = [&]() __attribute__((always_inline)) {
    stream.step();
    if (fetches > 1) stream.step();
  };
  const auto advance = [&]() __attribute__((always_inline)) {
    block += 2 * block_bytes;
    scales += 2 * kDirectUnit;
  };
  for (; left > kLead; left -= 2) {
    const size_t second = kPlain || left > kLead + 1 ? 1 : 0;
    fetch();
    take(0);
    issue_direct<0>(ring, rows_ahead, codes_ahead);
    take(1);
    issue_direct<1>(ring, rows_ahead + second * block_bytes, codes_ahead + second * kDirectUnit);
    advance();
    rows_ahead += 2 * block_bytes;
    codes_ahead += 2 * kDirectUnit;
  }
  fetch();
  take(0);
  issue_first<0, kPlain>(next, block_bytes, ring);
  take(1);
  issue_first<1, kPlain>(next, block_bytes, ring);
  advance();
  fetch();
  take(2);
  issue_first<2, kPlain>(next, block_bytes, ring);
  take(3);
  issue_first<3, kPlain>(next, block_bytes, ring);
#pragma GCC unroll 16
  for (int i = 0; i < height; ++i) v_store(outputs.to + static_cast<size_t>(i) * outputs.stride, sums[i]);
}

/** The products of some panels with one or two tiles of rows. */
class Direct {
 public:
  /** `outputs`: of each panel, computed aside. */
  Direct(const DirectPanels& job, int32_t row_count, const PanelOutput* outputs) : job_(job), row_count_(row_count), outputs_(outputs) {}

  void run() {
    alignas(64) int32_t ring[2 * kProducts];
    const size_t block_bytes = job_.input.block_bytes;
    DirectRun run = run_of(0, 0, 0, 0);
    issue_first<0, false>(run, block_bytes, ring);
    issue_first<1, false>(run, block_bytes, ring);
    issue_first<2, false>(run, block_bytes, ring);
    issue_first<3, false>(run, block_bytes, ring);
    TurnStream stream;
    for (int32_t first = 0; first < job_.units; first += job_.turn) {
      const int32_t after = first + job_.turn_from(first);
      stream.begin(job_, after);
      for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
        for (int32_t group = 0; group < 2; ++group) {
          for (int32_t tile = 0; tile < job_.tiles; ++tile) {
            const DirectRun next = next_run(first, panel, group, tile);
            const RunOutputs outputs = outputs_of(first, panel, group, tile);
            const int32_t height = row_count_ - tile * kTileRows;
            const int fetches = 3 - job_.tiles;
            // The height of a whole tile is known to the compiler, which then keeps the accumulators in registers.
            const std::integral_constant<int, kTileRows> whole;
            const auto part = [height] { return height; };
            const bool plain = run.is_plain() && next.is_plain();
            if (height >= kTileRows && plain) direct_run<true>(block_bytes, run, next, ring, whole, stream, fetches, outputs);
            else if (height >= kTileRows) direct_run<false>(block_bytes, run, next, ring, whole, stream, fetches, outputs);
            else direct_run<false>(block_bytes, run, next, ring, part, stream, fetches, outputs);
            run = next;
          }
        }
        stream.reach(static_cast<size_t>(panel + 1) * static_cast<size_t>(after - first) * kDirectUnit);
      }
    }
    for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
      if (!outputs_[panel].only_copied()) finish_panel(outputs_[panel], row_count_);
    }
  }

 private:
  DirectRun run_of(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    const uint8_t* units = job_.panels + static_cast<size_t>(panel) * job_.panel_bytes + static_cast<size_t>(first) * kDirectUnit;
    return {job_.input.tiles + static_cast<size_t>(tile) * job_.input.tile_bytes + static_cast<size_t>(first) * job_.input.block_bytes,
            units + static_cast<size_t>(group) * DirectWeights::kFormat.group_bytes(),
            units + DirectWeights::kFormat.scale_offset() + static_cast<size_t>(group) * 32, job_.turn_from(first)};
  }

  /** After the last one, that one again, whose first products are issued and not read. */
  DirectRun next_run(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    if (tile + 1 < job_.tiles) return run_of(first, panel, group, tile + 1);
    if (group == 0) return run_of(first, panel, 1, 0);
    if (panel + 1 < job_.panel_count) return run_of(first, panel + 1, 0, 0);
    if (first + job_.turn < job_.units) return run_of(first + job_.turn, 0, 0, 0);
    return run_of(first, panel, group, tile);
  }

  /** The last turn leaves rows where they belong if nothing is left to do. */
  RunOutputs outputs_of(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    const PanelOutput& output = outputs_[panel];
    float* const sums = output.out + static_cast<size_t>(tile) * kTileFloats + group * kGroupRows;
    const float* const from = first == 0 ? nullptr : sums;
    if (first + job_.turn < job_.units || !output.only_copied()) return {from, sums, kPanelRows};
    float* const to = output.target + static_cast<size_t>(tile * kTileRows) * output.target_stride + group * kGroupRows;
    const int32_t rows = row_count_ - tile * kTileRows < kTileRows ? row_count_ - tile * kTileRows : kTileRows;
    for (int32_t row = 0; row < rows; ++row) __builtin_prefetch(to + static_cast<size_t>(row) * output.target_stride, 1, 3);
    return {from, to, output.target_stride};
  }

  const DirectPanels& job_;
  const int32_t row_count_;
  const PanelOutput* const outputs_;
};

}  // namespace
}  // namespace octavo
