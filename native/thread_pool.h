// A small persistent pool: every thread runs the same function over one step, meeting the others at barriers.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace octavo {

/**
 * Jobs come to the first thread one after the other, and share themselves out to all with `run`. Whoever waits spins for a while and then parks: in a virtual machine a
 * thread that is parked is back after 50 to 100 microseconds, where a barrier is usually one away and the next step a few hundred. Whoever spins gives its processor to
 * any thread that wants it (a preempted peer, the event loop) after every microsecond or so. Measured on two processors of a Zen 5, against 50 microseconds at barriers and
 * none between steps: 16 sequences of smollm2-135m in Q4_0 decode in 0.95 of the time, one in Q8_0 in 0.94, 32 of qwen2.5-0.5b in Q8_0 in 0.96; bench:serve the same.
 *
 * Where there are as many threads as processors that this process may use, each stays on one of its own: the event loop and other processes
 * disturb steps all the time, and a system that moves threads about then often leaves two on one processor for milliseconds.
 */
class ThreadPool {
 public:
  explicit ThreadPool(int32_t threads);
  ~ThreadPool() { close(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t size() const { return size_; }

  /** Queues a job, which throws nothing. */
  void submit(std::function<void()> job);
  /** Has `piece`, which throws nothing, called on the first thread until it returns false, each time after a while without jobs: work of a few milliseconds that nobody waits for, and that may `run`. */
  void when_idle(std::function<bool()> piece);
  /** Ends the threads after the jobs that were submitted, whatever is left of `when_idle`; nothing may be submitted any more. Not to be called by a job. */
  void close();

  /** Inside a job: runs body(context, thread) on every thread and returns when all are done. */
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
      barrier_gate_.wait_past(seen, kBarrierSpin);
    }
  }

 private:
  /** A 32-bit number that threads wait on to change. */
  class Gate {
   public:
    uint32_t read() const { return value_.load(std::memory_order_acquire); }
    void advance();
    /** Returns when the value is not `seen`; parks after spinning for `spin`. */
    void wait_past(uint32_t seen, std::chrono::microseconds spin);
    /** Whether the value is not `seen` within that time. */
    bool spin_past(uint32_t seen, std::chrono::microseconds spin) const;

   private:
    std::atomic<uint32_t> value_{0};
    std::atomic<int32_t> sleepers_{0};
    std::mutex mutex_;
    std::condition_variable condition_;
  };

  /** Longer than a peer is usually away for the event loop's sake. */
  static constexpr std::chrono::microseconds kBarrierSpin{200};
  /** Longer than what lies between a step and the next one. */
  static constexpr std::chrono::microseconds kIdleSpin{1000};

  void lead();
  void follow(int32_t thread);

  const int32_t size_;
  /** The processor of each thread; empty where they may move. */
  std::vector<int32_t> processors_;
  std::mutex jobs_mutex_;
  std::deque<std::function<void()>> jobs_;
  std::deque<std::function<bool()>> idle_;  // taken away by the first thread only
  bool is_closing_ = false;
  Body body_ = nullptr;
  void* context_ = nullptr;
  bool stopping_ = false;
  alignas(64) Gate posted_;
  alignas(64) Gate start_;
  alignas(64) Gate barrier_gate_;
  alignas(64) std::atomic<int32_t> arrived_{0};
  std::vector<std::thread> threads_;
};

}  // namespace octavo
