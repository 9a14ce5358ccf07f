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

OCTAVO_INLINE V16 v_silu(V16 g) { return v_div(g, v_add(v_set1(1.0f), v_exp(v_sub(v_zero(), g)))); }

void gated_silu_row(const float* gate, const float* up, int32_t width, float* out) {
  int32_t i = 0;
  for (; i + 16 <= width; i += 16) v_store(out + i, v_mul(v_silu(v_load(gate + i)), v_load(up + i)));
  if (i < width) v_store_partial(out + i, v_mul(v_silu(v_load_partial(gate + i, width - i)), v_load_partial(up + i, width - i)), width - i);
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

/** Floats that the compiler is to write and read as memory: taking lanes apart costs more. */
struct Lanes {
  alignas(64) float at[32];
};
OCTAVO_INLINE void settle(Lanes& lanes) { asm("" : "+m"(lanes)); }

/** Up to sixteen blocks of 32 values that are quantised at once, a lane each: of one row, or the same of sixteen rows. */
struct BlockLanes {
  const float* input;
  size_t input_step;  // floats from one block to the next
  int32_t count;
  uint8_t* quants;
  size_t quants_step;  // bytes
  uint8_t* block;  // whose entries (layout.h) begin with those of the first lane's row
  size_t entry_step;  // bytes
};

/** Writes lanes of both into each entry of a table. */
OCTAVO_INLINE void write_entries(const BlockLanes& lanes, size_t table, V16 first, V16 second) {
  Lanes pairs;
  v_store_pairs(pairs.at, first, second);
  settle(pairs);
  uint8_t* entry = lanes.block + table;
#pragma GCC unroll 1
  for (int32_t i = 0; i < lanes.count; ++i, entry += lanes.entry_step) std::memcpy(entry, pairs.at + 2 * i, 8);
}

/** Per block: scale = largest / 127, quants rounded to nearest. Returns what is NaN in a lane if a value is NaN or an infinity. */
template <bool kHalves>
OCTAVO_INLINE V16 quantize_blocks(const BlockLanes& lanes) {
  V16 vectors[2][16];
  V16 poison[2] = {v_zero(), v_zero()};
  const float* input = lanes.input;
#pragma GCC unroll 1
  for (int32_t i = 0; i < lanes.count; ++i, input += lanes.input_step) {
    const V16 low = v_load(input);
    const V16 high = v_load(input + 16);
    poison[0] = v_fma(low, v_zero(), poison[0]);
    poison[1] = v_fma(high, v_zero(), poison[1]);
    vectors[0][i] = v_max(v_abs(low), v_abs(high));
  }
#pragma GCC unroll 1
  for (int32_t i = lanes.count; i < 16; ++i) vectors[0][i] = vectors[1][i] = v_zero();
  // Below 1e-30 a block counts as zero: 127 / largest would overflow.
  const V16 largest = v_largest_of_each(vectors[0]);
  const V16 most = v_set1(127.0f);
  Lanes factors;
  v_store(factors.at, v_keep_at_least(largest, 1.0e-30f, v_div(most, largest)));
  settle(factors);
  uint8_t* quants = lanes.quants;
  input = lanes.input;
#pragma GCC unroll 1
  for (int32_t i = 0; i < lanes.count; ++i, input += lanes.input_step, quants += lanes.quants_step) {
    const V16 factor = v_set1(factors.at[i]);
    const V16 low = v_round_to_int8(v_mul(v_load(input), factor), reinterpret_cast<int8_t*>(quants));
    const V16 high = v_round_to_int8(v_mul(v_load(input + 16), factor), reinterpret_cast<int8_t*>(quants + 16));
    vectors[0][i] = kHalves ? low : v_add(low, high);
    if (kHalves) vectors[1][i] = high;
  }
  // Sums of integers, exact in any order; as many less than kDotBiasFloat are the bits of kDotBias less them (layout.h).
  const V16 scale = v_keep_at_least(largest, 1.0e-30f, v_div(largest, most));
  const V16 bias = v_set1(kDotBiasFloat);
  V16 sum = v_sum_of_each(vectors[0]);
  if (kHalves) {
    const V16 second = v_sum_of_each(vectors[1]);
    write_entries(lanes, kTileWeightedHalves, v_mul(scale, sum), v_mul(scale, second));
    sum = v_add(sum, second);
  }
  write_entries(lanes, kTileScales, scale, v_fma(sum, v_set1(-128.0f), bias));
  write_entries(lanes, kTileMinus8, v_fma(sum, v_set1(-8.0f), bias), v_mul(scale, sum));
  return v_add(poison[0], poison[1]);
}

OCTAVO_INLINE void write_entry(uint8_t* entry, float first, float second) {
  const float pair[2] = {first, second};
  std::memcpy(entry, pair, sizeof pair);
}

/** What values are multiplied by, and integers are, of which the largest stands for `largest`; 0 of what counts as zero (quantize_blocks). */
struct Steps {
  float factor;
  float scale;
};
OCTAVO_INLINE Steps steps_of(float largest) {
  if (largest < 1.0e-30f) return {0.0f, 0.0f};
  return {127.0f / largest, largest / 127.0f};
}

/** As quantize_blocks, of the first block alone: sixteen lanes cost what a handful of blocks do. */
template <bool kHalves>
OCTAVO_INLINE V16 quantize_first(const BlockLanes& lanes) {
  const float* input = lanes.input;
  uint8_t* quants = lanes.quants;
  uint8_t* block = lanes.block;
  const V16 low = v_load(input);
  const V16 high = v_load(input + 16);
  const float largest = v_maximum(v_max(v_abs(low), v_abs(high)));
  const Steps steps = steps_of(largest);
  const V16 factor = v_set1(steps.factor);
  const float scale = steps.scale;
  const V16 rounded_low = v_round_to_int8(v_mul(low, factor), reinterpret_cast<int8_t*>(quants));
  const V16 rounded_high = v_round_to_int8(v_mul(high, factor), reinterpret_cast<int8_t*>(quants + 16));
  const float first = v_sum(rounded_low);
  const float second = v_sum(rounded_high);
  const float sum = first + second;
  if (kHalves) write_entry(block + kTileWeightedHalves, scale * first, scale * second);
  write_entry(block + kTileScales, scale, kDotBiasFloat - 128.0f * sum);
  write_entry(block + kTileMinus8, kDotBiasFloat - 8.0f * sum, scale * sum);
  return v_add(v_mul(low, v_zero()), v_mul(high, v_zero()));
}

/** Up to so many blocks are quantised one after another. */
constexpr int32_t kFewBlocks = 4;

template <bool kHalves>
OCTAVO_INLINE V16 quantize_lanes(BlockLanes lanes) {
  if (lanes.count > kFewBlocks) return quantize_blocks<kHalves>(lanes);
  V16 poison = v_zero();
  for (; lanes.count > 0; --lanes.count) {
    poison = v_add(poison, quantize_first<kHalves>(lanes));
    lanes.input += lanes.input_step;
    lanes.quants += lanes.quants_step;
    lanes.block += lanes.entry_step;
  }
  return poison;
}
OCTAVO_INLINE V16 quantize_lanes(const BlockLanes& lanes, bool halves) { return halves ? quantize_lanes<true>(lanes) : quantize_lanes<false>(lanes); }

/** Of a row in a tile of blocks (layout.h). */
void quantize_block_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot) {
  constexpr int kVectors = kBlockColumns / 16;
  V16 poison = v_zero();
  uint8_t* block = tile;
  for (int32_t first = 0; first < columns; first += kBlockColumns, block += kQuantizedBlockBytes) {
    V16 largest_of = v_zero();
    for (int i = 0; i < kVectors; ++i) {
      const V16 v = v_load(input + first + i * 16);
      poison = v_fma(v, v_zero(), poison);
      largest_of = v_max(v_abs(v), largest_of);
    }
    const Steps steps = steps_of(v_maximum(largest_of));
    const V16 factor = v_set1(steps.factor);
    int8_t* const quants = reinterpret_cast<int8_t*>(block) + slot * kBlockColumns;
    V16 rounded[kVectors];
    for (int i = 0; i < kVectors; ++i) rounded[i] = v_round_to_int8(v_mul(v_load(input + first + i * 16), factor), quants + i * 16);
    int32_t sums[kVectors];
    v_store_integers(sums, v_sub(v_zero(), v_sum_of_each(rounded)));
    int32_t* const minus_sums = reinterpret_cast<int32_t*>(block + kBlockMinusSums) + slot;
    for (int i = 0; i < kVectors; ++i) minus_sums[i * kTileRows] = sums[i];
    int16_t* const pair_sums = reinterpret_cast<int16_t*>(block + kBlockPairSums) + slot * 2;
    for (int unit = 0; unit < kBlockUnits; ++unit) {
      pair_sums[unit / 2 * kTileRows * 2 + unit % 2] = static_cast<int16_t>(-sums[2 * unit] - sums[2 * unit + 1]);
    }
    write_float(block + kBlockScales + static_cast<size_t>(slot) * 4, steps.scale);
  }
  if (v_sum(poison) == 0.0f) return;
  for (block = tile; columns > 0; columns -= kBlockColumns, block += kQuantizedBlockBytes) {
    write_float(block + kBlockScales + static_cast<size_t>(slot) * 4, __builtin_nanf(""));
  }
}

