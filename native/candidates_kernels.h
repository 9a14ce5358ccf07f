// Picks a token from one row of logits; included once by each instruction set's translation unit, all of it with internal linkage.
//
// Order of arithmetic: f32 per element, without fused multiply-add, so that every instruction set rounds alike; sums of weights
// are sums of multiples of 2^-35 in double precision, which are exact, so that vectors and blocks may add in any order.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstring>

#if defined(__AVX2__) || defined(__AVX512F__) || defined(__SSE2__)
#include <immintrin.h>
#endif

#include "candidates.h"

namespace octavo {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float F __attribute__((vector_size(kLanes * 4)));
typedef int32_t I __attribute__((vector_size(kLanes * 4)));
typedef double D __attribute__((vector_size(kLanes * 4)));

#define CANDIDATE_INLINE static inline __attribute__((always_inline))

CANDIDATE_INLINE F load(const float* at) {
  F v;
  std::memcpy(&v, at, sizeof v);
  return v;
}
CANDIDATE_INLINE void store(float* at, F v) { std::memcpy(at, &v, sizeof v); }
CANDIDATE_INLINE F fill(float value) { return F{} + value; }

/** Bit i: lane i of a is at least b; false for NaN. */
CANDIDATE_INLINE uint32_t at_least(F a, F b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_GE_OQ);
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), _CMP_GE_OQ)));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpge_ps(reinterpret_cast<__m128>(a), reinterpret_cast<__m128>(b))));
#else
  uint32_t mask = 0;
  for (int i = 0; i < kLanes; ++i) mask |= static_cast<uint32_t>(a[i] >= b[i]) << i;
  return mask;
#endif
}

/** Lanes of the lower and of the upper half as doubles. */
CANDIDATE_INLINE void widen(F v, D& low, D& high) {
#if defined(__AVX512F__)
  const __m512 all = reinterpret_cast<__m512>(v);
  low = reinterpret_cast<D>(_mm512_cvtps_pd(_mm512_castps512_ps256(all)));
  high = reinterpret_cast<D>(_mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1))));
#elif defined(__AVX2__)
  const __m256 all = reinterpret_cast<__m256>(v);
  low = reinterpret_cast<D>(_mm256_cvtps_pd(_mm256_castps256_ps128(all)));
  high = reinterpret_cast<D>(_mm256_cvtps_pd(_mm256_extractf128_ps(all, 1)));
#elif defined(__SSE2__)
  const __m128 all = reinterpret_cast<__m128>(v);
  low = reinterpret_cast<D>(_mm_cvtps_pd(all));
  high = reinterpret_cast<D>(_mm_cvtps_pd(_mm_movehl_ps(all, all)));
#else
  for (int i = 0; i < kLanes / 2; ++i) {
    low[i] = v[i];
    high[i] = v[kLanes / 2 + i];
  }
#endif
}

/** Two accumulators of doubles, exact as long as what is added is multiples of 2^-35 below 2^18 in all. */
struct Sum {
  D low = {};
  D high = {};
  CANDIDATE_INLINE void add(Sum& sum, F v) {
    D low, high;
    widen(v, low, high);
    sum.low += low;
    sum.high += high;
  }
  double total() const {
    const D both = low + high;
    double sum = 0;
    for (int i = 0; i < kLanes / 2; ++i) sum += both[i];
    return sum;
  }
};

constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.1219444e-4f;
constexpr float kRounder = 12582912.0f;
constexpr float kSmallest = 1.0f / 4096.0f;

/** exp(x), x in [-24.5, 0] where x >= floor, as a multiple of 2^-35 (Cephes, expf, without FMA); else 0. */
CANDIDATE_INLINE F weight_of(F x, F floor) {
  const F shifted = x * kLog2e + kRounder;
  const F n = shifted - kRounder;
  const F r = (x - n * kLn2High) - n * kLn2Low;
  F y = fill(1.987569150e-4f);
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = (y * (r * r) + r) + 1.0f;
  const F scaled = reinterpret_cast<F>(reinterpret_cast<I>(y) + (reinterpret_cast<I>(shifted) << 23));
  const F rounded = (scaled + kSmallest) - kSmallest;
  const F weight = scaled < kSmallest ? rounded : scaled;
  return x >= floor ? weight : F{};
}

