// What a pool's threads do for JavaScript: work off its thread that resolves a promise.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "thread_pool.h"

namespace octavo {

class PoolWork;

/** A thread pool and its way back to JavaScript, which keeps the event loop running while there is work. Made and freed on the JavaScript thread. */
class WorkQueue {
 public:
  WorkQueue(Napi::Env env, int32_t threads);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  const std::shared_ptr<ThreadPool>& threads() const { return threads_; }
  /** Takes the work over. */
  void submit(std::unique_ptr<PoolWork> work);

 private:
  /** The environment goes (a worker is terminated), whatever runs: from here on nothing calls back. */
  static void on_teardown(void* self);
  static void settle(Napi::Env env, Napi::Function, WorkQueue* queue, PoolWork* work);
  using Done = Napi::TypedThreadSafeFunction<WorkQueue, PoolWork, settle>;

  const napi_env env_;
  const std::shared_ptr<ThreadPool> threads_;
  Done done_;
  std::atomic<bool> is_torn_down_{false};
  int32_t pending_ = 0;
};

/** Made, settled and freed on the JavaScript thread. */
class PoolWork {
 public:
  explicit PoolWork(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}
  virtual ~PoolWork() = default;
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  /** On the pool's first thread. What it throws rejects the promise. */
  virtual void execute() = 0;
  /** On the JavaScript thread, whether it threw or not: what the work held is free again. */
  virtual void finished() {}
  /** On the JavaScript thread. */
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class WorkQueue;
  const Napi::Promise::Deferred deferred_;
  bool failed_ = false;
  std::string error_;
};

}  // namespace octavo