/** A row with an infinity or NaN gets NaN scales: it must show in the outputs, not turn into plausible integers. */
void quantize_row(const float* input, int32_t columns, uint8_t* tile, int32_t slot, Quantization quantization) {
  if (quantization == Quantization::kBlocks) return quantize_block_row(input, columns, tile, slot);
  const bool halves = quantization == Quantization::kHalves;
  const size_t block_bytes = tile_block_bytes(halves);
  const int32_t blocks = columns / kQuantBlock;
  uint8_t* const quants = tile + static_cast<size_t>(slot) * kQuantBlock;
  uint8_t* const entries = tile + static_cast<size_t>(slot) * kTileEntry;
  V16 poison = v_zero();
  for (int32_t block = 0; block < blocks; block += 16) {
    const int32_t count = blocks - block < 16 ? blocks - block : 16;
    const size_t offset = static_cast<size_t>(block) * block_bytes;
    poison = v_add(poison, quantize_lanes({input + block * kQuantBlock, kQuantBlock, count, quants + offset, block_bytes, entries + offset, block_bytes}, halves));
  }
  if (v_sum(poison) == 0.0f) return;
  for (int32_t block = 0; block < blocks; ++block) write_float(entries + static_cast<size_t>(block) * block_bytes + kTileScales, __builtin_nanf(""));
}

void gated_silu_block(const float* pairs, size_t stride, int32_t rows, uint8_t* block, bool halves) {
  alignas(64) float gated[kTileRows * kQuantBlock];
  for (int32_t row = 0; row < rows; ++row, pairs += stride) gated_silu_row(pairs, pairs + kQuantBlock, kQuantBlock, gated + row * kQuantBlock);
  const V16 poison = quantize_lanes({gated, kQuantBlock, rows, block, kQuantBlock, block, kTileEntry}, halves);
  if (v_sum(poison) == 0.0f) return;
  for (int32_t row = 0; row < rows; ++row) {
    const V16 low = v_load(gated + row * kQuantBlock);
    const V16 high = v_load(gated + row * kQuantBlock + 16);
    const V16 differences = v_add(v_sub(low, low), v_sub(high, high));
    if (v_sum(differences) != 0.0f) write_float(block + kTileScales + static_cast<size_t>(row) * kTileEntry, __builtin_nanf(""));
  }
}

}  // namespace
}  // namespace octavo
