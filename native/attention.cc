// Attention of a step: the tasks that attention_plan.cc cuts it into.
#include "attention.h"

#include <algorithm>
#include <limits>

namespace octavo {

namespace {

constexpr int64_t kPartialBytesLimit = int64_t{32} << 20;
/** Heads that one merge takes. */
constexpr int32_t kMergeHeads = 8;
/** Arrays of one number per row are read in vectors of sixteen. */
constexpr size_t kRowFloats = kMaxAttentionRows + 16;

/** Rotated queries lie in the kernel's scratch until they are packed. */
static_assert(attention_scratch_floats(1) >= kMaxAttentionRows, "a kernel's scratch holds a query of each row");

}  // namespace

struct Attention::Scratch {
  float* queries;
  float* kernel;
  float* outs;  // [kMaxAttentionRows][head_stride]
  float* running_outs;
  float* maxima;  // [kRowFloats]
  float* sums;
  float* running_maxima;
  float* running_sums;
};

Attention::Attention(ThreadPool& threads, const Kernels& kernels, const std::vector<KvPool>& pools, const Limits& limits, const std::vector<Region>& regions,
                     const StepBindings& bindings, const std::vector<RopeTable>& ropes, bool cascade)
    : threads_(threads), kernels_(kernels), pools_(pools), head_size_(pools[0].head_size), regions_(regions), bindings_(bindings), ropes_(ropes), cascade_(cascade),
      head_stride_(round_up(static_cast<size_t>(head_size_), 16)), written_(pools) {
  for (size_t i = 0; i < pools.size(); ++i) prefixes_.emplace_back(limits.max_sequences);
  int64_t most_heads = 0;
  for (const Region& region : regions) {
    int32_t index = -1;
    if (region.kind == RegionKind::kAttention) {
      for (size_t i = 0; i < shapes_.size(); ++i) {
        const Shape& shape = shapes_[i];
        if (shape.pool == region.pool && shape.head_count == region.head_count && shape.window == region.window && shape.sink_tokens == region.sink_tokens &&
            shape.recent_tokens == region.recent_tokens && shape.recent_sinks == region.recent_sinks && shape.recent_pool == region.recent_pool) {
          index = static_cast<int32_t>(i);
        }
      }
      if (index == -1) {
        index = static_cast<int32_t>(shapes_.size());
        Shape shape{};
        shape.pool = region.pool;
        shape.head_count = region.head_count;
        shape.kv_head_count = region.kv_head_count;
        shape.group = region.head_count / region.kv_head_count;
        shape.window = region.window;
        shape.sink_tokens = region.sink_tokens;
        shape.recent_tokens = region.recent_tokens;
        shape.recent_sinks = region.recent_sinks;
        shape.recent_pool = region.recent_pool;
        shape.order.reserve(static_cast<size_t>(limits.max_tokens));
        shape.first_slots.resize(static_cast<size_t>(limits.max_tokens));
        shape.merged_tokens.reserve(static_cast<size_t>(limits.max_tokens));
        shape.dealt.reserve(static_cast<size_t>(threads.size()) + 1);
        shape.token_items.reserve(static_cast<size_t>(limits.max_sequences) + 1);
        shapes_.push_back(std::move(shape));
        most_heads = std::max<int64_t>(most_heads, region.head_count);
      }
    }
    region_shapes_.push_back(index);
  }
  counters_ = std::make_unique<Counter[]>(2 * regions.size());
  if (shapes_.empty()) return;
  leaves_.reserve(static_cast<size_t>(limits.max_sequences));
  const size_t head_size = static_cast<size_t>(head_size_);
  scratch_floats_ = round_up(attention_query_floats(head_size) + attention_scratch_floats(head_size) +
                                 2 * static_cast<size_t>(kMaxAttentionRows) * head_stride_ + 4 * kRowFloats,
                             1024);
  scratch_ = MappedMemory(scratch_floats_ * 4 * static_cast<size_t>(threads_.size()));
  if (threads_.size() == 1 && !(cascade && limits.max_sequences > 1)) return;
  const int64_t slot_bytes = static_cast<int64_t>(head_stride_ + 3) * 4;
  slot_limit_ = std::min(kPartialBytesLimit / slot_bytes, most_heads * limits.max_tokens * ceil_div(limits.max_context, kAttentionPiece));
  const size_t slots = static_cast<size_t>(slot_limit_);
  partial_memory_ = MappedMemory((slots * head_stride_ + 3 * (slots + 16)) * 4);
  partial_outs_ = reinterpret_cast<float*>(partial_memory_.data());
  partial_maxima_ = partial_outs_ + slots * head_stride_;
  partial_sums_ = partial_maxima_ + slots + 16;
  partial_pieces_ = reinterpret_cast<int32_t*>(partial_sums_ + slots + 16);
}

Attention::Scratch Attention::scratch_of(int32_t thread) const {
  const size_t head_size = static_cast<size_t>(head_size_);
  Scratch scratch{};
  float* at = reinterpret_cast<float*>(scratch_.data()) + static_cast<size_t>(thread) * scratch_floats_;
  const auto take = [&](size_t floats) {
    float* part = at;
    at += floats;
    return part;
  };
  scratch.queries = take(attention_query_floats(head_size));
  scratch.kernel = take(attention_scratch_floats(head_size));
  scratch.outs = take(static_cast<size_t>(kMaxAttentionRows) * head_stride_);
  scratch.running_outs = take(static_cast<size_t>(kMaxAttentionRows) * head_stride_);
  scratch.maxima = take(kRowFloats);
  scratch.sums = take(kRowFloats);
  scratch.running_maxima = take(kRowFloats);
  scratch.running_sums = take(kRowFloats);
  return scratch;
}

void Attention::run(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t thread) {
  const Region& region = regions_[index];
  const Shape& shape = shape_of(index);
  Counter* counters = counters_.get() + 2 * index;
  const Rows rows{queries, query_stride, out, out_stride};
  const Scratch scratch = scratch_of(thread);
  const int32_t tasks = shape.task_starts.back();
  size_t item = 0;
  for (;;) {
    const int32_t task = counters[0].next.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks) break;
    while (shape.task_starts[item + 1] <= task) ++item;
    run_task(region, shape, rows, shape.items[item], task - shape.task_starts[item], scratch);
  }
  if (shape.merged_tokens.empty()) return;
  threads_.barrier();
  const int32_t parts = ceil_div(shape.head_count, kMergeHeads);
  const int32_t merges = static_cast<int32_t>(shape.merged_tokens.size()) * parts;
  for (;;) {
    const int32_t merge = counters[1].next.fetch_add(1, std::memory_order_relaxed);
    if (merge >= merges) return;
    merge_heads(shape, rows, shape.merged_tokens[static_cast<size_t>(merge / parts)], merge % parts * kMergeHeads, scratch);
  }
}

