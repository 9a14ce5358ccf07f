// Paged attention of (token, head) rows over one piece of a context that they share, in blocks where they lie.
//
// Order of arithmetic, for every row alone and whatever else is in the batch:
//   score(p)  = (scale * log2(e) * q) . k_p, one FMA chain over ascending dimensions;
//   piece     = positions 256 i .. 256 i + 255; its sum of exponentials (of 2) has sixteen lanes (position % 16), added in
//               ascending order and then as a fixed tree; its output takes one FMA per ascending position;
//   pieces are folded in ascending order with the running maximum.
// Neither the block size, nor the chunk a token was computed in, nor the rows of a tile appear in it.
//
// Where K or V has scales, a score is multiplied by its key's scale when its chain is done, and a weight by its value's scale
// before it meets the value; sums of weights are taken before.
//
// The rows of one register tile read the blocks where they lie, sixteen positions at a time, and decode on the way into
// registers. For more rows, or where the blocks' size is not a multiple of sixteen, keys and then values are decoded to f32,
// without their scales, as many at a time as the first-level cache holds, and every tile goes over them there.
#pragma once

#include "attention_decoded.h"
#include "attention_tile.h"
#include "attention_view.h"
#include "kernels.h"
#include "kv_formats.h"
#include "simd.h"

namespace octavo {
namespace {

/** The rows of one register tile in a piece: those between the first and the last that attend to any of it. */
struct AttentionTile {
  int32_t first_row;
  int32_t row_count;
  int32_t begin, end;  // positions that any row attends, from the piece's start
  int32_t common_begin, common_end;  // that all rows attend; may be empty
};

/** Rows of each tile that `row_count` rows are cut into, as equal as can be: small tiles load more for each product. */
OCTAVO_INLINE int32_t tile_rows_of(int32_t row_count) { return equal_part(row_count, kAttentionTileRows); }

/** Cuts the piece's rows into register tiles; sets `touched`, and each row's range clipped to the piece. */
OCTAVO_INLINE int32_t tiles_of(const AttentionPiece& piece, int32_t* begins, int32_t* ends, AttentionTile* tiles) {
  const int32_t base = piece.piece * kAttentionPiece;
  int32_t tile_count = 0;
  const int32_t step = tile_rows_of(piece.row_count);
  for (int32_t first = 0; first < piece.row_count; first += step) {
    const int32_t last = first + step < piece.row_count ? first + step : piece.row_count;
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

/** The loops for a type of K and one of V. */
struct TileLoops {
  void (*score)(int32_t rows, const ScoreJob& job);
  void (*accumulate)(int32_t rows, const PieceView& view, int32_t begin, int32_t end, const float* weights, float* const* outs, size_t columns);
  int32_t key_dims;  // that a step of `score` takes
};

OCTAVO_INLINE TileLoops loops_of(KvType key_type, KvType value_type) {
  TileLoops loops{};
  with_format(key_type, [&](auto format) {
    loops.score = score_tile<decltype(format)>;
    loops.key_dims = decltype(format)::kDims;
  });
  with_format(value_type, [&](auto format) { loops.accumulate = accumulate_tile<decltype(format)>; });
  return loops;
}

/** Queries of a tile's rows, as attention_pack laid them out. */
OCTAVO_INLINE const float* queries_of(const AttentionPiece& piece, const AttentionTile& tile) {
  const int32_t step = tile_rows_of(piece.row_count);
  return piece.queries + static_cast<size_t>(tile.first_row / step) * piece.pool->head_size * kAttentionTileRows + tile.first_row % step;
}

/** Scores of a row, from the piece's start. */
OCTAVO_INLINE float* scores_of(const AttentionPiece& piece, int32_t row) { return piece.scratch + row * kScoreStride; }

/** Softmax of a tile's rows, in which scores become weights; their outputs start at 0. */
OCTAVO_INLINE void weigh_tile(const AttentionPiece& piece, const AttentionTile& tile, const int32_t* begins, const int32_t* ends,
                              const PieceView& view) {
  const size_t columns = round_up(static_cast<size_t>(piece.pool->head_size), 16);
  const int32_t last = tile.first_row + tile.row_count;
  for (int32_t row = tile.first_row; row < last; ++row) {
    float* const scores = scores_of(piece, row);
    for (size_t i = 0; i < columns; i += 16) v_store(piece.outs[row] + i, v_zero());
    if (!piece.touched[row]) continue;
    if (view.key_scales != nullptr) scale_positions(scores, view.key_scales, begins[row] / 16, (ends[row] + 15) / 16);
    piece.maxima[row] = largest_score(scores, begins[row], ends[row]);
  }
  for (int32_t row = tile.first_row; row < last; ++row) {
    if (!piece.touched[row]) continue;
    float* const scores = scores_of(piece, row);
    piece.sums[row] = exponentiate(scores, begins[row], ends[row], piece.maxima[row]);
    if (view.value_scales != nullptr) scale_positions(scores, view.value_scales, begins[row] / 16, (ends[row] + 15) / 16);
  }
}

/**
 * Calls body(first row, row count, begin, end) so that every row of the tile gets the positions of [from, to) that it attends
 * to, in ascending order. Positions that all rows attend go through the tile; what lies before and after them, token by token:
 * adding a masked position with weight 0 would let a value that a row must not see (an infinity, say) reach it.
 */
template <typename Body>
OCTAVO_INLINE void each_part(const AttentionPiece& piece, const AttentionTile& tile, const int32_t* begins, const int32_t* ends, int32_t from,
                             int32_t to, const Body& body) {
  const int32_t last = tile.first_row + tile.row_count;
  const auto each_token = [&](int32_t begin, int32_t end) {
    if (begin >= end) return;
    for (int32_t row = tile.first_row, next; row < last; row = next) {
      // The heads of a token attend to the same positions.
      for (next = row + 1; next < last && begins[next] == begins[row] && ends[next] == ends[row];) ++next;
      if (!piece.touched[row]) continue;
      const int32_t row_begin = begins[row] > begin ? begins[row] : begin;
      const int32_t row_end = ends[row] < end ? ends[row] : end;
      if (row_begin < row_end) body(row, next - row, row_begin, row_end);
    }
  };
  const int32_t common_begin = tile.common_begin > from ? tile.common_begin : from;
  const int32_t common_end = tile.common_end < to ? tile.common_end : to;
  if (common_begin >= common_end) return each_token(from, to);
  each_token(from, common_begin);
  body(tile.first_row, tile.row_count, common_begin, common_end);
  each_token(common_end, to);
}

/** One tile, whose rows read the piece where it lies. */
void attend_in_place(const AttentionPiece& piece, const AttentionTile& tile, const int32_t* begins, const int32_t* ends, PieceView& view) {
  const KvPool& pool = *piece.pool;
  const size_t columns = round_up(static_cast<size_t>(pool.head_size), 16);
  const TileLoops loops = loops_of(pool.key_type, pool.value_type);
  view_in_place(piece, tile.begin, tile.end, view);
  const FetchPace pace = fetch_pace(static_cast<int32_t>(16 * view.value_stride), ceil_div(pool.head_size, loops.key_dims));
  const int32_t chunk = tile.begin / 16;
  loops.score(tile.row_count, {view.keys + chunk, view.values + chunk, pace, (tile.end + 15) / 16 - chunk, view.key_stride,
                               queries_of(piece, tile), pool.head_size, scores_of(piece, tile.first_row) + chunk * 16});
  weigh_tile(piece, tile, begins, ends, view);
  each_part(piece, tile, begins, ends, tile.begin, tile.end, [&](int32_t row, int32_t rows, int32_t from, int32_t to) {
    loops.accumulate(rows, view, from, to, scores_of(piece, row), piece.outs + row, columns);
  });
}

/** All tiles, over parts of the piece [begin, end) that are decoded for all of them. */
void attend_decoded(const AttentionPiece& piece, const AttentionTile* tiles, int32_t tile_count, int32_t begin, int32_t end,
                    const int32_t* begins, const int32_t* ends, float* decoded, PieceView& view) {
  const KvPool& pool = *piece.pool;
  const size_t columns = round_up(static_cast<size_t>(pool.head_size), 16);
  const size_t key_floats = static_cast<size_t>(pool.head_size) * 16;
  const int32_t step = decoded_positions(pool.head_size);
  // What a part will need is fetched while the part before it is worked on: values beside keys, the next keys beside values.
  const bool fetch = pool.block_size % 16 == 0;
  view.next_lines = 0;
  if (fetch) view_in_place(piece, begin, end, view);
  const int32_t value_lines = fetch ? static_cast<int32_t>(16 * view.value_stride / 64) : 0;
  for (int32_t from = begin / 16 * 16; from < end; from += step) {
    const int32_t to = from + step < end ? from + step : end;
    decode_keys(piece, from > begin ? from : begin, to, decoded);
    for (int32_t i = 0; i < tile_count; ++i) {
      const AttentionTile& tile = tiles[i];
      const int32_t first = (tile.begin > from ? tile.begin : from) / 16;
      const int32_t last = ((tile.end < to ? tile.end : to) + 15) / 16;
      if (first >= last) continue;
      score_decoded(tile.row_count, {decoded + static_cast<size_t>(first - from / 16) * key_floats, last - first, queries_of(piece, tile),
                                     pool.head_size, scores_of(piece, tile.first_row) + first * 16, fetch ? view.values + first : nullptr,
                                     value_lines, {i, tile_count}});
    }
  }
  for (int32_t i = 0; i < tile_count; ++i) weigh_tile(piece, tiles[i], begins, ends, view);
  for (int32_t from = begin / 16 * 16; from < end; from += step) {
    const int32_t to = from + step < end ? from + step : end;
    decode_values(piece, from > begin ? from : begin, to, decoded);
    for (int32_t i = 0; i < tile_count; ++i) {
      each_part(piece, tiles[i], begins, ends, from, to, [&](int32_t row, int32_t rows, int32_t first, int32_t last) {
        accumulate_decoded(rows, {decoded + static_cast<size_t>(first - from) * columns, columns, first, last, scores_of(piece, row),
                                  piece.outs + row, &view, {i, tile_count}});
      });
    }
  }
}

void attention_piece(const AttentionPiece& piece) {
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  AttentionTile tiles[kMaxAttentionRows];
  const int32_t tile_count = tiles_of(piece, begins, ends, tiles);
  if (tile_count == 0) return;
  int32_t begin = kAttentionPiece;
  int32_t end = 0;
  for (int32_t i = 0; i < tile_count; ++i) {
    if (tiles[i].begin < begin) begin = tiles[i].begin;
    if (tiles[i].end > end) end = tiles[i].end;
  }
  float* const scales = piece.scratch + kMaxAttentionRows * kScoreStride;
  PieceView view;
  view_scales(piece, begin, end, scales, view);
  if (tile_count == 1 && piece.pool->block_size % 16 == 0) {
    attend_in_place(piece, tiles[0], begins, ends, view);
  } else {
    attend_decoded(piece, tiles, tile_count, begin, end, begins, ends, scales + 2 * kAttentionPiece, view);
  }
}

/** Four floats of each of four rows, times `factor`, as four of the rows' floats for each of four dimensions, kAttentionTileRows apart. */
OCTAVO_INLINE void pack_four(const float* const* rows, int32_t d, float factor, float* to) {
  typedef float V4 __attribute__((vector_size(16)));
  typedef int32_t I4 __attribute__((vector_size(16)));
  V4 v[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    std::memcpy(&v[i], rows[i] + d, sizeof v[i]);
    v[i] = v[i] * factor;
  }
  const V4 low[2] = {__builtin_shuffle(v[0], v[1], I4{0, 4, 1, 5}), __builtin_shuffle(v[2], v[3], I4{0, 4, 1, 5})};
  const V4 high[2] = {__builtin_shuffle(v[0], v[1], I4{2, 6, 3, 7}), __builtin_shuffle(v[2], v[3], I4{2, 6, 3, 7})};
  const V4 out[4] = {__builtin_shuffle(low[0], low[1], I4{0, 1, 4, 5}), __builtin_shuffle(low[0], low[1], I4{2, 3, 6, 7}),
                     __builtin_shuffle(high[0], high[1], I4{0, 1, 4, 5}), __builtin_shuffle(high[0], high[1], I4{2, 3, 6, 7})};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * kAttentionTileRows, &out[i], sizeof out[i]);
}

void attention_pack(const float* const* queries, int32_t row_count, int32_t head_size, float scale, float* packed) {
  // Scores come out in units of log2.
  const float factor = scale * 1.44269504f;
  const int32_t step = tile_rows_of(row_count);
  // Past a tile's rows there is room for those of a last group that has fewer than four.
  constexpr int32_t kGroup = kAttentionTileRows % 4 == 0 ? 4 : 1;
  for (int32_t first = 0; first < row_count; first += step, packed += static_cast<size_t>(head_size) * kAttentionTileRows) {
    const int32_t last = first + step < row_count ? first + step : row_count;
    for (int32_t row = first; row < last; row += kGroup) {
      const float* rows[kGroup];
      for (int32_t i = 0; i < kGroup; ++i) rows[i] = queries[row + i < last ? row + i : last - 1];
      float* const to = packed + (row - first);
      int32_t d = 0;
      if constexpr (kGroup == 4) {
        for (; d + 4 <= head_size; d += 4) pack_four(rows, d, factor, to + d * kAttentionTileRows);
      }
      for (; d < head_size; ++d) {
        for (int32_t i = 0; i < kGroup; ++i) to[d * kAttentionTileRows + i] = rows[i][d] * factor;
      }
    }
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

void attention_finish(const float* running_out, float running_sum, float factor, int32_t head_size, float* out) {
  const float inverse = factor / running_sum;
  // What was folded has no negative zeros; what is the only piece may.
  for (int32_t i = 0; i < head_size; ++i) out[i] = (running_out[i] + 0.0f) * inverse;
}

}  // namespace
}  // namespace octavo
