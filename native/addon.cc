// The N-API surface: handles for a thread pool and a model, and one asynchronous call per step.
#include <napi.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "amx_support.h"
#include "executor.h"
#include "page_codec_addon.h"
#include "pool_work.h"
#include "probe/handover.h"
#include "probe/probe.h"
#include "processor.h"

namespace octavo {
namespace {

/** What JavaScript holds: cleared by `destroy`, so that a late call fails instead of touching freed memory. */
struct PoolHandle {
  std::shared_ptr<WorkQueue> queue;
};
struct ModelHandle {
  std::shared_ptr<WorkQueue> queue;
  std::shared_ptr<Executor> executor;
  /** Steps and pieces of packing that have not ended. */
  int32_t pending = 0;
};

bool supports(const std::string& isa) {
  if (isa == "portable") return true;
#ifdef OCTAVO_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == "avx2") return avx2;
  if (isa == "amx") return supports("avx512") && allow_amx().int8 && allow_amx().bf16;
  if (isa == "avx512bf16") return supports("avx512") && has_bf16_kernels() && has_bf16_dots();
  if (isa == "avx512") {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  }
#endif
  return false;
}

const Kernels& kernels_of(const std::string& isa) {
  if (!supports(isa)) throw PlanError("this machine does not run the instruction set '" + isa + "'");
#ifdef OCTAVO_X86
  if (isa == "amx") return amx_kernels();
  if (isa == "avx512bf16") return avx512_bf16_kernels();
  if (isa == "avx512") return avx512_kernels();
  if (isa == "avx2") return avx2_kernels();
#endif
  return portable_kernels();
}

template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

PoolHandle& pool_of(const Napi::CallbackInfo& info, size_t index) {
  return *info[index].As<Napi::External<PoolHandle>>().Data();
}

ModelHandle& model_of(const Napi::CallbackInfo& info) {
  ModelHandle& handle = *info[0].As<Napi::External<ModelHandle>>().Data();
  if (!handle.executor) throw Napi::Error::New(info.Env(), "the model is closed");
  return handle;
}

double number_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) throw PlanError(std::string(name) + " is not a number");
  return value.As<Napi::Number>().DoubleValue();
}

int32_t integer_at(const Napi::Object& object, const char* name) {
  const double value = number_at(object, name);
  if (!(value >= -2147483648.0 && value <= 2147483647.0) || value != static_cast<double>(static_cast<int32_t>(value))) {
    throw PlanError(std::string(name) + " is not a 32-bit integer");
  }
  return static_cast<int32_t>(value);
}

/** Elements of a typed array without `.ArrayBuffer()`, which Node 20 refuses for shared memory. */
template <typename T>
std::pair<T*, size_t> elements(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  napi_typedarray_type actual;
  size_t length = 0;
  void* data = nullptr;
  if (!value.IsTypedArray() || napi_get_typedarray_info(value.Env(), value, &actual, &length, &data, nullptr, nullptr) != napi_ok ||
      actual != type) {
    throw PlanError(std::string(name) + " is not a typed array of the right kind");
  }
  return {static_cast<T*>(data), length};
}

IntView ints_at(const Napi::Object& object, const char* name) {
  const auto [data, length] = elements<int32_t>(object.Get(name), napi_int32_array, name);
  return {data, length};
}

std::vector<double> numbers_at(const Napi::Object& object, const char* name) {
  const auto [data, length] = elements<double>(object.Get(name), napi_float64_array, name);
  return std::vector<double>(data, data + length);
}

DType dtype_of(double value) {
  if (!(value >= 0 && value < kDTypeCount)) throw PlanError("unknown dtype");
  return static_cast<DType>(static_cast<int32_t>(value));
}

KvType kv_type_of(int32_t code) {
  if (code < 0 || code >= kKvTypeCount) throw PlanError("no such KV type");
  return static_cast<KvType>(code);
}

