// Decoding and checking of the lowered program.
#include "plan.h"

namespace octavo {

namespace {

class Reader {
 public:
  Reader(const double* words, size_t count) : words_(words), count_(count) {}

  bool done() const { return at_ == count_; }
  double number() {
    if (at_ >= count_) throw PlanError("the plan ends inside an instruction");
    return words_[at_++];
  }
  int32_t integer() {
    const double value = number();
    if (!(value >= -2147483648.0 && value <= 2147483647.0)) throw PlanError("a plan word is not a 32-bit integer");
    return static_cast<int32_t>(value);
  }

 private:
  const double* words_;
  size_t count_;
  size_t at_ = 0;
};

void require(bool condition, const char* what) {
  if (!condition) throw PlanError(std::string("the plan is inconsistent: ") + what);
}

class Decoder {
 public:
  Decoder(Reader& reader, const PlanContext& context) : reader_(reader), context_(context), quantizations_(context.buffers.size(), Quantization::kPlain) {}

  Region region() {
    Region region{};
    const int32_t kind = reader_.integer();
    switch (kind) {
      case static_cast<int32_t>(RegionKind::kRows): rows(region); break;
      case static_cast<int32_t>(RegionKind::kLinear): linear(region); break;
      case static_cast<int32_t>(RegionKind::kAttention): attention(region); break;
      case static_cast<int32_t>(RegionKind::kGated): gated(region); break;
      default: throw PlanError("unknown region kind " + std::to_string(kind));
    }
    region.kind = static_cast<RegionKind>(kind);
    return region;
  }

 private:
  int32_t positive(const char* what) {
    const int32_t value = reader_.integer();
    require(value > 0, what);
    return value;
  }
  template <typename T>
  int32_t index_of(const std::vector<T>& list, const char* what) {
    const int32_t index = reader_.integer();
    require(index >= 0 && static_cast<size_t>(index) < list.size(), what);
    return index;
  }
  int32_t buffer() { return index_of(context_.buffers, "no such buffer"); }
  int32_t vector() { return index_of(context_.vector_lengths, "no such vector"); }
  int32_t matrix() { return index_of(context_.matrices, "no such matrix"); }
  void holds(int32_t buffer, size_t floats, RowKind rows) const {
    const Buffer& b = context_.buffers[static_cast<size_t>(buffer)];
    require(b.rows == rows, "a buffer has rows of another kind");
    require(b.stride_bytes >= floats * 4, "a buffer is narrower than what it holds");
  }
  /** Reads a pool and one of its layers. */
  const KvPool& layer_of_pool(int32_t& pool, int32_t& layer) {
    pool = index_of(context_.pools, "no such pool");
    layer = reader_.integer();
    const KvPool& found = context_.pools[static_cast<size_t>(pool)];
    require(layer >= 0 && layer < found.layer_count, "no such layer");
    return found;
  }
  Quantization quantization() {
    const int32_t code = reader_.integer();
    require(code >= 0 && code <= static_cast<int32_t>(Quantization::kBlocks), "unknown quantisation");
    return static_cast<Quantization>(code);
  }
  RowKind row_kind() {
    const int32_t kind = reader_.integer();
    require(kind == 0 || kind == 1, "unknown row kind");
    return static_cast<RowKind>(kind);
  }

  void rows(Region& region) {
    region.rows = row_kind();
    const int32_t count = positive("a region without instructions");
    for (int32_t i = 0; i < count; ++i) region.instructions.push_back(instruction(region.rows));
  }