float weight_of_one(float x, float floor) {
  F all = fill(x);
  all = weight_of(all, fill(floor));
  return all[0];
}

/** A row in blocks of 256; the last one is a copy padded with -infinity. */
struct Row {
  const float* logits;
  const float* tail;
  int32_t full_blocks;
  int32_t blocks;
  const float* maxima;
  const float* block(int32_t b) const { return b < full_blocks ? logits + static_cast<size_t>(b) * kCandidateBlock : tail; }
};

float block_maximum(const float* at) {
  F m[4] = {fill(-INFINITY), fill(-INFINITY), fill(-INFINITY), fill(-INFINITY)};
  for (int32_t i = 0; i < kCandidateBlock; i += 4 * kLanes) {
    for (int32_t j = 0; j < 4; ++j) {
      const F v = load(at + i + j * kLanes);
      m[j] = v > m[j] ? v : m[j];
    }
  }
  m[0] = m[1] > m[0] ? m[1] : m[0];
  m[2] = m[3] > m[2] ? m[3] : m[2];
  m[0] = m[2] > m[0] ? m[2] : m[0];
  float lanes[kLanes];
  store(lanes, m[0]);
  for (int32_t width = kLanes / 2; width > 0; width /= 2) {
    for (int32_t i = 0; i < width; ++i) lanes[i] = lanes[i + width] > lanes[i] ? lanes[i + width] : lanes[i];
  }
  return lanes[0];
}

/** As block_maximum, from those of the block's panels. */
float known_maximum(const PanelMaxima& maxima, int32_t block) {
  constexpr int32_t kPanels = kCandidateBlock / kPanelRows;
  const float* at = maxima.data + static_cast<size_t>(block) * kPanels * maxima.stride;
  float largest = -INFINITY;
  for (int32_t i = 0; i < kPanels; ++i, at += maxima.stride) largest = *at > largest ? *at : largest;
  return largest;
}

Row prepare(const float* logits, const PanelMaxima& maxima, int32_t vocab_size, const PickScratch& s) {
  Row row = {logits, s.tail, vocab_size / kCandidateBlock, 0, s.maxima};
  row.blocks = row.full_blocks;
  const int32_t rest = vocab_size % kCandidateBlock;
  if (rest > 0) {
    ++row.blocks;
    for (int32_t i = 0; i < kCandidateBlock; ++i) s.tail[i] = i < rest ? logits[row.full_blocks * kCandidateBlock + i] : -INFINITY;
  }
  for (int32_t b = 0; b < row.blocks; ++b) {
    s.maxima[b] = maxima.data != nullptr && b < row.full_blocks ? known_maximum(maxima, b) : block_maximum(row.block(b));
  }
  return row;
}

int32_t find_best(const Row& row) {
  int32_t best = 0;
  for (int32_t b = 1; b < row.blocks; ++b) {
    if (row.maxima[b] > row.maxima[best]) best = b;
  }
  const float largest = row.maxima[best];
  if (!(largest > -INFINITY) || largest == INFINITY) return -1;
  const float* at = row.block(best);
  int32_t i = 0;
  while (!(at[i] == largest)) ++i;
  return best * kCandidateBlock + i;
}

/** Likelier first: the larger logit, of equal ones the lower id. */
struct Likelier {
  CANDIDATE_INLINE bool before(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }
};
struct Lower {
  CANDIDATE_INLINE bool before(const Candidate& a, const Candidate& b) { return a.id < b.id; }
};
struct Larger {
  CANDIDATE_INLINE bool before(float a, float b) { return a > b; }
};

template <typename T>
CANDIDATE_INLINE void exchange(T& a, T& b) {
  const T kept = a;
  a = b;
  b = kept;
}

