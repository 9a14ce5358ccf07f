#include "pool_work.h"

#include <exception>

namespace octavo {

WorkQueue::WorkQueue(Napi::Env env, int32_t threads)
    : threads_(std::make_shared<ThreadPool>(threads)), done_(Done::New(env, "octavo", 0, 1, this)) {
  done_.Unref(env);
}

WorkQueue::~WorkQueue() { done_.Release(); }

void WorkQueue::submit(std::unique_ptr<PoolWork> work) {
  if (pending_++ == 0) done_.Ref(work->promise().Env());
  PoolWork* raw = work.release();
  threads_->submit([this, raw] {
    try {
      raw->execute();
    } catch (const std::exception& error) {
      raw->failed_ = true;
      raw->error_ = error.what();
    }
    // Fails while the environment is torn down: then nobody is left to free the work for.
    done_.NonBlockingCall(raw);
  });
}

void WorkQueue::settle(Napi::Env env, Napi::Function, WorkQueue* queue, PoolWork* raw) {
  if (env == nullptr) return;
  const std::unique_ptr<PoolWork> work(raw);
  if (--queue->pending_ == 0) queue->done_.Unref(env);
  work->finished();
  if (work->failed_) {
    work->deferred_.Reject(Napi::Error::New(env, work->error_).Value());
    return;
  }
  work->deferred_.Resolve(work->result(env));
}

}  // namespace octavo
