// Matrix product of Q8_0 and Q4_0 panels with activations quantised per 32 columns.
//
// The dot product of a block is exact in int32; each output has one f32 accumulator that takes one multiply-add per
// block, in ascending order, whatever the tile: acc = fma(dot, weightScale * activationScale, acc).
#pragma once

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

#if defined(__AVX512VNNI__)
// Sixteen int32 and sixteen f32 accumulators: the f32 ones are spilled, once a block, and that costs less than loading
// the weights more often.
constexpr int kInt8TileRows = 8;
#elif defined(__AVX2__)
constexpr int kInt8TileRows = 2;
#else
constexpr int kInt8TileRows = 4;
#endif

template <bool kNibbles>
struct Int8Format {
  static constexpr size_t kGroupBytes = kNibbles ? kQ4GroupBytes : kQ8GroupBytes;
  static constexpr size_t kBlockBytes = kNibbles ? kQ4BlockBytes : kQ8BlockBytes;
};

/** Lines of the next panel to fetch while a tile computes: `lines` for each block, from `at` on; none when 0. */
struct Prefetch {
  const uint8_t* at;
  int32_t lines;

  OCTAVO_INLINE void lines_of_block(const uint8_t* first, int32_t count) {
    for (int32_t line = 0; line < count; ++line) __builtin_prefetch(first + static_cast<size_t>(line) * 64, 0, 2);
  }
};

/** Activation rows of one tile: pointers to the first row's record, the rest `stride` bytes apart. */
struct Int8Rows {
  const uint8_t* quants;
  const uint8_t* scales;
  const uint8_t* corrections;
  size_t stride;

  OCTAVO_INLINE float at_float(const uint8_t* base, size_t offset) {
    float value;
    std::memcpy(&value, base + offset, sizeof value);
    return value;
  }
  OCTAVO_INLINE int32_t at_int(const uint8_t* base, size_t offset) {
    int32_t value;
    std::memcpy(&value, base + offset, sizeof value);
    return value;
  }
};

#if defined(__AVX512VNNI__)

template <int kRows, bool kNibbles>
void int8_tile(const uint8_t* panel, int32_t blocks, const Int8Rows& rows, const Prefetch& prefetch, float* out, size_t out_stride) {
  using Format = Int8Format<kNibbles>;
  V16 low[kRows];
  V16 high[kRows];
  for (int row = 0; row < kRows; ++row) low[row] = high[row] = v_zero();
  const __m512i nibble_mask = _mm512_set1_epi8(15);
  for (int32_t block = 0; block < blocks; ++block, panel += Format::kBlockBytes) {
    if constexpr (kRows > 2) {
      Prefetch::lines_of_block(prefetch.at + static_cast<size_t>(block) * static_cast<size_t>(prefetch.lines) * 64, prefetch.lines);
    }
    __m512i dot_low[kRows];
    __m512i dot_high[kRows];
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const __m512i correction = _mm512_set1_epi32(Int8Rows::at_int(rows.corrections, row * rows.stride + block * 4));
      dot_low[row] = correction;
      dot_high[row] = correction;
    }
    const uint8_t* quants = rows.quants + static_cast<size_t>(block) * kQuantBlock;
#pragma GCC unroll 8
    for (int j = 0; j < (kNibbles ? 4 : 8); ++j) {
      const __m512i w0 = _mm512_loadu_si512(panel + j * 64);
      const __m512i w1 = _mm512_loadu_si512(panel + Format::kGroupBytes + j * 64);
      if constexpr (kNibbles) {
        const __m512i w0_first = _mm512_and_si512(w0, nibble_mask);
        const __m512i w1_first = _mm512_and_si512(w1, nibble_mask);
        const __m512i w0_second = _mm512_and_si512(_mm512_srli_epi16(w0, 4), nibble_mask);
        const __m512i w1_second = _mm512_and_si512(_mm512_srli_epi16(w1, 4), nibble_mask);
#pragma GCC unroll 8
        for (int row = 0; row < kRows; ++row) {
          const __m512i first = _mm512_set1_epi32(Int8Rows::at_int(quants, row * rows.stride + j * 4));
          const __m512i second = _mm512_set1_epi32(Int8Rows::at_int(quants, row * rows.stride + 16 + j * 4));
          dot_low[row] = _mm512_dpbusd_epi32(dot_low[row], w0_first, first);
          dot_high[row] = _mm512_dpbusd_epi32(dot_high[row], w1_first, first);
          dot_low[row] = _mm512_dpbusd_epi32(dot_low[row], w0_second, second);
          dot_high[row] = _mm512_dpbusd_epi32(dot_high[row], w1_second, second);
        }
      } else {
#pragma GCC unroll 8
        for (int row = 0; row < kRows; ++row) {
          const __m512i x = _mm512_set1_epi32(Int8Rows::at_int(quants, row * rows.stride + j * 4));
          dot_low[row] = _mm512_dpbusd_epi32(dot_low[row], w0, x);
          dot_high[row] = _mm512_dpbusd_epi32(dot_high[row], w1, x);
        }
      }
    }
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + 2 * Format::kGroupBytes);
    const V16 scale_low = v_load_f16(scales);
    const V16 scale_high = v_load_f16(scales + 16);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const V16 x_scale = v_set1(Int8Rows::at_float(rows.scales, row * rows.stride + block * 4));
      low[row] = v_fma(_mm512_cvtepi32_ps(dot_low[row]), v_mul(scale_low, x_scale), low[row]);
      high[row] = v_fma(_mm512_cvtepi32_ps(dot_high[row]), v_mul(scale_high, x_scale), high[row]);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, low[row]);
    v_store(out + row * out_stride + 16, high[row]);
  }
}

