// Copies and checks the bindings of a step.
#include "bindings.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace octavo {

namespace {

void count_within(const char* name, int32_t count, int32_t lowest, int64_t limit) {
  if (count < lowest || count > limit) {
    throw PlanError(std::string(name) + " is " + std::to_string(count) + ", outside " + std::to_string(lowest) + " to " + std::to_string(limit));
  }
}

void copy_ints(const char* name, const IntView& view, size_t count, std::vector<int32_t>& into) {
  if (view.length < count) {
    throw PlanError(std::string(name) + " has " + std::to_string(view.length) + " entries where " + std::to_string(count) + " are needed");
  }
  if (count > 0) std::memcpy(into.data(), view.data, count * sizeof(int32_t));
}

void each_within(const char* name, const std::vector<int32_t>& values, size_t count, int64_t limit) {
  for (size_t i = 0; i < count; ++i) {
    if (values[i] < 0 || values[i] >= limit) {
      throw PlanError(std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(values[i]) + ", outside 0 to " +
                      std::to_string(limit - 1));
    }
  }
}

}  // namespace

PoolBindings::PoolBindings(const Limits& limits, const KvPool& pool, const PoolReach& reach) : pool_(pool), reach_(reach) {
  slots.resize(static_cast<size_t>(limits.max_tokens));
  block_copies.resize(2 * static_cast<size_t>(pool.block_count));
  table_stride_ = (static_cast<size_t>(limits.max_context) + pool.block_size - 1) / pool.block_size;
  table_memory_ = MappedMemory(std::max<size_t>(1, table_stride_ * static_cast<size_t>(limits.max_sequences)) * sizeof(int32_t));
  tables_ = reinterpret_cast<int32_t*>(table_memory_.data());
}

StepBindings::StepBindings(const Limits& limits, const std::vector<KvPool>& pools, int32_t vocab_size, const std::vector<PoolReach>& reaches)
    : limits_(limits), vocab_size_(vocab_size) {
  token_ids.resize(static_cast<size_t>(limits.max_tokens));
  token_sources_.resize(static_cast<size_t>(limits.max_tokens));
  positions.resize(static_cast<size_t>(limits.max_tokens));
  query_starts.resize(static_cast<size_t>(limits.max_sequences) + 1);
  context_lengths.resize(static_cast<size_t>(limits.max_sequences));
  output_rows.resize(static_cast<size_t>(limits.max_outputs));
  for (size_t i = 0; i < pools.size(); ++i) pools_.emplace_back(limits, pools[i], reaches[i]);
}

void StepBindings::assign(const RawBindings& raw) {
  count_within("tokenCount", raw.token_count, 1, limits_.max_tokens);
  count_within("sequenceCount", raw.sequence_count, 1, limits_.max_sequences);
  count_within("outputCount", raw.output_count, 0, limits_.max_outputs);
  token_count = raw.token_count;
  sequence_count = raw.sequence_count;
  output_count = raw.output_count;
  const size_t tokens = static_cast<size_t>(token_count);
  const size_t sequences = static_cast<size_t>(sequence_count);
  copy_ints("tokenIds", raw.token_ids, tokens, token_ids);
  has_sources_ = raw.token_sources.data != nullptr;
  if (has_sources_) copy_ints("tokenSources", raw.token_sources, tokens, token_sources_);
  copy_ints("positions", raw.positions, tokens, positions);
  copy_ints("queryStarts", raw.query_starts, sequences + 1, query_starts);
  copy_ints("contextLengths", raw.context_lengths, sequences, context_lengths);
  copy_ints("outputRows", raw.output_rows, static_cast<size_t>(output_count), output_rows);
  check_tokens();
  check_sequences();
  if (raw.pools.size() != pools_.size()) {
    throw PlanError(std::to_string(raw.pools.size()) + " pools are bound, there are " + std::to_string(pools_.size()));
  }
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i].assign(raw.pools[i], *this);
}

void PoolBindings::assign(const RawPoolBindings& raw, const StepBindings& step) {
  count_within("copyCount", raw.copy_count, 0, pool_.block_count);
  copy_count = raw.copy_count;
  const size_t tokens = static_cast<size_t>(step.token_count);
  copy_ints("slotMapping", raw.slot_mapping, tokens, slots);
  copy_ints("blockCopies", raw.block_copies, 2 * static_cast<size_t>(copy_count), block_copies);
  each_within("slotMapping", slots, tokens, static_cast<int64_t>(pool_.block_count) * pool_.block_size);
  each_within("blockCopies", block_copies, 2 * static_cast<size_t>(copy_count), pool_.block_count);
  copy_tables(raw, step);
}

void StepBindings::swap(StepBindings& other) {
  std::swap(token_count, other.token_count);
  std::swap(sequence_count, other.sequence_count);
  std::swap(output_count, other.output_count);
  token_ids.swap(other.token_ids);
  positions.swap(other.positions);
  query_starts.swap(other.query_starts);
  context_lengths.swap(other.context_lengths);
  output_rows.swap(other.output_rows);
  std::swap(has_sources_, other.has_sources_);
  token_sources_.swap(other.token_sources_);
  for (size_t i = 0; i < pools_.size(); ++i) pools_[i].swap(other.pools_[i]);
}

void PoolBindings::swap(PoolBindings& other) {
  std::swap(copy_count, other.copy_count);
  slots.swap(other.slots);
  block_copies.swap(other.block_copies);
  std::swap(table_memory_, other.table_memory_);
  std::swap(tables_, other.tables_);
}

