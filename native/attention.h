// Attention of a step: how it is cut into tasks, and the tasks.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bindings.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "plan.h"
#include "thread_pool.h"

namespace octavo {

class Attention {
 public:
  /** Keeps references to all but `limits`. */
  Attention(ThreadPool& threads, const Kernels& kernels, const KvPool& pool, const Limits& limits, const std::vector<Region>& regions,
            const StepBindings& bindings);

  /** Cuts the attention of the bound step into tasks; before its threads start. */
  void plan();
  /** This thread's share of attention region `index`: rows of queries, one per token, into rows of outputs. */
  void run(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t thread);

  size_t scratch_bytes() const { return scratch_.size() + partial_memory_.size(); }

 private:
  /** How the attention of a step is cut into tasks; shared by all regions with as many query heads per K/V head. */
  struct Shape {
    int32_t group;  // query heads per K/V head
    int32_t kv_head_count;
    std::vector<int32_t> tile_starts;  // [sequences + 1] first tile of each sequence
    std::vector<int32_t> piece_starts;  // [tasks + 1] first partial result of each task, when split
    bool split;
  };
  struct alignas(64) Counter {
    std::atomic<int32_t> next{0};
  };
  struct Rows {
    const float* queries;
    size_t query_stride;
    float* out;
    size_t out_stride;
    const float* query(int32_t token) const { return queries + static_cast<size_t>(token) * query_stride; }
    float* output(int32_t token) const { return out + static_cast<size_t>(token) * out_stride; }
  };
  struct Task;

  void plan_shape(Shape& shape);
  Task task_of(const Region& region, const Shape& shape, int32_t task) const;
  void run_task(const Region& region, const Shape& shape, const Rows& rows, int32_t task, int32_t only_piece, int32_t thread);
  void merge_task(const Region& region, const Shape& shape, const Rows& rows, int32_t task);

  ThreadPool& threads_;
  const Kernels& kernels_;
  const KvPool& pool_;
  const std::vector<Region>& regions_;
  const StepBindings& bindings_;
  const size_t head_stride_;  // head size rounded up to 16
  std::vector<int32_t> region_shapes_;  // of attention regions: index into shapes_
  std::vector<Shape> shapes_;
  MappedMemory scratch_;
  MappedMemory partial_memory_;
  size_t scratch_floats_ = 0;  // of one thread
  size_t partial_floats_ = 0;  // of one partial result
  size_t partial_count_ = 0;
  std::unique_ptr<Counter[]> counters_;  // two for each region
};

}  // namespace octavo
