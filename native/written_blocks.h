// Whether a step's sequences read what others of them write.
#pragma once

#include <cstdint>
#include <vector>

#include "bindings.h"

namespace octavo {

class WrittenBlocks {
 public:
  explicit WrittenBlocks(const std::vector<KvPool>& pools);

  /**
   * Whether each block that a sequence of the step writes to is in no other one's block table, in any pool. Usually so when all decode; a sequence that has just found
   * in the cache what another one is computing in this very step reads it there. Looks at every entry once.
   */
  bool are_private(const StepBindings& bindings);

 private:
  bool are_private(const StepBindings& bindings, int32_t pool);

  const std::vector<KvPool>& pools_;
  std::vector<std::vector<int32_t>> writers_;  // of each block of each pool: a sequence of the step, or -1
};

}  // namespace octavo
