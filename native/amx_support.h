// Whether this process may use the tiles of AMX.
#pragma once

#if defined(OCTAVO_X86) && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define OCTAVO_AMX 1
#endif

namespace octavo {

struct AmxSupport {
  bool int8 = false;
  bool bf16 = false;
};

/**
 * What the processor has, the system saves and it lets this process use. Linux gives a process tiles only when it asks
 * (Documentation/arch/x86/xstate.rst), which this does; elsewhere, and without a compiler that knows them, nothing.
 */
AmxSupport allow_amx();

}  // namespace octavo