  RowInstruction instruction(RowKind rows) {
    RowInstruction it{};
    const int32_t op = reader_.integer();
    it.op = static_cast<RowOp>(op);
    switch (it.op) {
      case RowOp::kEmbed:
        it.weight = matrix();
        it.out = buffer();
        require(rows == RowKind::kTokens, "embed works on tokens");
        holds(it.out, static_cast<size_t>(context_.matrices[static_cast<size_t>(it.weight)].columns), rows);
        break;
      case RowOp::kNorm:
        it.in = buffer();
        it.weight = vector();
        it.epsilon = static_cast<float>(reader_.number());
        it.count = positive("slices of a norm");
        it.width = positive("width of a norm");
        it.out = buffer();
        require(context_.vector_lengths[static_cast<size_t>(it.weight)] == it.width, "a norm's weight has another length");
        holds(it.in, static_cast<size_t>(it.count) * it.width, rows);
        holds(it.out, static_cast<size_t>(it.count) * it.width, rows);
        break;
      case RowOp::kRope:
        it.in = buffer();
        it.weight = index_of(context_.rope_dims, "no such rope table");
        it.count = positive("heads of a rope");
        it.width = positive("head size of a rope");
        it.rotary_dim = context_.rope_dims[static_cast<size_t>(it.weight)];
        it.interleaved = reader_.integer() != 0;
        require(rows == RowKind::kTokens, "rope works on tokens");
        require(it.rotary_dim <= it.width, "a rope is wider than its head");
        holds(it.in, static_cast<size_t>(it.count) * it.width, rows);
        break;
      case RowOp::kWriteKv: {
        it.in = buffer();
        it.second = buffer();
        const KvPool& pool = layer_of_pool(it.pool, it.layer);
        require(rows == RowKind::kTokens, "writeKv works on tokens");
        const size_t width = static_cast<size_t>(pool.kv_head_count) * pool.head_size;
        holds(it.in, width, rows);
        holds(it.second, width, rows);
        break;
      }
      case RowOp::kGated:
        it.in = buffer();
        it.second = buffer();
        it.width = positive("width of a gated activation");
        it.out = buffer();
        holds(it.in, static_cast<size_t>(it.width), rows);
        holds(it.second, static_cast<size_t>(it.width), rows);
        holds(it.out, static_cast<size_t>(it.width), rows);
        break;
      case RowOp::kAdd:
        it.out = buffer();
        it.in = buffer();
        it.width = positive("width of an addition");
        holds(it.in, static_cast<size_t>(it.width), rows);
        holds(it.out, static_cast<size_t>(it.width), rows);
        break;
      case RowOp::kSelect:
        it.in = buffer();
        it.out = buffer();
        it.width = positive("width of a selection");
        require(rows == RowKind::kOutputs, "a selection makes output rows");
        holds(it.in, static_cast<size_t>(it.width), RowKind::kTokens);
        holds(it.out, static_cast<size_t>(it.width), rows);
        break;
      case RowOp::kQuantize:
        it.in = buffer();
        it.width = positive("width of a quantisation");
        it.out = buffer();
        it.quantization = quantization();
        require(it.width % (it.quantization == Quantization::kBlocks ? kBlockColumns : kQuantBlock) == 0,
                "a quantised width is not a multiple of 32, or of 256 in blocks");
        holds(it.in, static_cast<size_t>(it.width), rows);
        require(context_.buffers[static_cast<size_t>(it.out)].rows == rows, "a buffer has rows of another kind");
        require(context_.buffers[static_cast<size_t>(it.out)].stride_bytes == quantized_row_bytes(it.width, it.quantization),
                "a buffer of quantised rows has another width");
        quantizations_[static_cast<size_t>(it.out)] = it.quantization;
        break;
      case RowOp::kSplit:
        it.in = buffer();
        it.width = positive("width of a split");
        it.out = buffer();
        holds(it.in, static_cast<size_t>(it.width), rows);
        holds_split(it.out, it.width, rows);
        break;
      default: throw PlanError("unknown instruction " + std::to_string(op));
    }
    return it;
  }

  void holds_split(int32_t index, int32_t columns, RowKind rows) const {
    const Buffer& buffer = context_.buffers[static_cast<size_t>(index)];
    require(buffer.rows == rows, "a buffer has rows of another kind");
    require(buffer.stride_bytes == split_row_bytes(columns, context_.split_parts), "a buffer of split rows has another width");
  }

  int32_t buffer_or_none() {
    const int32_t index = reader_.integer();
    require(index >= -1 && index < static_cast<int32_t>(context_.buffers.size()), "no such buffer");
    return index;
  }

  /** Reads the rows that products take, in the forms that they take them in. */
  void inputs(Region& region) {
    region.rows = row_kind();
    region.input = buffer_or_none();
    region.quantized = buffer_or_none();
    region.split = buffer_or_none();
  }

  void multiplies(const Region& region, const Matrix& weight) const {
    if (region.input >= 0) holds(region.input, static_cast<size_t>(weight.columns), region.rows);
    else require(is_quantized(weight.dtype) || (weight.dtype == DType::kBF16 && region.split >= 0), "a weight without input");
    if (region.split >= 0 && weight.dtype == DType::kBF16) holds_split(region.split, weight.columns, region.rows);
    if (!is_quantized(weight.dtype)) return;
    require(region.quantized >= 0, "a quantised weight without quantised input");
    holds_quantized(region.quantized, weight.columns, quantization_for(quant_format_of(weight.dtype)), region.rows);
  }

  /** `wanted`: kPlain also takes halves. */
  void holds_quantized(int32_t index, int32_t columns, Quantization wanted, RowKind rows) const {
    const Buffer& buffer = context_.buffers[static_cast<size_t>(index)];
    const Quantization found = quantizations_[static_cast<size_t>(index)];
    require(buffer.rows == rows, "a buffer has rows of another kind");
    require(found == wanted || (wanted == Quantization::kPlain && found == Quantization::kHalves), "a weight wants its input quantised in another way");
    require(buffer.stride_bytes == quantized_row_bytes(columns, found), "a buffer of quantised rows has another width than a weight");
  }

  void linear(Region& region) {
    inputs(region);
    const int32_t count = positive("a linear region without outputs");
    for (int32_t i = 0; i < count; ++i) {
      LinearOutput output{};
      output.matrix = matrix();
      output.bias = reader_.integer();
      output.out = buffer();
      const Matrix& weight = context_.matrices[static_cast<size_t>(output.matrix)];
      multiplies(region, weight);
      holds(output.out, static_cast<size_t>(weight.rows), region.rows);
      if (output.bias != -1) {
        require(output.bias >= 0 && static_cast<size_t>(output.bias) < context_.vector_lengths.size(), "no such vector");
        require(context_.vector_lengths[static_cast<size_t>(output.bias)] == weight.rows, "a bias has another length than its weight");
      }
      region.outputs.push_back(output);
    }
  }

