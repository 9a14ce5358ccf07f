// Reading one unit (32 columns x 32 rows) of a quantised panel: codes, scales, minima. See quant_format.h.
#pragma once

#include <utility>

#include "../layout.h"
#include "bytes.h"

namespace octavo {
namespace {

/** A format as it lies in a packed weight. kSignedBytes: codes of eight bits lie as Matrix::signed_bytes says. */
template <DType kDType, bool kSignedBytes = false>
struct Packed {
  static constexpr DType kType = kDType;
  static constexpr QuantFormat kFormat = quant_format_of(kDType);
  static constexpr int kHalves = kFormat.halves();
  static constexpr bool kHasMin = kFormat.has_min();
  static constexpr bool kSubtractsMin = kFormat.scales != ScaleKind::kF16Min;
  static constexpr int kZero = kFormat.zero;
  /** Codes of eight bits, whose pairwise products overflow 16 bits. */
  static constexpr bool kWide = kFormat.code_bits == 8;
  static constexpr bool kIntegerScales = kFormat.has_integer_scales();
  static constexpr int kCodeBits = kFormat.code_bits + kFormat.plane_bits;
  /** Units are counted from the start of the panel. */
  static constexpr bool kFromStart = true;

  const uint8_t* header;
  const uint8_t* unit;

  OCTAVO_INLINE Packed at(const uint8_t* panel, int32_t index) {
    return {panel + kFormat.header_offset(index), panel + kFormat.unit_offset(index)};
  }
  /** Mean bytes from one unit to the next, for fetching ahead. */
  static constexpr size_t stream_bytes() { return kFormat.super_bytes() / static_cast<size_t>(kFormat.units_per_super); }

  /** Columns 4j..4j+3 of the sixteen rows of a group, as unsigned codes. */
  template <int kStep>
  __attribute__((always_inline)) B64 codes(int group) const {
    const uint8_t* base = unit + static_cast<size_t>(group) * kFormat.group_bytes();
    if constexpr (kSignedBytes) return b_flip(b_load(base + kStep * 64));
    else if constexpr (kFormat.code_bits == 8) return b_load(base + kStep * 64);
    else if constexpr (kFormat.code_bits == 4) return with_plane<kStep>(group, b_and(b_shift<kStep / 4 * 4>(b_load(base + kStep % 4 * 64)), 15));
    else return with_plane<kStep>(group, b_and(b_shift<kStep % 4 * 2>(b_load(base + kStep / 4 * 64)), 3));
  }
  template <int kStep>
  __attribute__((always_inline)) B64 with_plane(int group, B64 value) const {
    constexpr int kTo = kFormat.code_bits;
    const uint8_t* plane = unit + kFormat.plane_offset() + static_cast<size_t>(group) * kFormat.plane_bytes();
    if constexpr (kFormat.plane_bits == 1) return b_merge(value, b_shift<kStep - kTo>(b_load(plane)), 1 << kTo);
    else if constexpr (kFormat.plane_bits == 2) return b_merge(value, b_shift<kStep % 4 * 2 - kTo>(b_load(plane + kStep / 4 * 64)), 3 << kTo);
    else return value;
  }

  __attribute__((always_inline)) const uint16_t* halves_at(const uint8_t* base, int group) const {
    return reinterpret_cast<const uint16_t*>(base) + group * 16;
  }
  __attribute__((always_inline)) V16 scale(int half, int group) const {
    static_assert(!kIntegerScales);
    const uint8_t* scales = unit + kFormat.scale_offset();
    const size_t lane = static_cast<size_t>(half * 32 + group * 16);
    if constexpr (kFormat.scales == ScaleKind::kF16 || kFormat.scales == ScaleKind::kF16Min) return v_load_f16(halves_at(scales, group));
    return v_mul(v_load_f16(halves_at(header, group)), v_load_nibble<0>(scales + lane));
  }
  /** Of a half, where scales are integers of seven bits and a sign, and what all of a block of 256 columns are multiplied by. */
  __attribute__((always_inline)) I16 integer_scale(int half, int group) const {
    return i_load_i8(unit + kFormat.scale_offset() + static_cast<size_t>(half * 32 + group * 16));
  }
  __attribute__((always_inline)) V16 block_scale(int group) const { return v_load_f16(halves_at(header, group)); }
  /** The same of the minima, where there are such. */
  __attribute__((always_inline)) I16 integer_min(int group) const { return i_load_i8(unit + kFormat.scale_offset() + 32 + group * 16); }
  __attribute__((always_inline)) V16 block_min(int group) const { return v_load_f16(halves_at(header + 64, group)); }
  __attribute__((always_inline)) V16 min(int half, int group) const {
    static_assert(!kIntegerScales);
    const uint8_t* scales = unit + kFormat.scale_offset();
    const size_t lane = static_cast<size_t>(half * 32 + group * 16);
    if constexpr (kFormat.scales == ScaleKind::kF16Min) return v_load_f16(halves_at(scales + 64, group));
    return v_mul(v_load_f16(halves_at(header + 64, group)), v_load_nibble<4>(scales + lane));
  }

};

/** A format expanded for many rows: 8-bit codes, f32 scales and minima; where scales are integers, these as int32 and the block's f32 scale. */
template <DType kDType>
struct Expanded {
  using Source = Packed<kDType>;
  static constexpr DType kType = kDType;
  static constexpr int kHalves = Source::kHalves;
  static constexpr bool kHasMin = Source::kHasMin;
  static constexpr bool kSubtractsMin = Source::kSubtractsMin;
  static constexpr int kZero = Source::kZero;
  static constexpr bool kWide = false;
  static constexpr bool kIntegerScales = Source::kIntegerScales;
  static constexpr int kCodeBits = Source::kCodeBits;
  /** Units are counted from the start of the expanded piece. */
  static constexpr bool kFromStart = false;
  /** With integer scales the unit's integers (scales, minima) come first, then the block's floats. */
  static constexpr size_t kIntegerMin = 1024 + static_cast<size_t>(kHalves) * 128;
  static constexpr size_t kBlockScale = kIntegerMin + (kHasMin ? static_cast<size_t>(kHalves) * 128 : 0);
  static constexpr size_t kBlockMin = kBlockScale + 128;
  static constexpr size_t kBytes = kBlockScale + (kIntegerScales ? 128 * (kHasMin ? 2 : 1) : 0);

