// The picks of a step: decoding, edits, and which thread takes which row.
#include "candidates.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "bindings.h"
#include "layout.h"
#include "plan.h"

namespace octavo {

const CandidateKernels& candidates_of(const char* kernels_name) {
#ifdef OCTAVO_X86
  if (std::strcmp(kernels_name, "avx2") == 0) return avx2_candidates();
  if (std::strcmp(kernels_name, "portable") != 0) return avx512_candidates();
#else
  static_cast<void>(kernels_name);
#endif
  return portable_candidates();
}

Picker::Picker(const CandidateKernels& kernels, int32_t vocab_size, int32_t threads) : kernels_(kernels), vocab_size_(vocab_size) {
  const size_t blocks = (static_cast<size_t>(vocab_size) + kCandidateBlock - 1) / kCandidateBlock;
  const size_t values = blocks * kCandidateBlock;
  const size_t floats = round_up(values + 2 * blocks + kCandidateBlock, 16);
  const size_t bytes = round_up(floats * sizeof(float) + blocks * sizeof(double) + values * sizeof(Candidate), 64);
  memory_ = MappedMemory(bytes * static_cast<size_t>(threads));
  for (int32_t thread = 0; thread < threads; ++thread) {
    uint8_t* base = memory_.data() + static_cast<size_t>(thread) * bytes;
    float* weights = reinterpret_cast<float*>(base);
    float* tail = weights + values;
    float* maxima = tail + kCandidateBlock;
    double* totals = reinterpret_cast<double*>(base + floats * sizeof(float));
    scratch_.push_back({weights, maxima, maxima + blocks, totals, tail, reinterpret_cast<Candidate*>(totals + blocks)});
  }
  saved_.resize(static_cast<size_t>(threads));
}

void Picks::assign(const Raw& raw, int32_t output_count, int32_t vocab_size) {
  specs.clear();
  row_starts.clear();
  if (raw.value_count < raw.count * kPickValues) throw PlanError("the picks have too few values");
  size_t edits = 0;
  size_t results = 0;
  std::vector<PickSpec> picks;
  picks.reserve(raw.count);
  for (size_t i = 0; i < raw.count; ++i) {
    const double* v = raw.values + i * kPickValues;
    const auto whole = [&](size_t at, double lowest, double highest) {
      if (!(v[at] >= lowest && v[at] <= highest)) {
        throw PlanError("value " + std::to_string(at) + " of pick " + std::to_string(i) + " is " + std::to_string(v[at]) + ", outside " +
                        std::to_string(lowest) + " to " + std::to_string(highest));
      }
      return static_cast<int64_t>(v[at]);
    };
    PickSpec spec{};
    const double previous = picks.empty() ? 0 : picks.back().output;
    spec.output = static_cast<int32_t>(whole(0, previous, output_count - 1));
    spec.greedy = v[1] != 0;
    spec.inverse_temperature = static_cast<float>(v[2]);
    spec.floor = static_cast<float>(v[3]);
    spec.top_k = static_cast<int32_t>(whole(4, 0, INT32_MAX));
    spec.top_p = v[5];
    spec.uniform = v[6];
    spec.top_count = static_cast<int32_t>(whole(7, -1, kMaxReported));
    spec.edit_count = static_cast<size_t>(whole(8, 0, vocab_size));
    if (!spec.greedy && !(v[2] > 0 && v[3] <= 0 && v[5] > 0 && v[5] <= 1 && v[6] >= 0 && v[6] < 1)) {
      throw PlanError("pick " + std::to_string(i) + " has a setting out of range");
    }
    spec.first_edit = edits;
    spec.result = results;
    edits += spec.edit_count;
    results += kPickResultValues + 2 * static_cast<size_t>(spec.top_count > 0 ? spec.top_count : 0);
    picks.push_back(spec);
  }
  if (raw.edit_id_count < edits || raw.edit_value_count < 2 * edits) throw PlanError("the picks have too few edits");
  for (size_t i = 0; i < edits; ++i) {
    if (raw.edit_ids[i] < 0 || raw.edit_ids[i] >= vocab_size) {
      throw PlanError("edit " + std::to_string(i) + " is of token " + std::to_string(raw.edit_ids[i]) + ", outside 0 to " +
                      std::to_string(vocab_size - 1));
    }
  }
  edit_ids.assign(raw.edit_ids, raw.edit_ids + edits);
  edit_values.assign(raw.edit_values, raw.edit_values + 2 * edits);
  result_values = results;
  for (size_t i = 0; i < picks.size(); ++i) {
    if (i == 0 || picks[i].output != picks[i - 1].output) row_starts.push_back(i);
  }
  row_starts.push_back(picks.size());
  specs = std::move(picks);
}

void Picker::bind(Picks& picks) {
  std::swap(picks_, picks);
  results_.assign(active() ? picks_.result_values : 0, 0.0);
  next_.store(0, std::memory_order_relaxed);
}

void Picker::picked_tokens(std::vector<int32_t>& picked) const {
  std::fill(picked.begin(), picked.end(), StepBindings::kNoPick);
  if (!active()) return;
  for (size_t row = 0; row + 1 < picks_.row_starts.size(); ++row) {
    const PickSpec& first = picks_.specs[picks_.row_starts[row]];
    const double id = results_[first.result];
    picked[static_cast<size_t>(first.output)] = id < 0 ? StepBindings::kNothingToPick : static_cast<int32_t>(id);
  }
}

void Picker::run(int32_t thread, float* logits, const PanelMaxima& maxima) {
  const PickScratch& scratch = scratch_[static_cast<size_t>(thread)];
  std::vector<float>& saved = saved_[static_cast<size_t>(thread)];
  for (;;) {
    const size_t row = next_.fetch_add(1, std::memory_order_relaxed);
    if (row + 1 >= picks_.row_starts.size()) return;
    for (size_t i = picks_.row_starts[row]; i < picks_.row_starts[row + 1]; ++i) {
      const size_t output = static_cast<size_t>(picks_.specs[i].output);
      // What edits make of the largest is found anew.
      const bool known = maxima.data != nullptr && picks_.specs[i].edit_count == 0;
      pick(picks_.specs[i], logits + output * static_cast<size_t>(vocab_size_), known ? PanelMaxima{maxima.data + output, maxima.stride} : PanelMaxima{}, scratch, saved);
    }
  }
}

void Picker::pick(const PickSpec& spec, float* row, const PanelMaxima& maxima, const PickScratch& scratch, std::vector<float>& saved) {
  saved.clear();
  for (size_t i = spec.first_edit; i < spec.first_edit + spec.edit_count; ++i) {
    float& logit = row[picks_.edit_ids[i]];
    saved.push_back(logit);
    const double factor = picks_.edit_values[2 * i];
    const float scaled = static_cast<float>(logit > 0 ? logit / factor : logit * factor);
    logit = static_cast<float>(scaled + picks_.edit_values[2 * i + 1]);
  }
  kernels_.pick(row, maxima, vocab_size_, spec, scratch, results_.data() + spec.result);
  // Backwards: should a token be edited twice, its first value is the original.
  for (size_t i = spec.edit_count; i-- > 0;) row[picks_.edit_ids[spec.first_edit + i]] = saved[i];
}

}  // namespace octavo
