// Picking of tokens, compiled for avx2.
#define OCTAVO_CANDIDATES avx2_candidates
#include "candidates_kernels.h"
