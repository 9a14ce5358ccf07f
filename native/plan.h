// The lowered program: regions of work between barriers, decoded from the flat list that TypeScript makes
// (src/backends/cpu/encoding.ts) and checked in full, so that executing it cannot leave its buffers.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "layout.h"

namespace octavo {

/** Thrown for a plan or a step that cannot be run; becomes a BackendError. */
class PlanError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class RowKind : int32_t { kTokens = 0, kOutputs = 1 };

/** Rows of f32 (or of quantised records) in the scratch arena, or the logits. */
struct Buffer {
  size_t offset;
  size_t stride_bytes;
  RowKind rows;
  bool logits;
};

enum class RowOp : int32_t {
  kEmbed = 1,
  kNorm = 2,
  kRope = 3,
  kWriteKv = 4,
  kGated = 5,
  kAdd = 6,
  kSelect = 7,
  kQuantize = 8,
  kSplit = 9,
};

/** One row-local operation; the fields in use depend on `op` (see decode in plan.cc). */
struct RowInstruction {
  RowOp op;
  int32_t in = -1;
  int32_t second = -1;
  int32_t out = -1;
  int32_t weight = -1;  // matrix, vector or rope table
  int32_t width = 0;
  int32_t count = 0;  // slices or heads
  int32_t rotary_dim = 0;
  int32_t pool = 0;
  int32_t layer = 0;  // of the pool
  bool interleaved = false;
  Quantization quantization = Quantization::kPlain;
  float epsilon = 0;
};

enum class RegionKind : int32_t { kRows = 1, kLinear = 2, kAttention = 3, kGated = 4 };

struct LinearOutput {
  int32_t matrix;
  int32_t bias;  // vector, or -1
  int32_t out;
};

struct Region {
  RegionKind kind;
  RowKind rows;
  std::vector<RowInstruction> instructions;  // kRows
  int32_t input = -1;  // kLinear, kGated (or -1: no weight reads it), kAttention (queries)
  int32_t quantized = -1;  // kLinear, kGated: buffer of quantised rows, or -1
  int32_t split = -1;  // kLinear, kGated: buffer of split rows, or -1
  std::vector<LinearOutput> outputs;  // kLinear
  int32_t gate = -1;  // kGated: matrix of whole panels, without a bias
  int32_t up = -1;  // kGated: of the same type and shape; panels of the two lie in turn
  // kGated: where SiLU(gate) * up is left: a buffer of quantised rows, or one of split rows, or (-1 both) `out` as it is.
  int32_t quantized_out = -1;
  int32_t split_out = -1;
  int32_t pool = 0;  // kAttention from here on
  int32_t layer = 0;  // of the pool
  int32_t head_count = 0;
  int32_t kv_head_count = 0;
  int32_t head_size = 0;
  float scale = 0;
  int32_t window = 0;  // 0: unlimited
  int32_t sink_tokens = 0;  // leading positions attended beside the window
  int32_t sink_rope = -1;  // by which queries were rotated, or -1
  bool sink_interleaved = false;
  int32_t recent_tokens = 0;  // read from another pool, as are the leading recent_sinks; 0: none
  int32_t recent_sinks = 0;
  int32_t recent_pool = -1;
  int32_t recent_layer = -1;
  int32_t out = -1;  // kAttention, kGated
};

struct Limits {
  int32_t max_tokens;
  int32_t max_sequences;
  int32_t max_outputs;
  int32_t max_context;
};

/** Shapes that a plan is checked against. */
struct PlanContext {
  const std::vector<Buffer>& buffers;
  const std::vector<Matrix>& matrices;
  const std::vector<int32_t>& vector_lengths;
  const std::vector<int32_t>& rope_dims;  // rotary_dim of each table
  const std::vector<KvPool>& pools;  // of one head count and size
  int32_t split_parts;  // as Kernels has it
};

/** Throws PlanError naming the first thing that does not fit. */
std::vector<Region> decode_plan(const double* words, size_t count, const PlanContext& context);

}  // namespace octavo
