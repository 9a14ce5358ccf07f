// How long a cache line takes from one core to another: what threads that work on the same rows pay besides computing.
#pragma once

#include <vector>

#include "probe.h"

namespace octavo {

/**
 * Nanoseconds in which a thread sees what another one wrote, on the first two processors that this process may use: one for each repetition. Empty with fewer than two threads or processors. Takes
 * repetitions * milliseconds_each.
 */
std::vector<double> probe_handover(const ProbeOptions& options);

}  // namespace octavo
