// The thread pool: start gate, barrier, spin-then-park waiting.
#include "thread_pool.h"

#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octavo {

namespace {

constexpr std::chrono::microseconds kSpinTime{50};

inline void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void ThreadPool::Gate::advance() {
  value_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  // Taking the lock orders this after a sleeper's own check of the value.
  { std::lock_guard<std::mutex> lock(mutex_); }
  condition_.notify_all();
}

void ThreadPool::Gate::wait_past(uint32_t seen) {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (value_.load(std::memory_order_acquire) != seen) return;
      pause_briefly();
    }
    if (std::chrono::steady_clock::now() - begin > kSpinTime) break;
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, [&] { return value_.load(std::memory_order_seq_cst) != seen; });
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

ThreadPool::ThreadPool(int32_t threads) : size_(threads) {
  for (int32_t thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  start_.advance();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(int32_t thread) {
  uint32_t seen = 0;
  for (;;) {
    start_.wait_past(seen);
    ++seen;
    if (stopping_) return;
    body_(context_, thread);
    barrier();
  }
}

void ThreadPool::run(Body body, void* context) {
  std::lock_guard<std::mutex> lock(run_mutex_);
  if (size_ == 1) {
    body(context, 0);
    return;
  }
  body_ = body;
  context_ = context;
  start_.advance();
  body(context, 0);
  barrier();
}

}  // namespace octavo
