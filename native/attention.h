// Attention of a step: how it is cut into tasks, and the tasks.
//
// The context of a row (a token and a query head) is worked through in pieces of 256 positions. An item is a run of pieces
// for some rows of every K/V head; a task is some of its pieces for some of its K/V heads. Where the tasks of an item hold all its pieces, each
// folds them as it goes. Elsewhere every piece leaves a partial result, except that a task folds those that a row begins
// with into one; after a barrier the partial results of a row are folded in ascending order. All do the same arithmetic in
// the same order.
//
// Rows get partial results for one of two reasons:
//   - Their sequence shares leading blocks with others (cascade). The shared pieces form items with the rows of all of them,
//     so that each key and value is read once:
//
//       blocks of A   1  2  3  4            shared by A, B, C: pieces in 1 2      (rows of A, B and C)
//       blocks of B   1  2  3  5            shared by A, B:    pieces in 3        (rows of A and B)
//       blocks of C   1  2  6               own:               4 of A, 5 of B, 6 of C
//
//   - There are too few tasks to keep all threads busy, or one is too long.
//
// Where every sequence has one token, no row has partial results and no sequence reads what another one writes in the step, tokens are the tasks: they are dealt out to
// the threads, and a thread takes each from its rope and its write of K and V through attention to what follows it, without meeting the others on the way. So a
// sequence mostly stays with one core, whose cache then has its keys and values.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bindings.h"
#include "kernels/kernels.h"
#include "memory.h"
#include "plan.h"
#include "rope_table.h"
#include "shared_prefixes.h"
#include "thread_pool.h"
#include "written_blocks.h"

namespace octavo {

class Attention {
 public:
  /** Keeps references to all but `limits`. Without `cascade` every sequence reads its blocks by itself; bits are the same. */
  Attention(ThreadPool& threads, const Kernels& kernels, const std::vector<KvPool>& pools, const Limits& limits, const std::vector<Region>& regions,
            const StepBindings& bindings, const std::vector<RopeTable>& ropes, bool cascade);

  /** Cuts the attention of the bound step into tasks; before its threads start. */
  void plan();
  /** This thread's share of attention region `index`: rows of queries, one per token, into rows of outputs. */
  void run(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t thread);

  /** Tokens [first, last). */
  struct Tokens {
    int32_t first;
    int32_t last;
  };
  /** Whether threads may take single tokens of the bound step through region `index` and those beside it. */
  bool deals_tokens(size_t index) const { return !shape_of(index).dealt.empty(); }
  /** Those that are dealt to a thread. */
  Tokens tokens_of(size_t index, int32_t thread) const {
    const std::vector<int32_t>& dealt = shape_of(index).dealt;
    return {dealt[static_cast<size_t>(thread)], dealt[static_cast<size_t>(thread) + 1]};
  }
  /** As `run`, of one token. */
  void run_token(size_t index, const float* queries, size_t query_stride, float* out, size_t out_stride, int32_t token, int32_t thread);

  size_t scratch_bytes() const { return scratch_.size() + partial_memory_.size(); }

 private:
  struct Item {
    int32_t first_row;  // of the shape's order: row r is token order[r / group], head r % group of the K/V head
    int32_t row_count;
    int32_t first_piece;
    int32_t last_piece;  // one past
    // Where recent tokens lie in a pool of their own: pieces before old_end are those of the others, the rest are pieces recent_first .. of the recent.
    int32_t old_end;
    int32_t recent_first;
    int32_t pieces_per_task;
    int32_t heads_per_task;  // K/V heads: they lie beside each other in a block
    int32_t sequence;  // whose block table is read
    bool partial;
    int64_t cost;  // of one task
  };
  /** How the attention of a step is cut into tasks; shared by all regions of one pool with the same heads and window. */
  struct Shape {
    int32_t pool;
    int32_t head_count;
    int32_t kv_head_count;
    int32_t group;  // query heads per K/V head
    int32_t window;  // 0: unlimited
    int32_t sink_tokens;  // leading positions attended beside the window; 0: none
    int32_t recent_tokens;  // that lie in another pool, with the first recent_sinks; 0: all lie in one
    int32_t recent_sinks;
    int32_t recent_pool;
    std::vector<int32_t> order;  // [tokens] tokens, those of sequences that share blocks beside each other
    std::vector<int32_t> first_slots;  // [max tokens] of each token's partial results, or -1
    std::vector<int32_t> merged_tokens;  // those with partial results
    std::vector<Item> items;
    std::vector<int32_t> task_starts;  // [items + 1]
    int64_t slot_count;
    std::vector<int32_t> dealt;  // [threads + 1] where the tokens of each thread begin, or empty
    std::vector<size_t> token_items;  // [tokens + 1] where the items of each begin, if they are dealt
  };
  struct alignas(64) Counter {
    std::atomic<int32_t> next{0};
  };
  struct Rows {
    const float* queries;
    size_t query_stride;
    float* out;
    size_t out_stride;
    const float* query(int32_t token) const { return queries + static_cast<size_t>(token) * query_stride; }
    float* output(int32_t token) const { return out + static_cast<size_t>(token) * out_stride; }
  };
  /** Per-thread memory, as floats. */
  struct Scratch;

