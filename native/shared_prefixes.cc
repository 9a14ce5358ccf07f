// Which sequences of a step share leading blocks.
#include "shared_prefixes.h"

#include <algorithm>
#include <cstring>

namespace octavo {

namespace {

/** Entries that two tables have in common from their start, up to `limit`. */
int32_t common_run(const int32_t* a, const int32_t* b, int32_t limit) {
  constexpr int32_t kStride = 64;
  int32_t at = 0;
  while (at + kStride <= limit && std::memcmp(a + at, b + at, kStride * sizeof(int32_t)) == 0) at += kStride;
  while (at < limit && a[at] == b[at]) ++at;
  return at;
}

}  // namespace

void SharedPrefixes::find(const StepBindings& bindings, int32_t pool, int32_t block_size) {
  const PoolBindings& bound = bindings.pool(pool);
  const auto blocks_of = [&](int32_t sequence) {
    return ceil_div(bindings.context_lengths[static_cast<size_t>(sequence)], block_size);
  };
  leaves_.clear();
  for (int32_t s = 0; s < bindings.sequence_count; ++s) leaves_.push_back({s, 0, 0, 0});
  std::sort(leaves_.begin(), leaves_.end(), [&](const Leaf& left, const Leaf& right) {
    const int32_t* a = bound.block_table(left.sequence);
    const int32_t* b = bound.block_table(right.sequence);
    const int32_t a_count = blocks_of(left.sequence);
    const int32_t b_count = blocks_of(right.sequence);
    const int32_t run = common_run(a, b, std::min(a_count, b_count));
    if (run < a_count && run < b_count) return a[run] < b[run];
    if (a_count != b_count) return a_count < b_count;
    return left.sequence < right.sequence;
  });
  for (size_t i = 1; i < leaves_.size(); ++i) {
    const int32_t before = leaves_[i - 1].sequence;
    const int32_t here = leaves_[i].sequence;
    const int32_t run = common_run(bound.block_table(before), bound.block_table(here), std::min(blocks_of(before), blocks_of(here)));
    const int64_t positions = static_cast<int64_t>(run) * block_size;
    leaves_[i].shared_positions = static_cast<int32_t>(
        std::min<int64_t>(positions, std::min(bindings.context_lengths[static_cast<size_t>(before)], bindings.context_lengths[static_cast<size_t>(here)])));
  }
}

}  // namespace octavo
