// Which sequences of a step share leading blocks: the same physical blocks at the same places of their block tables in a pool.
#pragma once

#include <cstdint>
#include <vector>

#include "bindings.h"

namespace octavo {

class SharedPrefixes {
 public:
  /** Sequences in the order of their block tables, so that those with a common run stand beside each other. */
  struct Leaf {
    int32_t sequence;
    int32_t shared_positions;  // leading positions whose blocks it shares with the leaf before it; 0 for the first
    int32_t first_row;  // for the caller
    int32_t last_row;
  };

  explicit SharedPrefixes(int32_t max_sequences) { leaves_.reserve(static_cast<size_t>(max_sequences)); }

  /** Sorts the sequences of a step. Compares tables in strides of many entries: far cheaper than copying them was. */
  void find(const StepBindings& bindings, int32_t pool, int32_t block_size);

  const std::vector<Leaf>& leaves() const { return leaves_; }

 private:
  std::vector<Leaf> leaves_;
};

}  // namespace octavo