void Attention::run_token(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t token, int32_t thread) {
  const Shape& shape = shape_of(index);
  const Rows rows{queries, query_stride, out, out_stride};
  const Scratch scratch = scratch_of(thread);
  for (size_t item = shape.token_items[static_cast<size_t>(token)]; item < shape.token_items[static_cast<size_t>(token) + 1]; ++item) {
    const int32_t tasks = shape.task_starts[item + 1] - shape.task_starts[item];
    for (int32_t task = 0; task < tasks; ++task) run_task(regions_[index], shape, rows, shape.items[item], task, scratch);
  }
}

void Attention::run_task(const Region& region, const Shape& shape, const Rows& rows, const Item& item, int32_t task, const Scratch& scratch) {
  const int32_t head_parts = ceil_div(shape.kv_head_count, item.heads_per_task);
  const int32_t first_head = shape.kv_head_count * (task % head_parts) / head_parts;
  const int32_t last_head = shape.kv_head_count * (task % head_parts + 1) / head_parts;
  const int64_t part = task / head_parts;
  const int64_t pieces = item.last_piece - item.first_piece;
  const int64_t parts = ceil_div(item.last_piece - item.first_piece, item.pieces_per_task);
  const int32_t first_piece = item.first_piece + static_cast<int32_t>(pieces * part / parts);
  const int32_t last_piece = item.first_piece + static_cast<int32_t>(pieces * (part + 1) / parts);

  const int32_t count = item.row_count;
  int32_t tokens[kMaxAttentionRows];
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  int32_t recent_begins[kMaxAttentionRows];
  int32_t recent_ends[kMaxAttentionRows];
  int32_t heads[kMaxAttentionRows];  // in their group
  int32_t latest = 0;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t r = item.first_row + i;
    tokens[i] = shape.order[static_cast<size_t>(r / shape.group)];
    heads[i] = r % shape.group;
    begins[i] = begin_of(shape, tokens[i]);
    ends[i] = end_of(tokens[i]);
    latest = std::max(latest, ends[i]);
    if (shape.recent_tokens == 0) continue;
    recent_ends[i] = ends[i];
    recent_begins[i] = recent_begin(shape, tokens[i]);
    begins[i] = recent_begins[i] == 0 ? 0 : shape.recent_sinks;
    ends[i] = recent_begins[i];
  }
  const bool has_sinks = shape.sink_tokens > 0 || shape.recent_sinks > 0;
  // One piece is all that its rows attend to: nothing is folded.
  const bool is_whole = !item.partial && !has_sinks && item.last_piece - item.first_piece == 1;
  const size_t all_rows = is_whole ? 0 : static_cast<size_t>(count * (last_head - first_head));
  std::fill_n(scratch.running_maxima, all_rows, -std::numeric_limits<float>::infinity());
  std::fill_n(scratch.running_sums, all_rows, 0.0f);
  std::fill_n(scratch.running_outs, all_rows * head_stride_, 0.0f);
  // Rows whose contexts begin in this task's pieces are folded here, partial or not: what they leave is one result.
  bool folds[kMaxAttentionRows];
  bool any_folds = false;
  for (int32_t i = 0; i < count; ++i) {
    folds[i] = !item.partial || (folds_first_pieces(shape) && begins[i] / kAttentionPiece >= first_piece);
    any_folds = any_folds || folds[i];
  }
  if (part == 0 && has_sinks) run_sinks(region, shape, rows, item, tokens, heads, first_head, last_head, scratch);
  const size_t head_size = static_cast<size_t>(region.head_size);
  const auto finish = [&](const float* sum_of_values, float sum, int32_t head, int32_t i) {
    kernels_.attention_finish(sum_of_values, sum, kv_decode_factor(pool_of(shape).value_type), region.head_size,
                              rows.output(tokens[i]) + static_cast<size_t>(head * shape.group + heads[i]) * head_size);
  };
  const size_t query_floats = static_cast<size_t>(ceil_div(count, kernels_.attention_tile_rows) * kernels_.attention_tile_rows) * head_size;
  for (int32_t head = first_head; head < last_head; ++head) {
    const float* queries[kMaxAttentionRows];
    for (int32_t i = 0; i < count; ++i) queries[i] = rows.query(tokens[i]) + static_cast<size_t>(head * shape.group + heads[i]) * head_size;
    kernels_.attention_pack(queries, count, region.head_size, region.scale * kv_decode_factor(pool_of(shape).key_type),
                            scratch.queries + static_cast<size_t>(head - first_head) * query_floats);
  }
  float* outs[kMaxAttentionRows];
  bool touched[kMaxAttentionRows];
  size_t slots[kMaxAttentionRows];
  for (int32_t i = 0; i < count; ++i) outs[i] = scratch.outs + static_cast<size_t>(i) * head_stride_;
  AttentionPiece piece = {&pool_of(shape), region.layer, 0, bindings_.pool(shape.pool).block_table(item.sequence), count, nullptr, begins, ends, 0, 0, 0,
                          scratch.maxima, scratch.sums, outs, touched, scratch.kernel};
  for (int32_t at = first_piece; at < last_piece; ++at) {
    const bool recent = at >= item.old_end;
    if (recent) {
      piece.pool = &pools_[static_cast<size_t>(shape.recent_pool)];
      piece.layer = region.recent_layer;
      piece.block_table = bindings_.pool(shape.recent_pool).block_table(item.sequence);
      piece.begins = recent_begins;
      piece.ends = recent_ends;
    }
    piece.piece = recent ? at - item.old_end + item.recent_first : at;
    for (piece.kv_head = first_head; piece.kv_head < last_head; ++piece.kv_head) {
      const bool is_last_head = piece.kv_head + 1 == last_head;
      piece.next_kv_head = is_last_head ? first_head : piece.kv_head + 1;
      piece.next_piece = is_last_head ? piece.piece + 1 : piece.piece;
      // A piece that the context ends in is short of blocks to fetch.
      if ((is_last_head && (at + 1 >= last_piece || at + 1 == item.old_end)) || (piece.next_piece + 1) * kAttentionPiece > latest) piece.next_piece = -1;
      const size_t local = static_cast<size_t>(piece.kv_head - first_head);
      piece.queries = scratch.queries + local * query_floats;
      if (item.partial) {
        for (int32_t i = 0; i < count; ++i) {
          const bool reaches = !folds[i] && piece.piece >= piece.begins[i] / kAttentionPiece && piece.piece < ceil_div(piece.ends[i], kAttentionPiece);
          if (reaches) slots[i] = slot_of(shape, tokens[i], part_of(shape, tokens[i], piece.piece, recent), piece.kv_head * shape.group + heads[i]);
          outs[i] = reaches ? partial_out(slots[i]) : scratch.outs + static_cast<size_t>(i) * head_stride_;
        }
      }
      kernels_.attention_piece(piece);
      if (is_whole) {
        for (int32_t i = 0; i < count; ++i) finish(outs[i], scratch.sums[i], piece.kv_head, i);
        continue;
      }
      for (int32_t i = 0; i < count; ++i) {
        if (!touched[i] || folds[i]) continue;
        partial_maxima_[slots[i]] = scratch.maxima[i];
        partial_sums_[slots[i]] = scratch.sums[i];
        partial_pieces_[slots[i]] = 0;
        touched[i] = false;
      }
      if (!any_folds) continue;
      const size_t row = local * static_cast<size_t>(count);
      kernels_.attention_fold({count, touched, scratch.maxima, scratch.sums, scratch.outs, scratch.running_maxima + row,
                               scratch.running_sums + row, scratch.running_outs + row * head_stride_, head_stride_});
    }
  }
  for (size_t row = 0; row < all_rows; ++row) {
    const size_t i = row % static_cast<size_t>(count);
    const int32_t head = first_head + static_cast<int32_t>(row / static_cast<size_t>(count));
    if (item.partial) {
      const int32_t pieces_folded = std::min(last_piece, ceil_div(ends[i], kAttentionPiece)) - begins[i] / kAttentionPiece;
      if (!folds[i] || pieces_folded <= 0) continue;
      const size_t slot = slot_of(shape, tokens[i], 0, head * shape.group + heads[i]);
      partial_maxima_[slot] = scratch.running_maxima[row];
      partial_sums_[slot] = scratch.running_sums[row];
      partial_pieces_[slot] = pieces_folded;
      std::copy_n(scratch.running_outs + row * head_stride_, head_stride_, partial_out(slot));
      continue;
    }
    finish(scratch.running_outs + row * head_stride_, scratch.running_sums[row], head, static_cast<int32_t>(i));
  }
}

