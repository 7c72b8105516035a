#include <cstring>

#include "kernels/cpu/vector/table.h"
#include "kernels/functors/isa.h"
#include "kernels/philox.h"

namespace headrace::HEADRACE_ISA {
namespace {

constexpr int64_t kTile = 8;
using Row = uint32_t __attribute__((vector_size(kTile * sizeof(uint32_t))));

// An 8 by 8 tile in registers: pairs, then fours, then halves of rows change places.
void transpose_tile(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride) {
  Row a[kTile], b[kTile];
  for (int i = 0; i < kTile; ++i) memcpy(&a[i], x + i * x_stride, sizeof(Row));
  for (int i = 0; i < kTile; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < kTile; i += 4) {
    for (int k = 0; k < 2; ++k) {
      a[i + 2 * k] = __builtin_shufflevector(b[i + k], b[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      a[i + 2 * k + 1] =
          __builtin_shufflevector(b[i + k], b[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < kTile / 2; ++i) {
    b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < kTile; ++i) memcpy(y + i * y_stride, &b[i], sizeof(Row));
}

void transpose(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride, int64_t rows,
               int64_t columns) {
  const int64_t whole_rows = rows / kTile * kTile, whole_columns = columns / kTile * kTile;
  for (int64_t i = 0; i < whole_rows; i += kTile) {
    for (int64_t j = 0; j < whole_columns; j += kTile) {
      transpose_tile(x + i * x_stride + j, x_stride, y + j * y_stride + i, y_stride);
    }
  }
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) {
      y[j * y_stride + i] = x[i * x_stride + j];
    }
  }
}

// Everything that draws is inlined here (flatten): kernels/philox.h is outside this namespace.
[[gnu::flatten]] void dropout(const float* x, float* y, uint8_t* mask, int64_t first, int64_t n,
                              const void* opaque_draw, float scale) {
  const DropoutDraw draw = *static_cast<const DropoutDraw*>(opaque_draw);
  constexpr int64_t kBlocks = 64, kWords = 4;
  uint8_t kept[kBlocks * kWords];
  for (int64_t i = 0; i < n; i += kBlocks * kWords) {
    const auto block = static_cast<uint64_t>((first + i) / kWords);
    for (int64_t b = 0; b < kBlocks; ++b) {
      const PhiloxBlock words = draw.block(block + static_cast<uint64_t>(b));
      kept[b * kWords] = draw.keeps(words.word[0]);
      kept[b * kWords + 1] = draw.keeps(words.word[1]);
      kept[b * kWords + 2] = draw.keeps(words.word[2]);
      kept[b * kWords + 3] = draw.keeps(words.word[3]);
    }
    const int64_t count = n - i < kBlocks * kWords ? n - i : kBlocks * kWords;
#pragma omp simd
    for (int64_t k = 0; k < count; ++k) y[i + k] = kept[k] ? x[i + k] * scale : 0.0f;
    if (mask != nullptr) {
      for (int64_t k = 0; k < count; ++k) mask[i + k] = kept[k];
    }
  }
}

void masked_scale(const float* x, const uint8_t* mask, float* y, int64_t n, float scale) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = mask[i] ? x[i] * scale : 0.0f;
}

}  // namespace

extern const vector::MovementTable movement_table;
constinit const vector::MovementTable movement_table = {transpose, dropout, masked_scale};

}  // namespace headrace::HEADRACE_ISA
