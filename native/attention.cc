// Attention of a step: how it is cut into tasks, and the tasks.
#include "attention.h"

#include <algorithm>

namespace octavo {

namespace {

constexpr size_t kPartialBytesLimit = size_t{32} << 20;

int32_t ceil_div(int32_t value, int32_t by) { return (value + by - 1) / by; }

}  // namespace

Attention::Attention(ThreadPool& threads, const Kernels& kernels, const KvPool& pool, const Limits& limits, const std::vector<Region>& regions,
                     const StepBindings& bindings)
    : threads_(threads), kernels_(kernels), pool_(pool), regions_(regions), bindings_(bindings),
      head_stride_(round_up(static_cast<size_t>(pool.head_size), 16)) {
  for (const Region& region : regions) {
    int32_t index = -1;
    if (region.kind == RegionKind::kAttention) {
      const int32_t group = region.head_count / region.kv_head_count;
      for (size_t i = 0; i < shapes_.size(); ++i) {
        if (shapes_[i].group == group) index = static_cast<int32_t>(i);
      }
      if (index == -1) {
        index = static_cast<int32_t>(shapes_.size());
        Shape shape{};
        shape.group = group;
        shape.kv_head_count = region.kv_head_count;
        shape.tile_starts.resize(static_cast<size_t>(limits.max_sequences) + 1);
        shape.piece_starts.resize(static_cast<size_t>(4 * threads_.size()) + 1);
        shapes_.push_back(std::move(shape));
      }
    }
    region_shapes_.push_back(index);
  }
  partial_floats_ = static_cast<size_t>(kMaxAttentionRows) * (head_stride_ + 3);
  if (!shapes_.empty() && threads_.size() > 1) {
    const size_t pieces = static_cast<size_t>(ceil_div(limits.max_context, kAttentionPiece));
    partial_count_ = std::min(pieces * 4 * static_cast<size_t>(threads_.size()), kPartialBytesLimit / (partial_floats_ * 4));
    partial_memory_ = MappedMemory(partial_count_ * partial_floats_ * 4);
  }
  if (!shapes_.empty()) {
    scratch_floats_ = round_up(
        attention_scratch_floats(static_cast<size_t>(pool.head_size)) + 2 * static_cast<size_t>(kMaxAttentionRows) * head_stride_, 1024);
    scratch_ = MappedMemory(scratch_floats_ * 4 * static_cast<size_t>(threads_.size()));
  }
  counters_ = std::make_unique<Counter[]>(2 * regions.size());
}

void Attention::plan() {
  for (size_t i = 0; i < 2 * regions_.size(); ++i) counters_[i].next.store(0, std::memory_order_relaxed);
  for (Shape& shape : shapes_) plan_shape(shape);
}

void Attention::plan_shape(Shape& shape) {
  int32_t tiles = 0;
  for (int32_t s = 0; s < bindings_.sequence_count; ++s) {
    shape.tile_starts[static_cast<size_t>(s)] = tiles;
    const int32_t tokens = bindings_.query_starts[static_cast<size_t>(s) + 1] - bindings_.query_starts[static_cast<size_t>(s)];
    tiles += ceil_div(tokens * shape.group, kernels_.attention_rows);
  }
  shape.tile_starts[static_cast<size_t>(bindings_.sequence_count)] = tiles;
  const int32_t tasks = tiles * shape.kv_head_count;
  shape.split = false;
  if (threads_.size() == 1 || tasks == 0 || tasks >= 4 * threads_.size()) return;
  // Few tasks: cut them into pieces of context, if that makes more of them. The arithmetic is the same either way.
  int32_t slots = 0;
  int32_t task = 0;
  for (int32_t s = 0; s < bindings_.sequence_count; ++s) {
    const int32_t pieces = ceil_div(std::max(1, bindings_.context_lengths[static_cast<size_t>(s)]), kAttentionPiece);
    const int32_t count = (shape.tile_starts[static_cast<size_t>(s) + 1] - shape.tile_starts[static_cast<size_t>(s)]) * shape.kv_head_count;
    for (int32_t i = 0; i < count; ++i) {
      shape.piece_starts[static_cast<size_t>(task++)] = slots;
      slots += pieces;
    }
  }
  shape.piece_starts[static_cast<size_t>(task)] = slots;
  shape.split = slots > tasks && static_cast<size_t>(slots) <= partial_count_;
}

/** The (token, head) rows of one attention task. */
struct Attention::Task {
  int32_t sequence;
  int32_t kv_head;
  int32_t row_count;
  int32_t first_piece;
  int32_t last_piece;  // one past
  int32_t tokens[kMaxAttentionRows];
  int32_t heads[kMaxAttentionRows];
  int32_t begins[kMaxAttentionRows];
  int32_t ends[kMaxAttentionRows];
};

Attention::Task Attention::task_of(const Region& region, const Shape& shape, int32_t index) const {
  Task task{};
  const auto starts_end = shape.tile_starts.begin() + bindings_.sequence_count + 1;
  const int32_t tile = index / shape.kv_head_count;
  task.kv_head = index % shape.kv_head_count;
  task.sequence = static_cast<int32_t>(std::upper_bound(shape.tile_starts.begin(), starts_end, tile) - shape.tile_starts.begin()) - 1;
  const size_t s = static_cast<size_t>(task.sequence);
  const int32_t tiles = shape.tile_starts[s + 1] - shape.tile_starts[s];
  const int32_t first_token = bindings_.query_starts[s];
  const int64_t rows = static_cast<int64_t>(bindings_.query_starts[s + 1] - first_token) * shape.group;
  const int64_t local = tile - shape.tile_starts[s];
  const int32_t begin = static_cast<int32_t>(rows * local / tiles);
  const int32_t end = static_cast<int32_t>(rows * (local + 1) / tiles);
  int32_t earliest = INT32_MAX;
  int32_t latest = 0;
  for (int32_t r = begin; r < end; ++r) {
    const int32_t i = task.row_count++;
    task.tokens[i] = first_token + r / shape.group;
    task.heads[i] = task.kv_head * shape.group + r % shape.group;
    task.ends[i] = bindings_.positions[static_cast<size_t>(task.tokens[i])] + 1;
    task.begins[i] = region.window > 0 ? std::max(0, task.ends[i] - region.window) : 0;
    earliest = std::min(earliest, task.begins[i]);
    latest = std::max(latest, task.ends[i]);
  }
  task.first_piece = earliest / kAttentionPiece;
  task.last_piece = ceil_div(latest, kAttentionPiece);
  return task;
}

void Attention::run(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t thread) {
  const Region& region = regions_[index];
  const Shape& shape = shapes_[static_cast<size_t>(region_shapes_[index])];
  Counter* counters = counters_.get() + 2 * index;
  const Rows rows{queries, query_stride, out, out_stride};
  const int32_t tasks = shape.tile_starts[static_cast<size_t>(bindings_.sequence_count)] * shape.kv_head_count;
  if (!shape.split) {
    for (;;) {
      // Last tiles first: those of a prefill look back the farthest.
      const int32_t task = counters[0].next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) return;
      run_task(region, shape, rows, tasks - 1 - task, -1, thread);
    }
  }
  const int32_t slots = shape.piece_starts[static_cast<size_t>(tasks)];
  int32_t task = 0;
  for (;;) {
    const int32_t slot = counters[0].next.fetch_add(1, std::memory_order_relaxed);
    if (slot >= slots) break;
    while (shape.piece_starts[static_cast<size_t>(task) + 1] <= slot) ++task;
    run_task(region, shape, rows, task, slot - shape.piece_starts[static_cast<size_t>(task)], thread);
  }
  threads_.barrier();
  for (;;) {
    const int32_t merged = counters[1].next.fetch_add(1, std::memory_order_relaxed);
    if (merged >= tasks) return;
    merge_task(region, shape, rows, merged);
  }
}

