// Matrix product of bytes or nibbles (Q8_0, Q4_0) with one or two tiles of quantised activations, on the tiles of AMX.
//
// The bits are those of linear_amx.h. Signed bytes are multiplied where they lie: what copying them would cost is not shared by many rows. Nibbles are expanded to signed
// bytes, one group's turn ahead, a few with every product.
//
// Some panels take turns over the same columns, so that the activations of a turn come from the second cache once for all of them: they are more than the
// weights. A run is one turn of one panel's group of sixteen outputs with one tile of activations. Its products are issued four ahead of what is
// accumulated, the first four in the run before, so that nothing pauses between runs.
//
// Weights are fetched at a steady pace, without a branch. What that and the turns are worth is in docs/decisions/0005-amx.md.
#pragma once

#include "amx_few_tiles.h"
#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "panel_output.h"
#include "panel_streams.h"

namespace octavo {
namespace {

/** Units of a turn, at most, where there are several: with their activations and accumulators about what the first cache holds. Even. */
constexpr int32_t kTurnUnits = 16;
/** Floats of the accumulators of one panel and one tile of rows. */
constexpr size_t kTileFloats = static_cast<size_t>(kTileRows) * kPanelRows;
/** Bytes of a group's codes of one unit, expanded. */
constexpr size_t kGroupCodes = 512;

/** How a format's codes become operands. */
template <DType kDType>
struct DirectFormat {
  static constexpr QuantFormat kFormat = quant_format_of(kDType);
  static_assert(kFormat.scales == ScaleKind::kF16 && kFormat.plane_bits == 0, "units follow each other and have one scale");
  /** Nibbles, which are expanded. */
  static constexpr bool kExpands = kFormat.code_bits == 4;
  static constexpr size_t kUnit = kFormat.unit_bytes;
  static constexpr size_t kGroup = kFormat.group_bytes();
  /** From one unit's operands to the next one's. */
  static constexpr size_t kCodes = kExpands ? kGroupCodes : kUnit;
  /** Units that take one turn together: more than kTurnUnits, since another turn loads and stores all accumulators. Two turns of what is expanded have to stay near. */
  static constexpr int32_t kSingleTurn = kExpands ? 18 : 28;
  /** Lines that are fetched at a time. */
  static constexpr int32_t kStreams = kExpands ? 4 : 8;
};

/** Bytes of memory for what is expanded: the group's turn that is used, and the next one. */
template <class F>
constexpr size_t expanded_bytes() {
  return F::kExpands ? 2 * F::kSingleTurn * kGroupCodes : 64;
}

/** Some panels, which follow each other, and the activations that they meet. */
struct DirectPanels {
  const uint8_t* panels;
  size_t panel_bytes;
  int32_t panel_count;
  int32_t units;
  int32_t turn;
  QuantizedRows input;

  int32_t turn_from(int32_t unit) const { return units - unit < turn ? units - unit : turn; }
};

/** Units of each turn. */
template <class F>
constexpr int32_t turn_units_of(int32_t units) {
  return even_part(units, units <= F::kSingleTurn ? F::kSingleTurn : kTurnUnits);
}

/** What is expanded beside a run: its share of each of `units` units, as they lie, to where they will be read. */
struct Expansion {
  const uint8_t* from;
  uint8_t* to;
  int32_t units;
};

/** One run: where its activations, the operands and the scales of its units begin, how many there are, and what is expanded meanwhile. */
struct DirectRun {
  const uint8_t* rows;
  const uint8_t* codes;
  const uint8_t* scales;
  int32_t count;
  Expansion expansion;

