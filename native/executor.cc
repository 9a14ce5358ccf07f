// Execution of a step: every thread walks the regions of the plan and meets the others between them.
#include "executor.h"

#include <algorithm>
#include <cstring>

#include "pack.h"

namespace octavo {

namespace {

/**
 * Logits of so many bytes leave the caches before they are read, and are streamed (Kernels::streams_outputs). Measured on a Zen 5, part of the head's time: 0.90 with 8 rows and 0.77 with 32 of smollm2-135m (Q8_0), 0.97, 0.93
 * and 0.92 with 4, 16 and 32 of qwen2.5-0.5b (Q8_0), 0.95 with 16 and 32 of llama-3.2-1b (Q6_K); 1.03 to 1.1 with one or two, whose picks find them in the cache.
 */
constexpr size_t kLeastStreamedBytes = size_t{1} << 20;

std::vector<Matrix> plan_matrices(const std::vector<MatrixSpec>& specs) {
  std::vector<Matrix> matrices;
  for (const MatrixSpec& spec : specs) {
    if (spec.rows <= 0 || spec.columns <= 0) throw PlanError("a weight has no elements");
    if (spec.columns % geometry_of(spec.dtype).block_elements != 0) throw PlanError("a weight's rows are not whole blocks");
    const int32_t panels = ceil_div(spec.rows, kPanelRows);
    matrices.push_back({spec.dtype, spec.rows, spec.columns, panels, panel_bytes_of(spec.dtype, spec.columns), nullptr});
  }
  return matrices;
}

std::vector<Region> plan_regions(const ModelSpec& spec, int32_t split_parts) {
  const std::vector<Matrix> matrices = plan_matrices(spec.matrices);
  std::vector<int32_t> rope_dims;
  for (const RopeTable& rope : spec.ropes) rope_dims.push_back(rope.rotary_dim);
  for (const Buffer& buffer : spec.buffers) {
    const size_t limit = static_cast<size_t>(buffer.rows == RowKind::kTokens ? spec.limits.max_tokens : spec.limits.max_outputs);
    const size_t rows = buffer.logits ? limit : round_up(limit, kTileRows);
    const size_t available = buffer.logits ? static_cast<size_t>(spec.limits.max_outputs) * spec.vocab_size * 4 : spec.arena_bytes;
    if (buffer.stride_bytes % 4 != 0 || buffer.offset + rows * buffer.stride_bytes > available) throw PlanError("a buffer leaves the arena");
  }
  return decode_plan(spec.plan.data(), spec.plan.size(), {spec.buffers, matrices, spec.vector_lengths, rope_dims, spec.pools, split_parts});
}

/** What the attentions of each pool's layers reach together. */
std::vector<PoolReach> reaches_of(const std::vector<Region>& regions, size_t pool_count) {
  std::vector<PoolReach> reaches(pool_count, PoolReach{-1, 0});
  for (const Region& region : regions) {
    if (region.kind != RegionKind::kAttention) continue;
    PoolReach& reach = reaches[static_cast<size_t>(region.pool)];
    reach.window = region.window == 0 || reach.window == 0 ? 0 : std::max(reach.window, region.window);
    reach.sink_tokens = std::max(reach.sink_tokens, region.sink_tokens);
    if (region.recent_tokens == 0) continue;
    PoolReach& recent = reaches[static_cast<size_t>(region.recent_pool)];
    recent.window = recent.window == 0 ? 0 : std::max(recent.window, region.recent_tokens + kAgingStep - 1);
    recent.sink_tokens = std::max(recent.sink_tokens, region.recent_sinks);
  }
  for (PoolReach& reach : reaches) reach.window = std::max(reach.window, 0);
  return reaches;
}

int32_t embedded_rows(const std::vector<Region>& regions, const std::vector<MatrixSpec>& matrices) {
  int32_t rows = INT32_MAX;
  for (const Region& region : regions) {
    for (const RowInstruction& it : region.instructions) {
      if (it.op == RowOp::kEmbed) rows = std::min(rows, matrices[static_cast<size_t>(it.weight)].rows);
    }
  }
  return rows;
}

}  // namespace

Executor::Executor(std::shared_ptr<ThreadPool> threads, const Kernels& kernels, ModelSpec spec)
    : threads_(std::move(threads)),
      kernels_(kernels),
      limits_(spec.limits),
      vocab_size_(spec.vocab_size),
      pools_(spec.pools),
      buffers_(spec.buffers),
      matrices_(plan_matrices(spec.matrices)),
      vector_lengths_(spec.vector_lengths),
      regions_(plan_regions(spec, kernels.split_parts)),
      bindings_(unbound(spec)),
      attention_(*threads_, kernels_, pools_, limits_, regions_, bindings_, ropes_, spec.cascade),
      picker_(candidates_of(kernels.name), vocab_size_, threads_->size()),
      picked_(static_cast<size_t>(limits_.max_outputs), StepBindings::kNoPick),
      bound_{Bound{unbound(spec), {}}, Bound{unbound(spec), {}}},
      clock_(regions_.size(), static_cast<size_t>(threads_->size()), spec.times_regions) {
  ropes_ = std::move(spec.ropes);
  for (Matrix& matrix : matrices_) {
    matrix.paired = kernels_.split_row != nullptr && matrix.dtype == DType::kBF16;
    matrix.signed_bytes = kernels_.signed_bytes && matrix.dtype == DType::kQ8_0;
  }
  plan_woven();
  plan_chains();
  place_weights();
  check_inputs();
  size_t bytes = 0;
  for (const int32_t length : vector_lengths_) bytes += round_up(static_cast<size_t>(length) * 4, 64);
  vector_memory_ = MappedMemory(bytes + kReadSlackBytes);
  uint8_t* at = vector_memory_.data();
  for (const int32_t length : vector_lengths_) {
    vectors_.push_back(reinterpret_cast<float*>(at));
    at += round_up(static_cast<size_t>(length) * 4, 64);
  }
  for (KvPool& pool : pools_) {
    pool_memory_.push_back(std::make_shared<MappedMemory>(pool.block_bytes() * static_cast<size_t>(pool.block_count) + kReadSlackBytes));
    pool.data = pool_memory_.back()->data();
  }
  arena_ = MappedMemory(spec.arena_bytes + kReadSlackBytes);
  logits_ = std::make_shared<MappedMemory>(std::max<size_t>(1, static_cast<size_t>(limits_.max_outputs) * vocab_size_ * 4));
  plan_head();

  thread_scratch_floats_ = round_up(linear_scratch_floats(most_rows()) + gated_scratch_floats(most_rows()), 1024);
  thread_scratch_ = MappedMemory(thread_scratch_floats_ * 4 * static_cast<size_t>(threads_->size()) + kReadSlackBytes);

  counters_ = std::make_unique<Counter[]>(regions_.size() * static_cast<size_t>(threads_->size()));
}

void Executor::plan_woven() {
  matrix_woven_.assign(matrices_.size(), -1);
  for (const Region& region : regions_) {
    if (region.kind != RegionKind::kGated) continue;
    const Woven* const known = woven_of(region.gate);
    if (known != nullptr && known->gate == region.gate && known->up == region.up) continue;
    if (known != nullptr || woven_of(region.up) != nullptr) throw PlanError("a weight of two gated regions");
    Matrix matrix = matrices_[static_cast<size_t>(region.gate)];
    matrix.rows *= 2;
    matrix.panel_count *= 2;
    matrix_woven_[static_cast<size_t>(region.gate)] = matrix_woven_[static_cast<size_t>(region.up)] = static_cast<int32_t>(woven_.size());
    woven_.push_back({region.gate, region.up, matrix});
  }
  const auto requires_whole = [&](int32_t matrix) {
    if (woven_of(matrix) != nullptr) throw PlanError("a weight of a gated region is used elsewhere");
  };
  for (const Region& region : regions_) {
    for (const LinearOutput& output : region.outputs) requires_whole(output.matrix);
    for (const RowInstruction& it : region.instructions) {
      if (it.op == RowOp::kEmbed) requires_whole(it.weight);
    }
  }
}

void Executor::plan_head() {
  if (!kernels_.streams_outputs || regions_.empty()) return;
  // The last region, lest others change the logits after it.
  const Region& region = regions_.back();
  if (region.kind != RegionKind::kLinear || region.outputs.size() != 1 || region.outputs[0].bias >= 0) return;
  const Buffer& out = buffers_[static_cast<size_t>(region.outputs[0].out)];
  if (!out.logits || out.stride_bytes % 64 != 0 || out.offset % 64 != 0) return;
  logit_maxima_ = MappedMemory(round_up(static_cast<size_t>(limits_.max_outputs), kTileRows) * static_cast<size_t>(ceil_div(vocab_size_, kPanelRows)) * 4);
}

void Executor::plan_chains() {
  const auto is = [&](size_t at, RegionKind kind) { return at < regions_.size() && regions_[at].kind == kind && regions_[at].rows == RowKind::kTokens; };
  // A row of one buffer may lie where another row of another one does, unless they lie apart as wholes.
  const auto lie_apart = [&](int32_t first, int32_t second) {
    const Buffer& a = buffers_[static_cast<size_t>(first)];
    const Buffer& b = buffers_[static_cast<size_t>(second)];
    const size_t rows = round_up(static_cast<size_t>(limits_.max_tokens), kTileRows);
    return first == second || a.logits != b.logits || a.offset + rows * a.stride_bytes <= b.offset || b.offset + rows * b.stride_bytes <= a.offset;
  };
  for (size_t index = 0; index < regions_.size(); ++index) {
    chain_ends_.push_back(index + 1);
    if (!is(index, RegionKind::kRows) || !is(index + 1, RegionKind::kAttention)) continue;
    const size_t end = is(index + 2, RegionKind::kRows) ? index + 3 : index + 2;
    std::vector<int32_t> used;
    for (size_t at = index; at < end; ++at) {
      used.insert(used.end(), {regions_[at].input, regions_[at].out});
      for (const RowInstruction& it : regions_[at].instructions) used.insert(used.end(), {it.in, it.second, it.out});
    }
    used.erase(std::remove(used.begin(), used.end(), -1), used.end());
    const bool apart = std::all_of(used.begin(), used.end(), [&](int32_t a) { return std::all_of(used.begin(), used.end(), [&](int32_t b) { return lie_apart(a, b); }); });
    if (apart) chain_ends_.back() = end;
  }
}

void Executor::place_weights() {
  size_t bytes = 0;
  for (const Matrix& matrix : matrices_) bytes += static_cast<size_t>(matrix.panel_count) * matrix.panel_bytes;
  weight_memory_ = MappedMemory(bytes + kReadSlackBytes);
  uint8_t* at = weight_memory_.data();
  for (size_t i = 0; i < matrices_.size(); ++i) {
    const int32_t woven = matrix_woven_[i];
    Matrix& matrix = woven < 0 ? matrices_[i] : woven_[static_cast<size_t>(woven)].matrix;
    if (matrix.data != nullptr) continue;  // placed with its gate, or what its gate lets through
    matrix.data = at;
    at += static_cast<size_t>(matrix.panel_count) * matrix.panel_bytes;
  }
}

Executor::PanelPlace Executor::place_of(int32_t matrix, int32_t panel) const {
  const Woven* const woven = woven_of(matrix);
  if (woven == nullptr) return {&matrices_[static_cast<size_t>(matrix)], panel};
  return {&woven->matrix, 2 * panel + (matrix == woven->up ? 1 : 0)};
}

void Executor::check_inputs() const {
  const auto check = [&](const Region& region, int32_t matrix) {
    const Matrix& weight = matrices_[static_cast<size_t>(matrix)];
    if (weight.paired && region.split < 0) throw PlanError("a BF16 weight without split input");
    if (!weight.paired && !is_quantized(weight.dtype) && region.input < 0) throw PlanError("a weight that takes floats without them");
  };
  for (const Region& region : regions_) {
    bool splits = region.split_out >= 0;
    for (const RowInstruction& it : region.instructions) splits = splits || it.op == RowOp::kSplit;
    if (splits && kernels_.split_row == nullptr) throw PlanError("split rows, which this instruction set does not take");
    for (const LinearOutput& output : region.outputs) check(region, output.matrix);
    if (region.kind == RegionKind::kGated) check(region, region.gate);
  }
}

void Executor::populate_when_idle() const {
  // A huge page of each thread at a time: in a virtual machine whose host has taken free memory back that is a few milliseconds already.
  struct Piece {
    const MappedMemory& memory;
    size_t begin;
  };
  for (const std::shared_ptr<MappedMemory>& memory : pool_memory_) {
    threads_->when_idle([threads = threads_.get(), pool = std::weak_ptr<MappedMemory>(memory), begin = size_t{0}]() mutable {
      const std::shared_ptr<MappedMemory> held = pool.lock();
      if (held == nullptr) return false;
      Piece piece{*held, begin};
      threads->run(
          [](void* context, int32_t thread) {
            const auto& [whole, from] = *static_cast<Piece*>(context);
            const size_t at = std::min(whole.size(), from + static_cast<size_t>(thread) * kHugePage);
            populate(whole.data() + at, std::min(whole.size() - at, kHugePage));
          },
          &piece);
      begin += static_cast<size_t>(threads->size()) * kHugePage;
      return begin < held->size();
    });
  }
}

size_t Executor::kv_bytes() const {
  size_t bytes = 0;
  for (const KvPool& pool : pools_) bytes += pool.block_bytes() * static_cast<size_t>(pool.block_count);
  return bytes;
}

size_t Executor::scratch_bytes() const {
  return arena_.size() + logits_->size() + thread_scratch_.size() + attention_.scratch_bytes() + picker_.scratch_bytes() + logit_maxima_.size();
}

void Executor::check_pieces(const std::vector<WeightPiece>& pieces) const {
  for (const WeightPiece& piece : pieces) {
    const DTypeGeometry geometry = geometry_of(piece.dtype);
    const size_t count = piece.is_vector ? vectors_.size() : matrices_.size();
    if (piece.index < 0 || static_cast<size_t>(piece.index) >= count) throw PlanError("no such weight");
    const size_t index = static_cast<size_t>(piece.index);
    const int32_t columns = piece.is_vector ? vector_lengths_[index] : matrices_[index].columns;
    const int32_t rows = piece.is_vector ? 1 : matrices_[index].rows;
    if (columns % geometry.block_elements != 0) throw PlanError("a weight's rows are not whole blocks");
    if (!piece.is_vector && matrices_[index].dtype != piece.dtype) throw PlanError("rows to pack have another type than their weight");
    const size_t row_bytes = static_cast<size_t>(columns / geometry.block_elements) * static_cast<size_t>(geometry.block_bytes);
    if (piece.first_row < 0 || piece.row_count < 0 || piece.first_row > rows - piece.row_count ||
        piece.byte_count != row_bytes * static_cast<size_t>(piece.row_count)) {
      throw PlanError("rows to pack lie outside their weight");
    }
  }
}

void Executor::pack_piece(const WeightPiece& piece) {
  const size_t index = static_cast<size_t>(piece.index);
  if (piece.is_vector) {
    if (piece.row_count > 0) unpack_vector(piece.dtype, piece.bytes, vector_lengths_[index], vectors_[index]);
    return;
  }
  const int32_t end = piece.first_row + piece.row_count;
  const size_t row_bytes = piece.row_count > 0 ? piece.byte_count / static_cast<size_t>(piece.row_count) : 0;
  for (int32_t row = piece.first_row; row < end;) {
    const int32_t panel = row / kPanelRows;
    const int32_t next = std::min(end, (panel + 1) * kPanelRows);
    const PanelPlace place = place_of(piece.index, panel);
    pack_panel_rows(*place.matrix, place.panel, row + (place.panel - panel) * kPanelRows, next - row,
                    piece.bytes + static_cast<size_t>(row - piece.first_row) * row_bytes, row_bytes);
    row = next;
  }
}

void Executor::pack(const std::vector<WeightPiece>& pieces) {
  struct Context {
    Executor& executor;
    const std::vector<WeightPiece>& pieces;
    std::atomic<size_t> next{0};
  } context{*this, pieces};
  // Whole pieces, since two threads that touch a huge page for the first time both clear one, and one of the two is thrown away.
  threads_->run(
      [](void* opaque, int32_t) {
        Context& c = *static_cast<Context*>(opaque);
        for (size_t i; (i = c.next.fetch_add(1, std::memory_order_relaxed)) < c.pieces.size();) c.executor.pack_piece(c.pieces[i]);
      },
      &context);
}

StepBindings Executor::unbound(const ModelSpec& spec) const {
  return StepBindings(limits_, pools_, embedded_rows(regions_, spec.matrices), reaches_of(regions_, pools_.size()));
}

int32_t Executor::bind(const RawBindings& raw, const Picks::Raw& picks) {
  Bound& step = bound_[static_cast<size_t>(next_bound_)];
  step.bindings.assign(raw);
  step.picks.assign(picks, raw.output_count, vocab_size_);
  const int32_t bound = next_bound_;
  next_bound_ = (next_bound_ + 1) % kMostSteps;
  return bound;
}

Executor::Times Executor::run(int32_t bound) {
  const int64_t begin = RegionClock::now();
  prepare_step(bound_[static_cast<size_t>(bound)]);
  threads_->run([](void* self, int32_t thread) { static_cast<Executor*>(self)->run_thread(thread); }, this);
  picker_.picked_tokens(picked_);
  const int64_t end = RegionClock::now();
  return {end - begin, picker_.active() ? end - picks_begin_ : 0};
}

void Executor::prepare_step(Bound& step) {
  bindings_.swap(step.bindings);
  picker_.bind(step.picks);
  try {
    bindings_.resolve(picked_);
  } catch (const PlanError&) {
    std::fill(picked_.begin(), picked_.end(), StepBindings::kNoPick);
    throw;
  }
  const size_t count = regions_.size() * static_cast<size_t>(threads_->size());
  for (size_t i = 0; i < count; ++i) counters_[i].next.store(0, std::memory_order_relaxed);
  attention_.plan();
  clock_.reset();
  const size_t outputs = static_cast<size_t>(bindings_.output_count);
  maxima_ = {};
  if (outputs * static_cast<size_t>(vocab_size_) * 4 >= kLeastStreamedBytes) maxima_ = {reinterpret_cast<float*>(logit_maxima_.data()), round_up(outputs, kTileRows)};
}

int32_t Executor::rows_of(const Region& region) const {
  return region.rows == RowKind::kTokens ? bindings_.token_count : bindings_.output_count;
}

size_t Executor::skip_serial(size_t index) const {
  while (index < regions_.size()) {
    const int32_t rows = rows_of(regions_[index]);
    if (rows > 1 || (rows == 1 && regions_[index].kind != RegionKind::kRows)) break;
    ++index;
  }
  return index;
}

void Executor::run_serial(size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) {
    if (rows_of(regions_[i]) == 1) run_rows(regions_[i], 0, 1);
  }
}

