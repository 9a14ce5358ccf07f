// Matrix product of blocks of 256 columns whose scales are integers (Q3_K to Q6_K) with quantised activations, on the tiles of AMX.
//
// The bits are those of linear_blocks.h: the sum of scale * dot over the 256 columns is an integer, exact in any order. So the scale goes to the codes before
// they are multiplied, as two digits, each an operand of its own. A tile then holds sums over all 256 columns, and is stored, converted and scaled once for them
// instead of once for each 32 or 16. (code - zero) * scale of Q3_K and Q6_K has sixteen bits: an upper byte (signed) and a lower one (unsigned), sum = 256 * upper +
// lower. A scale of Q4_K or Q5_K is 8 * upper + lower, each of three bits, which times a code is an unsigned byte: one product of words has both bytes in them.
//
// A turn is one block of one group of sixteen outputs: four operands of 64 columns of either digit. They are expanded one turn ahead, beside the
// products of the turn before, and serve all tiles of rows.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "amx_blocks.h"
#include "amx_tiles.h"
#include "formats.h"
#include "kernels.h"
#include "linear_blocks.h"
#include "panel_output.h"
#include "panel_streams.h"

namespace octavo {
namespace {

/** Operands of 64 columns that a block has, and their bytes. */
constexpr int kBlockSteps = kBlockUnits / 2;
constexpr size_t kStepBytes = 1024;
/** Pieces of a step's products, with a piece of what is expanded behind each: the processor does not look far enough ahead to find work for both kinds of ports. */
constexpr int kStepSlots = 4;
/** Tiles of rows whose products are under way together. */
constexpr int kPairTiles = 2;

/** The two digits of each weight of a turn. */
struct TurnPlanes {
  alignas(64) uint8_t low[kBlockSteps][kStepBytes];
  alignas(64) uint8_t high[kBlockSteps][kStepBytes];
};

/** For each lane n of four bytes: byte n to bytes `first` and `first` + 2, zeros to the others. */
struct Spread {
  alignas(64) uint8_t bytes[64];
  constexpr explicit Spread(int first) : bytes() {
    for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(i % 2 == first ? i / 4 : 0x80);
  }
};
constexpr Spread kSpreadEven(0);
constexpr Spread kSpreadOdd(1);
struct SwapBytes {
  alignas(64) uint8_t bytes[64];
  constexpr SwapBytes() : bytes() {
    for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>((i ^ 1) % 16);
  }
};
constexpr SwapBytes kSwapBytes;

/** Whether scales have two digits, as those of Q4_K and Q5_K; else each weight has two bytes. */
template <class F>
constexpr bool kDigits = F::kFormat.scales == ScaleKind::kSuperMin;

/** What some columns' codes are multiplied by: words of a lane's first and third column, of its second and fourth, and what is less than nothing for the zero point. */
struct ByteScales {
  __m512i even;
  __m512i odd;
  __m512i zero;

  template <class F>
  OCTAVO_INLINE ByteScales of(__m512i bytes) {
    const __m512i even = _mm512_shuffle_epi8(bytes, _mm512_load_si512(kSpreadEven.bytes));
    const __m512i odd = _mm512_shuffle_epi8(bytes, _mm512_load_si512(kSpreadOdd.bytes));
    return {even, odd, _mm512_maddubs_epi16(_mm512_set1_epi8(static_cast<char>(F::kZero)), even)};
  }
  /** (code - zero) * scale: its bytes. */
  __attribute__((always_inline)) void expand(__m512i codes, uint8_t* low, uint8_t* high) const {
    const __m512i swap = _mm512_load_si512(kSwapBytes.bytes);
    const __m512i lower = _mm512_set1_epi16(0x00ff);
    const __m512i first = _mm512_sub_epi16(_mm512_maddubs_epi16(codes, even), zero);
    const __m512i second = _mm512_sub_epi16(_mm512_maddubs_epi16(codes, odd), zero);
    b_store(low, _mm512_ternarylogic_epi32(_mm512_shuffle_epi8(second, swap), first, lower, 0xd8));
    b_store(high, _mm512_ternarylogic_epi32(_mm512_shuffle_epi8(first, swap), second, lower, 0xe4));
  }
};

/** Digits of scales, in each word of a lane. */
struct DigitScales {
  __m512i low;
  __m512i high;