void StepBindings::resolve(const std::vector<int32_t>& picked) {
  if (!has_sources_) return;
  for (size_t token = 0; token < static_cast<size_t>(token_count); ++token) {
    const int32_t source = token_sources_[token];
    if (source < 0) continue;
    const int32_t id = picked[static_cast<size_t>(source)];
    if (id == kNoPick) {
      throw PlanError("token " + std::to_string(token) + " is to be what was picked from row " + std::to_string(source) +
                      " of the step before, from which nothing was");
    }
    // Where there was nothing to pick any token does: its row is of no use to anyone.
    token_ids[token] = id == kNothingToPick ? 0 : id;
  }
}

void StepBindings::check_tokens() const {
  const size_t tokens = static_cast<size_t>(token_count);
  each_within("tokenIds", token_ids, tokens, vocab_size_);
  if (has_sources_) {
    for (size_t i = 0; i < tokens; ++i) {
      if (token_sources_[i] < -1 || token_sources_[i] >= limits_.max_outputs) {
        throw PlanError("tokenSources[" + std::to_string(i) + "] is " + std::to_string(token_sources_[i]) + ", outside -1 to " +
                        std::to_string(limits_.max_outputs - 1));
      }
    }
  }
  each_within("positions", positions, tokens, limits_.max_context);
  each_within("outputRows", output_rows, static_cast<size_t>(output_count), token_count);
}

void StepBindings::check_sequences() const {
  if (query_starts[0] != 0) throw PlanError("queryStarts[0] is " + std::to_string(query_starts[0]) + ", not 0");
  for (int32_t s = 0; s < sequence_count; ++s) {
    const int32_t begin = query_starts[static_cast<size_t>(s)];
    const int32_t end = query_starts[static_cast<size_t>(s) + 1];
    if (end <= begin || end > token_count) {
      throw PlanError("queryStarts[" + std::to_string(s + 1) + "] is " + std::to_string(end) + ", outside " + std::to_string(begin + 1) + " to " +
                      std::to_string(token_count));
    }
    const int32_t context = context_lengths[static_cast<size_t>(s)];
    if (context < 0 || context > limits_.max_context) {
      throw PlanError("contextLengths[" + std::to_string(s) + "] is " + std::to_string(context) + ", outside 0 to " +
                      std::to_string(limits_.max_context));
    }
    for (int32_t token = begin; token < end; ++token) {
      const int32_t position = positions[static_cast<size_t>(token)];
      if (position >= context) {
        throw PlanError("positions[" + std::to_string(token) + "] is " + std::to_string(position) + ", beyond the " + std::to_string(context) +
                        " tokens of context of sequence " + std::to_string(s));
      }
    }
  }
  const int32_t last = query_starts[static_cast<size_t>(sequence_count)];
  if (last != token_count) {
    throw PlanError("queryStarts ends with " + std::to_string(last) + " where tokenCount is " + std::to_string(token_count));
  }
}

int32_t PoolBindings::window_start(const StepBindings& step, int32_t sequence) const {
  if (reach_.window == 0) return 0;
  const auto first = step.positions.begin() + step.query_starts[static_cast<size_t>(sequence)];
  const auto last = step.positions.begin() + step.query_starts[static_cast<size_t>(sequence) + 1];
  return std::max(0, *std::min_element(first, last) + 1 - reach_.window);
}

void PoolBindings::copy_tables(const RawPoolBindings& raw, const StepBindings& step) {
  const int32_t sequence_count = step.sequence_count;
  if (raw.table_rows.length < static_cast<size_t>(sequence_count)) {
    throw PlanError("tableRows has " + std::to_string(raw.table_rows.length) + " entries where " + std::to_string(sequence_count) + " are needed");
  }
  for (int32_t s = 0; s < sequence_count; ++s) {
    const int64_t count = (static_cast<int64_t>(step.context_lengths[static_cast<size_t>(s)]) + pool_.block_size - 1) / pool_.block_size;
    const int32_t row = raw.table_rows.data[s];
    const int64_t offset = static_cast<int64_t>(row) * raw.block_table_stride;
    if (row < 0 || raw.block_table_stride < 0 || count > raw.block_table_stride ||
        static_cast<uint64_t>(offset + count) > raw.block_tables.length) {
      throw PlanError("the block table of sequence " + std::to_string(s) + " (row " + std::to_string(row) + ") does not hold " +
                      std::to_string(count) + " blocks");
    }
    int32_t* table = tables_ + static_cast<size_t>(s) * table_stride_;
    const int64_t sink_blocks = (static_cast<int64_t>(reach_.sink_tokens) + pool_.block_size - 1) / pool_.block_size;
    const int64_t window_block = window_start(step, s) / pool_.block_size;
    for (int64_t i = 0; i < count; ++i) {
      if (i >= sink_blocks && i < window_block) {
        // Never read, but addresses may be made of it to prefetch a whole piece.
        std::fill(table + i, table + window_block, 0);
        i = window_block - 1;
        continue;
      }
      const int32_t block = raw.block_tables.data[offset + i];
      if (block < 0 || block >= pool_.block_count) {
        throw PlanError("block " + std::to_string(i) + " of sequence " + std::to_string(s) + " is " + std::to_string(block) +
                        ", outside 0 to " + std::to_string(pool_.block_count - 1));
      }
      table[i] = block;
    }
  }
}

}  // namespace octavo
