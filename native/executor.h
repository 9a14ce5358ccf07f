// A compiled model: packed weights, KV pool, scratch, and the loop that runs a step over them on the thread pool.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "attention.h"
#include "bindings.h"
#include "candidates.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "plan.h"
#include "region_clock.h"
#include "rope_table.h"
#include "thread_pool.h"

namespace octavo {

struct MatrixSpec {
  DType dtype;
  int32_t rows;
  int32_t columns;
};

struct ModelSpec {
  std::vector<MatrixSpec> matrices;
  std::vector<int32_t> vector_lengths;
  std::vector<Buffer> buffers;
  size_t arena_bytes;
  std::vector<RopeTable> ropes;
  std::vector<double> plan;
  std::vector<KvPool> pools;  // `data` unset; all of one head count and size
  Limits limits;
  int32_t vocab_size;
  bool cascade;  // shared leading blocks are read once (attention.h)
  bool times_regions;
};

/** Rows of a matrix, or a whole vector, as stored in `bytes`. */
struct WeightPiece {
  bool is_vector;
  int32_t index;
  DType dtype;
  int32_t first_row;
  int32_t row_count;
  const uint8_t* bytes;
  size_t byte_count;
};

/** Floats of a row of a gate's panel and of the panel of what it lets through. */
constexpr size_t kPairFloats = 2 * kPanelRows;
/** Per-thread floats for the products of one pair of panels over at most `rows` rows, or of more pairs over few. */
inline constexpr size_t gated_scratch_floats(size_t rows) {
  const size_t few = size_t{kPanelsAtOnce} * 2 * kTileRows;
  const size_t padded = round_up(rows, kTileRows);
  return kPairFloats * (padded > few ? padded : few);
}

class Executor {
 public:
  Executor(std::shared_ptr<ThreadPool> threads, const Kernels& kernels, ModelSpec spec);

  /** Checks pieces of weights against what is to be loaded. Throws PlanError. */
  void check_pieces(const std::vector<WeightPiece>& pieces) const;
  /** Packs checked pieces, which overlap nowhere, on all threads. */
  void pack(const std::vector<WeightPiece>& pieces);
  /** Has the threads take the memory of the KV pools from the system when they have nothing else to do, lest steps wait for it. */
  void populate_when_idle() const;

  /** Steps that may be bound and not have ended: one runs, the other waits. */
  static constexpr int32_t kMostSteps = 2;
  /**
   * Copies and checks the bindings and picks of the next step, and returns which of kMostSteps it is: theirs in turn. Throws PlanError, and the turn is then
   * the next one's. Not while kMostSteps have not ended.
   */
  int32_t bind(const RawBindings& raw, const Picks::Raw& picks);
  struct Times {
    int64_t step_nanoseconds;
    /** The part of it in which tokens were picked. */
    int64_t pick_nanoseconds;
  };
  /**
   * Runs a bound step and its picks. Called on a thread other than JavaScript's, in the order of `bind`. Throws PlanError where a token is to be what the step
   * before did not pick.
   */
  Times run(int32_t bound);
  /** The results of the picks of the step that ran last (candidates.h), given away; on the same thread. */
  std::vector<double> take_results() { return picker_.take_results(); }

  /** (work, wait) of the last step's regions, in milliseconds; empty unless the spec wants them timed. */
  std::vector<double> region_times() const { return clock_.means(); }

  float* logits() const { return reinterpret_cast<float*>(logits_->data()); }
  const std::shared_ptr<MappedMemory>& logits_memory() const { return logits_; }
  const KvPool& pool(size_t index) const { return pools_[index]; }
  size_t pool_count() const { return pools_.size(); }
  size_t kv_bytes() const;
  const Limits& limits() const { return limits_; }
  int32_t vocab_size() const { return vocab_size_; }
  size_t weight_bytes() const { return weight_memory_.size() + vector_memory_.size(); }
  size_t scratch_bytes() const;

 private:
  /** A gate and what it lets through as one matrix, whose panels are theirs in turn: products of both are made, and joined, together. */
  struct Woven {
    int32_t gate;
    int32_t up;
    Matrix matrix;
  };
  /** A panel where it lies. */
  struct PanelPlace {
    const Matrix* matrix;
    int32_t panel;
  };

  /** Throws PlanError where weights of gated regions are used otherwise too. */
  void plan_woven();
  /** Makes room for the largest logits, if those are the last region's only output and may be streamed. */
  void plan_head();
  /** Finds chains of regions: rows of tokens, an attention, and perhaps rows of tokens, none of whose buffers overlap. */
  void plan_chains();
  void place_weights();
  /** The weights that a matrix is woven into; null: none. */
  const Woven* woven_of(int32_t matrix) const {
    const int32_t index = matrix_woven_[static_cast<size_t>(matrix)];
    return index < 0 ? nullptr : &woven_[static_cast<size_t>(index)];
  }
  PanelPlace place_of(int32_t matrix, int32_t panel) const;
  /** That products have input in the form that the kernels take, which for BF16 weights is split or not. Throws PlanError. */
  void check_inputs() const;
  /** The next item of one thread's share of a region's work. */
  struct alignas(64) Counter {
    std::atomic<int32_t> next{0};
  };

