// Attention of (token, head) rows over one piece of a context on the tiles of AMX, in bf16 with sums in f32.
//
// Queries are rounded to bf16 when they are packed, keys, values and weights as attention_tile_formats.h and
// attention_tile_softmax.h say. Order of arithmetic, for every row alone and whatever else is in the batch:
//   score(p)  = sums over 32 dimensions each (tile_dot_bf16), added in ascending order;
//   weights   = 2^(score - the piece's largest); their sum as weigh_row says;
//   output    = sums over 32 positions each from a multiple of 32, added in ascending order; a position that the row does not
//               attend has weight 0.
// Whether a step of 32 positions is left out or added with weights of 0 makes no difference to a sum.
//
// Rows go through tiles in sixteens, two at a time, whose scores stay in the first-level cache from the products with keys to
// those with values. Keys and values become operands just before the first rows that meet them, and are kept for the others.
#pragma once

#include "attention_tile_operands.h"
#include "attention_tile_softmax.h"
#include "kernels.h"
#include "tiles.h"

namespace octavo {
namespace {

constexpr int32_t kTileQueries = 16;
static_assert(kMaxAttentionRows % kTileQueries == 0, "rows go through tiles in sixteens");
static_assert(kPieceSteps == 8, "a bit for each step of a piece");
constexpr int32_t kMaxTileHeadSize = 512;

/**
 * Where numbers are 2^112 too small, products of a query of 2^64 as much would lie in the middle of what a float holds, and so
 * do products of weights.
 */
constexpr float kScoreFactor = 0x1p48f;
constexpr float kWeightShift = 64.0f;

template <typename Format>
constexpr bool scaled_up() {
  return Format::kExponent > 0;
}
/** 2^exponent. */
OCTAVO_INLINE float power_of_two(int exponent) { return bits_to_float(static_cast<uint32_t>(exponent + 127) << 23); }

/** One tile of rows, or two that meet keys and values together, and the steps that hold all positions that any of them attends. */
struct RowTiles {
  int32_t first_row;
  int32_t last_row;
  int32_t first_step, last_step;  // none: first_step >= last_step
  const uint8_t* queries;
  size_t query_bytes;  // of one tile
};

struct TilePiece {
  const AttentionPiece* piece;
  int32_t begin, end;  // positions that any row attends, from the piece's start
  bool is_alone;  // all rows meet a step's operands at once, which are not kept
  bool in_place;  // sixteen positions lie together
  PieceView view;
  TileScratch scratch;
  SoftmaxScales scales;
  // A bit of each step whose operands are there; of values, for every 32 columns.
  uint8_t steps_with_keys;
  uint8_t steps_with_values[kMaxTileHeadSize / 32];
  void (*make_values)(TilePiece& at, int32_t step);

