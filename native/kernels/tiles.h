// The instructions of AMX on tiles, written out: compilers take their operands as text (GCC 12) or reorder them with stores,
// and products in bf16 need no flag that older compilers lack.
#pragma once

#include <cstdint>

#include "simd.h"

namespace octavo {
namespace {

/** Bytes of a whole row of a tile, and of a tile of sixteen of them. */
constexpr size_t kTileRowBytes = 64;
constexpr size_t kTileBytes = 1024;

template <int kTile>
OCTAVO_INLINE void tile_load(const void* from, size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
OCTAVO_INLINE void tile_store(void* to, size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
OCTAVO_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
/**
 * kTo += kRows * kColumns in bf16: of each output the even and the odd products are two FMA chains from 0, whose sum is added to
 * it. What is less than 2^-126 counts as 0, as an input and as a result (Intel SDM, TDPBF16PS).
 */
template <int kTo, int kRows, int kColumns>
OCTAVO_INLINE void tile_dot_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kTo), "i"(kRows), "i"(kColumns));
}

/** Palette 1: tiles 0 to 5 of `rows` rows, tiles 6 and 7 of sixteen; all rows whole. */
OCTAVO_INLINE void configure_tiles(int rows) {
  alignas(64) uint8_t config[64] = {};
  config[0] = 1;
  for (int tile = 0; tile < 8; ++tile) {
    config[16 + 2 * tile] = kTileRowBytes;
    config[48 + tile] = static_cast<uint8_t>(tile < 6 ? rows : 16);
  }
  asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
}
OCTAVO_INLINE void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

}  // namespace
}  // namespace octavo