  void plan_shape(Shape& shape);
  /** Appends a sequence's tokens to the order; returns the first row. */
  int32_t order_tokens(Shape& shape, int32_t sequence) const;
  int32_t token_count(int32_t sequence) const {
    return bindings_.query_starts[static_cast<size_t>(sequence) + 1] - bindings_.query_starts[static_cast<size_t>(sequence)];
  }
  int32_t begin_of(const Shape& shape, int32_t token) const;
  /** Whether the pieces that a row begins with may be folded into one partial result: all lie in one run of one pool. */
  static bool folds_first_pieces(const Shape& shape) { return shape.sink_tokens == 0 && shape.recent_tokens == 0; }
  /** Whether a gap lies between the sinks and the window of a token; they are then a piece of their own, the first one. */
  bool has_gap(const Shape& shape, int32_t token) const {
    if (shape.recent_tokens > 0) return shape.recent_sinks > 0 && recent_begin(shape, token) > 0;
    return shape.sink_tokens > 0 && end_of(token) > shape.sink_tokens + shape.window;
  }
  /** The first position that a token reads in the pool of recent ones; 0: it reads all of them there. See recentStart in src/program/aging.ts. */
  int32_t recent_begin(const Shape& shape, int32_t token) const {
    const int32_t begin = (end_of(token) - shape.recent_tokens) / kAgingStep * kAgingStep;
    return begin <= shape.recent_sinks ? 0 : begin;
  }
  /** Pieces that a token reads in the pool of all tokens, where there is one of recent ones. */
  int32_t old_piece_count(const Shape& shape, int32_t token) const;
  /** Which of a token's partial results is that of a piece, in the pool of recent tokens or not. */
  int32_t part_of(const Shape& shape, int32_t token, int32_t piece, bool recent) const;
  /** Pieces of a token's context, its sinks included. */
  int32_t piece_count(const Shape& shape, int32_t token) const;
  int32_t end_of(int32_t token) const { return bindings_.positions[static_cast<size_t>(token)] + 1; }
  /** Cuts pieces [from, to) of rows into items of at most `tile_rows`. */
  void add_items(Shape& shape, int32_t first_row, int32_t last_row, int32_t from, int32_t to, int32_t sequence, int32_t tile_rows, bool partial) const;
  /** The same for all pieces of rows whose recent tokens lie in a pool of their own. */
  void add_aged_items(Shape& shape, int32_t first_row, int32_t last_row, int32_t sequence, int32_t tile_rows) const;
  void share(Shape& shape, const SharedPrefixes::Leaf* leaves, int32_t count, int32_t from, bool partial, int32_t tile_rows) const;
  /** Gives the tokens slots for partial results; false, and nothing changed, where they do not fit. */
  bool reserve_slots(Shape& shape, int32_t first_row, int32_t last_row) const;
  void split_long_items(Shape& shape);
  /** Deals tokens out by what they cost, and puts their items in that order, if they may be dealt and no thread is likely to wait long for another one's last. */
  void deal_tokens(Shape& shape) const;

  void run_task(const Region& region, const Shape& shape, const Rows& rows, const Item& item, int32_t task, const Scratch& scratch);
  /** Attention to the sinks, for the rows that have a gap after them: queries, then scores and values of positions [0, sink_tokens). */
  void run_sinks(const Region& region, const Shape& shape, const Rows& rows, const Item& item, const int32_t* tokens, const int32_t* heads,
                 int32_t first_head, int32_t last_head, const Scratch& scratch);
  /** The queries of sinks: as if the token stood where the last slot of sinks and window is. */
  void pack_sink_queries(const Region& region, const Shape& shape, const Rows& rows, const int32_t* tokens, const int32_t* heads, int32_t count,
                         int32_t head, const Scratch& scratch, float* packed);
  void merge_heads(const Shape& shape, const Rows& rows, int32_t token, int32_t first_head, const Scratch& scratch);
  /** Of heads whose first `folded` pieces are folded into one result. */
  void merge_run(const Shape& shape, const Rows& rows, int32_t token, int32_t first_head, int32_t count, int32_t folded, const Scratch& scratch);
  Scratch scratch_of(int32_t thread) const;
  const Shape& shape_of(size_t index) const { return shapes_[static_cast<size_t>(region_shapes_[index])]; }
  const KvPool& pool_of(const Shape& shape) const { return pools_[static_cast<size_t>(shape.pool)]; }
  /** Of a token's partial result in the `piece`th piece that it attends; those of one piece lie together. */
  size_t slot_of(const Shape& shape, int32_t token, int32_t piece, int32_t head) const {
    return static_cast<size_t>(shape.first_slots[static_cast<size_t>(token)]) +
           static_cast<size_t>(piece) * static_cast<size_t>(shape.head_count) + static_cast<size_t>(head);
  }
  float* partial_out(size_t slot) const { return partial_outs_ + slot * head_stride_; }

  ThreadPool& threads_;
  const Kernels& kernels_;
  const std::vector<KvPool>& pools_;
  const int32_t head_size_;  // of all pools
  const std::vector<Region>& regions_;
  const StepBindings& bindings_;
  const std::vector<RopeTable>& ropes_;
  const bool cascade_;
  const size_t head_stride_;  // head size rounded up to 16
  std::vector<SharedPrefixes> prefixes_;  // of each pool
  std::vector<SharedPrefixes::Leaf> leaves_;  // of the shape being planned
  WrittenBlocks written_;
  bool may_deal_ = false;  // in the bound step, as far as bindings go
  std::vector<int32_t> region_shapes_;  // of attention regions: index into shapes_
  std::vector<Shape> shapes_;
  MappedMemory scratch_;
  size_t scratch_floats_ = 0;  // of one thread
  MappedMemory partial_memory_;
  int64_t slot_limit_ = 0;
  float* partial_outs_ = nullptr;  // [slots][head_stride]
  float* partial_maxima_ = nullptr;  // [slots]
  float* partial_sums_ = nullptr;  // [slots]
  int32_t* partial_pieces_ = nullptr;  // [slots] of a token's first piece: how many pieces are folded there; 0: the first as it is
  std::unique_ptr<Counter[]> counters_;  // two for each region
};

}  // namespace octavo
