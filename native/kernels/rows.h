// Kernels over single rows of activations: norm, rope, gated activation, addition, quantisation.
#pragma once

#include "bytes.h"
#include "kernels.h"
#include "simd.h"

namespace octavo {
namespace {

/** Sum of squares in four vectors of sixteen lanes (element i: lane i % 16 of vector (i / 16) % 4), then a fixed tree. */
OCTAVO_INLINE float sum_of_squares(const float* x, int32_t width) {
  V16 sums[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
  int32_t i = 0;
  for (; i + 64 <= width; i += 64) {
    for (int32_t j = 0; j < 4; ++j) {
      const V16 v = v_load(x + i + j * 16);
      sums[j] = v_fma(v, v, sums[j]);
    }
  }
  for (int32_t j = 0; i < width; i += 16, ++j) {
    const V16 v = width - i >= 16 ? v_load(x + i) : v_load_partial(x + i, width - i);
    sums[j] = v_fma(v, v, sums[j]);
  }
  return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
}

void rms_norm_row(const float* input, const float* weight, float epsilon, int32_t count, int32_t width, float* out) {
  for (int32_t slice = 0; slice < count; ++slice, input += width, out += width) {
    const float mean = sum_of_squares(input, width) / static_cast<float>(width);
    const float factor = 1.0f / sqrtf(mean + epsilon);
    for (int32_t i = 0; i < width; ++i) out[i] = input[i] * factor * weight[i];
  }
}

void gated_silu_row(const float* gate, const float* up, int32_t width, float* out) {
  const V16 one = v_set1(1.0f);
  int32_t i = 0;
  for (; i + 16 <= width; i += 16) {
    const V16 g = v_load(gate + i);
    v_store(out + i, v_mul(v_div(g, v_add(one, v_exp(v_sub(v_zero(), g)))), v_load(up + i)));
  }
  if (i < width) {
    const V16 g = v_load_partial(gate + i, width - i);
    const V16 u = v_load_partial(up + i, width - i);
    v_store_partial(out + i, v_mul(v_div(g, v_add(one, v_exp(v_sub(v_zero(), g)))), u), width - i);
  }
}

void add_row(float* target, const float* addend, int32_t width) {
  for (int32_t i = 0; i < width; ++i) target[i] = target[i] + addend[i];
}

void rope_row(const RopeJob& job, float* row) {
  const int32_t pairs = job.rotary_dim / 2;
  const float* cosine = job.cosine;
  const float* sine = job.sine;
  for (int32_t head = 0; head < job.head_count; ++head, row += job.head_size) {
    if (job.interleaved) {
      for (int32_t i = 0; i < pairs; ++i) {
        const float a = row[2 * i];
        const float b = row[2 * i + 1];
        row[2 * i] = a * cosine[i] - b * sine[i];
        row[2 * i + 1] = b * cosine[i] + a * sine[i];
      }
    } else {
      float* second = row + pairs;
      for (int32_t i = 0; i < pairs; ++i) {
        const float a = row[i];
        const float b = second[i];
        row[i] = a * cosine[i] - b * sine[i];
        second[i] = b * cosine[i] + a * sine[i];
      }
    }
  }
}

/** Sum of sixteen int8. */
OCTAVO_INLINE int32_t sum_bytes(const int8_t* p) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += p[i];
  return sum;
}

/** Per 32 values: scale = largest / 127, quants rounded to nearest. A row with an infinity or NaN gets NaN scales. */
void quantize_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot, bool halves) {
  const size_t block_bytes = tile_block_bytes(halves);
  const int32_t blocks = columns / kQuantBlock;
  V16 poison = v_zero();
  uint8_t* at = tile;
  const size_t entry = static_cast<size_t>(slot) * kTileEntry;
  for (int32_t block = 0; block < blocks; ++block, at += block_bytes) {
    const V16 low = v_load(input + block * kQuantBlock);
    const V16 high = v_load(input + block * kQuantBlock + 16);
    poison = v_add(poison, v_add(v_sub(low, low), v_sub(high, high)));
    const float largest = v_maximum(v_max(v_abs(low), v_abs(high)));
    // Below 1e-30 the block counts as zero: 127 / largest would overflow.
    const bool vanishes = !(largest > 1.0e-30f);
    const V16 factor = v_set1(vanishes ? 0.0f : 127.0f / largest);
    int8_t* quants = reinterpret_cast<int8_t*>(at + static_cast<size_t>(slot) * kQuantBlock);
    const int32_t sum = static_cast<int32_t>(v_to_int8(v_mul(low, factor), v_mul(high, factor), quants));
    const float scale = vanishes ? 0.0f : largest / 127.0f;
    write_float(at + kTileScales + entry, scale);
    write_int(at + kTileMinus128 + entry, kDotBias - 128 * sum);
    write_int(at + kTileMinus8 + entry, kDotBias - 8 * sum);
    write_float(at + kTileWeighted + entry, scale * static_cast<float>(sum));
    if (halves) {
      const int32_t first = sum_bytes(quants);
      const int32_t second = sum - first;
      write_int(at + kTileMinus4Halves + entry, kDotBias - 4 * first);
      write_int(at + kTileMinus4Halves + 4 + entry, kDotBias - 4 * second);
      write_float(at + kTileWeightedHalves + entry, scale * static_cast<float>(first));
      write_float(at + kTileWeightedHalves + 4 + entry, scale * static_cast<float>(second));
    }
  }
  // What is not finite must show in the outputs, not turn into plausible integers.
  if (v_sum(poison) == 0.0f) return;
  at = tile;
  for (int32_t block = 0; block < blocks; ++block, at += block_bytes) write_float(at + kTileScales + entry, __builtin_nanf(""));
}

}  // namespace
}  // namespace octavo