  const uint8_t* unit;

  OCTAVO_INLINE Expanded at(const uint8_t* panel, int32_t index) { return {panel + static_cast<size_t>(index) * kBytes}; }
  template <int kStep>
  __attribute__((always_inline)) B64 codes(int group) const {
    return b_load(unit + group * 512 + kStep * 64);
  }
  __attribute__((always_inline)) V16 scale(int half, int group) const {
    return v_load(reinterpret_cast<const float*>(unit + 1024) + half * 32 + group * 16);
  }
  __attribute__((always_inline)) V16 min(int half, int group) const {
    return v_load(reinterpret_cast<const float*>(unit + 1024) + kHalves * 32 + half * 32 + group * 16);
  }
  __attribute__((always_inline)) I16 integer_scale(int half, int group) const {
    return i_load(reinterpret_cast<const int32_t*>(unit + 1024) + half * 32 + group * 16);
  }
  __attribute__((always_inline)) V16 block_scale(int group) const { return v_load(reinterpret_cast<const float*>(unit + kBlockScale) + group * 16); }
  __attribute__((always_inline)) I16 integer_min(int group) const { return i_load(reinterpret_cast<const int32_t*>(unit + kIntegerMin) + group * 16); }
  __attribute__((always_inline)) V16 block_min(int group) const { return v_load(reinterpret_cast<const float*>(unit + kBlockMin) + group * 16); }
};

template <DType kDType, int... kSteps>
OCTAVO_INLINE void expand_codes(const Packed<kDType>& from, int group, uint8_t* to, std::integer_sequence<int, kSteps...>) {
  (b_store(to + kSteps * 64, from.template codes<kSteps>(group)), ...);
}

/** Units [first, first + count) of a panel in the form that Expanded reads. */
template <DType kDType>
void expand_units(const uint8_t* panel, int32_t first, int32_t count, uint8_t* to) {
  using Target = Expanded<kDType>;
  for (int32_t i = 0; i < count; ++i, to += Target::kBytes) {
    const Packed<kDType> from = Packed<kDType>::at(panel, first + i);
    float* floats = reinterpret_cast<float*>(to + 1024);
    for (int group = 0; group < 2; ++group) {
      expand_codes<kDType>(from, group, to + group * 512, std::make_integer_sequence<int, 8>{});
      if constexpr (Target::kIntegerScales) {
        for (int half = 0; half < Target::kHalves; ++half) i_store(reinterpret_cast<int32_t*>(floats) + half * 32 + group * 16, from.integer_scale(half, group));
        v_store(reinterpret_cast<float*>(to + Target::kBlockScale) + group * 16, from.block_scale(group));
        if constexpr (Target::kHasMin) {
          i_store(reinterpret_cast<int32_t*>(to + Target::kIntegerMin) + group * 16, from.integer_min(group));
          v_store(reinterpret_cast<float*>(to + Target::kBlockMin) + group * 16, from.block_min(group));
        }
      } else {
        for (int half = 0; half < Target::kHalves; ++half) {
          v_store(floats + half * 32 + group * 16, from.scale(half, group));
          if constexpr (Target::kHasMin) v_store(floats + Target::kHalves * 32 + half * 32 + group * 16, from.min(half, group));
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo
