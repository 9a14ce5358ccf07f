// Kernels for x86-64 with AVX2, FMA and F16C.
#define OCTAVO_KERNELS avx2_kernels
#define OCTAVO_KERNELS_NAME "avx2"
#include "table.h"