void Attention::run_task(const Region& region, const Shape& shape, const Rows& rows, int32_t index, int32_t only_piece, int32_t thread) {
  const Task task = task_of(region, shape, index);
  const float* queries[kMaxAttentionRows];
  for (int32_t i = 0; i < task.row_count; ++i) {
    queries[i] = rows.query(task.tokens[i]) + static_cast<size_t>(task.heads[i]) * region.head_size;
  }
  float* scratch = reinterpret_cast<float*>(scratch_.data()) + static_cast<size_t>(thread) * scratch_floats_;
  float* running = scratch + attention_scratch_floats(static_cast<size_t>(region.head_size));
  float* outs = running + static_cast<size_t>(kMaxAttentionRows) * head_stride_;
  float running_max[kMaxAttentionRows];
  float running_sum[kMaxAttentionRows];
  float maxima[kMaxAttentionRows];
  float sums[kMaxAttentionRows];
  bool touched[kMaxAttentionRows];
  bool begun[kMaxAttentionRows] = {};
  AttentionPiece piece = {&pool_,  region.layer, task.kv_head, bindings_.block_table(task.sequence), region.scale, task.row_count, queries,
                          task.begins, task.ends, 0, maxima, sums, outs, head_stride_, touched, scratch};
  if (only_piece >= 0) {
    float* partial = reinterpret_cast<float*>(partial_memory_.data()) +
                     static_cast<size_t>(shape.piece_starts[static_cast<size_t>(index)] + only_piece) * partial_floats_;
    piece.piece = only_piece;
    piece.outs = partial + 3 * kMaxAttentionRows;
    kernels_.attention_piece(piece);
    for (int32_t i = 0; i < task.row_count; ++i) {
      partial[i] = maxima[i];
      partial[kMaxAttentionRows + i] = sums[i];
      partial[2 * kMaxAttentionRows + i] = touched[i] ? 1.0f : 0.0f;
    }
    return;
  }
  for (piece.piece = task.first_piece; piece.piece < task.last_piece; ++piece.piece) {
    kernels_.attention_piece(piece);
    for (int32_t i = 0; i < task.row_count; ++i) {
      if (!touched[i]) continue;
      kernels_.attention_merge(running_max + i, running_sum + i, running + static_cast<size_t>(i) * head_stride_, maxima[i], sums[i],
                               outs + static_cast<size_t>(i) * head_stride_, region.head_size, !begun[i]);
      begun[i] = true;
    }
  }
  for (int32_t i = 0; i < task.row_count; ++i) {
    kernels_.attention_finish(running + static_cast<size_t>(i) * head_stride_, running_sum[i], region.head_size,
                              rows.output(task.tokens[i]) + static_cast<size_t>(task.heads[i]) * region.head_size);
  }
}

void Attention::merge_task(const Region& region, const Shape& shape, const Rows& rows, int32_t index) {
  const Task task = task_of(region, shape, index);
  const float* partials = reinterpret_cast<const float*>(partial_memory_.data()) +
                          static_cast<size_t>(shape.piece_starts[static_cast<size_t>(index)]) * partial_floats_;
  for (int32_t i = 0; i < task.row_count; ++i) {
    float* out = rows.output(task.tokens[i]) + static_cast<size_t>(task.heads[i]) * region.head_size;
    float running_max = 0;
    float running_sum = 0;
    bool begun = false;
    for (int32_t piece = task.first_piece; piece < task.last_piece; ++piece) {
      const float* partial = partials + static_cast<size_t>(piece) * partial_floats_;
      if (partial[2 * kMaxAttentionRows + i] == 0.0f) continue;
      kernels_.attention_merge(&running_max, &running_sum, out, partial[i], partial[kMaxAttentionRows + i],
                               partial + 3 * kMaxAttentionRows + static_cast<size_t>(i) * head_stride_, region.head_size, !begun);
      begun = true;
    }
    kernels_.attention_finish(out, running_sum, region.head_size, out);
  }
}

}  // namespace octavo
