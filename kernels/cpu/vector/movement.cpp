#include "kernels/cpu/vector/table.h"
#include "kernels/functors/isa.h"
#include "kernels/philox.h"

namespace headrace::HEADRACE_ISA {
namespace {

// Tiles of 16 by 16: whole cache lines on both sides.
void transpose(const uint32_t* x, int64_t x_stride, uint32_t* y, int64_t y_stride, int64_t rows,
               int64_t columns) {
  constexpr int64_t kTile = 16;
  for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
    const int64_t j1 = columns - j0 < kTile ? columns : j0 + kTile;
    for (int64_t i0 = 0; i0 < rows; i0 += kTile) {
      const int64_t i1 = rows - i0 < kTile ? rows : i0 + kTile;
      for (int64_t j = j0; j < j1; ++j) {
        for (int64_t i = i0; i < i1; ++i) y[j * y_stride + i] = x[i * x_stride + j];
      }
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
#pragma GCC ivdep
    for (int64_t b = 0; b < kBlocks; ++b) {
      const PhiloxBlock words = draw.block(block + static_cast<uint64_t>(b));
      for (int64_t w = 0; w < kWords; ++w) kept[b * kWords + w] = draw.keeps(words.word[w]);
    }
    const int64_t count = n - i < kBlocks * kWords ? n - i : kBlocks * kWords;
#pragma GCC ivdep
    for (int64_t k = 0; k < count; ++k) y[i + k] = kept[k] ? x[i + k] * scale : 0.0f;
    if (mask != nullptr) {
      for (int64_t k = 0; k < count; ++k) mask[i + k] = kept[k];
    }
  }
}

void masked_scale(const float* x, const uint8_t* mask, float* y, int64_t n, float scale) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = mask[i] ? x[i] * scale : 0.0f;
}

}  // namespace

extern const vector::MovementTable movement_table;
constinit const vector::MovementTable movement_table = {transpose, dropout, masked_scale};

}  // namespace headrace::HEADRACE_ISA