void Attention::pack_sink_queries(const Region& region, const Shape& shape, const Rows& rows, const int32_t* tokens, const int32_t* heads,
                                  int32_t count, int32_t head, const Scratch& scratch, float* packed) {
  const size_t head_size = static_cast<size_t>(region.head_size);
  const float* queries[kMaxAttentionRows];
  for (int32_t i = 0; i < count; ++i) {
    queries[i] = rows.query(tokens[i]) + static_cast<size_t>(head * shape.group + heads[i]) * head_size;
    if (region.sink_rope < 0 || !has_gap(shape, tokens[i])) continue;
    // Attention sees differences of positions only: what is rotated back is the query, and no key is ever changed.
    const RopeTable& table = ropes_[static_cast<size_t>(region.sink_rope)];
    RopeTable::Buffer buffer;
    const RopeTable::Rows angles = table.rows_of(end_of(tokens[i]) - (shape.sink_tokens + shape.window), buffer);
    float backwards[kMaxRotaryDim / 2];
    for (int32_t pair = 0; pair < table.rotary_dim / 2; ++pair) backwards[pair] = -angles.sine[pair];
    float* rotated = scratch.kernel + static_cast<size_t>(i) * head_size;
    std::copy_n(queries[i], head_size, rotated);
    kernels_.rope_row({1, region.head_size, table.rotary_dim, region.sink_interleaved, angles.cosine, backwards}, rotated);
    queries[i] = rotated;
  }
  kernels_.attention_pack(queries, count, region.head_size, region.scale * kv_decode_factor(pool_of(shape).key_type), packed);
}

