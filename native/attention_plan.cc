// How the attention of a step is cut into tasks.
#include <algorithm>
#include <limits>

#include "attention.h"

namespace octavo {

namespace {

/** Sequences with more rows of a K/V head than this keep the arithmetic busy by themselves and share no items. */
constexpr int32_t kShareRows = kMaxAttentionRows / 2;
/** What reading a piece costs, in rows of arithmetic. */
constexpr int32_t kPieceCost = 4;
/** What is done with a token's row beside attention, in the same. */
constexpr int32_t kTokenCost = 8;
/**
 * A thread may be dealt so much more than threads are on average, in the same, and a quarter of that: then the others help with it, but may have to wait for its last
 * token, and what is saved, two barriers, are a few microseconds.
 */
constexpr int64_t kMostUneven = 32;

}  // namespace

void Attention::plan() {
  if (shapes_.empty()) return;
  for (size_t i = 0; i < 2 * regions_.size(); ++i) counters_[i].next.store(0, std::memory_order_relaxed);
  if (cascade_ && bindings_.sequence_count > 1) {
    for (size_t i = 0; i < pools_.size(); ++i) prefixes_[i].find(bindings_, static_cast<int32_t>(i), pools_[i].block_size);
  }
  may_deal_ = threads_.size() > 1 && bindings_.sequence_count == bindings_.token_count && bindings_.sequence_count >= threads_.size() && written_.are_private(bindings_);
  for (Shape& shape : shapes_) plan_shape(shape);
}

int32_t Attention::begin_of(const Shape& shape, int32_t token) const {
  if (shape.window == 0 || end_of(token) <= shape.sink_tokens + shape.window) return 0;
  return end_of(token) - shape.window;
}

int32_t Attention::old_piece_count(const Shape& shape, int32_t token) const {
  const int32_t end = recent_begin(shape, token);
  return end == 0 ? 0 : ceil_div(end, kAttentionPiece) - shape.recent_sinks / kAttentionPiece;
}

int32_t Attention::part_of(const Shape& shape, int32_t token, int32_t piece, bool recent) const {
  const int32_t sinks = has_gap(shape, token) ? 1 : 0;
  if (shape.recent_tokens == 0) return sinks + piece - begin_of(shape, token) / kAttentionPiece;
  if (!recent) return sinks + piece - shape.recent_sinks / kAttentionPiece;
  return sinks + old_piece_count(shape, token) + piece - recent_begin(shape, token) / kAttentionPiece;
}

int32_t Attention::piece_count(const Shape& shape, int32_t token) const {
  if (shape.recent_tokens > 0) return part_of(shape, token, ceil_div(end_of(token), kAttentionPiece), true);
  return ceil_div(end_of(token), kAttentionPiece) - begin_of(shape, token) / kAttentionPiece + (has_gap(shape, token) ? 1 : 0);
}

int32_t Attention::order_tokens(Shape& shape, int32_t sequence) const {
  const int32_t first_row = static_cast<int32_t>(shape.order.size()) * shape.group;
  const size_t s = static_cast<size_t>(sequence);
  for (int32_t token = bindings_.query_starts[s]; token < bindings_.query_starts[s + 1]; ++token) shape.order.push_back(token);
  return first_row;
}

void Attention::plan_shape(Shape& shape) {
  shape.order.clear();
  shape.merged_tokens.clear();
  shape.items.clear();
  shape.slot_count = 0;
  std::fill(shape.first_slots.begin(), shape.first_slots.begin() + bindings_.token_count, -1);

  int32_t tile_rows = kMaxAttentionRows;
  const auto tile_count = [&] {
    int32_t count = 0;
    for (int32_t s = 0; s < bindings_.sequence_count; ++s) count += ceil_div(token_count(s) * shape.group, tile_rows);
    return count;
  };
  while (threads_.size() > 1 && tile_rows >= 4 * kernels_.attention_tile_rows && tile_count() * shape.kv_head_count < 4 * threads_.size()) {
    tile_rows /= 2;
  }

  const int32_t all_pieces = std::numeric_limits<int32_t>::max();
  // Sinks are attended to beside a sequence's own window, not beside others'.
  const bool cascade = cascade_ && bindings_.sequence_count > 1 && shape.sink_tokens == 0 && shape.recent_tokens == 0;
  const auto may_share = [&](int32_t sequence) { return cascade && token_count(sequence) * shape.group <= kShareRows; };
  leaves_.clear();
  if (cascade) {
    int32_t shared = all_pieces;
    for (const SharedPrefixes::Leaf& leaf : prefixes_[static_cast<size_t>(shape.pool)].leaves()) {
      shared = std::min(shared, leaf.shared_positions);
      if (!may_share(leaf.sequence)) continue;
      const int32_t first_row = order_tokens(shape, leaf.sequence);
      leaves_.push_back({leaf.sequence, leaves_.empty() ? 0 : shared, first_row, first_row + token_count(leaf.sequence) * shape.group});
      shared = all_pieces;
    }
    if (!leaves_.empty()) share(shape, leaves_.data(), static_cast<int32_t>(leaves_.size()), 0, false, tile_rows);
  }
  for (int32_t s = 0; s < bindings_.sequence_count; ++s) {
    if (may_share(s)) continue;
    const int32_t first_row = order_tokens(shape, s);
    const int32_t last_row = first_row + token_count(s) * shape.group;
    if (shape.recent_tokens > 0) add_aged_items(shape, first_row, last_row, s, tile_rows);
    else add_items(shape, first_row, last_row, 0, all_pieces, s, tile_rows, false);
  }

  split_long_items(shape);
  deal_tokens(shape);
  // Long tasks first, so that no thread begins one when the others are done.
  if (shape.dealt.empty()) {
    std::sort(shape.items.begin(), shape.items.end(),
              [](const Item& a, const Item& b) { return a.cost != b.cost ? a.cost > b.cost : a.first_row < b.first_row; });
  }
  shape.task_starts.assign(1, 0);
  for (const Item& item : shape.items) {
    shape.task_starts.push_back(shape.task_starts.back() + ceil_div(item.last_piece - item.first_piece, item.pieces_per_task) *
                                                               ceil_div(shape.kv_head_count, item.heads_per_task));
  }
}

void Attention::add_items(Shape& shape, int32_t first_row, int32_t last_row, int32_t from, int32_t to, int32_t sequence, int32_t tile_rows,
                          bool partial) const {
  const int32_t rows = last_row - first_row;
  const int32_t step = ceil_div(equal_part(rows, tile_rows), kernels_.attention_tile_rows) * kernels_.attention_tile_rows;
  for (int32_t row = first_row; row < last_row; row += step) {
    const int32_t count = std::min(step, last_row - row);
    int32_t earliest = std::numeric_limits<int32_t>::max();
    int32_t latest = 0;
    for (int32_t i = row / shape.group; i <= (row + count - 1) / shape.group; ++i) {
      const int32_t token = shape.order[static_cast<size_t>(i)];
      earliest = std::min(earliest, begin_of(shape, token));
      latest = std::max(latest, end_of(token));
    }
    const int32_t first = std::max(from, earliest / kAttentionPiece);
    const int32_t last = std::min(to, ceil_div(latest, kAttentionPiece));
    if (first < last) shape.items.push_back({row, count, first, last, last, 0, last - first, 1, sequence, partial, 0});
  }
}

void Attention::add_aged_items(Shape& shape, int32_t first_row, int32_t last_row, int32_t sequence, int32_t tile_rows) const {
  const int32_t rows = last_row - first_row;
  const int32_t step = ceil_div(equal_part(rows, tile_rows), kernels_.attention_tile_rows) * kernels_.attention_tile_rows;
  for (int32_t row = first_row; row < last_row; row += step) {
    const int32_t count = std::min(step, last_row - row);
    int32_t earliest = std::numeric_limits<int32_t>::max();  // recent position
    int32_t old_latest = 0;
    int32_t latest = 0;
    for (int32_t i = row / shape.group; i <= (row + count - 1) / shape.group; ++i) {
      const int32_t token = shape.order[static_cast<size_t>(i)];
      earliest = std::min(earliest, recent_begin(shape, token));
      old_latest = std::max(old_latest, recent_begin(shape, token));
      latest = std::max(latest, end_of(token));
    }
    const int32_t first = shape.recent_sinks / kAttentionPiece;
    const int32_t old_end = std::max(first, ceil_div(old_latest, kAttentionPiece));
    const int32_t recent_first = earliest / kAttentionPiece;
    const int32_t last = old_end + ceil_div(latest, kAttentionPiece) - recent_first;
    shape.items.push_back({row, count, first, last, old_end, recent_first, last - first, 1, sequence, false, 0});
  }
}

void Attention::share(Shape& shape, const SharedPrefixes::Leaf* leaves, int32_t count, int32_t from, bool partial, int32_t tile_rows) const {
  if (count == 1) {
    add_items(shape, leaves[0].first_row, leaves[0].last_row, from, std::numeric_limits<int32_t>::max(), leaves[0].sequence, tile_rows, partial);
    return;
  }
  int32_t common = leaves[1].shared_positions / kAttentionPiece;
  for (int32_t i = 2; i < count; ++i) common = std::min(common, leaves[i].shared_positions / kAttentionPiece);
  const int32_t first_row = leaves[0].first_row;
  const int32_t last_row = leaves[count - 1].last_row;
  if (common > from) {
    int32_t earliest = std::numeric_limits<int32_t>::max();
    for (int32_t i = first_row / shape.group; i < last_row / shape.group; ++i) {
      earliest = std::min(earliest, begin_of(shape, shape.order[static_cast<size_t>(i)]) / kAttentionPiece);
    }
    if (common > earliest) {
      if (!partial && !reserve_slots(shape, first_row, last_row)) {
        for (int32_t i = 0; i < count; ++i) share(shape, leaves + i, 1, 0, false, tile_rows);
        return;
      }
      partial = true;
      add_items(shape, first_row, last_row, from, common, leaves[0].sequence, kMaxAttentionRows, true);
    }
    from = common;
  }
  // Where the run of two neighbours ends here, they part.
  for (int32_t begin = 0; begin < count;) {
    int32_t end = begin + 1;
    while (end < count && leaves[end].shared_positions / kAttentionPiece > common) ++end;
    share(shape, leaves + begin, end - begin, from, partial, tile_rows);
    begin = end;
  }
}

bool Attention::reserve_slots(Shape& shape, int32_t first_row, int32_t last_row) const {
  const size_t first = static_cast<size_t>(first_row / shape.group);
  const size_t last = static_cast<size_t>(last_row / shape.group);
  const auto slots_of = [&](int32_t token) {
    return static_cast<int64_t>(piece_count(shape, token)) * shape.head_count;
  };
  int64_t needed = 0;
  for (size_t i = first; i < last; ++i) needed += slots_of(shape.order[i]);
  if (shape.slot_count + needed > slot_limit_) return false;
  for (size_t i = first; i < last; ++i) {
    const int32_t token = shape.order[i];
    shape.first_slots[static_cast<size_t>(token)] = static_cast<int32_t>(shape.slot_count);
    shape.slot_count += slots_of(token);
    shape.merged_tokens.push_back(token);
  }
  return true;
}

void Attention::split_long_items(Shape& shape) {
  std::vector<Item>& items = shape.items;
  const int64_t threads = threads_.size();
  int64_t total = 0;
  for (Item& item : items) {
    item.cost = static_cast<int64_t>(item.last_piece - item.first_piece) * (item.row_count + kPieceCost);
    total += item.cost * shape.kv_head_count;
  }
  const auto is_long = [&](const Item& item) { return item.last_piece - item.first_piece > 1 && item.cost * 4 * threads > total; };
  for (size_t begin = 0; begin < items.size() && threads > 1;) {
    // All items of a sequence lie together, and all of them leave partial results, or none does.
    size_t end = begin + 1;
    while (end < items.size() && items[end].sequence == items[begin].sequence && items[end].partial == items[begin].partial) ++end;
    if (!items[begin].partial && std::any_of(items.begin() + static_cast<int64_t>(begin), items.begin() + static_cast<int64_t>(end), is_long) &&
        reserve_slots(shape, items[begin].first_row, items[end - 1].first_row + items[end - 1].row_count)) {
      for (size_t i = begin; i < end; ++i) items[i].partial = true;
    }
    begin = end;
  }
  const int64_t aim_of_few_rows = std::max<int64_t>(1, total / (8 * threads));
  for (Item& item : items) {
    // The heads of a block lie side by side: a thread that takes all of them reads long runs of memory.
    // Many rows are bound by arithmetic instead: they take one head and long runs of pieces, of which little is left to merge.
    const bool few_rows = item.row_count <= kernels_.attention_tile_rows || !item.partial;
    const int64_t aim = few_rows ? aim_of_few_rows : 2 * aim_of_few_rows;
    const int64_t head_rows = ceil_div(item.row_count, kernels_.attention_tile_rows) * kernels_.attention_tile_rows;
    const int64_t most_heads = few_rows ? std::min<int64_t>(shape.kv_head_count, kMaxAttentionRows / head_rows) : 1;
    const int64_t cost = item.row_count + kPieceCost;
    const int64_t pieces = item.last_piece - item.first_piece;
    const int64_t heads = std::clamp<int64_t>(aim / (item.partial ? cost : cost * pieces), 1, most_heads);
    item.heads_per_task = static_cast<int32_t>(heads);
    if (item.partial) item.pieces_per_task = static_cast<int32_t>(std::clamp<int64_t>(aim / (cost * heads), 1, pieces));
    item.cost = cost * heads * item.pieces_per_task;
  }
}

void Attention::deal_tokens(Shape& shape) const {
  shape.dealt.clear();
  if (!may_deal_ || !shape.merged_tokens.empty()) return;
  const int64_t threads = threads_.size();
  const int32_t tokens = bindings_.token_count;
  const auto cost_of = [&](int32_t token) {
    return kTokenCost + static_cast<int64_t>(shape.group + kPieceCost) * shape.kv_head_count * piece_count(shape, token);
  };
  int64_t total = 0;
  int64_t longest = 0;
  for (int32_t token = 0; token < tokens; ++token) {
    total += cost_of(token);
    longest = std::max(longest, cost_of(token));
  }
  int64_t most = 0;
  int64_t before = 0;
  int32_t token = 0;
  shape.dealt.push_back(0);
  for (int64_t part = 1; part <= threads; ++part) {
    // A thread's tokens end where the middle of the next one lies beyond its part of all.
    int64_t cost = 0;
    for (; token < tokens && (part == threads || (2 * (before + cost) + cost_of(token)) * threads <= 2 * total * part); ++token) cost += cost_of(token);
    most = std::max(most, cost);
    before += cost;
    shape.dealt.push_back(token);
  }
  if (4 * threads * longest > total && most * threads - total > std::min(total / 4, kMostUneven * threads)) {
    shape.dealt.clear();
    return;
  }
  const auto token_of = [&](const Item& item) { return shape.order[static_cast<size_t>(item.first_row / shape.group)]; };
  std::sort(shape.items.begin(), shape.items.end(), [&](const Item& a, const Item& b) { return token_of(a) != token_of(b) ? token_of(a) < token_of(b) : a.first_row < b.first_row; });
  shape.token_items.clear();
  for (size_t item = 0; item < shape.items.size(); ++item) {
    while (shape.token_items.size() <= static_cast<size_t>(token_of(shape.items[item]))) shape.token_items.push_back(item);
  }
  while (shape.token_items.size() <= static_cast<size_t>(tokens)) shape.token_items.push_back(shape.items.size());
}

}  // namespace octavo