void Executor::run_thread(int32_t thread) {
  // Row regions over a single row are done by the last thread to reach the barrier before them: one barrier less.
  size_t index = skip_serial(0);
  const bool copies = copies_blocks();
  if (copies) copy_blocks(thread);
  if (copies || index > 0) threads_->barrier([&] { run_serial(0, index); });
  while (index < regions_.size()) {
    const size_t end = chain_end(index);
    if (end > index + 1) {
      run_chain(index, end, thread);
    } else {
      const int64_t begin = clock_.mark();
      run_region(index, thread);
      clock_.add(static_cast<size_t>(thread), index, {clock_.mark() - begin, 0});
    }
    const int64_t done = clock_.mark();
    const size_t next = skip_serial(end);
    threads_->barrier([&] { run_serial(end, next); });
    clock_.add(static_cast<size_t>(thread), end - 1, {0, clock_.mark() - done});
    index = next;
  }
  if (!picker_.active()) return;
  if (thread == 0) picks_begin_ = RegionClock::now();
  picker_.run(thread, logits(), maxima_);
}

void Executor::run_region(size_t index, int32_t thread) {
  const Region& region = regions_[index];
  const int32_t rows = rows_of(region);
  switch (region.kind) {
    case RegionKind::kRows: {
      // Many rows are shared out in whole tiles of quantised rows: no two threads write one cache line.
      const int32_t step = rows >= 2 * kTileRows * threads_->size() ? kTileRows : 1;
      const int64_t steps = ceil_div(rows, step);
      const int64_t threads = threads_->size();
      run_rows(region, static_cast<int32_t>(steps * thread / threads) * step,
               std::min(rows, static_cast<int32_t>(steps * (thread + 1) / threads) * step));
      break;
    }
    case RegionKind::kLinear: run_linear(index, rows, thread); break;
    case RegionKind::kGated: run_gated(index, rows, thread); break;
    case RegionKind::kAttention:
      attention_.run(index, row(region.input, 0), stride_floats(region.input), row(region.out, 0), stride_floats(region.out), thread);
      break;
  }
}

