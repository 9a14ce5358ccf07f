// Paged attention of (token, head) rows over one piece of a context that they share, in blocks where they lie.
//
// Order of arithmetic, for every row alone and whatever else is in the batch:
//   score(p)  = (scale * log2(e) * q) . k_p, one FMA chain over ascending dimensions;
//   piece     = positions 256 i .. 256 i + 255; its sum of exponentials (of 2) has sixteen lanes (position % 16), added in
//               ascending order and then as a fixed tree; its output takes one FMA per ascending position;
//   pieces are folded in ascending order with the running maximum.
// Neither the block size, nor the chunk a token was computed in, nor the rows of a tile appear in it.
//
// Blocks are read where they lie, sixteen positions at a time, and converted on the way into registers; a piece in blocks whose
// size is not a multiple of sixteen is unpacked to f32 first.
#pragma once

#include <type_traits>

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

// Rows of one register tile, and the vectors of accumulators that it may hold.
#if defined(__AVX512F__)
constexpr int kAttentionTileRows = 12;
constexpr int kAttentionTileVectors = 24;
#elif defined(__AVX2__)
constexpr int kAttentionTileRows = 6;
constexpr int kAttentionTileVectors = 6;
#else
constexpr int kAttentionTileRows = 3;
constexpr int kAttentionTileVectors = 3;
#endif
static_assert(kMaxAttentionRows % kAttentionTileRows == 0, "scratch is sized by kMaxAttentionRows");

constexpr int32_t kPieceChunks = kAttentionPiece / 16;
constexpr size_t kScoreStride = kAttentionPiece + 32;

/** The largest of 8, 4, 2, 1 vectors that `rows` rows have accumulators for. */
constexpr int tile_vectors(int rows) {
  const int most = kAttentionTileVectors / rows;
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

OCTAVO_INLINE V16 load_kv(const float* p) { return v_load(p); }
OCTAVO_INLINE V16 load_kv(const uint16_t* p) { return v_load_f16(p); }
OCTAVO_INLINE float load_kv1(const float* p) { return *p; }
#if defined(__F16C__)
OCTAVO_INLINE float load_kv1(const uint16_t* p) { return _cvtsh_ss(*p); }
#else
OCTAVO_INLINE float load_kv1(const uint16_t* p) { return f16_to_f32(*p); }
#endif
OCTAVO_INLINE void unpack8(const float* from, float* to) { std::memcpy(to, from, 32); }
#if defined(__F16C__)
OCTAVO_INLINE void unpack8(const uint16_t* from, float* to) {
  _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
#else
OCTAVO_INLINE void unpack8(const uint16_t* from, float* to) {
  for (int i = 0; i < 8; ++i) to[i] = f16_to_f32(from[i]);
}
#endif

/** Calls body with the constant of [1, kMost] that equals `count`. */
template <int kMost, typename Body>
OCTAVO_INLINE void with_count(int32_t count, const Body& body) {
  if constexpr (kMost > 0) {
    if (count == kMost) body(std::integral_constant<int, kMost>{});
    else with_count<kMost - 1>(count, body);
  }
}

/** Asks for a line in the second-level cache. */
OCTAVO_INLINE void fetch_ahead(const void* p) { __builtin_prefetch(p, 0, 2); }

/**
 * Scores of kRows rows (queries [dimension][kAttentionTileRows]) against kChunks chunks of 16 positions. `ahead`: where the
 * values of each chunk lie, fetched meanwhile; null: they are near.
 */
template <int kRows, int kChunks, bool kAhead, typename T>
OCTAVO_INLINE void score_chunks(const T* const* chunks, const T* const* ahead, size_t key_stride, const float* queries, int32_t head_size,
                                float* scores) {
  V16 sums[kChunks][kRows];
  const T* keys[kChunks];
  for (int c = 0; c < kChunks; ++c) {
    keys[c] = chunks[c];
    for (int r = 0; r < kRows; ++r) sums[c][r] = v_zero();
  }
  for (int32_t d = 0; d < head_size; ++d, queries += kAttentionTileRows) {
    V16 loaded[kChunks];
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) {
      loaded[c] = load_kv(keys[c]);
      keys[c] += key_stride;
      if (kAhead) fetch_ahead(ahead[c] + d * 16);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const V16 q = v_set1(queries[r]);
#pragma GCC unroll 8
      for (int c = 0; c < kChunks; ++c) sums[c][r] = v_fma(loaded[c], q, sums[c][r]);
    }
  }
  for (int c = 0; c < kChunks; ++c) {
    for (int r = 0; r < kRows; ++r) v_store(scores + r * kScoreStride + c * 16, sums[c][r]);
  }
}

template <int kRows, int kChunks, bool kAhead, typename T>
OCTAVO_INLINE void score_rows(const T* const* chunks, const T* const* ahead, int32_t count, size_t key_stride, const float* queries,
                              int32_t head_size, float* scores) {
  int32_t chunk = 0;
  for (; chunk + kChunks <= count; chunk += kChunks) {
    score_chunks<kRows, kChunks, kAhead, T>(chunks + chunk, ahead + chunk, key_stride, queries, head_size, scores + chunk * 16);
  }
  if constexpr (kChunks > 1) {
    if (chunk < count) {
      score_rows<kRows, kChunks / 2, kAhead, T>(chunks + chunk, ahead + chunk, count - chunk, key_stride, queries, head_size, scores + chunk * 16);
    }
  }
}

/** Scores against `count` chunks, one for every 16 positions, from the first of them on. */
template <bool kAhead, typename T>
void score_tile(int32_t rows, const T* const* chunks, const T* const* ahead, int32_t count, size_t key_stride, const float* queries,
                int32_t head_size, float* scores) {
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) {
    score_rows<n.value, tile_vectors(n.value), kAhead, T>(chunks, ahead, count, key_stride, queries, head_size, scores);
  });
}

