// Pages off the device: their checksum, and their smaller forms with a scale for each token and head. The same bits as
// src/tiers/page-checksum.ts and src/tiers/compress/page-codec.ts, which define them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

/** Two words over `count` bytes: 32 lanes of rotate(13, lane + word * prime) * prime, folded with two primes. */
void checksum_bytes(const uint8_t* bytes, size_t count, uint32_t seed0, uint32_t seed1, uint32_t out[2]);

enum class PageElement : int32_t { kF32 = 0, kF16 = 1, kBF16 = 2 };
enum class PageForm : int32_t { kInt8 = 0, kFp8 = 1 };

struct PageShape {
  int32_t layer_count, kv_head_count, head_size, block_size;
  PageElement element;
  bool keys_transposed;
  PageForm form;

  size_t group_count() const { return size_t{2} * static_cast<size_t>(layer_count) * static_cast<size_t>(kv_head_count); }
  size_t group_elements() const { return static_cast<size_t>(head_size) * static_cast<size_t>(block_size); }
  size_t element_count() const { return group_count() * group_elements(); }
  size_t element_bytes() const { return element == PageElement::kF32 ? 4 : 2; }
  size_t page_bytes() const { return element_count() * element_bytes(); }
  size_t compressed_bytes() const {
    return element_count() + group_count() * static_cast<size_t>(block_size) * element_bytes();
  }
};

/** False: a value is not finite, and `out` is undefined. */
bool encode_page(const PageShape& shape, const uint8_t* page, uint8_t* out);
void decode_page(const PageShape& shape, const uint8_t* compressed, uint8_t* out);

}  // namespace octavo