template <typename Order, typename T>
void heap_sort(T* items, int32_t count) {
  const auto sink = [items](int32_t at, int32_t end) {
    for (;;) {
      int32_t child = 2 * at + 1;
      if (child >= end) return;
      if (child + 1 < end && Order::before(items[child], items[child + 1])) ++child;
      if (!Order::before(items[at], items[child])) return;
      exchange(items[at], items[child]);
      at = child;
    }
  };
  for (int32_t i = count / 2; i-- > 0;) sink(i, count);
  for (int32_t end = count - 1; end > 0; --end) {
    exchange(items[0], items[end]);
    sink(0, end);
  }
}

/** Moves what comes before a pivot of [begin, end) to its front; returns where the rest, pivot first, begins. */
template <typename Order, typename T>
int32_t partition(T* items, int32_t begin, int32_t end) {
  exchange(items[begin + (end - begin) / 2], items[end - 1]);
  const T pivot = items[end - 1];
  int32_t at = begin;
  for (int32_t i = begin; i < end - 1; ++i) {
    if (Order::before(items[i], pivot)) exchange(items[i], items[at++]);
  }
  exchange(items[at], items[end - 1]);
  return at;
}

constexpr int32_t kShortRange = 24;

/** The first `keep` of the order come to the front, in any order. */
template <typename Order, typename T>
void select_front(T* items, int32_t count, int32_t keep) {
  int32_t begin = 0;
  int32_t end = count;
  for (int32_t round = 0; round < 64 && end - begin > kShortRange && begin < keep && keep < end; ++round) {
    const int32_t middle = partition<Order>(items, begin, end);
    if (middle >= keep) end = middle;
    else begin = middle + 1;
  }
  heap_sort<Order>(items + begin, end - begin);
}

/** Candidates of at least `lowest`, by ascending id. */
int32_t collect(const Row& row, float lowest, Candidate* list) {
  int32_t count = 0;
  for (int32_t b = 0; b < row.blocks; ++b) {
    if (!(row.maxima[b] >= lowest)) continue;
    const float* at = row.block(b);
    for (int32_t i = 0; i < kCandidateBlock; i += kLanes) {
      for (uint32_t mask = at_least(load(at + i), fill(lowest)); mask != 0; mask &= mask - 1) {
        const int32_t j = i + __builtin_ctz(mask);
        list[count++] = {at[j], 0, b * kCandidateBlock + j};
      }
    }
  }
  return count;
}

/** The `wanted` likeliest into s.list, in order; returns how many there are. Quick where `wanted` is at most the blocks. */
int32_t likeliest(const Row& row, int32_t wanted, const PickScratch& s) {
  if (wanted == 0) return 0;
  float lowest = -FLT_MAX;
  if (wanted <= row.blocks) {
    // As many blocks have a maximum that large, so as many logits are.
    std::memcpy(s.order, row.maxima, static_cast<size_t>(row.blocks) * sizeof(float));
    select_front<Larger>(s.order, row.blocks, wanted);
    float least = s.order[0];
    for (int32_t i = 1; i < wanted; ++i) least = s.order[i] < least ? s.order[i] : least;
    if (least > lowest) lowest = least;
  }
  const int32_t count = collect(row, lowest, s.list);
  const int32_t kept = count < wanted ? count : wanted;
  select_front<Likelier>(s.list, count, kept);
  heap_sort<Likelier>(s.list, kept);
  return kept;
}

/** Weights of a block of logits: stored where `out` is not null; returns their sum. */
template <bool kStore>
CANDIDATE_INLINE void weigh_block(const float* at, float best, float inverse_temperature, float floor, float* out, Sum& sum) {
  for (int32_t i = 0; i < kCandidateBlock; i += kLanes) {
    const F weight = weight_of((load(at + i) - best) * inverse_temperature, fill(floor));
    Sum::add(sum, weight);
    if (kStore) store(out + i, weight);
  }
}

