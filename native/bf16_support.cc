// Asks the processor about vdpbf16ps.
#include "bf16_support.h"

#ifdef OCTAVO_X86
#include <cpuid.h>

#include <cstring>
#endif

namespace octavo {

#ifdef OCTAVO_X86
bool has_bf16_dots() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0;
}

bool prefers_bf16_dots() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  char vendor[12];
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return false;
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  if (std::memcmp(vendor, "AuthenticAMD", 12) != 0 || __get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const unsigned base = a >> 8 & 15;
  const unsigned family = base == 15 ? base + (a >> 20 & 255) : base;
  const unsigned model = (a >> 4 & 15) | (a >> 12 & 240);
  return (family == 0x19 && model >= 0x10) || family == 0x1a;
}
#else
bool has_bf16_dots() { return false; }
bool prefers_bf16_dots() { return false; }
#endif

}  // namespace octavo
