// Products of a step: linears over one input, whose panels the threads share, and gates, joined with what they let through while both are in cache.
#include <algorithm>

#include "executor.h"

namespace octavo {

LinearJob Executor::job_of(const Region& region, const Matrix& matrix) const {
  LinearJob job{};
  job.weight = &matrix;
  if (region.input >= 0) {
    job.input = row(region.input, 0);
    job.input_stride = stride_floats(region.input);
  }
  if (region.quantized >= 0) {
    job.quantized = {reinterpret_cast<uint8_t*>(row(region.quantized, 0)),
                     sums_blocks(matrix.dtype) ? kQuantizedBlockBytes : tile_block_bytes(has_halves(region.quantized, matrix.columns)),
                     buffers_[static_cast<size_t>(region.quantized)].stride_bytes * kTileRows};
  }
  if (region.split >= 0) {
    job.split = {reinterpret_cast<uint8_t*>(row(region.split, 0)), buffers_[static_cast<size_t>(region.split)].stride_bytes * kTileRows};
  }
  return job;
}

int32_t Executor::row_chunk_of(const Region& region, const Matrix& matrix, int32_t panels, int32_t rows) const {
  // Panels are the unit of work; rows are cut as well where there are few panels, or more rows than should pass together.
  int32_t chunk = rows;
  const int32_t input = region.quantized >= 0 ? region.quantized : region.split >= 0 ? region.split : region.input;
  const size_t input_bytes = buffers_[static_cast<size_t>(input)].stride_bytes;
  const size_t most = kernels_.most_rows != nullptr ? static_cast<size_t>(kernels_.most_rows(matrix)) : kResidentBytes / input_bytes;
  while (chunk > 2 * kLinearRowStep && (panels * ceil_div(rows, chunk) < threads_->size() * 6 || static_cast<size_t>(chunk) > most)) {
    chunk = ceil_div(ceil_div(chunk, 2), kLinearRowStep) * kLinearRowStep;
  }
  return chunk;
}

template <typename RunItems>
void Executor::run_shares(size_t index, int32_t thread, int32_t items, int32_t most, const RunItems& run_items) {
  // A thread's share lies in one piece, so that what it fetches ahead is what it needs next. Then it helps the others with theirs.
  const int32_t threads = threads_->size();
  Counter* const counters = counters_.get() + index * static_cast<size_t>(threads);
  for (int32_t offset = 0; offset < threads; ++offset) {
    const int64_t owner = (thread + offset) % threads;
    const int32_t share_begin = static_cast<int32_t>(items * owner / threads);
    const int32_t share_end = static_cast<int32_t>(items * (owner + 1) / threads);
    // As many at a time as the kernels ask for at most, and about as many each time.
    const int32_t at_once = equal_part(std::max(1, share_end - share_begin), most);
    for (;;) {
      int32_t item = share_begin + counters[owner].next.fetch_add(at_once, std::memory_order_relaxed);
      if (item >= share_end) break;
      const int32_t end = std::min(item + at_once, share_end);
      while (item < end) item += run_items(item, end);
    }
  }
  if (kernels_.end_linear != nullptr) kernels_.end_linear();
}

void Executor::run_linear(size_t index, int32_t rows, int32_t thread) {
  const Region& region = regions_[index];
  const auto matrix_of = [&](size_t output) -> const Matrix& { return matrices_[static_cast<size_t>(region.outputs[output].matrix)]; };
  int32_t panels = 0;
  for (size_t i = 0; i < region.outputs.size(); ++i) panels += matrix_of(i).panel_count;
  const int32_t row_chunk = row_chunk_of(region, matrix_of(0), panels, rows);
  float* const scratch = linear_scratch(thread);
  const int32_t most = panels_at_once(matrix_of(0), std::min(rows, row_chunk));
  // Items [item, end), as far as they are panels of one weight with the same rows.
  run_shares(index, thread, panels * ceil_div(rows, row_chunk), most, [&](int32_t item, int32_t end) {
    int32_t panel = item % panels;
    const int32_t first_row = item / panels * row_chunk;
    size_t which = 0;
    for (; panel >= matrix_of(which).panel_count; ++which) panel -= matrix_of(which).panel_count;
    const LinearOutput& output = region.outputs[which];
    const int32_t count = std::min(end - item, matrix_of(which).panel_count - panel);
    LinearJob job = job_of(region, matrix_of(which));
    job.bias = output.bias < 0 ? nullptr : vectors_[static_cast<size_t>(output.bias)];
    job.out = row(output.out, 0);
    job.out_stride = stride_floats(output.out);
    if (index + 1 == regions_.size()) job.maxima = maxima_;
    kernels_.linear_panels(job, panel, count, first_row, std::min(rows, first_row + row_chunk), scratch);
    return count;
  });
}

void Executor::run_gated(size_t index, int32_t rows, int32_t thread) {
  const Region& region = regions_[index];
  const Matrix& matrix = woven_of(region.gate)->matrix;
  const int32_t pairs = matrix.panel_count / 2;
  const int32_t row_chunk = row_chunk_of(region, matrix, matrix.panel_count, rows);
  float* const scratch = linear_scratch(thread);
  float* const products = scratch + linear_scratch_floats(most_rows());
  const int32_t chunk_rows = std::min(rows, row_chunk);
  const int32_t room = static_cast<int32_t>(gated_scratch_floats(0) / kPairFloats) / chunk_rows;
  const int32_t most = std::max(1, std::min(panels_at_once(matrix, chunk_rows) / 2, room));
  run_shares(index, thread, pairs * ceil_div(rows, row_chunk), most, [&](int32_t item, int32_t end) {
    const int32_t pair = item % pairs;
    const int32_t count = std::min(end - item, pairs - pair);
    const int32_t first_row = item / pairs * row_chunk;
    const int32_t last_row = std::min(rows, first_row + row_chunk);
    LinearJob job = job_of(region, matrix);
    job.out_stride = static_cast<size_t>(count) * kPairFloats;
    job.out = products;
    job.out_row = first_row;
    job.out_panel = 2 * pair;
    kernels_.linear_panels(job, 2 * pair, 2 * count, first_row, last_row, scratch);
    join_gated(region, matrix.rows / 2, pair, count, first_row, last_row, products);
    return count;
  });
}

void Executor::join_gated(const Region& region, int32_t columns, int32_t pair, int32_t pairs, int32_t first_row, int32_t last_row, const float* from) {
  const size_t stride = static_cast<size_t>(pairs) * kPairFloats;
  for (int32_t end = pair + pairs; pair < end; ++pair, from += kPairFloats) {
    const float* at = from;
    if (region.quantized_out < 0) {
      const size_t offset = split_row_bytes(pair * kPanelRows, kernels_.split_parts) * kTileRows;
      for (int32_t r = first_row; r < last_row; ++r, at += stride) {
        alignas(64) float whole[kPanelRows];
        float* const gated = region.split_out >= 0 ? whole : row(region.out, r) + static_cast<size_t>(pair) * kPanelRows;
        kernels_.gated_silu_row(at, at + kPanelRows, kPanelRows, gated);
        if (region.split_out < 0) continue;
        kernels_.split_row(gated, kPanelRows, reinterpret_cast<uint8_t*>(row(region.split_out, r / kTileRows * kTileRows)) + offset, r % kTileRows);
      }
      continue;
    }
    const bool halves = has_halves(region.quantized_out, columns);
    for (int32_t r = first_row; r < last_row; r += kTileRows, at += kTileRows * stride) {
      const int32_t rows = std::min(kTileRows, last_row - r);
      uint8_t* const block = reinterpret_cast<uint8_t*>(row(region.quantized_out, r)) + static_cast<size_t>(pair) * tile_block_bytes(halves);
      kernels_.gated_silu_block(at, stride, rows, block, halves);
      clear_slots(block, halves, rows);
    }
  }
}

}  // namespace octavo
