#include "pool_work.h"

#include <exception>

namespace octavo {

WorkQueue::WorkQueue(Napi::Env env, int32_t threads)
    : env_(env), threads_(std::make_shared<ThreadPool>(threads)), done_(Done::New(env, "octavo", 0, 1, this)) {
  done_.Unref(env);
  // Hooks run last first: this one before the function's own, which frees it.
  napi_add_env_cleanup_hook(env_, on_teardown, this);
}

WorkQueue::~WorkQueue() {
  if (is_torn_down_) return;
  napi_remove_env_cleanup_hook(env_, on_teardown, this);
  done_.Release();
}

void WorkQueue::on_teardown(void* self) {
  WorkQueue& queue = *static_cast<WorkQueue*>(self);
  queue.is_torn_down_ = true;
  // Work that is never settled keeps the queue: its threads end here, before the code that they run is unloaded.
  queue.threads_->close();
}

void WorkQueue::submit(std::unique_ptr<PoolWork> work) {
  if (pending_++ == 0) done_.Ref(env_);
  PoolWork* raw = work.release();
  threads_->submit([this, raw] {
    // Then nobody is left to settle or free the work.
    if (is_torn_down_) return;
    try {
      raw->execute();
    } catch (const std::exception& error) {
      raw->failed_ = true;
      raw->error_ = error.what();
    }
    if (!is_torn_down_) done_.NonBlockingCall(raw);
  });
}

void WorkQueue::settle(Napi::Env env, Napi::Function, WorkQueue* queue, PoolWork* raw) {
  if (env == nullptr) return;
  const std::unique_ptr<PoolWork> work(raw);
  if (--queue->pending_ == 0) queue->done_.Unref(env);
  work->finished();
  try {
    if (work->failed_) work->deferred_.Reject(Napi::Error::New(env, work->error_).Value());
    else work->deferred_.Resolve(work->result(env));
  } catch (const Napi::Error&) {
    // JavaScript is being terminated: nobody waits any more.
  }
}

}  // namespace octavo