  template <class F>
  OCTAVO_INLINE DigitScales of(__m512i bytes) {
    const __m512i words = _mm512_shuffle_epi8(bytes, _mm512_load_si512(kSpreadEven.bytes));
    return {_mm512_and_si512(words, _mm512_set1_epi16(7)), _mm512_srli_epi16(words, 3)};
  }
  /** Codes of at most five bits times digits of three stay in their bytes. */
  __attribute__((always_inline)) void expand(__m512i codes, uint8_t* to_low, uint8_t* to_high) const {
    b_store(to_low, _mm512_mullo_epi16(codes, low));
    b_store(to_high, _mm512_mullo_epi16(codes, high));
  }
};

template <class F, int kHalf, int... kSteps>
OCTAVO_INLINE void expand_half(const F& from, int group, uint8_t* low, uint8_t* high, std::integer_sequence<int, kSteps...>) {
  using Scales = std::conditional_t<kDigits<F>, DigitScales, ByteScales>;
  const uint8_t* const bytes = from.unit + F::kFormat.scale_offset() + (F::kHalves == 2 ? kHalf * 32 : 0) + group * 16;
  const Scales scales = Scales::template of<F>(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
  (scales.expand(from.template codes<kHalf * 4 + kSteps>(group), low + (kHalf * 4 + kSteps) * 64, high + (kHalf * 4 + kSteps) * 64), ...);
}

/** Part `kSlot` of kStepSlots of 64 columns of a group: half a unit. */
template <class F, int kSlot>
OCTAVO_INLINE void expand_slot(const uint8_t* panel, int32_t block, int step, int group, TurnPlanes& to) {
  constexpr int kUnit = kSlot / 2;
  const F from = F::at(panel, block * kBlockUnits + step * 2 + kUnit);
  expand_half<F, kSlot % 2>(from, group, to.low[step] + kUnit * 512, to.high[step] + kUnit * 512, std::make_integer_sequence<int, 4>{});
}
template <class F>
OCTAVO_INLINE void expand_step(const uint8_t* panel, int32_t block, int step, int group, TurnPlanes& to) {
  expand_slot<F, 0>(panel, block, step, group, to);
  expand_slot<F, 1>(panel, block, step, group, to);
  expand_slot<F, 2>(panel, block, step, group, to);
  expand_slot<F, 3>(panel, block, step, group, to);
}

/** Lines that are fetched at a time. */
using BlockStreams = PanelStreams<8>;

/** A block's floats for a group of outputs. */
template <class F>
struct TurnScales {
  V16 scale;
  BlockMinima<F> minima;  // where there are such

  OCTAVO_INLINE TurnScales of(const uint8_t* panel, int32_t unit, int group) {
    TurnScales scales;
    scales.scale = F::at(panel, unit).block_scale(group);
    if constexpr (F::kHasMin) scales.minima = BlockMinima<F>::of(panel, unit, group);
    return scales;
  }
};

/** Products of up to kPairTiles tiles over a block that are to be taken into the outputs. */
template <class F>
struct StoredSums {
  const int32_t* sums;  // [tile][low, high][row][output]
  int32_t rows;  // of all tiles; 0: nothing
  const uint8_t* block;  // of the activations of the first row
  size_t tile_bytes;
  const TurnScales<F>* turn;
  float* out;  // rows kPanelRows apart, with room for whole tiles

  /** Four rows of each tile. */
  __attribute__((always_inline)) void take(int step) const {
    constexpr int kRows = kTileRows / kBlockSteps;
    const int32_t first = step * kRows;
    if (first >= rows) return;
    // A copy, which stores to `out` cannot change.
    const TurnScales<F> scales = *turn;
    for (int32_t tile = 0; tile * kTileRows + first < rows; ++tile) {
      const int32_t* const low = opaque(sums + (tile * 2 * kTileRows + first) * kGroupRows);
      const uint8_t* const at = opaque(block + static_cast<size_t>(tile) * tile_bytes + static_cast<size_t>(first) * 4);
      float* const to = opaque(out + (tile * kTileRows + first) * kPanelRows);
#pragma GCC unroll 4
      for (int row = 0; row < kRows; ++row) take_row(scales, low + row * kGroupRows, at + row * 4, to + row * kPanelRows);
    }
  }

 private:
  /** `at`: the block of activations, from a row's scale on. */
  __attribute__((always_inline)) void take_row(const TurnScales<F>& scales, const int32_t* low, const uint8_t* at, float* to) const {
    I16 high = i_load(low + kProducts);
    if constexpr (kDigits<F>) high = i_shift_left<3>(high);
    else high = _mm512_shuffle_epi8(high, _mm512_set4_epi32(0x0e0d0c80, 0x0a090880, 0x06050480, 0x02010080));
    V16 scaled = v_mul(i_to_float(i_add(high, i_load(low))), scales.scale);
    if constexpr (F::kHasMin) scaled = scales.minima.subtract(scaled, at + kBlockPairSums);
    V16 total = v_load(to);
    v_add_scaled(total, scaled, reinterpret_cast<const float*>(at + kBlockScales));
    v_store(to, total);
  }
};

/** Some panels, which follow each other, and the rows that they meet. */
struct BlockPanels {
  const uint8_t* panels;
  size_t panel_bytes;
  int32_t panel_count;
  int32_t blocks;
  QuantizedRows input;
  int32_t row_count;
  const PanelOutput* outputs;

  const uint8_t* panel(int32_t index) const { return panels + static_cast<size_t>(index) * panel_bytes; }
};

// Tiles 0 to 3: sums of the lower and upper digits of one tile of rows, and of another. 4, 5: activations of both. 6, 7: lower and upper digits of weights.
template <bool kUnsigned, int kTo, int kRows>
OCTAVO_INLINE void add_upper() {
  if constexpr (kUnsigned) tile_add_unsigned_dot<kTo, kRows, 7>();
  else tile_add_dot<kTo, kRows, 7>();
}
template <bool kUnsigned, int kTiles, int kSlot>
OCTAVO_INLINE void add_products(const TurnPlanes& planes, int step, const uint8_t* rows, size_t tile_bytes) {
  static_assert(kSlot < kStepSlots);
  if constexpr (kSlot == 0) {
    tile_load<6>(planes.low[step], 64);
    tile_load<4>(rows + step * 64, kBlockColumns);
  } else if constexpr (kSlot == 1) {
    tile_add_unsigned_dot<0, 4, 6>();
    if constexpr (kTiles == 2) tile_load<5>(rows + tile_bytes + step * 64, kBlockColumns);
  } else if constexpr (kSlot == 2) {
    tile_load<7>(planes.high[step], 64);
    if constexpr (kTiles == 2) tile_add_unsigned_dot<2, 5, 6>();
  } else {
    add_upper<kUnsigned, 1, 4>();
    if constexpr (kTiles == 2) add_upper<kUnsigned, 3, 5>();
  }
}

template <class F>
class Blocks {
 public:
  explicit Blocks(const BlockPanels& job) : job_(job) {}

  void run() {
    for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
      std::memset(job_.outputs[panel].out, 0, round_up(static_cast<size_t>(job_.row_count), kTileRows) * kPanelRows * sizeof(float));
    }
    BlockStreams stream;
    for (int step = 0; step < kBlockSteps; ++step) expand_step<F>(job_.panels, 0, step, 0, planes_[0]);
    for (int32_t block = 0; block < job_.blocks; ++block) {
      const bool last = block + 1 == job_.blocks;
      const uint8_t* const next = last ? job_.panel(job_.panel_count) : job_.panels + F::kFormat.header_offset((block + 1) * kBlockUnits);
      stream.begin(next, job_.panel_bytes, job_.panel_count, F::kFormat.super_bytes());
      for (int32_t panel = 0; panel < job_.panel_count; ++panel) {
        turn(block, panel, 0, stream);
        turn(block, panel, 1, stream);
      }
    }
    take_rest();
  }

 private:
  /** All rows of a block of a group; expands the one that follows it. */
  void turn(int32_t block, int32_t panel, int group, BlockStreams& stream) {
    // After the last one, that one again, which nothing reads.
    int32_t then_block = block;
    int32_t then_panel = panel;
    if (group == 1) {
      if (panel + 1 < job_.panel_count) ++then_panel;
      else if (block + 1 < job_.blocks) {
        then_panel = 0;
        ++then_block;
      }
    }
    const uint8_t* const then = job_.panel(then_panel);
    const TurnScales<F>* const scales = &scales_[group];
    scales_[group] = TurnScales<F>::of(job_.panel(panel), block * kBlockUnits, group);
    const PanelOutput& output = job_.outputs[panel];
    for (int32_t row = 0; row < job_.row_count; row += kPairTiles * kTileRows) {
      const size_t tile = static_cast<size_t>(row / kTileRows);
      const uint8_t* const rows = job_.input.tiles + tile * job_.input.tile_bytes + static_cast<size_t>(block) * kQuantizedBlockBytes;
      const int32_t count = job_.row_count - row < kPairTiles * kTileRows ? job_.row_count - row : kPairTiles * kTileRows;
      int32_t* const place = sums_[place_];
      place_ ^= 1;
      const auto products = [&](auto tiles, auto expands) __attribute__((always_inline)) {
        tile_zero<0>();
        tile_zero<1>();
        if constexpr (tiles.value == 2) {
          tile_zero<2>();
          tile_zero<3>();
        }
#pragma GCC unroll 1
        for (int step = 0; step < kBlockSteps; ++step) {
          // What was expanded is loaded behind the compiler's back.
          asm volatile("" ::: "memory");
          const auto slot = [&](auto index) __attribute__((always_inline)) {
            add_products<kDigits<F>, tiles.value, index.value>(planes_[group], step, rows, job_.input.tile_bytes);
            if constexpr (expands.value) {
              if constexpr (index.value % 2 == 0) stream.step_within();
              expand_slot<F, index.value>(then, then_block, step, 1 - group, planes_[1 - group]);
            }
          };
          slot(std::integral_constant<int, 0>{});
          slot(std::integral_constant<int, 1>{});
          slot(std::integral_constant<int, 2>{});
          slot(std::integral_constant<int, 3>{});
          stored_.take(step);
        }
        tile_store<0>(place);
        tile_store<1>(place + kProducts);
        if constexpr (tiles.value == 2) {
          tile_store<2>(place + 2 * kProducts);
          tile_store<3>(place + 3 * kProducts);
        }
      };
      const bool two = count > kTileRows;
      if (two && row == 0) products(std::integral_constant<int, 2>{}, std::true_type{});
      else if (two) products(std::integral_constant<int, 2>{}, std::false_type{});
      else if (row == 0) products(std::integral_constant<int, 1>{}, std::true_type{});
      else products(std::integral_constant<int, 1>{}, std::false_type{});
      stored_ = {place, count, rows, job_.input.tile_bytes, scales, output.out + static_cast<size_t>(row) * kPanelRows + group * kGroupRows};
    }
  }

  void take_rest() const {
    for (int part = 0; part < kBlockSteps; ++part) stored_.take(part);
  }

  const BlockPanels& job_;
  TurnPlanes planes_[2];
  alignas(64) int32_t sums_[2][2 * kPairTiles * kProducts];
  int place_ = 0;
  /** Of a turn and the one before it. */
  TurnScales<F> scales_[2];
  StoredSums<F> stored_ = {};
};

}  // namespace
}  // namespace octavo
