// Asks processor and system for the tiles of AMX.
#include "amx_support.h"

#ifdef OCTAVO_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace octavo {

#ifdef OCTAVO_AMX
namespace {

/** Whether the system saves both parts of the tiles' state (XCR0, bits 17 and 18). */
bool system_saves_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 27 & 1) == 0) return false;  // OSXSAVE
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3;
}

/** arch_prctl(ARCH_REQ_XCOMP_PERM) for the tiles' data, feature 18. */
bool may_use_tiles() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

AmxSupport ask() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  // AMX-TILE, and GFNI, which all processors with it have.
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d >> 24 & 1) == 0 || (c >> 8 & 1) == 0) return {};
  if (!system_saves_tiles() || !may_use_tiles()) return {};
  return {(d >> 25 & 1) != 0, (d >> 22 & 1) != 0};
}

}  // namespace

AmxSupport allow_amx() {
  static const AmxSupport support = ask();
  return support;
}
#else
AmxSupport allow_amx() { return {}; }
#endif

}  // namespace octavo
