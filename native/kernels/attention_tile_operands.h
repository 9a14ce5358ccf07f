// Where keys and values of a piece become operands of tiles.
//
// Steps of 32 positions, from the piece's start. Of keys, one tile for each sixteen positions and 32 dimensions:
//   row i, pair c = dimensions 2 i and 2 i + 1 of position c.
// Of values, two tiles for each step and 32 columns:
//   row i, pair c = a column of positions i and i + 16; columns in the order that unpacking leaves (store_columns undoes it).
#pragma once

#include "attention_tile_formats.h"
#include "attention_view.h"
#include "kernels.h"
#include "tiles.h"

namespace octavo {
namespace {

constexpr int32_t kStepPositions = 32;
constexpr int32_t kPieceSteps = kAttentionPiece / kStepPositions;
/** Dimensions of one tile of queries or keys. */
constexpr int32_t kTileDims = 32;

/** The part of a thread's scratch that operands lie in. */
struct TileScratch {
  uint8_t* keys;  // tiles [step][sixteen][32 dimensions]
  uint8_t* values;  // tiles [32 columns][step][2]
  float* outs;  // 64 columns of 16 rows
  uint8_t* raw;  // keys or values of a step as they lie in the pool, where they must be put together
};

OCTAVO_INLINE TileScratch tile_scratch_of(float* floats, int32_t head_size) {
  const size_t width = static_cast<size_t>(head_size);
  TileScratch scratch{};
  scratch.keys = reinterpret_cast<uint8_t*>(floats);
  scratch.values = scratch.keys + width * 2 * kAttentionPiece;
  scratch.outs = reinterpret_cast<float*>(scratch.values + width * 2 * kAttentionPiece);
  scratch.raw = reinterpret_cast<uint8_t*>(scratch.outs) + 4 * kTileBytes;
  return scratch;
}

/** Copies `count` elements of `kBytes` bytes of each row. */
template <size_t kBytes>
OCTAVO_INLINE void copy_rows(const uint8_t* from, size_t from_stride, uint8_t* to, size_t to_stride, size_t rows, size_t count) {
  if (count == 8) {
    for (size_t row = 0; row < rows; ++row) std::memcpy(to + row * to_stride, from + row * from_stride, 8 * kBytes);
  } else {
    for (size_t row = 0; row < rows; ++row) {
      for (size_t i = 0; i < count; ++i) std::memcpy(to + row * to_stride + i * kBytes, from + row * from_stride + i * kBytes, kBytes);
    }
  }
}

/** Puts the keys of a step's positions in [begin, end) together: [sixteen][row][16 positions]. */
OCTAVO_INLINE void gather_keys(const AttentionPiece& piece, int32_t begin, int32_t end, uint8_t* raw) {
  const KvPool& pool = *piece.pool;
  const size_t rows = kv_rows(pool.key_type, pool.head_size);
  const size_t element = kv_element_bytes(pool.key_type);
  const size_t stride = element * static_cast<size_t>(pool.block_size);
  const size_t key_offset = pool.key_offset(piece.layer, piece.kv_head);
  each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
    for (int32_t i = 0; i < count;) {
      const int32_t lane = (at + i) % 16;
      const int32_t room = count - i < 16 - lane ? count - i : 16 - lane;
      const int32_t width = room >= 8 ? 8 : room;
      const uint8_t* from = block + key_offset + static_cast<size_t>(within + i) * element;
      uint8_t* to = raw + (static_cast<size_t>((at + i) / 16 % 2) * rows * 16 + static_cast<size_t>(lane)) * element;
      if (element == 2) copy_rows<2>(from, stride, to, 32, rows, static_cast<size_t>(width));
      else copy_rows<1>(from, stride, to, 16, rows, static_cast<size_t>(width));
      i += width;
    }
  });
}

/** Puts the values of a step's positions in [begin, end) together: [32 positions][row bytes]. */
OCTAVO_INLINE void gather_values(const AttentionPiece& piece, int32_t begin, int32_t end, uint8_t* raw) {
  const KvPool& pool = *piece.pool;
  const size_t row_bytes = kv_code_bytes(pool.value_type, pool.head_size);
  const size_t value_offset = pool.value_offset(piece.layer, piece.kv_head);
  each_run(piece, piece.piece, begin, end, [&](const uint8_t* block, int32_t within, int32_t at, int32_t count) {
    std::memcpy(raw + static_cast<size_t>(at % kStepPositions) * row_bytes, block + value_offset + static_cast<size_t>(within) * row_bytes,
                static_cast<size_t>(count) * row_bytes);
  });
}

/** What is fetched beside a sixteen: `lines` lines, `stride` bytes apart, with each of its rows or positions, `step` bytes apart. */
struct Ahead {
  const uint8_t* at;
  int32_t lines;
  size_t stride;
  size_t step;

  OCTAVO_INLINE void fetch(Ahead& ahead) {
    for (int32_t line = 0; line < ahead.lines; ++line) fetch_ahead(ahead.at + static_cast<size_t>(line) * ahead.stride);
    ahead.at += ahead.step;
  }
};

/** Keys of sixteen positions. */
template <typename Format>
OCTAVO_INLINE void expand_keys(const uint8_t* row, size_t stride, int32_t head_size, Ahead ahead, uint8_t* to) {
  for (int32_t pair = 0; pair < head_size / 2; ++pair, row += Format::kRows * stride, to += kTileRowBytes) {
    Ahead::fetch(ahead);
    _mm512_store_si512(to, Format::key(row, stride));
  }
}

/** 32 columns of the values of a step: two tiles. A sixteen that is null has no value that anyone reads. */
template <typename Format>
OCTAVO_INLINE void expand_values(const uint8_t* first, const uint8_t* second, size_t stride, Ahead first_ahead, Ahead second_ahead, uint8_t* to) {
  if (first == nullptr) first = second;
  if (second == nullptr) second = first;
  for (int i = 0; i < 16; ++i, first += stride, second += stride, to += kTileRowBytes) {
    Ahead::fetch(first_ahead);
    Ahead::fetch(second_ahead);
    const __m512i a = Format::values(first);
    const __m512i b = Format::values(second);
    _mm512_store_si512(to, _mm512_unpacklo_epi16(a, b));
    _mm512_store_si512(to + kTileBytes, _mm512_unpackhi_epi16(a, b));
  }
}

/** 32 columns in their own order, of the two tiles' `low` and `high`. */
OCTAVO_INLINE void store_columns(V16 low, V16 high, V16 factor, float* to) {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v_store(to, v_mul(_mm512_permutex2var_ps(low, first, high), factor));
  v_store(to + 16, v_mul(_mm512_permutex2var_ps(low, second, high), factor));
}

}  // namespace
}  // namespace octavo
