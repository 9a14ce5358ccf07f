#include "affinity.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace octavo {

#if defined(__linux__)

std::vector<int32_t> allowed_processors() {
  std::vector<int32_t> processors;
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails where there are more than CPU_SETSIZE.
  if (sched_getaffinity(0, sizeof set, &set) != 0) return processors;
  for (int32_t processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &set)) processors.push_back(processor);
  }
  return processors;
}

void stay_on(int32_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

#else

std::vector<int32_t> allowed_processors() { return {}; }
void stay_on(int32_t) {}

#endif

}  // namespace octavo