void Executor::run_chain(size_t first, size_t last, int32_t thread) {
  const int32_t threads = threads_->size();
  Counter* const counters = counters_.get() + first * static_cast<size_t>(threads);
  // A thread's own tokens first, then those that others have not come to.
  for (int32_t offset = 0; offset < threads; ++offset) {
    const int32_t owner = (thread + offset) % threads;
    const Attention::Tokens dealt = attention_.tokens_of(first + 1, owner);
    for (;;) {
      const int32_t token = dealt.first + counters[owner].next.fetch_add(1, std::memory_order_relaxed);
      if (token >= dealt.last) break;
      int64_t begin = clock_.mark();
      for (size_t index = first; index < last; ++index) {
        run_token(index, token, thread);
        const int64_t done = clock_.mark();
        clock_.add(static_cast<size_t>(thread), index, {done - begin, 0});
        begin = done;
      }
    }
  }
}

void Executor::run_token(size_t index, int32_t token, int32_t thread) {
  const Region& region = regions_[index];
  if (region.kind == RegionKind::kRows) run_rows(region, token, token + 1);
  else attention_.run_token(index, row(region.input, 0), stride_floats(region.input), row(region.out, 0), stride_floats(region.out), token, thread);
}

bool Executor::copies_blocks() const {
  for (size_t i = 0; i < pools_.size(); ++i) {
    if (bindings_.pool(static_cast<int32_t>(i)).copy_count > 0) return true;
  }
  return false;
}