void Attention::run_sinks(const Region& region, const Shape& shape, const Rows& rows, const Item& item, const int32_t* tokens, const int32_t* heads,
                          int32_t first_head, int32_t last_head, const Scratch& scratch) {
  const int32_t count = item.row_count;
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
  float* outs[kMaxAttentionRows];
  bool touched[kMaxAttentionRows];
  bool any = false;
  for (int32_t i = 0; i < count; ++i) {
    begins[i] = 0;
    ends[i] = has_gap(shape, tokens[i]) ? shape.sink_tokens + shape.recent_sinks : 0;
    any = any || ends[i] > 0;
    outs[i] = scratch.outs + static_cast<size_t>(i) * head_stride_;
  }
  if (!any) return;
  const bool aged = shape.recent_tokens > 0;
  const int32_t pool = aged ? shape.recent_pool : shape.pool;
  AttentionPiece piece = {&pools_[static_cast<size_t>(pool)], aged ? region.recent_layer : region.layer, 0,
                          bindings_.pool(pool).block_table(item.sequence), count, scratch.queries, begins, ends, 0, -1, 0,
                          scratch.maxima, scratch.sums, outs, touched, scratch.kernel};
  for (int32_t head = first_head; head < last_head; ++head) {
    pack_sink_queries(region, shape, rows, tokens, heads, count, head, scratch, scratch.queries);
    piece.kv_head = head;
    piece.next_kv_head = head;
    kernels_.attention_piece(piece);
    if (!item.partial) {
      const size_t row = static_cast<size_t>((head - first_head) * count);
      kernels_.attention_fold({count, touched, scratch.maxima, scratch.sums, scratch.outs, scratch.running_maxima + row, scratch.running_sums + row,
                               scratch.running_outs + row * head_stride_, head_stride_});
      continue;
    }
    for (int32_t i = 0; i < count; ++i) {
      if (!touched[i]) continue;
      const size_t slot = slot_of(shape, tokens[i], 0, head * shape.group + heads[i]);
      partial_maxima_[slot] = scratch.maxima[i];
      partial_sums_[slot] = scratch.sums[i];
      std::copy_n(outs[i], head_stride_, partial_out(slot));
    }
  }
}

