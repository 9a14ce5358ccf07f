// Element types of the KV pool, numbered as src/backends/cpu/encoding.ts numbers them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

enum class KvType : int32_t {
  kF32 = 0,
  kF16 = 1,
  kBF16 = 2,
  kFp8E4M3 = 3,
  kFp8E5M2 = 4,
  kInt8 = 5,
  kInt4 = 6,
};

constexpr int32_t kKvTypeCount = 7;

/** Whether every token and head has a bf16 scale. */
inline constexpr bool kv_has_scale(KvType type) { return type == KvType::kInt8 || type == KvType::kInt4; }

/** Bytes of an element; of two elements for int4. */
inline constexpr size_t kv_element_bytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kF16 || type == KvType::kBF16 ? 2 : 1;
}

/** Elements of one token and head, or pairs of them for int4, which takes whole groups of 32. */
inline constexpr size_t kv_rows(KvType type, int32_t head_size) {
  return type == KvType::kInt4 ? (static_cast<size_t>(head_size) + 31) / 32 * 16 : static_cast<size_t>(head_size);
}

/** Bytes of the codes of one token and head. */
inline constexpr size_t kv_code_bytes(KvType type, int32_t head_size) { return kv_rows(type, head_size) * kv_element_bytes(type); }

/** What the kernels' decoded values are to be multiplied by: they read E4M3 as an f16 whose exponent is 8 less. */
inline constexpr float kv_decode_factor(KvType type) { return type == KvType::kFp8E4M3 ? 256.0f : 1.0f; }

}  // namespace octavo
