// Whether a step's sequences read what others of them write.
#include "written_blocks.h"

namespace octavo {

namespace {

constexpr int32_t kNobody = -1;

}  // namespace

WrittenBlocks::WrittenBlocks(const std::vector<KvPool>& pools) : pools_(pools) {
  for (const KvPool& pool : pools) writers_.emplace_back(static_cast<size_t>(pool.block_count), kNobody);
}

bool WrittenBlocks::are_private(const StepBindings& bindings) {
  for (size_t pool = 0; pool < pools_.size(); ++pool) {
    if (!are_private(bindings, static_cast<int32_t>(pool))) return false;
  }
  return true;
}

bool WrittenBlocks::are_private(const StepBindings& bindings, int32_t pool) {
  const int32_t block_size = pools_[static_cast<size_t>(pool)].block_size;
  const PoolBindings& bound = bindings.pool(pool);
  std::vector<int32_t>& writers = writers_[static_cast<size_t>(pool)];
  const auto writer_of = [&](int32_t token) -> int32_t& { return writers[static_cast<size_t>(bound.slots[static_cast<size_t>(token)] / block_size)]; };
  bool found = true;
  for (int32_t s = 0; s < bindings.sequence_count; ++s) {
    for (int32_t token = bindings.query_starts[static_cast<size_t>(s)]; token < bindings.query_starts[static_cast<size_t>(s) + 1]; ++token) {
      int32_t& writer = writer_of(token);
      found = found && (writer == kNobody || writer == s);
      writer = s;
    }
  }
  for (int32_t s = 0; found && s < bindings.sequence_count; ++s) {
    const int32_t* const table = bound.block_table(s);
    const int32_t blocks = ceil_div(bindings.context_lengths[static_cast<size_t>(s)], block_size);
    for (int32_t i = 0; i < blocks; ++i) {
      const int32_t writer = writers[static_cast<size_t>(table[i])];
      found = found && (writer == kNobody || writer == s);
    }
  }
  for (int32_t token = 0; token < bindings.token_count; ++token) writer_of(token) = kNobody;
  return found;
}

}  // namespace octavo
