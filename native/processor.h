// What the processor has, and what it is good at: that it does not tell, so its vendor and model do.
#pragma once

namespace octavo {

/** CPUID leaf 7.1, EAX bit 5: vdpbf16ps. Says nothing about AVX-512 itself. */
bool has_bf16_dots();

/**
 * Whether vdpbf16ps does twice the products of f32 FMA in a time: AMD's Zen 4 and Zen 5 (family 0x19 from model 0x10 on, family 0x1a).
 * On Intel's processors it does half of them (docs/decisions/0003-bf16-products.md). Never measured, since bits differ between the two
 * and a model must give the same ones in every run on a machine.
 */
bool prefers_bf16_dots();

/**
 * Whether weights that hardly anything is computed with come sooner if they are fetched ahead from several places (kernels/weight_stream.h). Not on AMD's processors:
 * in a trial on Zen 4 a plain stream read 29 GB/s on one thread, and 17 to 25 with software prefetches.
 */
bool fetches_plain_streams();

}  // namespace octavo
