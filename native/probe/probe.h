// What this machine can do at most: dot-product peaks and read bandwidth, the limit lines of the benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace octavo {

/** Runs `rounds` rounds of independent multiply-adds in registers and returns the operations done (two per multiply-add). */
using DotLoop = double (*)(int64_t rounds);
/** Reads `bytes` (a multiple of 512, 64-byte aligned) once and returns something that depends on all of them. */
using ReadLoop = uint64_t (*)(const uint8_t* data, size_t bytes);

/** The loops of one instruction set; null where it has none. */
struct ProbeLoops {
  DotLoop f32 = nullptr;
  DotLoop int8 = nullptr;
  DotLoop bf16 = nullptr;
  DotLoop amx_int8 = nullptr;
  DotLoop amx_bf16 = nullptr;
  ReadLoop read = nullptr;
};

/** Each sets the loops that this processor, this system and the compiler of this addon offer, over what is set already. */
void set_portable_loops(ProbeLoops& loops);
void set_avx2_loops(ProbeLoops& loops);
void set_avx512_loops(ProbeLoops& loops);
void set_amx_loops(ProbeLoops& loops);

struct ProbeOptions {
  int32_t threads;
  /** Size of the large buffer; the small one is at most 100 MB of it. */
  size_t buffer_bytes;
  int32_t repetitions;
  double milliseconds_each;
};

/** One limit: operations or bytes per second of each repetition, on one thread and on all. */
struct ProbeSamples {
  std::string name;
  std::vector<double> single;
  std::vector<double> all;
};

/** Takes about (6 + 2 * dot loops) * repetitions * milliseconds_each. Limits that this machine lacks are left out. */
std::vector<ProbeSamples> probe_machine(const ProbeOptions& options);

}  // namespace octavo