void Attention::merge_heads(const Shape& shape, const Rows& rows, int32_t token, int32_t first_head, const Scratch& scratch) {
  const int32_t last_head = std::min(first_head + kMergeHeads, shape.head_count);
  const auto folded_of = [&](int32_t head) { return folds_first_pieces(shape) ? partial_pieces_[slot_of(shape, token, 0, head)] : 0; };
  // Heads that lie in different items may be cut into different runs of pieces.
  for (int32_t head = first_head; head < last_head;) {
    int32_t end = head + 1;
    while (end < last_head && folded_of(end) == folded_of(head)) ++end;
    merge_run(shape, rows, token, head, end - head, folded_of(head), scratch);
    head = end;
  }
}

void Attention::merge_run(const Shape& shape, const Rows& rows, int32_t token, int32_t first_head, int32_t count, int32_t folded,
                          const Scratch& scratch) {
  const int32_t pieces = piece_count(shape, token);
  size_t slot = slot_of(shape, token, 0, first_head);
  if (folded > 0) {
    std::copy_n(partial_maxima_ + slot, count, scratch.running_maxima);
    std::copy_n(partial_sums_ + slot, count, scratch.running_sums);
    std::copy_n(partial_out(slot), static_cast<size_t>(count) * head_stride_, scratch.running_outs);
    slot += static_cast<size_t>(folded) * static_cast<size_t>(shape.head_count);
  } else {
    std::fill_n(scratch.running_maxima, count, -std::numeric_limits<float>::infinity());
    std::fill_n(scratch.running_sums, count, 0.0f);
    std::fill_n(scratch.running_outs, static_cast<size_t>(count) * head_stride_, 0.0f);
  }
  for (int32_t piece = folded; piece < pieces; ++piece, slot += static_cast<size_t>(shape.head_count)) {
    kernels_.attention_fold({count, nullptr, partial_maxima_ + slot, partial_sums_ + slot, partial_out(slot), scratch.running_maxima,
                             scratch.running_sums, scratch.running_outs, head_stride_});
  }
  for (int32_t i = 0; i < count; ++i) {
    kernels_.attention_finish(scratch.running_outs + static_cast<size_t>(i) * head_stride_, scratch.running_sums[i], kv_decode_factor(pool_of(shape).value_type), head_size_,
                              rows.output(token) + static_cast<size_t>(first_head + i) * static_cast<size_t>(head_size_));
  }
}

}  // namespace octavo