  /** An even number of units, and all that the run before issues. */
  bool is_plain() const { return count % 2 == 0 && count >= kLead; }
};

/** Where a run's accumulators come from (null: they begin at zero), rows kPanelRows apart, and where the first `rows` of them go. */
struct RunOutputs {
  const float* from;
  float* to;
  size_t stride;
  int32_t rows;
};

/** Loads a tile of rows and one of sixteen outputs of 32 columns. Before the last product is stored: loads wait for stores that only seem to overlap them. */
OCTAVO_INLINE void load_operands(const uint8_t* rows, const uint8_t* codes) {
  tile_load<2>(rows, kQuantBlock);
  tile_load<4>(codes, 64);
}
/** Issues the product of what was loaded into tile kParity, whose last one goes to its place in the ring first. */
template <int kParity>
OCTAVO_INLINE void issue_loaded(int32_t* ring) {
  tile_store<kParity>(ring + kParity * kProducts);
  tile_dot<kParity, 2, 4>();
}
/** Issues a product into tile kParity, whose last one goes to its place in the ring first. */
template <int kParity>
OCTAVO_INLINE void issue_direct(int32_t* ring, const uint8_t* rows, const uint8_t* codes) {
  load_operands(rows, codes);
  issue_loaded<kParity>(ring);
}

/** Issues the product of a run's unit kIndex; past its end, which runs that are plain do not have, that of the last one again, which nothing reads. */
template <class F, int kIndex, bool kPlain>
OCTAVO_INLINE void issue_first(const DirectRun& run, size_t block_bytes, int32_t* ring) {
  const size_t index = static_cast<size_t>(kPlain || kIndex < run.count ? kIndex : run.count - 1);
  issue_direct<kIndex % 2>(ring, run.rows + index * block_bytes, run.codes + index * F::kCodes);
}

/**
 * kVectors of the four vectors of a group: two nibbles n of each byte to n - 8, the higher ones to the operand's second half. In one instruction each: bits 0 to 2
 * stay, and all others become the opposite of bit 3.
 */
template <int kVectors>
OCTAVO_INLINE void expand_nibbles(const uint8_t* from, uint8_t* to) {
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    const B64 both = b_load(from + i * 64);
    b_store(to + i * 64, _mm512_gf2p8affine_epi64_epi8(both, _mm512_set1_epi64(0x0102040808080808), 0xf8));
    b_store(to + kGroupCodes / 2 + i * 64, _mm512_gf2p8affine_epi64_epi8(both, _mm512_set1_epi64(0x1020408080808080), 0xf8));
  }
}

/** Takes the products of one unit into the accumulators of `height` rows; calls halfway() before the second half. */
template <class Halfway>
OCTAVO_INLINE void accumulate_direct(const int32_t* products, const uint8_t* block, const uint8_t* scales, int height, V16 (&sums)[kTileRows],
                                     const Halfway& halfway) {
  const V16 scale = v_load_f16(reinterpret_cast<const uint16_t*>(scales));
  const V16 bias = v_mul(scale, v_set1(-kDotBiasFloat));
#pragma GCC unroll 16
  for (int row = 0; row < height; ++row) {
    if (row == height / 2) halfway();
    const I16 dot = i_add(_mm512_load_si512(products + row * kGroupRows), i_set1(kDotBias));
    const uint8_t* const factor = block + kTileScales + static_cast<size_t>(row) * kTileEntry;
    v_add_scaled(sums[row], v_fma(i_as_float(dot), scale, bias), reinterpret_cast<const float*>(factor));
  }
}

/** One run of a panel that meets kTiles tiles, and the first products of the next one; both are plain if `kPlain`. */
template <class F, int kTiles, bool kPlain, class Height>
OCTAVO_INLINE void direct_run(size_t block_bytes, const DirectRun& run, const DirectRun& next, int32_t* ring, Height height_of, PanelStreams<F::kStreams>& stream,
                              const RunOutputs& outputs) {
  static_assert(kLead == 4, "as many products of the next run are written out at the end");
  const int height = height_of();
  V16 sums[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < height; ++i) sums[i] = outputs.from == nullptr ? v_zero() : v_load(outputs.from + i * kPanelRows);
  const uint8_t* block = run.rows;
  const uint8_t* scales = run.scales;
  const uint8_t* rows_ahead = run.rows + kLead * block_bytes;
  const uint8_t* codes_ahead = run.codes + kLead * F::kCodes;
  Expansion expansion = run.expansion;
  int32_t left = run.count;
  // An odd number of units is made even, and a short one four, by products that nothing reads.
  const auto take_with = [&](int index, const auto& halfway) __attribute__((always_inline)) {
    const size_t at = static_cast<size_t>(index % 2);
    if (kPlain || left > index) accumulate_direct(ring + at * kProducts, opaque(block + at * block_bytes), scales + at * F::kUnit, height, sums, halfway);
    else halfway();
  };
  const auto take = [&](int index) __attribute__((always_inline)) { take_with(index, []() __attribute__((always_inline)) {}); };
  const auto fetch = [&]() __attribute__((always_inline)) {
    stream.step();
    if (kTiles == 1) stream.step();
  };
  const auto expand = [&]() __attribute__((always_inline)) {
    if constexpr (F::kExpands) {
      if (--expansion.units < 0) return;
      expand_nibbles<4 / kTiles>(expansion.from, expansion.to);
      expansion.from += F::kUnit;
      expansion.to += kGroupCodes;
    }
  };
  const auto advance = [&]() __attribute__((always_inline)) {
    block += 2 * block_bytes;
    scales += 2 * F::kUnit;
  };
  for (; left > kLead; left -= 2) {
    const size_t second = kPlain || left > kLead + 1 ? 1 : 0;
    fetch();
    take_with(0, [&]() __attribute__((always_inline)) { load_operands(rows_ahead, codes_ahead); });
    issue_loaded<0>(ring);
    expand();
    take_with(1, [&]() __attribute__((always_inline)) { load_operands(rows_ahead + second * block_bytes, codes_ahead + second * F::kCodes); });
    issue_loaded<1>(ring);
    expand();
    advance();
    rows_ahead += 2 * block_bytes;
    codes_ahead += 2 * F::kCodes;
  }
  fetch();
  if constexpr (F::kExpands) {
    // All of it is there before the next run may load it, behind the compiler's back.
    while (expansion.units > 0) expand();
    asm volatile("" ::: "memory");
  }
  take(0);
  issue_first<F, 0, kPlain>(next, block_bytes, ring);
  take(1);
  issue_first<F, 1, kPlain>(next, block_bytes, ring);
  advance();
  fetch();
  take(2);
  issue_first<F, 2, kPlain>(next, block_bytes, ring);
  take(3);
  issue_first<F, 3, kPlain>(next, block_bytes, ring);
#pragma GCC unroll 16
  for (int i = 0; i < height; ++i) {
    if (i < outputs.rows) v_store(outputs.to + static_cast<size_t>(i) * outputs.stride, sums[i]);
  }
}

/** The products of some panels with kTiles (one or two) tiles of rows. */
template <class F, int kTiles>
class Direct {
 public:
  /** `outputs`: of each panel, computed aside. `expanded`: expanded_bytes. */
  Direct(const DirectPanels& job, int32_t row_count, const PanelOutput* outputs, uint8_t* expanded)
      : job_(job), row_count_(row_count), outputs_(outputs), expanded_(expanded) {}

