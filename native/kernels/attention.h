// Paged attention of a few (token, head) rows over one piece of their context, in blocks where they lie.
//
// Order of arithmetic, for every row alone and whatever else is in the batch:
//   score(p)  = scale * (q . k_p), one FMA chain over ascending dimensions;
//   piece     = positions 256 i .. 256 i + 255; its sum of exponentials has sixteen lanes (position % 16), added in
//               ascending order and then as a fixed tree; its output takes one FMA per ascending position;
//   pieces are merged in ascending order with the running maximum.
// Neither the block size, nor the chunk a token was computed in, nor the rows of a tile appear in it.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

#if defined(__AVX512F__)
constexpr int kAttentionTileRows = 12;
constexpr int kScoreVectors = 24;
constexpr int kValueRows = 6;
#elif defined(__AVX2__)
constexpr int kAttentionTileRows = 6;
constexpr int kScoreVectors = 6;
constexpr int kValueRows = 2;
#else
constexpr int kAttentionTileRows = 4;
constexpr int kScoreVectors = 4;
constexpr int kValueRows = 1;
#endif
static_assert(kAttentionTileRows <= kMaxAttentionRows, "scratch is sized by kMaxAttentionRows");

constexpr size_t kScoreStride = kAttentionPiece + 32;

template <typename T>
struct KvElement;
template <>
struct KvElement<float> {
  OCTAVO_INLINE V16 load(const float* p) { return v_load(p); }
};
template <>
struct KvElement<uint16_t> {
  OCTAVO_INLINE V16 load(const uint16_t* p) { return v_load_f16(p); }
};

/** Up to sixteen consecutive positions of one block: dimension d of them begins at keys + d * blockSize. */
template <typename T>
struct KeyChunk {
  const T* keys;
  int32_t offset;  // of its first position in the piece
};

/** Scores of kRows rows against kChunks chunks. Lanes past a chunk's end hold garbage that later chunks overwrite. */
template <int kRows, int kChunks, typename T>
OCTAVO_INLINE void score_chunks(const KeyChunk<T>* chunks, int32_t block_size, const float* const* queries, int32_t head_size, float scale,
                                float* scores) {
  V16 sums[kChunks][kRows];
  for (int c = 0; c < kChunks; ++c) {
    for (int r = 0; r < kRows; ++r) sums[c][r] = v_zero();
  }
  for (int32_t d = 0; d < head_size; ++d) {
    V16 keys[kChunks];
#pragma GCC unroll 8
    for (int c = 0; c < kChunks; ++c) keys[c] = KvElement<T>::load(chunks[c].keys + static_cast<size_t>(d) * block_size);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const V16 q = v_set1(queries[r][d]);
#pragma GCC unroll 8
      for (int c = 0; c < kChunks; ++c) sums[c][r] = v_fma(keys[c], q, sums[c][r]);
    }
  }
  const V16 factor = v_set1(scale);
  for (int c = 0; c < kChunks; ++c) {
    for (int r = 0; r < kRows; ++r) v_store(scores + r * kScoreStride + chunks[c].offset, v_mul(sums[c][r], factor));
  }
}

template <int kRows, typename T>
void score_rows(const KeyChunk<T>* chunks, int32_t chunk_count, int32_t block_size, const float* const* queries, int32_t head_size,
                float scale, float* scores) {
  constexpr int kMany = kScoreVectors / kRows >= 8 ? 8 : kScoreVectors / kRows >= 4 ? 4 : kScoreVectors / kRows >= 2 ? 2 : 1;
  int32_t chunk = 0;
  for (; chunk + kMany <= chunk_count; chunk += kMany) {
    score_chunks<kRows, kMany, T>(chunks + chunk, block_size, queries, head_size, scale, scores);
  }
  for (; chunk < chunk_count; ++chunk) score_chunks<kRows, 1, T>(chunks + chunk, block_size, queries, head_size, scale, scores);
}

template <int kRows, typename T>
OCTAVO_INLINE void score_rows_of(int32_t rows, const KeyChunk<T>* chunks, int32_t chunk_count, int32_t block_size,
                                 const float* const* queries, int32_t head_size, float scale, float* scores) {
  if constexpr (kRows > 0) {
    if (rows == kRows) score_rows<kRows, T>(chunks, chunk_count, block_size, queries, head_size, scale, scores);
    else score_rows_of<kRows - 1, T>(rows, chunks, chunk_count, block_size, queries, head_size, scale, scores);
  }
}

