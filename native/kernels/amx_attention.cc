// Attention on the tiles of AMX.
#include "kernels.h"

#include "../amx_support.h"

#ifdef OCTAVO_AMX_ATTENTION
#include "attention_amx.h"

namespace octavo {
namespace {

/** Rows that tiles are configured for, where there are fewer than whole tiles of them. */
void begin_attention(int32_t rows) { configure_tiles(rows < kTileQueries ? rows : kTileQueries); }
void end_attention() { release_tiles(); }

}  // namespace

const AttentionKernels& amx_attention_for(const KvPool& pool) {
  static constexpr AttentionKernels kernels = {kTileQueries, 16, begin_attention, end_attention, pack_for_tiles, piece_on_tiles};
  const AmxSupport support = allow_amx();
  const bool fits = pool.head_size % kTileDims == 0 && pool.head_size <= kMaxTileHeadSize && pool.key_type != KvType::kF32 && pool.value_type != KvType::kF32;
  return fits && support.bf16 && support.half_vectors ? kernels : avx512_kernels().attention_for(pool);
}

}  // namespace octavo
#else
namespace octavo {

const AttentionKernels& amx_attention_for(const KvPool& pool) { return avx512_kernels().attention_for(pool); }

}  // namespace octavo
#endif