  void run() {
    alignas(64) int32_t ring[2 * kProducts];
    const size_t block_bytes = job_.input.block_bytes;
    expand_first();
    DirectRun run = run_of(0, 0, 0, 0);
    issue_first<F, 0, false>(run, block_bytes, ring);
    issue_first<F, 1, false>(run, block_bytes, ring);
    issue_first<F, 2, false>(run, block_bytes, ring);
    issue_first<F, 3, false>(run, block_bytes, ring);
    PanelStreams<F::kStreams> stream;
    for (int32_t first = 0; first < job_.units; first += job_.turn) {
      const int32_t after = first + job_.turn_from(first);
      fetch_turn(stream, after);
      for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
        for (int32_t group = 0; group < 2; ++group) {
          for (int32_t tile = 0; tile < kTiles; ++tile) {
            const DirectRun next = next_run(first, panel, group, tile);
            const RunOutputs outputs = outputs_of(first, panel, group, tile);
            const int32_t height = padded_rows(row_count_ - tile * kTileRows);
            // Heights are known to the compiler, which then keeps the accumulators in registers.
            const auto start = [&](auto plain, auto known) __attribute__((always_inline)) { direct_run<F, kTiles, plain.value>(block_bytes, run, next, ring, known, stream, outputs); };
            const bool is_plain = run.is_plain() && next.is_plain();
            if (is_plain && height == 16) start(std::true_type{}, std::integral_constant<int, 16>{});
            else if (is_plain && height == 12) start(std::true_type{}, std::integral_constant<int, 12>{});
            else if (is_plain && height == 8) start(std::true_type{}, std::integral_constant<int, 8>{});
            else if (height == 16) start(std::false_type{}, std::integral_constant<int, 16>{});
            else start(std::false_type{}, [height] { return height; });
            run = next;
          }
        }
        stream.reach(static_cast<size_t>(panel + 1) * static_cast<size_t>(after - first) * F::kUnit);
      }
    }
    for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
      if (!outputs_[panel].only_copied()) finish_panel(outputs_[panel], row_count_);
    }
  }

 private:
  const uint8_t* units_of(int32_t first, int32_t panel) const {
    return job_.panels + static_cast<size_t>(panel) * job_.panel_bytes + static_cast<size_t>(first) * F::kUnit;
  }
  /** Begins to fetch the turn at unit `next` of all panels, or the first one of the panels that follow. */
  void fetch_turn(PanelStreams<F::kStreams>& stream, int32_t next) const {
    const bool follows = next >= job_.units;
    const uint8_t* const from = follows ? units_of(0, job_.panel_count) : units_of(next, 0);
    stream.begin(from, job_.panel_bytes, job_.panel_count, static_cast<size_t>(job_.turn_from(follows ? 0 : next)) * F::kUnit);
  }
  /** Where a group's turn is expanded to, if it is. */
  uint8_t* expanded_of(int32_t group) const { return expanded_ + static_cast<size_t>(group * job_.turn) * kGroupCodes; }

  void expand_first() const {
    if constexpr (F::kExpands) {
      for (int32_t unit = 0; unit < job_.turn_from(0); ++unit) {
        expand_nibbles<4>(units_of(unit, 0), expanded_of(0) + static_cast<size_t>(unit) * kGroupCodes);
      }
      asm volatile("" ::: "memory");
    }
  }

  /** The share of a run in expanding the turn of the group that follows: all of it, or half. */
  Expansion expansion_of(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    if (!F::kExpands) return {};
    const size_t part = static_cast<size_t>(tile) * 128;
    if (group == 0) return {units_of(first, panel) + F::kGroup + part, expanded_of(1) + part, job_.turn_from(first)};
    const bool last = panel + 1 == job_.panel_count;
    const int32_t then = last ? first + job_.turn : first;
    if (then >= job_.units) return {};
    return {units_of(then, last ? 0 : panel + 1) + part, expanded_of(0) + part, job_.turn_from(then)};
  }

  DirectRun run_of(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    const uint8_t* units = units_of(first, panel);
    const uint8_t* codes = F::kExpands ? expanded_of(group) : units + static_cast<size_t>(group) * F::kGroup;
    return {job_.input.tiles + static_cast<size_t>(tile) * job_.input.tile_bytes + static_cast<size_t>(first) * job_.input.block_bytes,
            codes, units + F::kFormat.scale_offset() + static_cast<size_t>(group) * 32, job_.turn_from(first),
            expansion_of(first, panel, group, tile)};
  }

  /** After the last one, that one again, whose first products are issued and not read. */
  DirectRun next_run(int32_t first, int32_t panel, int32_t group, int32_t tile) const {
    if (tile + 1 < kTiles) return run_of(first, panel, group, tile + 1);
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
    if (first + job_.turn < job_.units || !output.only_copied()) return {from, sums, kPanelRows, kTileRows};
    float* const to = output.target + static_cast<size_t>(tile * kTileRows) * output.target_stride + group * kGroupRows;
    const int32_t rows = row_count_ - tile * kTileRows < kTileRows ? row_count_ - tile * kTileRows : kTileRows;
    for (int32_t row = 0; row < rows; ++row) __builtin_prefetch(to + static_cast<size_t>(row) * output.target_stride, 1, 3);
    return {from, to, output.target_stride, rows};
  }

  const DirectPanels& job_;
  const int32_t row_count_;
  const PanelOutput* const outputs_;
  uint8_t* const expanded_;
};

}  // namespace
}  // namespace octavo
