// Repacks rows of a weight tensor from the file's order into panels (layout.h), and unpacks single rows.
#pragma once

#include "layout.h"

namespace octavo {

/** Writes rows [first_row, first_row + row_count) of panel `panel`; `source` holds them as stored, `row_bytes` each. */
void pack_panel_rows(const Matrix& matrix, int32_t panel, int32_t first_row, int32_t row_count, const uint8_t* source,
                     size_t row_bytes);

/** Writes one row of `columns` floats (embedding lookup). */
void unpack_row(const Matrix& matrix, int32_t row, float* out);

/** Dequantises `count` elements stored as `dtype` (norm weights and biases). */
void unpack_vector(DType dtype, const uint8_t* source, int32_t count, float* out);

}  // namespace octavo