#elif defined(__AVX2__)

/** Sixteen int32 dot products of one block, for one activation row: eight in each half. */
template <bool kNibbles>
OCTAVO_INLINE void block_dots(const uint8_t* group, const uint8_t* quants, int32_t correction, __m256i* dots) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i nibble_mask = _mm256_set1_epi8(15);
  // Signed bytes need no correction here: |w| times x with w's sign cannot saturate (128 * 127 * 2 < 2^15).
  dots[0] = dots[1] = _mm256_set1_epi32(kNibbles ? correction : 0);
  for (int j = 0; j < (kNibbles ? 4 : 8); ++j) {
    for (int half = 0; half < 2; ++half) {
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(group + j * 64 + half * 32));
      const __m256i x = _mm256_set1_epi32(Int8Rows::at_int(quants, j * 4));
      __m256i pairs;
      if constexpr (kNibbles) {
        const __m256i second = _mm256_set1_epi32(Int8Rows::at_int(quants, 16 + j * 4));
        pairs = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(w, nibble_mask), x),
                                 _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(w, 4), nibble_mask), second));
      } else {
        const __m256i signed_w = _mm256_xor_si256(w, _mm256_set1_epi8(static_cast<char>(0x80)));
        pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(signed_w), _mm256_sign_epi8(x, signed_w));
      }
      dots[half] = _mm256_add_epi32(dots[half], _mm256_madd_epi16(pairs, ones));
    }
  }
}

template <int kRows, bool kNibbles>
void int8_tile(const uint8_t* panel, int32_t blocks, const Int8Rows& rows, const Prefetch& prefetch, float* out, size_t out_stride) {
  using Format = Int8Format<kNibbles>;
  (void)prefetch;
  V16 sums[kRows][2];
  for (int row = 0; row < kRows; ++row) sums[row][0] = sums[row][1] = v_zero();
  for (int32_t block = 0; block < blocks; ++block, panel += Format::kBlockBytes) {
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + 2 * Format::kGroupBytes);
    for (int group = 0; group < 2; ++group) {
      const V16 scale = v_load_f16(scales + group * 16);
      for (int row = 0; row < kRows; ++row) {
        __m256i dots[2];
        block_dots<kNibbles>(panel + group * Format::kGroupBytes, rows.quants + row * rows.stride + static_cast<size_t>(block) * kQuantBlock,
                             Int8Rows::at_int(rows.corrections, row * rows.stride + block * 4), dots);
        const V16 dot = {_mm256_cvtepi32_ps(dots[0]), _mm256_cvtepi32_ps(dots[1])};
        const V16 x_scale = v_set1(Int8Rows::at_float(rows.scales, row * rows.stride + block * 4));
        sums[row][group] = v_fma(dot, v_mul(scale, x_scale), sums[row][group]);
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, sums[row][0]);
    v_store(out + row * out_stride + 16, sums[row][1]);
  }
}

#else