ModelSpec spec_of(const Napi::Object& object) {
  ModelSpec spec{};
  const std::vector<double> matrices = numbers_at(object, "matrices");
  for (size_t i = 0; i + 3 <= matrices.size(); i += 3) {
    spec.matrices.push_back({dtype_of(matrices[i]), static_cast<int32_t>(matrices[i + 1]), static_cast<int32_t>(matrices[i + 2])});
  }
  for (const double length : numbers_at(object, "vectors")) spec.vector_lengths.push_back(static_cast<int32_t>(length));
  const std::vector<double> buffers = numbers_at(object, "buffers");
  for (size_t i = 0; i + 4 <= buffers.size(); i += 4) {
    spec.buffers.push_back({static_cast<size_t>(buffers[i]), static_cast<size_t>(buffers[i + 1]),
                            buffers[i + 2] == 0 ? RowKind::kTokens : RowKind::kOutputs, buffers[i + 3] != 0});
  }
  spec.arena_bytes = static_cast<size_t>(number_at(object, "arenaBytes"));
  spec.plan = numbers_at(object, "plan");
  spec.vocab_size = integer_at(object, "vocabSize");
  spec.cascade = integer_at(object, "cascade") != 0;
  spec.times_regions = integer_at(object, "timesRegions") != 0;
  spec.limits = {integer_at(object, "maxTokens"), integer_at(object, "maxSequences"), integer_at(object, "maxOutputs"),
                 integer_at(object, "maxContextTokens")};
  const std::vector<double> pools = numbers_at(object, "pools");
  for (size_t i = 0; i + 7 <= pools.size(); i += 7) {
    const auto field = [&](size_t offset) { return static_cast<int32_t>(pools[i + offset]); };
    spec.pools.push_back({nullptr, field(0), field(1), field(2), field(3), field(4), kv_type_of(field(5)), kv_type_of(field(6))});
    if (field(3) != spec.pools[0].kv_head_count || field(4) != spec.pools[0].head_size) throw PlanError("KV pools have unlike heads");
  }
  if (spec.pools.empty()) throw PlanError("there is no KV pool");
  const Napi::Array ropes = object.Get("ropes").As<Napi::Array>();
  for (uint32_t i = 0; i < ropes.Length(); ++i) {
    const Napi::Object rope = ropes.Get(i).As<Napi::Object>();
    const auto [cosine, cosine_length] = elements<float>(rope.Get("cosine"), napi_float32_array, "cosine");
    const auto [sine, sine_length] = elements<float>(rope.Get("sine"), napi_float32_array, "sine");
    RopeTable table{integer_at(rope, "rotaryDim"), integer_at(rope, "fineCount"), {cosine, cosine + cosine_length}, {sine, sine + sine_length}};
    if (table.rotary_dim < 0 || table.rotary_dim > kMaxRotaryDim || table.fine_count < 1) throw PlanError("a rope table has wrong sizes");
    const size_t needed = RopeTable::row_count(spec.limits.max_context, table.fine_count) * static_cast<size_t>(table.rotary_dim / 2);
    if (cosine_length < needed || sine_length < needed) throw PlanError("a rope table is too short");
    spec.ropes.push_back(std::move(table));
  }
  return spec;
}

Napi::Value create_pool(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int32_t threads = info[0].As<Napi::Number>().Int32Value();
    auto* handle = new PoolHandle{std::make_shared<WorkQueue>(info.Env(), threads)};
    return Napi::External<PoolHandle>::New(info.Env(), handle, [](Napi::Env, PoolHandle* h) { delete h; });
  });
}

Napi::Value create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    PoolHandle& pool = pool_of(info, 0);
    if (!pool.queue) throw PlanError("the backend is closed");
    const Kernels& kernels = kernels_of(info[1].As<Napi::String>().Utf8Value());
    auto* handle = new ModelHandle{pool.queue, std::make_shared<Executor>(pool.queue->threads(), kernels, spec_of(info[2].As<Napi::Object>()))};
    return Napi::External<ModelHandle>::New(info.Env(), handle, [](Napi::Env, ModelHandle* h) { delete h; });
  });
}

/** Work on a model's pool. Holds the model alive, and its argument from collection. */
class ModelWork : public PoolWork {
 public:
  ModelWork(Napi::Env env, ModelHandle& handle, Napi::Value handle_value)
      : PoolWork(env), executor_(handle.executor), queue_(handle.queue), handle_(handle), keep_(Napi::Persistent(handle_value)) {
    ++handle_.pending;
  }

 protected:
  void finished() override { --handle_.pending; }
  const std::shared_ptr<Executor> executor_;

 private:
  const std::shared_ptr<WorkQueue> queue_;
  ModelHandle& handle_;
  const Napi::Reference<Napi::Value> keep_;
};

class StepWork final : public ModelWork {
 public:
  StepWork(Napi::Env env, ModelHandle& handle, Napi::Value handle_value, int32_t bound) : ModelWork(env, handle, handle_value), bound_(bound) {}

