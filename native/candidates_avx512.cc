// Picking of tokens, compiled for avx512.
#define OCTAVO_CANDIDATES avx512_candidates
#include "candidates_kernels.h"
