// What the processor has, and what it is good at: that it does not tell, so its vendor and model do.
#pragma once

#include <cstdint>

namespace octavo {

/** CPUID leaf 7.1, EAX bit 5: vdpbf16ps. Says nothing about AVX-512 itself. */
bool has_bf16_dots();

/**
 * Whether vdpbf16ps does twice the products of f32 FMA in a time: AMD's Zen 4 and Zen 5 (family 0x19 from model 0x10 on, family 0x1a).
 * On Intel's processors it does half of them (docs/decisions/0003-bf16-products.md). Never measured, since bits differ between the two
 * and a model must give the same ones in every run on a machine.
 */
bool prefers_bf16_dots();

/** Whether weights come sooner if they are fetched ahead in one stream than from several places (kernels/weight_stream.h): AMD's processors. */
bool fetches_in_order();

/** Up to so many rows, which compute little, fetch a shorter way ahead in that one stream: 2 on AMD's processors, 0 on others. */
int32_t few_stream_rows();

}  // namespace octavo
