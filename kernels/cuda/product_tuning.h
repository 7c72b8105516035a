#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/dtype.h"
#include "kernels/choices.h"
#include "kernels/cuda/product_plan.h"
#include "kernels/device.h"

// Which algorithm a product of cuBLASLt runs with, where its first answer is not simply taken: the
// fastest of several on the device, chosen once and kept. Nothing here calls the library.
namespace headrace::cuda {

// What a device that times algorithms needs for it.
struct ProductTuning {
  Choices* choices = nullptr;
  DeviceQueue* queue = nullptr;
  std::string card;  // its name and size, and the library's version
};

struct Epilogue {
  bool bias = false, relu = false;
};

// All that decides how a product is computed, and so its bits and its time.
struct ProductForm {
  ProductPlan plan;
  DType dtype = DType::f32;  // of all three; sums are in f32, those of f64 in f64
  bool tf32 = false;         // f32 factors are rounded to TF32
  Epilogue epilogue = {};
  bool accumulate = false;
  uint32_t alignment = 0;     // bytes that all addresses are multiples of
  size_t most_workspace = 0;  // bytes
};

// One line that tells forms apart.
std::string to_string(const ProductForm& form);

// An algorithm as the library hands it out, of a meaning that one version of it knows.
using Algorithm = std::array<uint64_t, 8>;
// 128 hexadecimal digits; nothing for any other text.
std::string to_text(const Algorithm& algorithm);
std::optional<Algorithm> algorithm_from(std::string_view text);

inline constexpr double kCannotRun = std::numeric_limits<double>::infinity();

// The first of those that take the least time or hardly more: what is in front the library expects
// to be faster, and times that are nearly alike say nothing. 0 where none can run.
size_t fastest(std::span<const double> seconds);

// What all who share `choices` run a product with: what is kept for it, or the fastest of
// `candidates`, which is kept then; they come in the library's order, one at least. `seconds` times
// one, `takes` tells whether the library knows a kept one. The first candidate where it does not,
// and where nothing can be kept.
Algorithm settle_algorithm(Choices& choices, const std::string& key,
                           const std::vector<Algorithm>& candidates,
                           const std::function<double(const Algorithm&)>& seconds,
                           const std::function<bool(const Algorithm&)>& takes);

}  // namespace headrace::cuda