/** Weights of the whole row, stored in `weights` where asked for; their sums per block in `totals`. Returns the sum. */
template <bool kStore>
double weigh(const Row& row, float best, float inverse_temperature, float floor, float* weights, double* totals) {
  double total = 0;
  for (int32_t b = 0; b < row.blocks; ++b) {
    float* out = weights + static_cast<size_t>(b) * kCandidateBlock;
    if (!((row.maxima[b] - best) * inverse_temperature >= floor)) {
      if (kStore) std::memset(out, 0, kCandidateBlock * sizeof(float));
      totals[b] = 0;
      continue;
    }
    Sum sum;
    weigh_block<kStore>(row.block(b), best, inverse_temperature, floor, out, sum);
    const double block_sum = sum.total();
    totals[b] = block_sum;
    total += block_sum;
  }
  return total;
}

/** What truncation keeps: logits above `logit`, and equal ones up to `last_id`. */
struct Cut {
  float logit;
  int32_t last_id;
  double total;  // of the weights kept
};

CANDIDATE_INLINE bool keeps(const Cut& cut, float logit, int32_t id) {
  return logit > cut.logit || (logit == cut.logit && id <= cut.last_id);
}

constexpr int32_t kBins = 1024;

/** Bins by distance below the best logit, `bins_per_unit` to a unit; what is farther off, or NaN, is in the last one. */
CANDIDATE_INLINE I bins_of(F logits, float best, float bins_per_unit) {
  const F at = (best - logits) * bins_per_unit;
  return __builtin_convertvector(at < static_cast<float>(kBins - 1) ? at : fill(kBins - 1), I);
}

/**
 * The shortest run of the likeliest whose weights reach `wanted`, which all of them together do: a histogram finds the bin that the
 * last one is in, selection finds it in the bin. Weights are 0 from `reach` below the best on.
 */
Cut find_cut(const Row& row, const float* weights, double wanted, float best, float reach, const PickScratch& s) {
  const float bins_per_unit = static_cast<float>(kBins) / reach < FLT_MAX ? static_cast<float>(kBins) / reach : FLT_MAX;
  double histogram[2][kBins] = {};
  for (int32_t b = 0; b < row.blocks; ++b) {
    const float* at = row.block(b);
    const float* w = weights + static_cast<size_t>(b) * kCandidateBlock;
    if (!(row.maxima[b] >= best - reach)) continue;
    for (int32_t i = 0; i < kCandidateBlock; i += kLanes) {
      int32_t bins[kLanes];
      const I bin = bins_of(load(at + i), best, bins_per_unit);
      std::memcpy(bins, &bin, sizeof bins);
      // Two histograms: neighbours of one bin need not wait for each other.
      for (int32_t j = 0; j < kLanes; ++j) histogram[j % 2][bins[j]] += w[i + j];
    }
  }
  double above = 0;
  int32_t last_bin = 0;
  for (; last_bin < kBins - 1; ++last_bin) {
    const double sum = above + (histogram[0][last_bin] + histogram[1][last_bin]);
    if (sum >= wanted) break;
    above = sum;
  }
  Candidate* list = s.list;
  int32_t end = 0;
  for (int32_t b = 0; b < row.blocks; ++b) {
    if (!(row.maxima[b] >= best - reach) || bins_of(fill(row.maxima[b]), best, bins_per_unit)[0] > last_bin) continue;
    const float* at = row.block(b);
    const float* w = weights + static_cast<size_t>(b) * kCandidateBlock;
    for (int32_t i = 0; i < kCandidateBlock; i += kLanes) {
      const I bin = bins_of(load(at + i), best, bins_per_unit);
      const F inside = reinterpret_cast<F>((bin == last_bin) & reinterpret_cast<I>(load(w + i)));
      for (uint32_t mask = at_least(inside, fill(FLT_MIN)); mask != 0; mask &= mask - 1) {
        const int32_t j = i + __builtin_ctz(mask);
        list[end++] = {at[j], w[j], b * kCandidateBlock + j};
      }
    }
  }
  int32_t begin = 0;
  for (int32_t round = 0; round < 64 && end - begin > kShortRange; ++round) {
    const int32_t middle = partition<Likelier>(list, begin, end);
    double sum = above;
    for (int32_t i = begin; i < middle; ++i) sum += list[i].weight;
    if (sum >= wanted) {
      end = middle;
    } else {
      above = sum;
      begin = middle;
    }
  }
  heap_sort<Likelier>(list + begin, end - begin);
  if (begin == end) return {-FLT_MAX, INT32_MAX, above};
  int32_t last = begin;
  for (; last < end - 1; ++last) {
    if (above + list[last].weight >= wanted) break;
    above += list[last].weight;
  }
  return {list[last].logit, list[last].id, above + list[last].weight};
}