  void gated(Region& region) {
    inputs(region);
    region.gate = matrix();
    region.up = matrix();
    region.out = buffer_or_none();
    region.quantized_out = buffer_or_none();
    region.split_out = buffer_or_none();
    const Matrix& gate = context_.matrices[static_cast<size_t>(region.gate)];
    const Matrix& up = context_.matrices[static_cast<size_t>(region.up)];
    require(region.gate != region.up && gate.dtype == up.dtype && gate.rows == up.rows && gate.columns == up.columns, "a gate and what it lets through differ");
    require(gate.rows % kPanelRows == 0, "a gate of broken panels");
    multiplies(region, gate);
    require((region.out >= 0) + (region.quantized_out >= 0) + (region.split_out >= 0) == 1, "a gated activation without one place for its result");
    if (region.out >= 0) holds(region.out, static_cast<size_t>(gate.rows), region.rows);
    else if (region.split_out >= 0) holds_split(region.split_out, gate.rows, region.rows);
    else gated_quantized(region.quantized_out, gate.rows, region.rows);
  }

  /** A gate's result, which is quantised panel by panel: not in blocks. */
  void gated_quantized(int32_t index, int32_t columns, RowKind rows) {
    const bool halves = context_.buffers[static_cast<size_t>(index)].stride_bytes == quantized_row_bytes(columns, Quantization::kHalves);
    quantizations_[static_cast<size_t>(index)] = halves ? Quantization::kHalves : Quantization::kPlain;
    holds_quantized(index, columns, Quantization::kPlain, rows);
  }

  void attention(Region& region) {
    region.rows = RowKind::kTokens;
    region.input = buffer();
    const KvPool& pool = layer_of_pool(region.pool, region.layer);
    region.head_count = positive("heads of an attention");
    region.kv_head_count = positive("K/V heads of an attention");
    region.head_size = positive("head size of an attention");
    region.scale = static_cast<float>(reader_.number());
    region.window = reader_.integer();
    region.sink_tokens = reader_.integer();
    region.sink_rope = reader_.integer();
    region.sink_interleaved = reader_.integer() != 0;
    region.recent_tokens = reader_.integer();
    region.recent_sinks = reader_.integer();
    if (region.recent_tokens == 0) {
      region.recent_pool = reader_.integer();
      region.recent_layer = reader_.integer();
    } else {
      recent_copy(region, pool);
    }
    region.out = buffer();
    require(region.kv_head_count == pool.kv_head_count && region.head_size == pool.head_size,
            "an attention's heads differ from the pool's");
    require(region.head_count % region.kv_head_count == 0, "heads are not a multiple of the K/V heads");
    require(region.window >= 0, "a window is negative");
    require(region.sink_tokens >= 0 && region.sink_tokens <= kAttentionPiece, "sinks are more than a piece");
    require(region.sink_tokens == 0 || region.window > 0, "sinks without a window");
    require(region.sink_rope >= -1 && region.sink_rope < static_cast<int32_t>(context_.rope_dims.size()), "no such rope table");
    require(region.sink_rope < 0 || context_.rope_dims[static_cast<size_t>(region.sink_rope)] <= region.head_size, "a rope is wider than its head");
    require(region.scale > 0, "an attention's scale is not positive");
    holds(region.input, static_cast<size_t>(region.head_count) * region.head_size, region.rows);
    holds(region.out, static_cast<size_t>(region.head_count) * region.head_size, region.rows);
  }

  /** The pool that holds recent tokens and sinks of an attention beside the one that holds all. */
  void recent_copy(Region& region, const KvPool& pool) {
    const KvPool& recent = layer_of_pool(region.recent_pool, region.recent_layer);
    require(region.window == 0, "recent tokens beside a window");
    require(region.recent_tokens > 0, "recent tokens are negative");
    require(region.recent_sinks >= 0 && region.recent_sinks <= kAttentionPiece, "sinks are more than a piece");
    require(region.recent_pool != region.pool, "recent tokens in the pool of all tokens");
    // One query, and one running sum, serve both.
    require(kv_decode_factor(recent.key_type) == kv_decode_factor(pool.key_type) &&
                kv_decode_factor(recent.value_type) == kv_decode_factor(pool.value_type),
            "two copies of K and V in types that decode to unlike units");
  }

  Reader& reader_;
  const PlanContext& context_;
  /** How each buffer was quantised last. */
  std::vector<Quantization> quantizations_;
};

}  // namespace

std::vector<Region> decode_plan(const double* words, size_t count, const PlanContext& context) {
  Reader reader(words, count);
  Decoder decoder(reader, context);
  std::vector<Region> regions;
  while (!reader.done()) regions.push_back(decoder.region());
  return regions;
}

}  // namespace octavo
