// Kernels for x86-64 with AVX-512 (F, BW, DQ, VL, VNNI).
#define OCTAVO_KERNELS avx512_kernels
#define OCTAVO_KERNELS_NAME "avx512"
#include "table.h"
