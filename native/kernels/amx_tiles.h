// The tiles of AMX as products of quantised rows use them, and the ring through which their results go.
#pragma once

#include <cstdint>
#include <type_traits>

#include "../layout.h"
#include "simd.h"

namespace octavo {
namespace {

/** Products that are issued before the first of them is accumulated; even, so that a product keeps its tile's name. */
constexpr int32_t kLead = 4;
constexpr int32_t kProducts = kGroupRows * kTileRows;

// Of quantised products, tiles 0 and 1: products. 2: activations of 32 columns, 3: of 16. 4: weights of 32 columns, 5: of 16.
// The instructions are written out, because compilers take their operands as text (GCC 12) or reorder them with stores.
template <int kTile>
OCTAVO_INLINE void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile));
}
template <int kTile>
OCTAVO_INLINE void tile_store(void* to, int64_t stride = kGroupRows * 4) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
OCTAVO_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
/** Adds to tile kTo: of signed rows and columns, or of unsigned columns. */
template <int kTo, int kRows, int kColumns>
OCTAVO_INLINE void tile_add_dot() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kTo), "i"(kRows), "i"(kColumns));
}
template <int kTo, int kRows, int kColumns>
OCTAVO_INLINE void tile_add_unsigned_dot() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kTo), "i"(kRows), "i"(kColumns));
}
/** The product alone of signed rows and columns. */
template <int kTo, int kRows, int kColumns>
OCTAVO_INLINE void tile_dot() {
  tile_zero<kTo>();
  tile_add_dot<kTo, kRows, kColumns>();
}

/** equal_part, made even, of units; `most` is even. A product's tile and place in the ring depend on whether its unit is even. */
constexpr int32_t even_part(int32_t units, int32_t most) { return ceil_div(equal_part(units, most), 2) * 2; }

/** Rows of the first of some tiles, with those that fill it up to the next height and count as zeros (clear_slots). */
constexpr int32_t padded_rows(int32_t row_count) { return row_count < kTileRows ? row_count + padding_of(row_count) : kTileRows; }

/** Issues the products that run ahead of what is accumulated. */
template <class Issue>
OCTAVO_INLINE void issue_lead(Issue& issue) {
  static_assert(kLead == 4);
  const auto one = [&](auto parity) __attribute__((always_inline)) {
    issue.template load<parity.value>();
    issue.template next<parity.value>();
  };
  one(std::integral_constant<int, 0>{});
  one(std::integral_constant<int, 1>{});
  one(std::integral_constant<int, 0>{});
  one(std::integral_constant<int, 1>{});
}

}  // namespace
}  // namespace octavo
