// Which processors this process may use, and threads that stay on one.
#pragma once

#include <cstdint>
#include <vector>

namespace octavo {

/** The numbers of the processors, in ascending order; empty where the system does not tell. */
std::vector<int32_t> allowed_processors();

/** Keeps the calling thread on a processor. Where the system refuses, it may go on moving. */
void stay_on(int32_t processor);

}  // namespace octavo