 protected:
  void execute() override {
    times_ = executor_->run(bound_);
    results_ = executor_->take_results();
  }
  /** Milliseconds of the step and of its picks, then the results of the picks (candidates.h). */
  Napi::Value result(Napi::Env env) override {
    Napi::Float64Array out = Napi::Float64Array::New(env, 2 + results_.size());
    out[0] = static_cast<double>(times_.step_nanoseconds) / 1e6;
    out[1] = static_cast<double>(times_.pick_nanoseconds) / 1e6;
    std::copy(results_.begin(), results_.end(), out.Data() + 2);
    return out;
  }

 private:
  const int32_t bound_;
  Executor::Times times_{};
  std::vector<double> results_;
};

class PackWork final : public ModelWork {
 public:
  PackWork(Napi::Env env, ModelHandle& handle, Napi::Value handle_value, Napi::Value staging, std::vector<WeightPiece> pieces)
      : ModelWork(env, handle, handle_value), keep_staging_(Napi::Persistent(staging)), pieces_(std::move(pieces)) {}

 protected:
  void execute() override { executor_->pack(pieces_); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  const Napi::Reference<Napi::Value> keep_staging_;
  const std::vector<WeightPiece> pieces_;
};

Napi::Value submit(ModelHandle& handle, std::unique_ptr<ModelWork> work) {
  const Napi::Promise promise = work->promise();
  handle.queue->submit(std::move(work));
  return promise;
}

void refuse_if_busy(const Napi::CallbackInfo& info, const ModelHandle& handle) {
  if (handle.pending > 0) throw Napi::Error::New(info.Env(), "a step is running");
}

/** packWeights(model, staging, table): seven numbers for each piece, as in encodePieces of src/backends/cpu/load-weights.ts. */
Napi::Value pack_weights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    constexpr size_t kFields = 7;
    ModelHandle& handle = model_of(info);
    refuse_if_busy(info, handle);
    const auto [staging, staging_bytes] = elements<uint8_t>(info[1], napi_uint8_array, "staging");
    const auto [table, length] = elements<double>(info[2], napi_float64_array, "pieces");
    if (length % kFields != 0) throw PlanError("the table of pieces is cut off");
    std::vector<WeightPiece> pieces;
    for (const double* row = table; row != table + length; row += kFields) {
      const double offset = row[5];
      const double bytes = row[6];
      if (!(offset >= 0 && bytes >= 0 && offset + bytes <= static_cast<double>(staging_bytes))) throw PlanError("a piece leaves the staging memory");
      const auto field = [&](size_t index) { return static_cast<int32_t>(row[index]); };
      pieces.push_back({row[0] != 0, field(1), dtype_of(row[2]), field(3), field(4), staging + static_cast<size_t>(offset),
                        static_cast<size_t>(bytes)});
    }
    handle.executor->check_pieces(pieces);
    return submit(handle, std::make_unique<PackWork>(info.Env(), handle, info[0], info[1], std::move(pieces)));
  });
}

/** populatePools(model): see Executor::populate_when_idle. */
void populate_pools(const Napi::CallbackInfo& info) { model_of(info).executor->populate_when_idle(); }