  bool has_sixteen(int32_t sixteen) const { return sixteen * 16 < end && sixteen * 16 + 16 > begin; }
  RowRange range_of(int32_t row) const {
    const int32_t base = piece->piece * kAttentionPiece;
    return {piece->begins[row] > base ? piece->begins[row] - base : 0,
            piece->ends[row] < base + kAttentionPiece ? piece->ends[row] - base : kAttentionPiece};
  }
  /** Scores of a row of the tiles at hand. */
  float* scores(int32_t row) const { return piece->scratch + static_cast<size_t>(row) * kScoreStride; }
  uint8_t* keys(int32_t step) const {
    return scratch.keys + static_cast<size_t>(is_alone ? step % 2 : step) * static_cast<size_t>(piece->pool->head_size) * 64;
  }
  uint8_t* values(size_t column, int32_t step) const {
    const size_t pair = column / 32;
    return scratch.values + (is_alone ? static_cast<size_t>(step % 2) * 2 + pair % 2 : pair * kPieceSteps + static_cast<size_t>(step)) * 2 * kTileBytes;
  }
};

/** Which rows attend to any of the piece; sets the positions that any of them does. */
OCTAVO_INLINE void touch_rows(TilePiece& at) {
  at.begin = kAttentionPiece;
  at.end = 0;
  for (int32_t row = 0; row < at.piece->row_count; ++row) {
    const RowRange range = at.range_of(row);
    at.piece->touched[row] = range.begin < range.end;
    if (range.begin >= range.end) continue;
    if (range.begin < at.begin) at.begin = range.begin;
    if (range.end > at.end) at.end = range.end;
  }
}

OCTAVO_INLINE RowTiles tiles_from(const TilePiece& at, int32_t first_row) {
  const AttentionPiece& piece = *at.piece;
  RowTiles rows{};
  rows.first_row = first_row;
  rows.last_row = first_row + 2 * kTileQueries < piece.row_count ? first_row + 2 * kTileQueries : piece.row_count;
  rows.query_bytes = static_cast<size_t>(piece.pool->head_size / kTileDims) * kTileBytes;
  rows.queries = reinterpret_cast<const uint8_t*>(piece.queries) + static_cast<size_t>(first_row / kTileQueries) * rows.query_bytes;
  int32_t begin = kAttentionPiece;
  int32_t end = 0;
  for (int32_t row = first_row; row < rows.last_row; ++row) {
    if (!piece.touched[row]) continue;
    const RowRange range = at.range_of(row);
    if (range.begin < begin) begin = range.begin;
    if (range.end > end) end = range.end;
  }
  rows.first_step = begin / kStepPositions;
  rows.last_step = (end + kStepPositions - 1) / kStepPositions;
  return rows;
}

/** Positions of a step that any row attends are put together by `gather` where they do not lie so. */
template <typename Gather>
OCTAVO_INLINE void gather_step(const TilePiece& at, int32_t step, const Gather& gather) {
  const int32_t from = step * kStepPositions;
  const int32_t to = from + kStepPositions;
  gather(*at.piece, from > at.begin ? from : at.begin, to < at.end ? to : at.end, at.scratch.raw);
}

// What is fetched into the second cache lies one step ahead of what is read: keys, then values, then the next piece's keys where
// operands are made for few rows; both at once where they are made for many. Further ahead than that, the sixteens of a pool whose
// blocks lie powers of two apart push each other out.

OCTAVO_INLINE Ahead values_ahead(const TilePiece& at, int32_t sixteen) {
  if (!at.in_place || !at.has_sixteen(sixteen)) return {};
  const size_t row_bytes = at.view.value_stride;
  return {at.view.values[sixteen], static_cast<int32_t>((row_bytes + 63) / 64), 64, row_bytes};
}

/** The next piece's keys, of the first or second sixteen; a position's share with each position. */
OCTAVO_INLINE Ahead next_piece_ahead(const TilePiece& at, int32_t sixteen) {
  if (!at.in_place || at.view.next_lines == 0) return {};
  return {at.view.next_keys[sixteen], at.view.next_lines, at.view.next_stride, at.view.next_step};
}

/** Beside the keys of a sixteen, of which `rows` rows are read at a time. */
OCTAVO_INLINE Ahead beside_keys(const TilePiece& at, int32_t sixteen, int32_t rows) {
  if (!at.in_place) return {};
  const size_t stride = at.view.key_stride;
  if (at.has_sixteen(sixteen + 2)) {
    return {at.view.keys[sixteen + 2], stride >= 64 ? rows : 1, stride, static_cast<size_t>(rows) * stride};
  }
  const int32_t first = at.begin / kStepPositions * 2 + sixteen % 2;
  if (!at.is_alone || !at.has_sixteen(first)) return {};
  return {at.view.values[first], 1, 64, 32 * at.view.value_stride / static_cast<size_t>(at.piece->pool->head_size)};
}

OCTAVO_INLINE Ahead beside_values(const TilePiece& at, int32_t sixteen) {
  return at.has_sixteen(sixteen + 2) ? values_ahead(at, sixteen + 2) : next_piece_ahead(at, sixteen % 2);
}

/** Two tiles of values of a step and 32 columns from `column` on. */
template <typename Format>
OCTAVO_INLINE void step_values(TilePiece& at, int32_t step, size_t column) {
  uint8_t& steps = at.steps_with_values[column / 32];
  if ((steps >> step & 1) != 0) return;
  steps |= static_cast<uint8_t>(1u << step);
  const KvPool& pool = *at.piece->pool;
  const size_t offset = column / 32 * Format::kValueBytes;
  const size_t stride = kv_code_bytes(pool.value_type, pool.head_size);
  if (!at.in_place) gather_step(at, step, gather_values);
  const auto place = [&](int32_t i) -> const uint8_t* {
    if (!at.has_sixteen(2 * step + i)) return nullptr;
    return (at.in_place ? at.view.values[2 * step + i] : at.scratch.raw + static_cast<size_t>(i) * 16 * stride) + offset;
  };
  const Ahead nothing{};
  expand_values<Format>(place(0), place(1), stride, column == 0 ? beside_values(at, 2 * step) : nothing,
                        column == 0 ? beside_values(at, 2 * step + 1) : nothing, at.values(column, step));
}

/** Values of a step in all columns. */
template <typename Format>
void all_values(TilePiece& at, int32_t step) {
  for (size_t column = 0; column < static_cast<size_t>(at.piece->pool->head_size); column += 32) step_values<Format>(at, step, column);
}

template <typename Format>
OCTAVO_INLINE void step_keys(TilePiece& at, int32_t step) {
  if ((at.steps_with_keys >> step & 1) != 0) return;
  at.steps_with_keys |= static_cast<uint8_t>(1u << step);
  const KvPool& pool = *at.piece->pool;
  const size_t raw_stride = 16 * kv_element_bytes(pool.key_type);
  const size_t raw_bytes = raw_stride * kv_rows(pool.key_type, pool.head_size);
  if (!at.in_place) gather_step(at, step, gather_keys);
  uint8_t* to = at.keys(step);
  for (int32_t i = 0; i < 2; ++i, to += static_cast<size_t>(pool.head_size) * 32) {
    const int32_t sixteen = 2 * step + i;
    if (!at.has_sixteen(sixteen)) continue;
    if (at.in_place) expand_keys<Format>(at.view.keys[sixteen], at.view.key_stride, pool.head_size, beside_keys(at, sixteen, Format::kRows), to);
    else expand_keys<Format>(at.scratch.raw + static_cast<size_t>(i) * raw_bytes, raw_stride, pool.head_size, {}, to);
  }
  if (!at.is_alone) at.make_values(at, step);
}

/** Scores of one or two tiles of rows at 32 positions. */
template <int kTiles>
OCTAVO_INLINE void step_scores(const TilePiece& at, const RowTiles& rows, int32_t step) {
  const int32_t depth = at.piece->pool->head_size / kTileDims;
  const uint8_t* keys = at.keys(step);
  const uint8_t* queries = rows.queries;
  tile_zero<0>();
  tile_zero<1>();
  if (kTiles == 2) {
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int32_t k = 0; k < depth; ++k, keys += kTileBytes, queries += kTileBytes) {
    tile_load<4>(queries, kTileRowBytes);
    tile_load<6>(keys, kTileRowBytes);
    tile_dot_bf16<0, 4, 6>();
    tile_load<7>(keys + static_cast<size_t>(depth) * kTileBytes, kTileRowBytes);
    tile_dot_bf16<1, 4, 7>();
    if (kTiles == 2) {
      tile_load<5>(queries + rows.query_bytes, kTileRowBytes);
      tile_dot_bf16<2, 5, 6>();
      tile_dot_bf16<3, 5, 7>();
    }
  }
  float* scores = at.scores(0) + step * kStepPositions;
  tile_store<0>(scores, kScoreStride * 4);
  tile_store<1>(scores + 16, kScoreStride * 4);
  if (kTiles == 2) {
    scores += kTileQueries * kScoreStride;
    tile_store<2>(scores, kScoreStride * 4);
    tile_store<3>(scores + 16, kScoreStride * 4);
  }
}

template <typename Format, int kTiles>
OCTAVO_INLINE void score_rows(TilePiece& at, const RowTiles& rows) {
  for (int32_t step = rows.first_step; step < rows.last_step; ++step) {
    step_keys<Format>(at, step);
    step_scores<kTiles>(at, rows, step);
  }
}

template <bool kKeyScales, bool kValueScales>
void weigh_rows(const TilePiece& at, const RowTiles& rows) {
  const AttentionPiece& piece = *at.piece;
  for (int32_t row = rows.first_row; row < rows.last_row; ++row) {
    if (piece.touched[row]) piece.maxima[row] = largest_of_row<kKeyScales>(at.scores(row - rows.first_row), at.range_of(row), at.scales);
  }
  const float unshift = power_of_two(-static_cast<int>(at.scales.shift));
  for (int32_t row = rows.first_row; row < rows.last_row; ++row) {
    if (!piece.touched[row]) continue;
    piece.sums[row] = unshift * weigh_row<kKeyScales, kValueScales>(at.scores(row - rows.first_row), at.range_of(row), rows.first_step, rows.last_step,
                                                                    at.scales, piece.maxima[row]);
  }
}

/** Outputs of one tile of rows in 32 * kPairs columns, as the tiles left them. */
template <int kPairs>
OCTAVO_INLINE void store_outputs(const TilePiece& at, int32_t first_row, int32_t last_row, size_t column, const float* outs, float factor) {
  const AttentionPiece& piece = *at.piece;
  for (int32_t row = first_row; row < last_row; ++row, outs += 32 * kPairs) {
    if (!piece.touched[row]) continue;
    for (int pair = 0; pair < kPairs; ++pair) {
      store_columns(v_load(outs + pair * 32), v_load(outs + pair * 32 + 16), v_set1(factor), piece.outs[row] + column + pair * 32);
    }
  }
}

/** Outputs of two tiles of rows in 32 columns, or of one in 32 or 64. */
template <typename Format, int kTiles, int kPairs>
OCTAVO_INLINE void values_of_rows(TilePiece& at, const RowTiles& rows, size_t column, float factor) {
  static_assert(kTiles * kPairs <= 2, "four tiles of outputs");
  tile_zero<0>();
  tile_zero<1>();
  if (kTiles * kPairs == 2) {
    tile_zero<2>();
    tile_zero<3>();
  }
  const uint8_t* weights = reinterpret_cast<const uint8_t*>(at.scores(0)) + static_cast<size_t>(rows.first_step) * kTileRowBytes;
  for (int32_t step = rows.first_step; step < rows.last_step; ++step, weights += kTileRowBytes) {
    for (size_t pair = 0; pair < kPairs; ++pair) step_values<Format>(at, step, column + pair * 32);
    const uint8_t* values = at.values(column, step);
    tile_load<4>(weights, kScoreStride * 4);
    tile_load<6>(values, kTileRowBytes);
    tile_dot_bf16<0, 4, 6>();
    tile_load<7>(values + kTileBytes, kTileRowBytes);
    tile_dot_bf16<1, 4, 7>();
    if (kTiles == 2) {
      tile_load<5>(weights + kTileQueries * kScoreStride * 4, kScoreStride * 4);
      tile_dot_bf16<2, 5, 6>();
      tile_dot_bf16<3, 5, 7>();
    } else if (kPairs == 2) {
      values = at.values(column + 32, step);
      tile_load<6>(values, kTileRowBytes);
      tile_dot_bf16<2, 4, 6>();
      tile_load<7>(values + kTileBytes, kTileRowBytes);
      tile_dot_bf16<3, 4, 7>();
    }
  }
  constexpr size_t kColumns = 32 * kPairs;
  float* const outs = at.scratch.outs;
  tile_store<0>(outs, kColumns * 4);
  tile_store<1>(outs + 16, kColumns * 4);
  if (kTiles * kPairs == 2) {
    float* const others = outs + (kTiles == 2 ? kTileQueries * kColumns : 32);
    tile_store<2>(others, kColumns * 4);
    tile_store<3>(others + 16, kColumns * 4);
  }
  // The rows of two tiles follow each other.
  store_outputs<kPairs>(at, rows.first_row, rows.last_row, column, outs, factor);
}

template <typename Format>
void score(TilePiece& at, const RowTiles& rows) {
  if (rows.last_row - rows.first_row > kTileQueries) score_rows<Format, 2>(at, rows);
  else score_rows<Format, 1>(at, rows);
}

template <typename Format>
void accumulate(TilePiece& at, const RowTiles& rows) {
  const size_t columns = static_cast<size_t>(at.piece->pool->head_size);
  const float factor = power_of_two(Format::kExponent - static_cast<int>(at.scales.shift));
  size_t column = 0;
  if (rows.last_row - rows.first_row > kTileQueries) {
    for (; column < columns; column += 32) values_of_rows<Format, 2, 1>(at, rows, column, factor);
    return;
  }
  for (; column + 64 <= columns; column += 64) values_of_rows<Format, 1, 2>(at, rows, column, factor);
  if (column < columns) values_of_rows<Format, 1, 1>(at, rows, column, factor);
}

OCTAVO_INLINE void weigh_rows_of(const TilePiece& at, const RowTiles& rows) {
  const bool keys = at.scales.keys != nullptr;
  const bool values = at.scales.values != nullptr;
  if (keys && values) weigh_rows<true, true>(at, rows);
  else if (keys) weigh_rows<true, false>(at, rows);
  else if (values) weigh_rows<false, true>(at, rows);
  else weigh_rows<false, false>(at, rows);
}

void piece_on_tiles(const AttentionPiece& piece) {
  const KvPool& pool = *piece.pool;
  TilePiece at{};
  at.piece = &piece;
  touch_rows(at);
  if (at.begin >= at.end) return;
  at.is_alone = piece.row_count <= 2 * kTileQueries;
  at.in_place = pool.block_size % 16 == 0;
  float* const scales = piece.scratch + static_cast<size_t>(kMaxAttentionRows) * kScoreStride;
  at.scratch = tile_scratch_of(scales + 2 * kAttentionPiece, pool.head_size);
  view_scales(piece, at.begin, at.end, scales, at.view);
  if (at.in_place) view_in_place(piece, at.begin, at.end, at.view);
  at.scales = {at.view.key_scales, at.view.value_scales, 1.0f, 0.0f};
  void (*score_all)(TilePiece&, const RowTiles&) = nullptr;
  void (*accumulate_all)(TilePiece&, const RowTiles&) = nullptr;
  with_tile_format(pool.key_type, [&](auto format) {
    if (scaled_up<decltype(format)>()) at.scales.factor = kScoreFactor;
    score_all = score<decltype(format)>;
  });
  with_tile_format(pool.value_type, [&](auto format) {
    if (scaled_up<decltype(format)>()) at.scales.shift = kWeightShift;
    accumulate_all = accumulate<decltype(format)>;
    at.make_values = all_values<decltype(format)>;
  });
  for (int32_t row = 0; row < piece.row_count; row += 2 * kTileQueries) {
    const RowTiles rows = tiles_from(at, row);
    if (rows.first_step >= rows.last_step) continue;
    score_all(at, rows);
    weigh_rows_of(at, rows);
    accumulate_all(at, rows);
  }
}

/** [tile of sixteen rows][32 dimensions][row][dimension] as bf16, half away from zero; rows that are missing are 0. */
void pack_for_tiles(const KvPool& pool, const float* const* queries, int32_t row_count, float scale, float* packed) {
  // Scores come out in units of log2.
  V16 factor = v_set1(scale * 1.44269504f);
  with_tile_format(pool.key_type, [&](auto format) {
    if (scaled_up<decltype(format)>()) factor = v_mul(factor, v_set1(power_of_two(decltype(format)::kExponent - 48)));
  });
  const int32_t tiles = (row_count + kTileQueries - 1) / kTileQueries;
  uint8_t* to = reinterpret_cast<uint8_t*>(packed);
  for (int32_t tile = 0; tile < tiles; ++tile) {
    for (int32_t d = 0; d < pool.head_size; d += kTileDims) {
      for (int32_t i = 0; i < kTileQueries; ++i, to += kTileRowBytes) {
        const int32_t row = tile * kTileQueries + i;
        __m512i words = _mm512_setzero_si512();
        if (row < row_count) {
          const V16 even = v_mul(v_load(queries[row] + d), factor);
          const V16 odd = v_mul(v_load(queries[row] + d + 16), factor);
          alignas(64) static constexpr int16_t kOrder[32] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                                             1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};
          words = _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), pack_weights(even, odd));
        }
        _mm512_store_si512(to, words);
      }
    }
  }
}

}  // namespace
}  // namespace octavo
