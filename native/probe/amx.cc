// Loops for AMX: tiles of 16 by 16 products, in int8 and in bf16.
#include "../amx_support.h"
#include "probe.h"

#ifdef OCTAVO_AMX
#include <immintrin.h>

#include <cstring>

#define OCTAVO_TARGET __attribute__((target("amx-tile,amx-int8,amx-bf16")))
#endif

namespace octavo {

#ifdef OCTAVO_AMX
namespace {

/** All eight tiles at 16 rows of 64 bytes (palette 1; Intel SDM, LDTILECFG). */
OCTAVO_TARGET void configure_tiles() {
  alignas(64) uint8_t config[64] = {};
  const uint16_t row_bytes = 64;
  config[0] = 1;
  for (int tile = 0; tile < 8; ++tile) {
    std::memcpy(config + 16 + 2 * tile, &row_bytes, 2);
    config[48 + tile] = 16;
  }
  // The instruction reads what the compiler may not know to be read.
  asm volatile("" ::: "memory");
  _tile_loadconfig(config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

OCTAVO_TARGET double int8_loop(int64_t rounds) {
  configure_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(rounds) * 4 * 16 * 16 * 64 * 2;
}

OCTAVO_TARGET double bf16_loop(int64_t rounds) {
  configure_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(rounds) * 4 * 16 * 16 * 32 * 2;
}

}  // namespace
#endif

void set_amx_loops(ProbeLoops& loops) {
#ifdef OCTAVO_AMX
  const AmxSupport support = allow_amx();
  if (support.int8) loops.amx_int8 = int8_loop;
  if (support.bf16) loops.amx_bf16 = bf16_loop;
#else
  (void)loops;
#endif
}

}  // namespace octavo