/** cachedBytes(descriptor, size): bytes of an open file in the system's page cache, by whole pages; -1 where the system does not tell. */
Napi::Value cached_bytes_of(const Napi::CallbackInfo& info) {
  const int64_t bytes = cached_bytes(info[0].As<Napi::Number>().Int32Value(), static_cast<size_t>(info[1].As<Napi::Number>().Int64Value()));
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

RawPoolBindings pool_bindings_at(const Napi::Object& bound) {
  return {integer_at(bound, "copyCount"),   integer_at(bound, "blockTableStride"), ints_at(bound, "slotMapping"),
          ints_at(bound, "blockTables"), ints_at(bound, "tableRows"),           ints_at(bound, "blockCopies")};
}

Napi::Value execute(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ModelHandle& handle = model_of(info);
    if (handle.pending >= Executor::kMostSteps) throw Napi::Error::New(info.Env(), "a step is running and another one waits");
    const Napi::Object step = info[1].As<Napi::Object>();
    RawBindings raw{};
    raw.token_count = integer_at(step, "tokenCount");
    raw.sequence_count = integer_at(step, "sequenceCount");
    raw.output_count = integer_at(step, "outputCount");
    raw.token_ids = ints_at(step, "tokenIds");
    if (step.Get("tokenSources").IsTypedArray()) raw.token_sources = ints_at(step, "tokenSources");
    raw.positions = ints_at(step, "positions");
    raw.query_starts = ints_at(step, "queryStarts");
    raw.context_lengths = ints_at(step, "contextLengths");
    raw.output_rows = ints_at(step, "outputRows");
    raw.pools.push_back(pool_bindings_at(step));
    const Napi::Value others = step.Get("otherPools");
    if (others.IsArray()) {
      const Napi::Array list = others.As<Napi::Array>();
      for (uint32_t i = 0; i < list.Length(); ++i) raw.pools.push_back(pool_bindings_at(list.Get(i).As<Napi::Object>()));
    }
    Picks::Raw chosen{};
    if (info[2].IsObject()) {
      const Napi::Object picks = info[2].As<Napi::Object>();
      const auto [values, value_count] = elements<double>(picks.Get("values"), napi_float64_array, "values");
      const auto [ids, id_count] = elements<int32_t>(picks.Get("editIds"), napi_int32_array, "editIds");
      const auto [edits, edit_count] = elements<double>(picks.Get("editValues"), napi_float64_array, "editValues");
      const int32_t count = integer_at(picks, "count");
      if (count < 0) throw PlanError("count is negative");
      chosen = {values, value_count, ids, id_count, edits, edit_count, static_cast<size_t>(count)};
    }
    const int32_t bound = handle.executor->bind(raw, chosen);
    return submit(handle, std::make_unique<StepWork>(info.Env(), handle, info[0], bound));
  });
}

/** The logits as a Float32Array over native memory, which lives as long as the array does. */
Napi::Value logits(const Napi::CallbackInfo& info) {
  Executor& executor = *model_of(info).executor;
  auto* keep = new std::shared_ptr<MappedMemory>(executor.logits_memory());
  const size_t count = static_cast<size_t>(executor.limits().max_outputs) * static_cast<size_t>(executor.vocab_size());
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      info.Env(), executor.logits(), count * 4, [](Napi::Env, void*, std::shared_ptr<MappedMemory>* memory) { delete memory; }, keep);
  return Napi::Float32Array::New(info.Env(), count, buffer, 0);
}

Napi::Value region_times(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ModelHandle& handle = model_of(info);
    refuse_if_busy(info, handle);
    const std::vector<double> times = handle.executor->region_times();
    Napi::Float64Array array = Napi::Float64Array::New(info.Env(), times.size());
    std::copy(times.begin(), times.end(), array.Data());
    return array;
  });
}

void copy_block(const Napi::CallbackInfo& info, bool read) {
  guarded(info.Env(), [&] {
    // Also while a step runs: the caller sees to it that the step does not touch the block.
    const Executor& executor = *model_of(info).executor;
    const int32_t index = info[3].As<Napi::Number>().Int32Value();
    if (index < 0 || static_cast<size_t>(index) >= executor.pool_count()) throw PlanError("there is no pool " + std::to_string(index));
    const KvPool& pool = executor.pool(static_cast<size_t>(index));
    const int32_t block = info[1].As<Napi::Number>().Int32Value();
    const auto [bytes, count] = elements<uint8_t>(info[2], napi_uint8_array, "bytes");
    if (block < 0 || block >= pool.block_count) {
      throw PlanError("block " + std::to_string(block) + " is outside 0 to " + std::to_string(pool.block_count - 1));
    }
    if (count != pool.block_bytes()) {
      throw PlanError("a block has " + std::to_string(pool.block_bytes()) + " bytes, not " + std::to_string(count));
    }
    uint8_t* at = pool.data + static_cast<size_t>(block) * pool.block_bytes();
    if (read) std::memcpy(bytes, at, count);
    else std::memcpy(at, bytes, count);
  });
}

void read_block(const Napi::CallbackInfo& info) { copy_block(info, true); }
void write_block(const Napi::CallbackInfo& info) { copy_block(info, false); }

/** bindBlocks(model, first, count, node): 0, or the number of the error for which the blocks of every pool stay where they are. */
Napi::Value bind_blocks(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Executor& executor = *model_of(info).executor;
    const int32_t first = info[1].As<Napi::Number>().Int32Value();
    const int32_t count = info[2].As<Napi::Number>().Int32Value();
    const KvPool& pool = executor.pool(0);
    if (first < 0 || count < 1 || count > pool.block_count - first) throw PlanError("no blocks of the pool are to be bound");
    uint8_t* at = pool.data + static_cast<size_t>(first) * pool.block_bytes();
    const int error = prefer_node(at, static_cast<size_t>(count) * pool.block_bytes(), info[3].As<Napi::Number>().Int32Value());
    return Napi::Number::New(info.Env(), error);
  });
}