void Executor::copy_blocks(int32_t thread) {
  // Every thread copies its slice of each block, pair after pair: a chain of copies comes out as if done in order.
  const size_t threads = static_cast<size_t>(threads_->size());
  for (size_t p = 0; p < pools_.size(); ++p) {
    const KvPool& pool = pools_[p];
    const PoolBindings& bound = bindings_.pool(static_cast<int32_t>(p));
    const size_t bytes = pool.block_bytes();
    const size_t begin = bytes * static_cast<size_t>(thread) / threads;
    const size_t end = bytes * (static_cast<size_t>(thread) + 1) / threads;
    for (int32_t i = 0; i < bound.copy_count; ++i) {
      const size_t source = static_cast<size_t>(bound.block_copies[2 * static_cast<size_t>(i)]);
      const size_t target = static_cast<size_t>(bound.block_copies[2 * static_cast<size_t>(i) + 1]);
      if (source != target) std::memcpy(pool.data + target * bytes + begin, pool.data + source * bytes + begin, end - begin);
    }
  }
}

void Executor::run_rows(const Region& region, int32_t first, int32_t last) {
  for (int32_t index = first; index < last; ++index) {
    for (const RowInstruction& it : region.instructions) {
      switch (it.op) {
        case RowOp::kEmbed:
          unpack_row(matrices_[static_cast<size_t>(it.weight)], bindings_.token_ids[static_cast<size_t>(index)], row(it.out, index));
          break;
        case RowOp::kNorm:
          kernels_.rms_norm_row(row(it.in, index), vectors_[static_cast<size_t>(it.weight)], it.epsilon, it.count, it.width, row(it.out, index));
          break;
        case RowOp::kRope: {
          const RopeTable& table = ropes_[static_cast<size_t>(it.weight)];
          RopeTable::Buffer buffer;
          const RopeTable::Rows angles = table.rows_of(bindings_.positions[static_cast<size_t>(index)], buffer);
          kernels_.rope_row({it.count, it.width, it.rotary_dim, it.interleaved, angles.cosine, angles.sine}, row(it.in, index));
          break;
        }
        case RowOp::kWriteKv:
          kernels_.write_kv_row(pools_[static_cast<size_t>(it.pool)], it.layer, bindings_.pool(it.pool).slots[static_cast<size_t>(index)],
                                row(it.in, index), row(it.second, index));
          break;
        case RowOp::kGated: kernels_.gated_silu_row(row(it.in, index), row(it.second, index), it.width, row(it.out, index)); break;
        case RowOp::kAdd: kernels_.add_row(row(it.out, index), row(it.in, index), it.width); break;
        case RowOp::kSelect:
          std::memcpy(row(it.out, index), row(it.in, bindings_.output_rows[static_cast<size_t>(index)]), static_cast<size_t>(it.width) * 4);
          break;
        case RowOp::kQuantize:
          kernels_.quantize_row(row(it.in, index), it.width, reinterpret_cast<uint8_t*>(row(it.out, index / kTileRows * kTileRows)),
                                index % kTileRows, it.quantization);
          if (index + 1 == rows_of(region)) fill_up(it, index + 1);
          break;
        case RowOp::kSplit:
          kernels_.split_row(row(it.in, index), it.width, reinterpret_cast<uint8_t*>(row(it.out, index / kTileRows * kTileRows)), index % kTileRows);
          break;
      }
    }
  }
}

void Executor::fill_up(const RowInstruction& quantize, int32_t rows) {
  if (padding_of(rows % kTileRows) == 0) return;
  uint8_t* block = reinterpret_cast<uint8_t*>(row(quantize.out, rows / kTileRows * kTileRows));
  // Blocks have no padding: what rows that are not there give is left out.
  if (quantize.quantization == Quantization::kBlocks) return;
  const bool halves = quantize.quantization == Quantization::kHalves;
  const size_t block_bytes = tile_block_bytes(halves);
  for (int32_t column = 0; column < quantize.width; column += kQuantBlock, block += block_bytes) clear_slots(block, halves, rows % kTileRows);
}

}  // namespace octavo
