// The instructions of AMX on bf16 tiles, and the one configuration of the tiles that products use.
//
// The instructions are written out, because compilers take their operands as text (GCC 12) or reorder them with stores.
#pragma once

#include "simd.h"

namespace octavo {
namespace {

/** Bytes of a whole tile: 16 rows of 64. */
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
/** sums[m][n] += rows[m][2 i], rows[m][2 i + 1] times columns[i][2 n], columns[i][2 n + 1], over i = 0..15. */
template <int kSums, int kRows, int kColumns>
OCTAVO_INLINE void tile_dot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kRows), "i"(kColumns));
}

// Tiles 0 and 1: sums of the first tile of rows, 2 and 3: of the second. 4 and 5: rows. 6 and 7: columns of weights.

/** `first` and `second`: rows of the two tiles of activations, 1 to 16 (palette 1; Intel SDM, LDTILECFG). */
OCTAVO_INLINE void configure_tiles(int32_t first, int32_t second) {
  alignas(64) uint8_t config[64] = {};
  config[0] = 1;
  for (int tile = 0; tile < 8; ++tile) {
    config[16 + 2 * tile] = 64;
    const int32_t rows = tile == 0 || tile == 1 || tile == 4 ? first : tile < 6 ? second : 16;
    config[48 + tile] = static_cast<uint8_t>(rows);
  }
  asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
}

OCTAVO_INLINE void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

}  // namespace
}  // namespace octavo
