// Picking of tokens, compiled for portable.
#define OCTAVO_CANDIDATES portable_candidates
#include "candidates_kernels.h"
