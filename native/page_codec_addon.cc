// What JavaScript sees of page_codec.h.
#include "page_codec_addon.h"

#include "memory.h"
#include "page_codec.h"

namespace octavo {

namespace {

/** A view of a Uint8Array, which `keep` holds against collection. */
struct Bytes {
  uint8_t* data;
  size_t length;
};

Bytes bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(value.Env(), "a Uint8Array is needed");
  }
  Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

/** checksumBytes(bytes, seed0, seed1, into: Uint32Array, offset) */
void checksum(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytes_of(info[0]);
  Napi::Uint32Array into = info[3].As<Napi::Uint32Array>();
  const uint32_t offset = info[4].As<Napi::Number>().Uint32Value();
  if (static_cast<size_t>(offset) + 2 > into.ElementLength()) throw Napi::RangeError::New(info.Env(), "no room for a checksum");
  uint32_t sums[2];
  checksum_bytes(bytes.data, bytes.length, info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Number>().Uint32Value(), sums);
  into.Data()[offset] = sums[0];
  into.Data()[offset + 1] = sums[1];
}

/** Shapes as [layers, kvHeads, headSize, blockSize, element, keysTransposed, form]. */
PageShape shape_of(const Napi::Value& value) {
  Napi::Int32Array fields = value.As<Napi::Int32Array>();
  if (fields.ElementLength() != 7) throw Napi::RangeError::New(value.Env(), "a page shape has seven numbers");
  const PageShape shape{fields[0], fields[1], fields[2], fields[3], static_cast<PageElement>(fields[4]), fields[5] != 0,
                        static_cast<PageForm>(fields[6])};
  for (size_t i = 0; i < 4; ++i) {
    if (fields[i] < 1 || fields[i] > 65536) throw Napi::RangeError::New(value.Env(), "a page shape is out of range");
  }
  return shape;
}

class CodecWork final : public Napi::AsyncWorker {
 public:
  CodecWork(Napi::Env env, const PageShape& shape, bool encodes, Napi::Value from, Napi::Value into)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), shape_(shape), encodes_(encodes), from_(bytes_of(from)),
        into_(bytes_of(into)), keep_from_(Napi::Persistent(from)), keep_into_(Napi::Persistent(into)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (encodes_) has_form_ = encode_page(shape_, from_.data, into_.data);
    else decode_page(shape_, from_.data, into_.data);
  }
  void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), has_form_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const PageShape shape_;
  const bool encodes_;
  bool has_form_ = true;
  const Bytes from_, into_;
  const Napi::Reference<Napi::Value> keep_from_, keep_into_;
};

Napi::Value run_codec(const Napi::CallbackInfo& info, bool encodes) {
  const PageShape shape = shape_of(info[0]);
  const size_t page = bytes_of(info[encodes ? 1 : 2]).length;
  const size_t small = bytes_of(info[encodes ? 2 : 1]).length;
  if (page != shape.page_bytes() || small != shape.compressed_bytes()) {
    throw Napi::RangeError::New(info.Env(), "a page or its compressed form has the wrong length");
  }
  auto* work = new CodecWork(info.Env(), shape, encodes, info[1], info[2]);
  work->Queue();
  return work->promise();
}

class PopulateWork final : public Napi::AsyncWorker {
 public:
  PopulateWork(Napi::Env env, Napi::Value memory)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), memory_(bytes_of(memory)), keep_(Napi::Persistent(memory)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { populate(memory_.data, memory_.length); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const Bytes memory_;
  const Napi::Reference<Napi::Value> keep_;
};

/** populateMemory(bytes), off the thread */
Napi::Value populate_memory(const Napi::CallbackInfo& info) {
  auto* work = new PopulateWork(info.Env(), info[0]);
  work->Queue();
  return work->promise();
}

Napi::Value encode(const Napi::CallbackInfo& info) { return run_codec(info, true); }
Napi::Value decode(const Napi::CallbackInfo& info) { return run_codec(info, false); }

}  // namespace

void export_page_codec(Napi::Env env, Napi::Object exports) {
  exports.Set("checksumBytes", Napi::Function::New(env, checksum));
  exports.Set("populateMemory", Napi::Function::New(env, populate_memory));
  exports.Set("encodePage", Napi::Function::New(env, encode));
  exports.Set("decodePage", Napi::Function::New(env, decode));
}

}  // namespace octavo