/**
 * 2^x for x <= 0 within 1.5 ulp; 2^-126 below -126, which no sum that a softmax makes (at least 1) can tell from 0. The
 * polynomial interpolates (2^r - 1) / r in the Chebyshev nodes of [-1/2, 1/2]. Exactly 1 at 0; what is not a number stays so.
 */
OCTAVO_INLINE V16 exp2_nonpositive(V16 x) {
  const V16 clamped = v_max(v_set1(-126.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const V16 magic = v_set1(12582912.0f);
  const V16 shifted = v_add(clamped, magic);
  const V16 r = v_sub(clamped, v_sub(shifted, magic));
  V16 p = v_set1(1.545316336e-04f);
  p = v_fma(p, r, v_set1(1.339086331e-03f));
  p = v_fma(p, r, v_set1(9.618083015e-03f));
  p = v_fma(p, r, v_set1(5.550356954e-02f));
  p = v_fma(p, r, v_set1(2.402265072e-01f));
  p = v_fma(p, r, v_set1(6.931471825e-01f));
  p = v_fma(p, r, v_set1(1.0f));
  return v_scale_by_exponent(p, shifted);
}

/** The largest of scores[begin, end); the rest of the first and the last sixteen become -infinity. Addressed from the piece's start. */
OCTAVO_INLINE float largest_score(float* scores, int32_t begin, int32_t end) {
  const int32_t first = begin / 16 * 16;
  const int32_t last = (end + 15) / 16 * 16;
  const float nothing = -__builtin_inff();
  for (int32_t i = first; i < begin; ++i) scores[i] = nothing;
  for (int32_t i = end; i < last; ++i) scores[i] = nothing;
  V16 even = v_set1(nothing);
  V16 odd = even;
  int32_t i = first;
  for (; i + 32 <= last; i += 32) {
    even = v_max(even, v_load(scores + i));
    odd = v_max(odd, v_load(scores + i + 16));
  }
  if (i < last) even = v_max(even, v_load(scores + i));
  return v_maximum(v_max(even, odd));
}

/** scores[begin, end) become 2^(score - max); returns their sum. */
OCTAVO_INLINE float exponentiate(float* scores, int32_t begin, int32_t end, float max) {
  const int32_t last = (end + 15) / 16 * 16;
  const V16 shift = v_set1(max);
  V16 sums = v_zero();
  for (int32_t i = begin / 16 * 16; i < last; i += 16) {
    const V16 e = exp2_nonpositive(v_sub(v_load(scores + i), shift));
    v_store(scores + i, e);
    sums = v_add(sums, e);
  }
  return v_sum(sums);
}

/** Where the keys and values of each sixteen positions of a piece lie; null where no row of the piece attends. */
template <typename T>
struct PieceView {
  const T* keys[kPieceChunks];  // [head_size][key_stride], 16 of each row
  const T* values[kPieceChunks];  // [16][value_stride]
  size_t key_stride;
  size_t value_stride;
  bool has_next;  // what comes next has keys to fetch
  const T* next_keys[kPieceChunks];
};

/** outs[r][column ..] takes weight * value of positions [begin, end), which are not empty. */
template <int kRows, int kVectors, bool kAhead, typename T>
OCTAVO_INLINE void accumulate_columns(const PieceView<T>& view, int32_t begin, int32_t end, const float* weights, float* const* outs,
                                      size_t column) {
  V16 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = v_load(outs[r] + column + v * 16);
  }
  const size_t stride = view.value_stride;
  // Sixteen positions fetch the sixteen keys of the same place in the next piece, some dimensions each.
  const size_t step = stride / 16;
  for (int32_t at = begin; at < end;) {
    const T* values = view.values[at / 16] + static_cast<size_t>(at % 16) * stride + column;
    const int32_t stop = at / 16 * 16 + 16 < end ? at / 16 * 16 + 16 : end;
    const T* ahead = kAhead ? view.next_keys[at / 16] + static_cast<size_t>(at % 16) * step * view.key_stride : nullptr;
    for (; at < stop; ++at, values += stride) {
      if (kAhead) {
        for (size_t i = 0; i < step; ++i, ahead += view.key_stride) fetch_ahead(ahead);
      }
      V16 loaded[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) loaded[v] = load_kv(values + v * 16);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        const V16 weight = v_set1(weights[r * kScoreStride + static_cast<size_t>(at)]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sums[r][v] = v_fma(weight, loaded[v], sums[r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) v_store(outs[r] + column + v * 16, sums[r][v]);
  }
}

template <int kRows, int kVectors, bool kAhead, typename T>
OCTAVO_INLINE void accumulate_rows(const PieceView<T>& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t column,
                                   size_t columns) {
  for (; column + kVectors * 16 <= columns; column += kVectors * 16) {
    if (kAhead && column == 0) accumulate_columns<kRows, kVectors, true, T>(view, begin, end, weights, outs, column);
    else accumulate_columns<kRows, kVectors, false, T>(view, begin, end, weights, outs, column);
  }
  if constexpr (kVectors > 1) {
    if (column < columns) accumulate_rows<kRows, kVectors / 2, kAhead, T>(view, begin, end, weights, outs, column, columns);
  }
}

template <bool kAhead, typename T>
void accumulate_tile(int32_t rows, const PieceView<T>& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t columns) {
  if (begin >= end) return;
  with_count<kAttentionTileRows>(rows, [&](auto n) __attribute__((always_inline)) {
    accumulate_rows<n.value, tile_vectors(n.value), kAhead, T>(view, begin, end, weights, outs, 0, columns);
  });
}

/** The rows of one register tile in a piece: those between the first and the last that attend to any of it. */
struct AttentionTile {
  int32_t first_row;
  int32_t row_count;
  int32_t begin, end;  // positions that any row attends, from the piece's start
  int32_t common_begin, common_end;  // that all rows attend; may be empty
};

/** Calls body(keys at the first position, values at it, its offset in the piece, count) for each block of a piece's [begin, end). */
template <typename T, typename Body>
OCTAVO_INLINE void each_run(const AttentionPiece& piece, int32_t index_of_piece, int32_t kv_head, int32_t begin, int32_t end, const Body& body) {
  const KvPool& pool = *piece.pool;
  const size_t key_offset = pool.key_offset(piece.layer, kv_head);
  const size_t value_offset = pool.value_offset(piece.layer, kv_head);
  const int32_t base = index_of_piece * kAttentionPiece;
  for (int32_t at = begin; at < end;) {
    const int32_t index = (base + at) / pool.block_size;
    const int32_t within = base + at - index * pool.block_size;
    const int32_t count = pool.block_size - within < end - at ? pool.block_size - within : end - at;
    const uint8_t* data = pool.data + static_cast<size_t>(piece.block_table[index]) * pool.block_bytes();
    body(reinterpret_cast<const T*>(data + key_offset) + within,
         reinterpret_cast<const T*>(data + value_offset) + static_cast<size_t>(within) * pool.head_size, at, count);
    at += count;
  }
}

/** [begin, end) where it lies. The block size is a multiple of 16: sixteen positions from a multiple of it lie in one block. */
template <typename T>
OCTAVO_INLINE void view_in_place(const AttentionPiece& piece, int32_t begin, int32_t end, PieceView<T>& view) {
  view.key_stride = static_cast<size_t>(piece.pool->block_size);
  view.value_stride = static_cast<size_t>(piece.pool->head_size);
  each_run<T>(piece, piece.piece, piece.kv_head, begin / 16 * 16, end, [&](const T* keys, const T* values, int32_t at, int32_t count) {
    for (int32_t i = 0; i < count; i += 16) {
      view.keys[(at + i) / 16] = keys + i;
      view.values[(at + i) / 16] = values + static_cast<size_t>(i) * view.value_stride;
    }
  });
  view.has_next = piece.next_piece >= 0;
  if (!view.has_next) return;
  each_run<T>(piece, piece.next_piece, piece.next_kv_head, 0, kAttentionPiece, [&](const T* keys, const T*, int32_t at, int32_t count) {
    for (int32_t i = 0; i < count; i += 16) view.next_keys[(at + i) / 16] = keys + i;
  });
}

/** Keys of `width` positions (16, 8, or fewer than 8) to every sixteenth float of `to`. */
template <typename T>
OCTAVO_INLINE void unpack_keys(const T* from, size_t stride, int32_t width, int32_t head_size, float* to) {
  if (width == 16) {
    for (int32_t d = 0; d < head_size; ++d) v_store(to + d * 16, load_kv(from + d * stride));
  } else if (width == 8) {
    for (int32_t d = 0; d < head_size; ++d) unpack8(from + d * stride, to + d * 16);
  } else {
    for (int32_t d = 0; d < head_size; ++d) {
      for (int32_t i = 0; i < width; ++i) to[d * 16 + i] = load_kv1(from + d * stride + i);
    }
  }
}

/** Copies [begin, end) to `keys`, [chunk of 16 positions][dimension][16], and `values`, [position][head size rounded up to 16], as f32. */
template <typename T>
void unpack_piece(const AttentionPiece& piece, int32_t begin, int32_t end, float* keys, float* values, PieceView<float>& view) {
  const int32_t head_size = piece.pool->head_size;
  view.key_stride = 16;
  view.value_stride = round_up(static_cast<size_t>(head_size), 16);
  const size_t chunk_floats = static_cast<size_t>(head_size) * 16;
  for (int32_t chunk = 0; chunk < kPieceChunks; ++chunk) {
    view.keys[chunk] = keys + static_cast<size_t>(chunk) * chunk_floats;
    view.values[chunk] = values + static_cast<size_t>(chunk) * 16 * view.value_stride;
  }
  each_run<T>(piece, piece.piece, piece.kv_head, begin, end, [&](const T* block_keys, const T* block_values, int32_t at, int32_t count) {
    for (int32_t i = 0; i < count;) {
      const int32_t lane = (at + i) % 16;
      const int32_t room = count - i < 16 - lane ? count - i : 16 - lane;
      const int32_t width = room == 16 ? 16 : room >= 8 ? 8 : room;
      unpack_keys(block_keys + i, static_cast<size_t>(piece.pool->block_size), width, head_size,
                  keys + static_cast<size_t>((at + i) / 16) * chunk_floats + lane);
      i += width;
    }
    for (int32_t i = 0; i < count; ++i, block_values += head_size) {
      float* to = values + static_cast<size_t>(at + i) * view.value_stride;
      for (size_t column = 0; column < view.value_stride; column += 16) v_store(to + column, load_kv(block_values + column));
    }
  });
}

/** Cuts the piece's rows into register tiles; sets `touched`, and each row's range clipped to the piece. */
OCTAVO_INLINE int32_t tiles_of(const AttentionPiece& piece, int32_t* begins, int32_t* ends, AttentionTile* tiles) {
  const int32_t base = piece.piece * kAttentionPiece;
  int32_t tile_count = 0;
  for (int32_t first = 0; first < piece.row_count; first += kAttentionTileRows) {
    const int32_t last = first + kAttentionTileRows < piece.row_count ? first + kAttentionTileRows : piece.row_count;
    AttentionTile tile = {-1, 0, kAttentionPiece, 0, 0, kAttentionPiece};
    for (int32_t row = first; row < last; ++row) {
      begins[row] = piece.begins[row] > base ? piece.begins[row] - base : 0;
      ends[row] = piece.ends[row] < base + kAttentionPiece ? piece.ends[row] - base : kAttentionPiece;
      piece.touched[row] = begins[row] < ends[row];
      if (!piece.touched[row]) continue;
      if (tile.first_row < 0) tile.first_row = row;
      tile.row_count = row + 1 - tile.first_row;
      if (begins[row] < tile.begin) tile.begin = begins[row];
      if (ends[row] > tile.end) tile.end = ends[row];
      if (begins[row] > tile.common_begin) tile.common_begin = begins[row];
      if (ends[row] < tile.common_end) tile.common_end = ends[row];
    }
    if (tile.row_count > 0) tiles[tile_count++] = tile;
  }
  return tile_count;
}

/** Scores, softmax and weighted values of one tile. kAhead: also fetches what comes next. */
template <bool kAhead, typename T>
void attend_tile(const AttentionPiece& piece, const AttentionTile& tile, const int32_t* begins, const int32_t* ends, const PieceView<T>& view) {
  const int32_t head_size = piece.pool->head_size;
  const size_t columns = round_up(static_cast<size_t>(head_size), 16);
  const int32_t first = tile.first_row;
  const int32_t last = first + tile.row_count;
  const int32_t chunk = tile.begin / 16;
  float* const scores = piece.scratch;  // of row `first`, from the piece's start
  const float* queries =
      piece.queries + static_cast<size_t>(first / kAttentionTileRows) * head_size * kAttentionTileRows + first % kAttentionTileRows;
  score_tile<kAhead, T>(tile.row_count, view.keys + chunk, view.values + chunk, (tile.end + 15) / 16 - chunk, view.key_stride, queries, head_size,
                        scores + chunk * 16);

  for (int32_t row = first; row < last; ++row) {
    for (size_t i = 0; i < columns; i += 16) v_store(piece.outs[row] + i, v_zero());
    if (piece.touched[row]) piece.maxima[row] = largest_score(scores + (row - first) * kScoreStride, begins[row], ends[row]);
  }
  for (int32_t row = first; row < last; ++row) {
    if (!piece.touched[row]) continue;
    piece.sums[row] = exponentiate(scores + (row - first) * kScoreStride, begins[row], ends[row], piece.maxima[row]);
  }

  // Positions that all rows attend go through the tile; what lies before and after them, row by row: adding a masked
  // position with weight 0 would let a value that a row must not see (an infinity, say) reach it.
  const bool has_common = tile.common_begin < tile.common_end;
  if (!has_common || tile.begin < tile.common_begin) {
    for (int32_t row = first; row < last; ++row) {
      if (!piece.touched[row]) continue;
      accumulate_tile<false, T>(1, view, begins[row], has_common ? tile.common_begin : ends[row], scores + (row - first) * kScoreStride,
                         piece.outs + row, columns);
    }
  }
  if (!has_common) return;
  if (kAhead && view.has_next) accumulate_tile<true, T>(tile.row_count, view, tile.common_begin, tile.common_end, scores, piece.outs + first, columns);
  else accumulate_tile<false, T>(tile.row_count, view, tile.common_begin, tile.common_end, scores, piece.outs + first, columns);
  if (tile.common_end >= tile.end) return;
  for (int32_t row = first; row < last; ++row) {
    if (!piece.touched[row]) continue;
    accumulate_tile<false, T>(1, view, tile.common_end, ends[row], scores + (row - first) * kScoreStride, piece.outs + row, columns);
  }
}

template <typename T>
void attention_piece_typed(const AttentionPiece& piece) {
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  AttentionTile tiles[kMaxAttentionRows / kAttentionTileRows];
  const int32_t tile_count = tiles_of(piece, begins, ends, tiles);
  if (tile_count == 0) return;
  int32_t begin = kAttentionPiece;
  int32_t end = 0;
  for (int32_t i = 0; i < tile_count; ++i) {
    if (tiles[i].begin < begin) begin = tiles[i].begin;
    if (tiles[i].end > end) end = tiles[i].end;
  }
  if (piece.pool->block_size % 16 == 0) {
    PieceView<T> view;
    view_in_place<T>(piece, begin, end, view);
    attend_tile<true, T>(piece, tiles[0], begins, ends, view);
    for (int32_t i = 1; i < tile_count; ++i) attend_tile<false, T>(piece, tiles[i], begins, ends, view);
  } else {
    PieceView<float> view;
    float* const keys = piece.scratch + kAttentionTileRows * kScoreStride;
    unpack_piece<T>(piece, begin, end, keys, keys + static_cast<size_t>(kAttentionPiece) * piece.pool->head_size, view);
    for (int32_t i = 0; i < tile_count; ++i) attend_tile<false, float>(piece, tiles[i], begins, ends, view);
  }
}

void attention_piece(const AttentionPiece& piece) {
  if (piece.pool->half) attention_piece_typed<uint16_t>(piece);
  else attention_piece_typed<float>(piece);
}

void attention_pack(const float* const* queries, int32_t row_count, int32_t head_size, float scale, float* packed) {
  // Scores come out in units of log2.
  const float factor = scale * 1.44269504f;
  for (int32_t row = 0; row < row_count; ++row) {
    float* to = packed + static_cast<size_t>(row / kAttentionTileRows) * head_size * kAttentionTileRows + row % kAttentionTileRows;
    for (int32_t d = 0; d < head_size; ++d) to[d * kAttentionTileRows] = queries[row][d] * factor;
  }
}

void attention_fold(const AttentionFold& fold) {
  for (int32_t first = 0; first < fold.row_count; first += 16) {
    float keep[16];
    float take[16];
    const int32_t rows = fold.row_count - first < 16 ? fold.row_count - first : 16;
    // Lanes past the last row are computed and ignored: the arrays are padded to 16.
    const V16 running = v_load(fold.running_maxima + first);
    const V16 incoming = v_load(fold.maxima + first);
    const V16 larger = v_max(running, incoming);
    v_store(keep, exp2_nonpositive(v_sub(running, larger)));
    v_store(take, exp2_nonpositive(v_sub(incoming, larger)));
    for (int32_t i = 0; i < rows; ++i) {
      const int32_t row = first + i;
      if (fold.touched != nullptr && !fold.touched[row]) continue;
      fold.running_maxima[row] = fold.running_maxima[row] > fold.maxima[row] ? fold.running_maxima[row] : fold.maxima[row];
      fold.running_sums[row] = fold.running_sums[row] * keep[i] + fold.sums[row] * take[i];
      float* out = fold.running_outs + static_cast<size_t>(row) * fold.stride;
      const float* addend = fold.outs + static_cast<size_t>(row) * fold.stride;
      const V16 k = v_set1(keep[i]);
      const V16 t = v_set1(take[i]);
      for (size_t column = 0; column < fold.stride; column += 16) {
        v_store(out + column, v_fma(v_load(addend + column), t, v_mul(v_load(out + column), k)));
      }
    }
  }
}

void attention_finish(const float* running_out, float running_sum, int32_t head_size, float* out) {
  const float inverse = 1.0f / running_sum;
  for (int32_t i = 0; i < head_size; ++i) out[i] = running_out[i] * inverse;
}

}  // namespace
}  // namespace octavo
