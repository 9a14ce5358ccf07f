// Picks tokens from rows of logits by the rule of src/backends/picks.ts, as the tail of a step.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout.h"
#include "memory.h"

namespace octavo {

/** Logits whose largest is kept per block: rows are walked in blocks. */
constexpr int32_t kCandidateBlock = 256;
static_assert(kCandidateBlock % kPanelRows == 0, "blocks are whole panels");
constexpr int32_t kMaxReported = 256;

/** One pick, as src/backends/cpu/picks.ts encodes it. */
struct PickSpec {
  int32_t output;
  bool greedy;
  float inverse_temperature;
  float floor;
  int32_t top_k;  // 0: all
  double top_p;
  double uniform;
  int32_t top_count;  // -1: no log-probabilities
  size_t first_edit;
  size_t edit_count;
  size_t result;  // where its result begins
};

struct Candidate {
  float logit;
  float weight;
  int32_t id;
};

/** Room of one thread: `blocks` = vocabulary in blocks of 256, rounded up. */
struct PickScratch {
  float* weights;  // [blocks * 256]
  float* maxima;  // [blocks]
  float* order;  // [blocks]
  double* totals;  // [blocks]
  float* tail;  // [256] the last block, padded
  Candidate* list;  // [blocks * 256]
};

struct CandidateKernels {
  /**
   * Picks from a row whose edits are applied. `result`: token, its logit, best logit, sum of weights at temperature 1 (0 where no
   * log-probabilities are wanted), number of reported tokens, then (id, logit) of each. Token -1: nothing to pick.
   * `maxima`: those of the logits, from the row's own on; without data: to be found.
   */
  void (*pick)(const float* row, const PanelMaxima& maxima, int32_t vocab_size, const PickSpec& spec, const PickScratch& scratch, double* result);
};

const CandidateKernels& portable_candidates();
/** Linked on x86-64 only. */
const CandidateKernels& avx2_candidates();
const CandidateKernels& avx512_candidates();

/** Those that belong to kernels of this name: every set beyond AVX2 has AVX-512. */
const CandidateKernels& candidates_of(const char* kernels_name);

constexpr size_t kPickValues = 9;
constexpr size_t kPickResultValues = 5;

/** What is to be picked in a step: copied and checked. */
class Picks {
 public:
  struct Raw {
    const double* values;  // [count * kPickValues]
    size_t value_count;
    const int32_t* edit_ids;
    size_t edit_id_count;
    const double* edit_values;  // (factor, offset) of each edit
    size_t edit_value_count;
    size_t count;
  };
  /** Throws PlanError when they do not hold; there are then no picks. */
  void assign(const Raw& raw, int32_t output_count, int32_t vocab_size);
  void clear() { specs.clear(); }

  std::vector<PickSpec> specs;
  std::vector<size_t> row_starts;  // first pick of each row, then the number of picks
  std::vector<int32_t> edit_ids;
  std::vector<double> edit_values;
  size_t result_values = 0;
};

/** Runs the picks of a step on its threads. */
class Picker {
 public:
  Picker(const CandidateKernels& kernels, int32_t vocab_size, int32_t threads);

  /** Exchanges `picks` with those of the step that runs next; before its threads start. */
  void bind(Picks& picks);
  bool active() const { return !picks_.specs.empty(); }
  /** On every thread, once the logits are complete. Rows are edited in place and put back as they were. `maxima`: of the logits, if they are known. */
  void run(int32_t thread, float* logits, const PanelMaxima& maxima);
  /** When all threads have run: the first token that was picked from each row, kNothingToPick or kNoPick of bindings.h, into the front of `picked`. */
  void picked_tokens(std::vector<int32_t>& picked) const;
  /** The same time: the results, given away. */
  std::vector<double> take_results() { return std::move(results_); }
  size_t scratch_bytes() const { return memory_.size(); }

 private:
  void pick(const PickSpec& spec, float* row, const PanelMaxima& maxima, const PickScratch& scratch, std::vector<float>& saved);

  const CandidateKernels& kernels_;
  const int32_t vocab_size_;
  Picks picks_;
  std::vector<double> results_;
  std::vector<std::vector<float>> saved_;  // per thread: what edits overwrote
  std::vector<PickScratch> scratch_;
  MappedMemory memory_;
  std::atomic<size_t> next_{0};
};

}  // namespace octavo
