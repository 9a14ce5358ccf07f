// Times the loops: every thread works through the same span of time, and their rates add up.
#include "probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "../kernels/weight_stream.h"
#include "../memory.h"

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/** Work of one thread: called again and again, returns the amount done. */
using Chunk = std::function<double(int32_t thread)>;

/** Amount per second over all threads, which start together and stop after `seconds`. */
double rate_of(int32_t threads, double seconds, const Chunk& chunk) {
  std::vector<double> rates(static_cast<size_t>(threads));
  std::atomic<int32_t> ready{0};
  const auto body = [&](int32_t thread) {
    ready.fetch_add(1);
    while (ready.load() < threads) std::this_thread::yield();
    const Clock::time_point start = Clock::now();
    double amount = 0;
    do amount += chunk(thread);
    while (seconds_since(start) < seconds);
    rates[static_cast<size_t>(thread)] = amount / seconds_since(start);
  };
  std::vector<std::thread> others;
  for (int32_t thread = 1; thread < threads; ++thread) others.emplace_back(body, thread);
  body(0);
  for (std::thread& other : others) other.join();
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
}

ProbeSamples sample(const char* name, const ProbeOptions& options, const std::function<Chunk(int32_t threads)>& make) {
  ProbeSamples samples{name, {}, {}};
  const Chunk single = make(1), all = make(options.threads);
  for (int32_t i = 0; i < options.repetitions; ++i) {
    samples.single.push_back(rate_of(1, options.milliseconds_each / 1e3, single));
    samples.all.push_back(rate_of(options.threads, options.milliseconds_each / 1e3, all));
  }
  return samples;
}

/** A ReadLoop, fetching what comes next from several places: more lines of memory are under way than one stream has. */
struct FetchedAhead {
  static constexpr size_t kBytesEach = 512;
  ReadLoop read;
  uint64_t operator()(const uint8_t* data, size_t bytes) const {
    WeightStream stream(data);
    uint64_t seen = 0;
    for (size_t at = 0; at < bytes; at += kBytesEach) {
      stream.advance(kBytesEach);
      seen ^= read(data + at, kBytesEach);
    }
    return seen;
  }
};

/** Each thread reads its own part of the first `bytes`, a piece at a time, round and round. */
template <class Read>
Chunk reading(const uint8_t* data, size_t bytes, int32_t threads, Read read) {
  constexpr size_t kPiece = size_t{1} << 20;
  const size_t part = std::max(kPiece, bytes / static_cast<size_t>(threads) / kPiece * kPiece);
  auto at = std::make_shared<std::vector<size_t>>(static_cast<size_t>(threads) * 16, size_t{0});
  return [=](int32_t thread) {
    // Sixteen apart, so that threads do not share a cache line.
    size_t& offset = (*at)[static_cast<size_t>(thread) * 16];
    const size_t from = (static_cast<size_t>(thread) * part) % (bytes / kPiece * kPiece);
    uint64_t seen = read(data + from + offset, kPiece);
    asm volatile("" : "+r"(seen));
    offset = (offset + kPiece) % part;
    return static_cast<double>(kPiece);
  };
}

}  // namespace

std::vector<ProbeSamples> probe_machine(const ProbeOptions& options) {
  constexpr size_t kSmallBytes = 100'000'000;
  ProbeLoops loops;
  set_portable_loops(loops);
  set_avx2_loops(loops);
  set_avx512_loops(loops);
  set_amx_loops(loops);

  std::vector<ProbeSamples> result;
  const auto add_dot = [&](const char* name, DotLoop loop, int64_t rounds) {
    if (loop == nullptr) return;
    result.push_back(sample(name, options, [&](int32_t) { return [=](int32_t) { return loop(rounds); }; }));
  };
  // Rounds of well under a millisecond.
  add_dot("f32", loops.f32, 10'000);
  add_dot("int8", loops.int8, 10'000);
  add_dot("bf16", loops.bf16, 10'000);
  add_dot("amxInt8", loops.amx_int8, 3'000);
  add_dot("amxBf16", loops.amx_bf16, 3'000);

  const MappedMemory memory(options.buffer_bytes);
  // Pages that were never written would all be one page of zeros.
  std::vector<std::thread> writers;
  const size_t part = options.buffer_bytes / static_cast<size_t>(options.threads);
  for (int32_t thread = 0; thread < options.threads; ++thread) {
    const size_t from = part * static_cast<size_t>(thread);
    const size_t bytes = thread + 1 == options.threads ? options.buffer_bytes - from : part;
    writers.emplace_back([&memory, from, bytes] { std::memset(memory.data() + from, 1, bytes); });
  }
  for (std::thread& writer : writers) writer.join();
  const auto add_read = [&](const char* name, size_t bytes, auto read) {
    result.push_back(sample(name, options, [&](int32_t threads) { return reading(memory.data(), bytes, threads, read); }));
  };
  add_read("read", options.buffer_bytes, loops.read);
  add_read("readAhead", options.buffer_bytes, FetchedAhead{loops.read});
  add_read("readSmall", std::min(kSmallBytes, options.buffer_bytes), loops.read);
  return result;
}

}  // namespace octavo