Napi::Value memory_of(const Napi::CallbackInfo& info) {
  const Executor& executor = *model_of(info).executor;
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("weightBytes", static_cast<double>(executor.weight_bytes()));
  result.Set("kvBytes", static_cast<double>(executor.kv_bytes()));
  result.Set("scratchBytes", static_cast<double>(executor.scratch_bytes()));
  return result;
}

void destroy_model(const Napi::CallbackInfo& info) {
  ModelHandle& handle = *info[0].As<Napi::External<ModelHandle>>().Data();
  refuse_if_busy(info, handle);
  handle.executor.reset();
}

void destroy_pool(const Napi::CallbackInfo& info) { pool_of(info, 0).queue.reset(); }

/** Measures the machine's limits on threads of its own; see probe/probe.h. */
class ProbeWork final : public Napi::AsyncWorker {
 public:
  ProbeWork(Napi::Env env, const ProbeOptions& options)
      : Napi::AsyncWorker(env), options_(options), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    samples_ = octavo::probe_machine(options_);
    handover_ = octavo::probe_handover(options_);
  }
  void OnOK() override {
    Napi::Object result = Napi::Object::New(Env());
    for (const ProbeSamples& samples : samples_) {
      Napi::Object entry = Napi::Object::New(Env());
      entry.Set("single", array_of(samples.single));
      entry.Set("all", array_of(samples.all));
      result.Set(samples.name, entry);
    }
    result.Set("handoverNs", array_of(handover_));
    deferred_.Resolve(result);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Array array_of(const std::vector<double>& values) const {
    Napi::Array array = Napi::Array::New(Env(), values.size());
    for (size_t i = 0; i < values.size(); ++i) array.Set(static_cast<uint32_t>(i), values[i]);
    return array;
  }

  const ProbeOptions options_;
  const Napi::Promise::Deferred deferred_;
  std::vector<ProbeSamples> samples_;
  std::vector<double> handover_;
};

Napi::Value probe_machine(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[0].As<Napi::Object>();
    auto* work = new ProbeWork(info.Env(), {integer_at(options, "threads"), static_cast<size_t>(number_at(options, "bufferBytes")),
                                            integer_at(options, "repetitions"), number_at(options, "millisecondsEach")});
    work->Queue();
    return work->promise();
  });
}

Napi::Value is_supported(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), supports(info[0].As<Napi::String>().Utf8Value()));
}

/** prefersBf16Dots(): whether this processor's vdpbf16ps is faster than its FMA; see processor.h. */
Napi::Value prefers_bf16_dots_here(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), prefers_bf16_dots()); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("isSupported", Napi::Function::New(env, is_supported));
  exports.Set("prefersBf16Dots", Napi::Function::New(env, prefers_bf16_dots_here));
  exports.Set("createPool", Napi::Function::New(env, create_pool));
  exports.Set("destroyPool", Napi::Function::New(env, destroy_pool));
  exports.Set("createModel", Napi::Function::New(env, create_model));
  exports.Set("destroyModel", Napi::Function::New(env, destroy_model));
  exports.Set("packWeights", Napi::Function::New(env, pack_weights));
  exports.Set("populatePools", Napi::Function::New(env, populate_pools));
  exports.Set("cachedBytes", Napi::Function::New(env, cached_bytes_of));
  exports.Set("execute", Napi::Function::New(env, execute));
  exports.Set("logits", Napi::Function::New(env, logits));
  exports.Set("bindBlocks", Napi::Function::New(env, bind_blocks));
  exports.Set("readBlock", Napi::Function::New(env, read_block));
  exports.Set("writeBlock", Napi::Function::New(env, write_block));
  exports.Set("probeMachine", Napi::Function::New(env, probe_machine));
  exports.Set("regionTimes", Napi::Function::New(env, region_times));
  exports.Set("memory", Napi::Function::New(env, memory_of));
  export_page_codec(env, exports);
  return exports;
}

NODE_API_MODULE(octavo, initialise)

}  // namespace
}  // namespace octavo
