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

/** What the caller passes of one pool. */
struct RawPoolBindings {
  int32_t copy_count;
  int32_t block_table_stride;
  IntView slot_mapping;
  IntView block_tables;
  IntView table_rows;
  IntView block_copies;
};

/** What the caller passes: counts and views, valid only during the call. */
struct RawBindings {
  int32_t token_count;
  int32_t sequence_count;
  int32_t output_count;
  IntView token_ids;
  /** Output rows of the step before, -1 for tokens of `token_ids`; without data: all are of `token_ids`. */
  IntView token_sources;
  IntView positions;
  IntView query_starts;
  IntView context_lengths;
  IntView output_rows;
  std::vector<RawPoolBindings> pools;
};

class StepBindings;

/** What the attentions of a pool's layers reach: the last `window` positions (0: all), and the first `sink_tokens`. */
struct PoolReach {
  int32_t window;
  int32_t sink_tokens;
};

/** What a step reads and writes of one pool. Sized once; `assign` allocates nothing. */
class PoolBindings {
 public:
  /** Blocks that the window leaves behind may be missing in block tables. Keeps a reference to the pool. */
  PoolBindings(const Limits& limits, const KvPool& pool, const PoolReach& reach);

  /** Copies and checks; the step's own arrays have been. */
  void assign(const RawPoolBindings& raw, const StepBindings& step);

  /** Exchanges what was assigned. */
  void swap(PoolBindings& other);

  /** Entries that no token of the step attends to are 0. */
  const int32_t* block_table(int32_t sequence) const { return tables_ + static_cast<size_t>(sequence) * table_stride_; }

  int32_t copy_count = 0;
  std::vector<int32_t> slots, block_copies;

 private:
  /** First position of a sequence that a window in this step reaches. */
  int32_t window_start(const StepBindings& step, int32_t sequence) const;
  void copy_tables(const RawPoolBindings& raw, const StepBindings& step);

  const KvPool& pool_;
  const PoolReach reach_;
  size_t table_stride_;
  MappedMemory table_memory_;
  int32_t* tables_;
};

/** The copy that a step reads. Sized once from the limits; `assign` allocates nothing. */
class StepBindings {
 public:
  /** One reach for each pool. */
  StepBindings(const Limits& limits, const std::vector<KvPool>& pools, int32_t vocab_size, const std::vector<PoolReach>& reaches);

  /** Copies and checks. Throws PlanError and leaves nothing running; the copy is then undefined. */
  void assign(const RawBindings& raw);

  /** Exchanges what was assigned, with bindings of the same limits and pools; allocates nothing. */
  void swap(StepBindings& other);
  /** Sets the tokens that have a source: `picked` has what each output row of the step before gave. Throws PlanError for a row that gave nothing. */
  void resolve(const std::vector<int32_t>& picked);

  const PoolBindings& pool(int32_t index) const { return pools_[static_cast<size_t>(index)]; }

  int32_t token_count = 0;
  int32_t sequence_count = 0;
  int32_t output_count = 0;
  std::vector<int32_t> token_ids, positions, query_starts, context_lengths, output_rows;

  /** What `resolve` is given of a row that no token was picked from, and of one that had none to pick. */
  static constexpr int32_t kNoPick = -2;
  static constexpr int32_t kNothingToPick = -1;

 private:
  void check_tokens() const;
  void check_sequences() const;

  const Limits limits_;
  const int32_t vocab_size_;
  bool has_sources_ = false;
  std::vector<int32_t> token_sources_;
  std::vector<PoolBindings> pools_;
};

}  // namespace octavo
