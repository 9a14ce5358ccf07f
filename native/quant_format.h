// How the quantised weight formats lie in a panel, described once for packing, look-ups and kernels.
//
// A panel (32 output rows, in two groups of 16) is a stream of units, one for each 32 columns; formats with
// super-blocks put a header before every 8 units. Every part of a unit is made of 64-byte vectors in the operand order
// of vpdpbusd: lane n (four bytes) belongs to output n of the group, byte k of it to column 4j + k of vector j, j = 0..7.
//
//   unit   | codes of group 0 | of group 1 | plane of group 0 | of group 1 | scales | mins |
//
//   codes  8 bits: vector j at 64 j.  4 bits: vector j at 64 (j % 4), low nibble for j < 4, else high.
//          2 bits: vector j at 64 (j / 4), bits 2 (j % 4) and up.
//   plane  the bits above the codes. 1 bit: one vector, bit j.  2 bits: as codes of 2 bits.
//   scales and mins: by `ScaleKind`, for 32 rows each.
//
// A weight is (code - zero) * scale, or code * scale +- min. Where sums run over halves (16 columns) every unit has two
// scales, the first for columns 0..15. Bytes of Q8_0 may lie signed, as code - zero (Matrix::signed_bytes).
#pragma once

#include <cstddef>
#include <cstdint>

#include "dtype.h"

namespace octavo {

enum class ScaleKind : int32_t {
  kF16,           // scales: f16 [32]
  kF16Min,        // scales: f16 [32] | mins: f16 [32], added
  kSuperMin,      // header d, dmin: f16 [32] each | scales: u8 [32] | mins: u8 [32], subtracted; integer scales
  kSuperHalves,   // header d: f16 [32] | scales: i8 [2][32]; integer scales
  kSuperNibbles,  // header d, dmin: f16 [32] each | low nibble scale, high nibble min: u8 [2][32], subtracted
};

struct QuantFormat {
  int32_t code_bits;
  int32_t plane_bits;
  int32_t zero;
  ScaleKind scales;
  int32_t units_per_super;  // 1: no super-blocks
  size_t header_bytes;
  size_t unit_bytes;

  constexpr size_t group_bytes() const { return static_cast<size_t>(code_bits) * 64; }
  constexpr size_t plane_bytes() const { return static_cast<size_t>(plane_bits) * 64; }
  constexpr size_t plane_offset() const { return 2 * group_bytes(); }
  constexpr size_t scale_offset() const { return 2 * (group_bytes() + plane_bytes()); }
  constexpr int32_t halves() const { return scales == ScaleKind::kSuperHalves || scales == ScaleKind::kSuperNibbles ? 2 : 1; }
  constexpr bool has_min() const { return scales == ScaleKind::kF16Min || scales == ScaleKind::kSuperMin || scales == ScaleKind::kSuperNibbles; }
  /** Codes times scales are integers, which kernels sum over a whole super-block (kernels/linear_blocks.h). */
  constexpr bool has_integer_scales() const { return scales == ScaleKind::kSuperHalves || scales == ScaleKind::kSuperMin; }
  constexpr size_t super_bytes() const { return header_bytes + static_cast<size_t>(units_per_super) * unit_bytes; }
  /** Of the header that governs a unit. */
  constexpr size_t header_offset(int32_t unit) const { return static_cast<size_t>(unit / units_per_super) * super_bytes(); }
  constexpr size_t unit_offset(int32_t unit) const {
    return header_offset(unit) + header_bytes + static_cast<size_t>(unit % units_per_super) * unit_bytes;
  }
};

static constexpr QuantFormat make_format(int32_t code_bits, int32_t plane_bits, int32_t zero, ScaleKind scales) {
  const bool super = scales != ScaleKind::kF16 && scales != ScaleKind::kF16Min;
  const size_t header = !super ? 0 : scales == ScaleKind::kSuperHalves ? 64 : 128;
  const size_t tail = scales == ScaleKind::kF16Min ? 128 : 64;
  return {code_bits, plane_bits, zero, scales, super ? 8 : 1, header, static_cast<size_t>(code_bits + plane_bits) * 128 + tail};
}

static constexpr bool is_quantized(DType dtype) { return dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16; }

/** Of a quantised dtype. */
static constexpr QuantFormat quant_format_of(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return make_format(4, 0, 8, ScaleKind::kF16);
    case DType::kQ4_1: return make_format(4, 0, 0, ScaleKind::kF16Min);
    case DType::kQ5_0: return make_format(4, 1, 16, ScaleKind::kF16);
    case DType::kQ5_1: return make_format(4, 1, 0, ScaleKind::kF16Min);
    case DType::kQ2_K: return make_format(2, 0, 0, ScaleKind::kSuperNibbles);
    case DType::kQ3_K: return make_format(2, 1, 4, ScaleKind::kSuperHalves);
    case DType::kQ4_K: return make_format(4, 0, 0, ScaleKind::kSuperMin);
    case DType::kQ5_K: return make_format(4, 1, 0, ScaleKind::kSuperMin);
    case DType::kQ6_K: return make_format(4, 2, 32, ScaleKind::kSuperHalves);
    default: return make_format(8, 0, 128, ScaleKind::kF16);
  }
}

/** Whether products with a weight are summed over whole super-blocks. */
static constexpr bool sums_blocks(DType dtype) { return is_quantized(dtype) && quant_format_of(dtype).has_integer_scales(); }

/** The byte that holds code bits of (lane 0..31, column 0..31) in a unit, and how far they are shifted up in it. */
struct CodePlace {
  size_t offset;
  int32_t shift;
};

static constexpr size_t lane_offset(int32_t lane, int32_t column) { return static_cast<size_t>(lane % 16) * 4 + static_cast<size_t>(column % 4); }

static constexpr CodePlace field_place(int32_t bits, size_t group, int32_t lane, int32_t column) {
  const int32_t j = column / 4;
  const size_t base = group + lane_offset(lane, column);
  if (bits == 8) return {base + static_cast<size_t>(j) * 64, 0};
  if (bits == 4) return {base + static_cast<size_t>(j % 4) * 64, j / 4 * 4};
  if (bits == 2) return {base + static_cast<size_t>(j / 4) * 64, j % 4 * 2};
  return {base, j};
}

static constexpr CodePlace code_place(const QuantFormat& format, int32_t lane, int32_t column) {
  return field_place(format.code_bits, static_cast<size_t>(lane / 16) * format.group_bytes(), lane, column);
}
static constexpr CodePlace plane_place(const QuantFormat& format, int32_t lane, int32_t column) {
  return field_place(format.plane_bits, format.plane_offset() + static_cast<size_t>(lane / 16) * format.plane_bytes(), lane, column);
}

}  // namespace octavo
