// Kernels in plain C++ with compiler vectors: any 64-bit machine.
#define OCTAVO_KERNELS portable_kernels
#define OCTAVO_KERNELS_NAME "portable"
#include "table.h"
