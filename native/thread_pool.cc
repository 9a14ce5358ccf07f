// The thread pool: job queue, start gate, barrier, waiting.
#include "thread_pool.h"

#include <utility>

#include "affinity.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octavo {

namespace {

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

bool ThreadPool::Gate::spin_past(uint32_t seen, std::chrono::microseconds spin) const {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (value_.load(std::memory_order_acquire) != seen) return true;
      pause_briefly();
    }
    if (std::chrono::steady_clock::now() - begin > spin) return false;
    std::this_thread::yield();
  }
}

void ThreadPool::Gate::wait_past(uint32_t seen, std::chrono::microseconds spin) {
  if (spin_past(seen, spin)) return;
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, [&] { return value_.load(std::memory_order_seq_cst) != seen; });
  }
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

ThreadPool::ThreadPool(int32_t threads) : size_(threads), processors_(allowed_processors()) {
  if (static_cast<int32_t>(processors_.size()) != size_) processors_.clear();
  threads_.emplace_back([this] { lead(); });
  for (int32_t thread = 1; thread < threads; ++thread) threads_.emplace_back([this, thread] { follow(thread); });
}

void ThreadPool::close() {
  {
    std::lock_guard<std::mutex> lock(jobs_mutex_);
    is_closing_ = true;
  }
  posted_.advance();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::submit(std::function<void()> job) {
  {
    std::lock_guard<std::mutex> lock(jobs_mutex_);
    jobs_.push_back(std::move(job));
  }
  posted_.advance();
}

void ThreadPool::when_idle(std::function<bool()> piece) {
  {
    std::lock_guard<std::mutex> lock(jobs_mutex_);
    idle_.push_back(std::move(piece));
  }
  posted_.advance();
}

void ThreadPool::lead() {
  if (!processors_.empty()) stay_on(processors_[0]);
  for (;;) {
    const uint32_t seen = posted_.read();
    std::function<void()> job;
    std::function<bool()>* idle = nullptr;
    {
      std::lock_guard<std::mutex> lock(jobs_mutex_);
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      } else if (is_closing_) {
        break;
      } else if (!idle_.empty()) {
        idle = &idle_.front();
      }
    }
    if (job) {
      job();
    } else if (idle == nullptr) {
      posted_.wait_past(seen, kIdleSpin);
    } else if (!posted_.spin_past(seen, kIdleSpin) && !(*idle)()) {
      std::lock_guard<std::mutex> lock(jobs_mutex_);
      idle_.pop_front();
    }
  }
  stopping_ = true;
  start_.advance();
}

void ThreadPool::follow(int32_t thread) {
  if (!processors_.empty()) stay_on(processors_[static_cast<size_t>(thread)]);
  uint32_t seen = 0;
  for (;;) {
    start_.wait_past(seen, kIdleSpin);
    ++seen;
    if (stopping_) return;
    body_(context_, thread);
    barrier();
  }
}

void ThreadPool::run(Body body, void* context) {
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
