#include "executor/onnx_test_run.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "executor/forward.h"
#include "loader/onnx_test_sets.h"

namespace headrace {
namespace {

// "[1, 0, 2]" of the element at `position`.
std::string place(const Shape& shape, size_t position) {
  Shape index;
  const Shape strides = row_major_strides(shape);
  for (size_t d = 0; d < shape.size(); ++d)
    index.push_back(static_cast<int64_t>(position) / strides[d] % shape[d]);
  return to_string(index);
}

// Over 1: the value is not as expected.
double distance(double got, double expected, double relative) {
  constexpr double kAbsolute = 1e-7;
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  const double off = std::fabs(got - expected) / (kAbsolute + relative * std::fabs(expected));
  return std::isfinite(expected) && std::isfinite(off) ? off
                                                       : std::numeric_limits<double>::infinity();
}

template <typename T, typename Distance>
std::string furthest(const Shape& shape, const std::vector<T>& got, const std::vector<T>& expected,
                     const Distance& distance_of) {
  size_t wrong = 0, worst = 0;
  double worst_distance = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double off = distance_of(got[i], expected[i]);
    if (off > 1) ++wrong;
    if (off <= worst_distance) continue;
    worst_distance = off;
    worst = i;
  }
  if (wrong == 0) return {};
  return fmt::format("{} of {} elements differ, most at {}: {} instead of {}", wrong, got.size(),
                     place(shape, worst), got[worst], expected[worst]);
}

}  // namespace

bool OnnxTestResult::passed() const {
  return std::all_of(outputs.begin(), outputs.end(),
                     [](const OutputCheck& check) { return check.difference.empty(); });
}

std::string difference(const HostTensor& got, const HostTensor& expected) {
  if (got.type != expected.type)
    return fmt::format("{} instead of {}", to_string(got.type), to_string(expected.type));
  if (is_float(got.type.dtype)) {
    const double relative = got.type.dtype == DType::bf16 ? 0x1p-6 : 1e-3;
    return furthest(got.type.shape, to_doubles(got), to_doubles(expected),
                    [&](double a, double b) { return distance(a, b, relative); });
  }
  return furthest(got.type.shape, to_int64s(got), to_int64s(expected), [](int64_t a, int64_t b) {
    return a == b ? 0.0 : 1 + std::fabs(static_cast<double>(a) - static_cast<double>(b));
  });
}

std::vector<OnnxTestResult> run_onnx_test(const std::string& model, const std::string& folder,
                                          Device& device) {
  std::vector<OnnxTestResult> results;
  for (const OnnxTestSet& set : read_onnx_test_sets(model, folder)) {
    const auto outputs = run_forward(model, set.inputs, device);
    OnnxTestResult result{.set = set.name, .outputs = {}};
    for (const auto& [name, expected] : set.outputs)
      result.outputs.push_back({name, difference(outputs.at(name), expected)});
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace headrace