template <int kRows, bool kNibbles>
void int8_tile(const uint8_t* panel, int32_t blocks, const Int8Rows& rows, const Prefetch& prefetch, float* out, size_t out_stride) {
  using Format = Int8Format<kNibbles>;
  (void)prefetch;
  V16 sums[kRows][2];
  for (int row = 0; row < kRows; ++row) sums[row][0] = sums[row][1] = v_zero();
  for (int32_t block = 0; block < blocks; ++block, panel += Format::kBlockBytes) {
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel + 2 * Format::kGroupBytes);
    for (int group = 0; group < 2; ++group) {
      const V16 scale = v_load_f16(scales + group * 16);
      // The block as sixteen-bit integers, [column][lane], so that the compiler can use its widest multiply-add.
      int16_t weights[kQuantBlock][kGroupRows];
      const uint8_t* bytes = panel + group * Format::kGroupBytes;
      for (int column = 0; column < kQuantBlock; ++column) {
        const int source = kNibbles ? column % 16 : column;
        for (int lane = 0; lane < kGroupRows; ++lane) {
          const int byte = bytes[(source / 4) * 64 + lane * 4 + source % 4];
          weights[column][lane] = static_cast<int16_t>(kNibbles ? ((column < 16 ? byte : byte >> 4) & 15) - 8 : byte - 128);
        }
      }
      for (int row = 0; row < kRows; ++row) {
        const int8_t* quants = reinterpret_cast<const int8_t*>(rows.quants + row * rows.stride) + static_cast<size_t>(block) * kQuantBlock;
        int32_t dots[kGroupRows] = {};
        for (int column = 0; column < kQuantBlock; ++column) {
          const int16_t x = quants[column];
          for (int lane = 0; lane < kGroupRows; ++lane) dots[lane] += weights[column][lane] * x;
        }
        float lanes[kGroupRows];
        for (int lane = 0; lane < kGroupRows; ++lane) lanes[lane] = static_cast<float>(dots[lane]);
        const V16 x_scale = v_set1(Int8Rows::at_float(rows.scales, row * rows.stride + block * 4));
        sums[row][group] = v_fma(v_load(lanes), v_mul(scale, x_scale), sums[row][group]);
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    v_store(out + row * out_stride, sums[row][0]);
    v_store(out + row * out_stride + 16, sums[row][1]);
  }
}

#endif

template <int kRows, bool kNibbles>
OCTAVO_INLINE void int8_tile_of(int32_t height, const uint8_t* panel, int32_t blocks, const Int8Rows& rows, const Prefetch& prefetch, float* out,
                                size_t out_stride) {
  if constexpr (kRows > 0) {
    if (height == kRows) int8_tile<kRows, kNibbles>(panel, blocks, rows, prefetch, out, out_stride);
    else int8_tile_of<kRows - 1, kNibbles>(height, panel, blocks, rows, prefetch, out, out_stride);
  }
}

/** All rows of a panel, in tiles of nearly equal height. `records` points at the record of the first row. */
template <bool kNibbles>
void int8_panel(const uint8_t* panel, int32_t blocks, const uint8_t* records, const QuantRecord& record, int32_t row_count, float* out,
                size_t out_stride) {
  const size_t corrections = kNibbles ? record.corrections_q4 : record.corrections_q8;
  int32_t tiles = (row_count + kInt8TileRows - 1) / kInt8TileRows;
  // With a few tiles, the first would wait for memory and the others leave it idle: each fetches its share of the panel
  // that follows. One or two rows stream faster without, and many tiles hide the wait by themselves.
  const bool fetches = row_count > 2 && tiles <= 8;
  const int32_t lines = fetches ? (static_cast<int32_t>(Int8Format<kNibbles>::kBlockBytes / 64) + tiles - 1) / tiles : 0;
  Prefetch prefetch = {panel + static_cast<size_t>(blocks) * Int8Format<kNibbles>::kBlockBytes, lines};
  for (int32_t row = 0; row < row_count; --tiles) {
    const int32_t height = (row_count - row + tiles - 1) / tiles;
    const uint8_t* first = records + row * record.stride;
    const Int8Rows rows = {first, first + record.scales, first + corrections, record.stride};
    int8_tile_of<kInt8TileRows, kNibbles>(height, panel, blocks, rows, prefetch, out + row * out_stride, out_stride);
    prefetch.at += static_cast<size_t>(blocks) * static_cast<size_t>(lines) * 64;
    row += height;
  }
}

}  // namespace
}  // namespace octavo