/** Sum of the weights of a block that the cut keeps. */
double block_total(const Row& row, int32_t b, const float* weights, const Cut& cut) {
  const float* at = row.block(b);
  const float* w = weights + static_cast<size_t>(b) * kCandidateBlock;
  const bool has_later = (b + 1) * kCandidateBlock - 1 > cut.last_id;
  Sum sum;
  double excess = 0;
  for (int32_t i = 0; i < kCandidateBlock; i += kLanes) {
    const F v = load(at + i);
    Sum::add(sum, v >= cut.logit ? load(w + i) : F{});
    if (!has_later) continue;
    uint32_t equal = at_least(v, fill(cut.logit)) & at_least(fill(cut.logit), v);
    for (; equal != 0; equal &= equal - 1) {
      const int32_t j = i + __builtin_ctz(equal);
      if (b * kCandidateBlock + j > cut.last_id) excess += w[j];
    }
  }
  return sum.total() - excess;
}

/** The first id at which the sum of the weights kept exceeds `target`. */
int32_t draw_from_row(const Row& row, const float* weights, const Cut& cut, double target) {
  double sum = 0;
  int32_t last_block = 0;
  for (int32_t pass = 0; pass < 2; ++pass) {
    for (int32_t b = pass == 0 ? 0 : last_block; b < row.blocks; ++b) {
      if (!(row.maxima[b] >= cut.logit)) continue;
      const double total = block_total(row, b, weights, cut);
      if (total == 0) continue;
      last_block = b;
      // The second pass is for a target that rounding made equal to the total: the last token kept.
      if (pass == 0 && !(sum + total > target)) {
        sum += total;
        continue;
      }
      const float* at = row.block(b);
      int32_t last = -1;
      for (int32_t i = 0; i < kCandidateBlock; ++i) {
        const int32_t id = b * kCandidateBlock + i;
        const float weight = weights[id];
        if (weight == 0 || !keeps(cut, at[i], id)) continue;
        last = id;
        sum += weight;
        if (pass == 0 && sum > target) return id;
      }
      return last;
    }
  }
  return -1;
}

int32_t draw_from_list(Candidate* list, int32_t count, float best, const PickSpec& spec) {
  double total = 0;
  for (int32_t i = 0; i < count; ++i) {
    list[i].weight = weight_of_one((list[i].logit - best) * spec.inverse_temperature, spec.floor);
    total += list[i].weight;
  }
  if (spec.top_p < 1) {
    const double wanted = spec.top_p * total;
    total = 0;
    int32_t kept = 0;
    while (kept < count && !(total >= wanted && kept > 0)) total += list[kept++].weight;
    count = kept;
  }
  heap_sort<Lower>(list, count);
  const double target = spec.uniform * total;
  double sum = 0;
  int32_t last = -1;
  for (int32_t i = 0; i < count; ++i) {
    if (list[i].weight == 0) continue;
    last = list[i].id;
    sum += list[i].weight;
    if (sum > target) return last;
  }
  return last;
}

