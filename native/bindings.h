// The bindings of one step, copied out of JavaScript's arrays and checked before anything runs.
#pragma once

#include <cstdint>
#include <vector>

#include "memory.h"
#include "plan.h"

namespace octavo {

/** A view of one of the caller's Int32Arrays. */
struct IntView {
  const int32_t* data;
  size_t length;
};

/** What the caller passes: counts and views, valid only during the call. */
struct RawBindings {
  int32_t token_count;
  int32_t sequence_count;
  int32_t output_count;
  int32_t copy_count;
  int32_t block_table_stride;
  IntView token_ids;
  IntView positions;
  IntView slot_mapping;
  IntView query_starts;
  IntView context_lengths;
  IntView block_tables;
  IntView table_rows;
  IntView output_rows;
  IntView block_copies;
};

/** The copy that a step reads. Sized once from the limits; `assign` allocates nothing. */
class StepBindings {
 public:
  /** `window` is the longest of the plan's attentions, 0 without limit: blocks that it leaves behind may be missing in block tables. */
  StepBindings(const Limits& limits, const KvPool& pool, int32_t vocab_size, int32_t window, int32_t sink_tokens);

  /** Copies and checks. Throws PlanError and leaves nothing running; the copy is then undefined. */
  void assign(const RawBindings& raw);

  /** Entries that no token of the step attends to are 0. */
  const int32_t* block_table(int32_t sequence) const { return tables_ + static_cast<size_t>(sequence) * table_stride_; }

  int32_t token_count = 0;
  int32_t sequence_count = 0;
  int32_t output_count = 0;
  int32_t copy_count = 0;
  std::vector<int32_t> token_ids, positions, slots, query_starts, context_lengths, output_rows, block_copies;

 private:
  void check_tokens() const;
  void check_sequences() const;
  /** First position of a sequence that a window in this step reaches. */
  int32_t window_start(int32_t sequence) const;
  void copy_tables(const RawBindings& raw);

  const Limits limits_;
  const KvPool& pool_;
  const int32_t vocab_size_;
  const int32_t window_;
  const int32_t sink_tokens_;
  size_t table_stride_;
  MappedMemory table_memory_;
  int32_t* tables_;
};

}  // namespace octavo
