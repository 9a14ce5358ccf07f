// Asks the processor who it is.
#include "processor.h"

#ifdef OCTAVO_X86
#include <cpuid.h>

#include <cstring>
#endif

namespace octavo {

#ifdef OCTAVO_X86
namespace {

/** `family` is 0 for other vendors. */
struct AmdProcessor {
  unsigned family = 0;
  unsigned model = 0;
};

AmdProcessor ask() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  char vendor[12];
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return {};
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  if (std::memcmp(vendor, "AuthenticAMD", 12) != 0 || __get_cpuid(1, &a, &b, &c, &d) == 0) return {};
  const unsigned base = a >> 8 & 15;
  return {base == 15 ? base + (a >> 20 & 255) : base, (a >> 4 & 15) | (a >> 12 & 240)};
}

const AmdProcessor& amd() {
  static const AmdProcessor processor = ask();
  return processor;
}

}  // namespace

bool has_bf16_dots() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0;
}
bool prefers_bf16_dots() { return (amd().family == 0x19 && amd().model >= 0x10) || amd().family == 0x1a; }
bool fetches_in_order() { return amd().family != 0; }
int32_t few_stream_rows() { return amd().family != 0 ? 2 : 0; }
#else
bool has_bf16_dots() { return false; }
bool prefers_bf16_dots() { return false; }
bool fetches_in_order() { return false; }
int32_t few_stream_rows() { return 0; }
#endif

}  // namespace octavo