/** As draw_from_row without a cut, from the totals of the blocks: weighs only the block that the token is in. */
int32_t draw_from_totals(const Row& row, const PickSpec& spec, float best, double target, const double* totals) {
  double sum = 0;
  int32_t block = -1;
  for (int32_t b = 0; b < row.blocks; ++b) {
    if (totals[b] == 0) continue;
    block = b;
    if (sum + totals[b] > target) break;
    sum += totals[b];
  }
  float weights[kCandidateBlock];
  Sum unused;
  weigh_block<true>(row.block(block), best, spec.inverse_temperature, spec.floor, weights, unused);
  int32_t last = -1;
  for (int32_t i = 0; i < kCandidateBlock; ++i) {
    if (weights[i] == 0) continue;
    last = block * kCandidateBlock + i;
    sum += weights[i];
    if (sum > target) break;
  }
  return last;
}

/** Zeroes all weights but those of the k largest logits; returns the sum of these. */
double keep_top_k(const Row& row, int32_t vocab_size, int32_t top_k, float* weights, Candidate* list) {
  const int32_t count = collect(row, -FLT_MAX, list);
  Cut cut = {-FLT_MAX, INT32_MAX, 0};
  if (top_k < count) {
    select_front<Likelier>(list, count, top_k);
    Candidate least = list[0];
    for (int32_t i = 1; i < top_k; ++i) least = Likelier::before(least, list[i]) ? list[i] : least;
    cut = {least.logit, least.id, 0};
  }
  for (int32_t id = 0; id < vocab_size; ++id) {
    if (!keeps(cut, row.logits[id], id)) weights[id] = 0;
    cut.total += weights[id];
  }
  return cut.total;
}

int32_t draw(const Row& row, int32_t vocab_size, float best, const PickSpec& spec, const PickScratch& s) {
  const bool has_top_k = spec.top_k > 0 && spec.top_k < vocab_size;
  if (has_top_k && spec.top_k <= row.blocks) return draw_from_list(s.list, likeliest(row, spec.top_k, s), best, spec);
  if (!has_top_k && spec.top_p == 1) {
    const double total = weigh<false>(row, best, spec.inverse_temperature, spec.floor, s.weights, s.totals);
    return draw_from_totals(row, spec, best, spec.uniform * total, s.totals);
  }
  Cut cut = {-FLT_MAX, INT32_MAX, 0};
  cut.total = weigh<true>(row, best, spec.inverse_temperature, spec.floor, s.weights, s.totals);
  if (has_top_k) cut.total = keep_top_k(row, vocab_size, spec.top_k, s.weights, s.list);
  // Weights are 0 from 24.5 units of temperature below the best on.
  const float reach = 25.0f / spec.inverse_temperature;
  if (spec.top_p < 1) cut = find_cut(row, s.weights, spec.top_p * cut.total, best, reach < FLT_MAX ? reach : FLT_MAX, s);
  return draw_from_row(row, s.weights, cut, spec.uniform * cut.total);
}

void pick_token(const float* logits, const PanelMaxima& maxima, int32_t vocab_size, const PickSpec& spec, const PickScratch& s, double* result) {
  const Row row = prepare(logits, maxima, vocab_size, s);
  const int32_t best_id = find_best(row);
  result[0] = best_id;
  if (best_id < 0) return;
  const float best = logits[best_id];
  const int32_t token = spec.greedy ? best_id : draw(row, vocab_size, best, spec, s);
  result[0] = token;
  result[1] = logits[token];
  result[2] = best;
  if (spec.top_count < 0) return;
  result[3] = weigh<false>(row, best, 1.0f, -24.5f, s.weights, s.totals);
  const int32_t count = likeliest(row, spec.top_count, s);
  result[4] = count;
  for (int32_t i = 0; i < count; ++i) {
    result[kPickResultValues + 2 * static_cast<size_t>(i)] = s.list[i].id;
    result[kPickResultValues + 2 * static_cast<size_t>(i) + 1] = s.list[i].logit;
  }
}

}  // namespace

const CandidateKernels& OCTAVO_CANDIDATES() {
  static constexpr CandidateKernels kernels = {pick_token};
  return kernels;
}

}  // namespace octavo