  void pack_piece(const WeightPiece& piece);
  /** A step that waits. */
  struct Bound {
    StepBindings bindings;
    Picks picks;
  };

  /** Bindings to be assigned; `regions_` and `pools_` are there. */
  StepBindings unbound(const ModelSpec& spec) const;
  void prepare_step(Bound& step);
  void run_thread(int32_t thread);
  void run_region(size_t index, int32_t thread);
  /** One past the regions from `index` on that a thread takes tokens of the bound step through before it meets the others. */
  size_t chain_end(size_t index) const { return chain_ends_[index] > index + 1 && attention_.deals_tokens(index + 1) ? chain_ends_[index] : index + 1; }
  /** This thread's share of the tokens in regions [first, last), a chain. */
  void run_chain(size_t first, size_t last, int32_t thread);
  void run_token(size_t index, int32_t token, int32_t thread);
  int32_t rows_of(const Region& region) const;
  /** The first region from `index` on that all threads share: not empty, and not a row region over a single row. */
  size_t skip_serial(size_t index) const;
  void run_serial(size_t first, size_t last);
  bool copies_blocks() const;
  void copy_blocks(int32_t thread);
  void run_rows(const Region& region, int32_t first, int32_t last);
  /** Fills the last tile of quantised rows up (clear_slots). */
  void fill_up(const RowInstruction& quantize, int32_t rows);
  void run_linear(size_t index, int32_t rows, int32_t thread);
  void run_gated(size_t index, int32_t rows, int32_t thread);
  /** SiLU of the gate times what it lets through, of some pairs of panels, from rows of both in turn. */
  void join_gated(const Region& region, int32_t columns, int32_t pair, int32_t pairs, int32_t first_row, int32_t last_row, const float* from);
  /** Whether a buffer of quantised rows of `columns` has the sums of halves too. */
  bool has_halves(int32_t buffer, int32_t columns) const { return buffers_[static_cast<size_t>(buffer)].stride_bytes == quantized_row_bytes(columns, Quantization::kHalves); }
  int32_t panels_at_once(const Matrix& matrix, int32_t rows) const { return kernels_.panels_at_once == nullptr ? 1 : kernels_.panels_at_once(matrix, rows); }
  /** Rows that a product may have. */
  size_t most_rows() const { return static_cast<size_t>(limits_.max_tokens > limits_.max_outputs ? limits_.max_tokens : limits_.max_outputs); }
  /** A product of a region's input; `out` unset. */
  LinearJob job_of(const Region& region, const Matrix& matrix) const;
  /** How many rows are multiplied at a time by `panels` panels. */
  int32_t row_chunk_of(const Region& region, const Matrix& matrix, int32_t panels, int32_t rows) const;
  /** Calls run_items(item, end), which returns how many of [item, end) it did, for this thread's share of `items`, `most` at a time, and then for what others have left. */
  template <typename RunItems>
  void run_shares(size_t index, int32_t thread, int32_t items, int32_t most, const RunItems& run_items);

  float* row(int32_t buffer, int32_t index) const {
    const Buffer& b = buffers_[static_cast<size_t>(buffer)];
    return reinterpret_cast<float*>((b.logits ? logits_->data() : arena_.data()) + b.offset + static_cast<size_t>(index) * b.stride_bytes);
  }
  size_t stride_floats(int32_t buffer) const { return buffers_[static_cast<size_t>(buffer)].stride_bytes / 4; }
  float* linear_scratch(int32_t thread) const {
    return reinterpret_cast<float*>(thread_scratch_.data()) + static_cast<size_t>(thread) * thread_scratch_floats_;
  }

  const std::shared_ptr<ThreadPool> threads_;
  const Kernels& kernels_;
  const Limits limits_;
  const int32_t vocab_size_;
  std::vector<KvPool> pools_;
  std::vector<Buffer> buffers_;
  std::vector<Matrix> matrices_;  // those that are woven have no data
  std::vector<int32_t> vector_lengths_;
  std::vector<float*> vectors_;
  std::vector<RopeTable> ropes_;
  std::vector<Region> regions_;
  std::vector<Woven> woven_;
  std::vector<int32_t> matrix_woven_;  // index into woven_, or -1
  std::vector<size_t> chain_ends_;  // of each region: one past the chain that it begins, or past itself
  MappedMemory weight_memory_;
  MappedMemory vector_memory_;
  std::vector<std::shared_ptr<MappedMemory>> pool_memory_;
  MappedMemory arena_;
  MappedMemory thread_scratch_;
  std::shared_ptr<MappedMemory> logits_;
  MappedMemory logit_maxima_;  // empty: logits are never streamed
  PanelMaxima maxima_;  // of this step's logits; without data: they are not streamed
  size_t thread_scratch_floats_ = 0;
  StepBindings bindings_;  // of the step that runs, as those of `attention_` and `picker_`
  Attention attention_;
  Picker picker_;
  std::vector<int32_t> picked_;  // by output row of the step that ran last
  std::array<Bound, kMostSteps> bound_;
  int32_t next_bound_ = 0;
  RegionClock clock_;
  int64_t picks_begin_ = 0;  // steady clock, of thread 0
  std::unique_ptr<Counter[]> counters_;  // [region][thread]
};

}  // namespace octavo