/** scores[begin, end) become exp(score - max); returns max and sum. `scores` is addressed from the piece's start. */
OCTAVO_INLINE void softmax_piece(float* scores, int32_t begin, int32_t end, float* max, float* sum) {
  const int32_t first = begin / 16 * 16;
  const int32_t last = (end + 15) / 16 * 16;
  const float nothing = -__builtin_inff();
  for (int32_t i = first; i < begin; ++i) scores[i] = nothing;
  for (int32_t i = end; i < last; ++i) scores[i] = nothing;
  V16 maxima = v_set1(nothing);
  for (int32_t i = first; i < last; i += 16) maxima = v_max(maxima, v_load(scores + i));
  const float largest = v_maximum(maxima);
  const V16 shift = v_set1(largest);
  V16 sums = v_zero();
  for (int32_t i = first; i < last; i += 16) {
    const V16 e = v_exp(v_sub(v_load(scores + i), shift));
    v_store(scores + i, e);
    sums = v_add(sums, e);
  }
  *max = largest;
  *sum = v_sum(sums);
}

/** out[r][0 .. 16 * kVectors) takes weight * value of positions that lie one after the other in a block. */
template <int kRows, int kVectors, typename T>
OCTAVO_INLINE void accumulate_values(const T* values, int32_t count, int32_t head_size, const float* weights, float* out, size_t out_stride) {
  V16 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = v_load(out + r * out_stride + v * 16);
  }
  for (int32_t i = 0; i < count; ++i, values += head_size) {
    V16 loaded[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) loaded[v] = KvElement<T>::load(values + v * 16);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const V16 weight = v_set1(weights[r * kScoreStride + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = v_fma(weight, loaded[v], sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) v_store(out + r * out_stride + v * 16, sums[r][v]);
  }
}

template <int kRows, typename T>
void accumulate_run(const T* values, int32_t count, int32_t head_size, const float* weights, float* out, size_t out_stride) {
  const int32_t vectors = (head_size + 15) / 16;
  int32_t v = 0;
  for (; v + 4 <= vectors; v += 4) accumulate_values<kRows, 4, T>(values + v * 16, count, head_size, weights, out + v * 16, out_stride);
  for (; v < vectors; ++v) accumulate_values<kRows, 1, T>(values + v * 16, count, head_size, weights, out + v * 16, out_stride);
}

template <int kRows, typename T>
OCTAVO_INLINE void accumulate_run_of(int32_t rows, const T* values, int32_t count, int32_t head_size, const float* weights, float* out,
                                     size_t out_stride) {
  if constexpr (kRows > 0) {
    if (rows == kRows) accumulate_run<kRows, T>(values, count, head_size, weights, out, out_stride);
    else accumulate_run_of<kRows - 1, T>(rows, values, count, head_size, weights, out, out_stride);
  }
}

/** Values of positions [begin, end) (absolute) for rows [0, rows), block by block. */
template <typename T>
void accumulate_positions(const AttentionPiece& piece, int32_t begin, int32_t end, int32_t rows, const float* scores, float* out) {
  const KvPool& pool = *piece.pool;
  const size_t offset = pool.value_offset(piece.layer, piece.kv_head);
  const size_t block_bytes = pool.block_bytes();
  const int32_t base = piece.piece * kAttentionPiece;
  int32_t position = begin;
  while (position < end) {
    const int32_t block = position / pool.block_size;
    const int32_t within = position - block * pool.block_size;
    int32_t count = pool.block_size - within;
    if (count > end - position) count = end - position;
    const T* values = reinterpret_cast<const T*>(pool.data + static_cast<size_t>(piece.block_table[block]) * block_bytes + offset) +
                      static_cast<size_t>(within) * pool.head_size;
    for (int32_t row = 0; row < rows; row += kValueRows) {
      const int32_t height = rows - row < kValueRows ? rows - row : kValueRows;
      accumulate_run_of<kValueRows, T>(height, values, count, pool.head_size, scores + row * kScoreStride + (position - base),
                                       out + row * piece.out_stride, piece.out_stride);
    }
    position += count;
  }
}

template <typename T>
void attention_piece_typed(const AttentionPiece& piece) {
  const KvPool& pool = *piece.pool;
  const int32_t base = piece.piece * kAttentionPiece;
  const int32_t limit = base + kAttentionPiece;
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  int32_t earliest = limit;
  int32_t latest = base;
  int32_t common_begin = base;
  int32_t common_end = limit;
  for (int32_t row = 0; row < piece.row_count; ++row) {
    begins[row] = piece.begins[row] > base ? piece.begins[row] : base;
    ends[row] = piece.ends[row] < limit ? piece.ends[row] : limit;
    piece.touched[row] = begins[row] < ends[row];
    if (!piece.touched[row]) begins[row] = ends[row] = base;
    if (piece.touched[row] && begins[row] < earliest) earliest = begins[row];
    if (ends[row] > latest) latest = ends[row];
    if (begins[row] > common_begin) common_begin = begins[row];
    if (ends[row] < common_end) common_end = ends[row];
  }
  if (earliest >= latest) return;

  float* const scores = piece.scratch;
  const size_t key_offset = pool.key_offset(piece.layer, piece.kv_head);
  const size_t block_bytes = pool.block_bytes();
  KeyChunk<T> chunks[kAttentionPiece];
  int32_t chunk_count = 0;
  for (int32_t position = earliest; position < latest;) {
    const int32_t block = position / pool.block_size;
    const int32_t within = position - block * pool.block_size;
    int32_t count = pool.block_size - within < 16 ? pool.block_size - within : 16;
    if (count > latest - position) count = latest - position;
    const T* keys = reinterpret_cast<const T*>(pool.data + static_cast<size_t>(piece.block_table[block]) * block_bytes + key_offset);
    chunks[chunk_count++] = {keys + within, position - base};
    position += count;
  }
  score_rows_of<kAttentionTileRows, T>(piece.row_count, chunks, chunk_count, pool.block_size, piece.queries, pool.head_size, piece.scale,
                                       scores);

  for (int32_t row = 0; row < piece.row_count; ++row) {
    if (!piece.touched[row]) continue;
    softmax_piece(scores + row * kScoreStride, begins[row] - base, ends[row] - base, piece.maxima + row, piece.sums + row);
    float* out = piece.outs + row * piece.out_stride;
    for (size_t i = 0; i < piece.out_stride; ++i) out[i] = 0.0f;
  }

  // Positions that all rows attend go through the tile; what lies before and after them, row by row: adding a masked
  // position with weight 0 would let a value that a row must not see (an infinity, say) reach it.
  const bool has_common = common_begin < common_end;
  for (int32_t row = 0; row < piece.row_count; ++row) {
    if (!piece.touched[row]) continue;
    const int32_t end = has_common ? common_begin : ends[row];
    accumulate_positions<T>(piece, begins[row], end, 1, scores + row * kScoreStride, piece.outs + row * piece.out_stride);
  }
  if (!has_common) return;
  accumulate_positions<T>(piece, common_begin, common_end, piece.row_count, scores, piece.outs);
  for (int32_t row = 0; row < piece.row_count; ++row) {
    accumulate_positions<T>(piece, common_end, ends[row], 1, scores + row * kScoreStride, piece.outs + row * piece.out_stride);
  }
}

void attention_piece(const AttentionPiece& piece) {
  if (piece.pool->half) attention_piece_typed<uint16_t>(piece);
  else attention_piece_typed<float>(piece);
}

void attention_merge(float* running_max, float* running_sum, float* running_out, float max, float sum, const float* out, int32_t head_size,
                     bool first) {
  if (first) {
    *running_max = max;
    *running_sum = sum;
    for (int32_t i = 0; i < head_size; ++i) running_out[i] = out[i];
    return;
  }
  const float larger = *running_max > max ? *running_max : max;
  float lanes[16];
  v_store(lanes, v_exp(v_set1(*running_max - larger)));
  const float keep = lanes[0];
  v_store(lanes, v_exp(v_set1(max - larger)));
  const float take = lanes[0];
  *running_max = larger;
  *running_sum = *running_sum * keep + sum * take;
  for (int32_t i = 0; i < head_size; ++i) running_out[i] = running_out[i] * keep + out[i] * take;
}

void attention_finish(const float* running_out, float running_sum, int32_t head_size, float* out) {
  const float inverse = 1.0f / running_sum;
  for (int32_t i = 0; i < head_size; ++i) out[i] = running_out[i] * inverse;
}

}  // namespace
}  // namespace octavo
