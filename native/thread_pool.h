// A small persistent pool: every thread runs the same function over one step, meeting the others at barriers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace octavo {

/**
 * `threads - 1` workers; the thread that calls `run` is thread 0. Waiting spins briefly (a barrier is usually a
 * microsecond away) and then parks, so that a preempted peer, or the event loop, gets the core.
 */
class ThreadPool {
 public:
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t size() const { return size_; }

  /** Runs body(context, thread) on every thread and returns when all are done. Callers queue for the pool. */
  using Body = void (*)(void* context, int32_t thread);
  void run(Body body, void* context);

  /** Inside a body: waits until every thread has arrived. */
  void barrier() {
    barrier([] {});
  }
  /** As `barrier`; the last thread to arrive runs `serial` before any goes on. */
  template <typename Serial>
  void barrier(Serial serial) {
    if (size_ == 1) {
      serial();
      return;
    }
    const uint32_t seen = barrier_gate_.read();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      serial();
      arrived_.store(0, std::memory_order_relaxed);
      barrier_gate_.advance();
    } else {
      barrier_gate_.wait_past(seen);
    }
  }

 private:
  /** A 32-bit number that threads wait on to change. */
  class Gate {
   public:
    uint32_t read() const { return value_.load(std::memory_order_acquire); }
    void advance();
    void wait_past(uint32_t seen);

   private:
    std::atomic<uint32_t> value_{0};
    std::atomic<int32_t> sleepers_{0};
    std::mutex mutex_;
    std::condition_variable condition_;
  };

  void work(int32_t thread);

  const int32_t size_;
  std::mutex run_mutex_;
  Body body_ = nullptr;
  void* context_ = nullptr;
  bool stopping_ = false;
  alignas(64) Gate start_;
  alignas(64) Gate barrier_gate_;
  alignas(64) std::atomic<int32_t> arrived_{0};
  std::vector<std::thread> workers_;
};

}  // namespace octavo
