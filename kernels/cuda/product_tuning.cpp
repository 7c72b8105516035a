#include "kernels/cuda/product_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "graph/error.h"

namespace headrace::cuda {
namespace {

// Two measurements of the same differ by as much.
constexpr double kNoise = 0.02;
constexpr size_t kDigits = 16;  // of one word

std::string to_string(const ProductPlan::Factor& factor) {
  return fmt::format("{}x{}{} every {}", factor.rows, factor.columns,
                     factor.transpose ? " transposed" : "", factor.stride);
}

}  // namespace

std::string to_string(const ProductForm& form) {
  const ProductPlan& plan = form.plan;
  return fmt::format("{}{} {}x{}x{}, {} times {}, batch {}, {} calls{}{}{}, align {}, workspace {}",
                     name_of(form.dtype), form.tf32 ? " by TF32" : "", plan.m, plan.n, plan.k,
                     to_string(plan.a), to_string(plan.b), plan.batch, plan.places.size(),
                     form.epilogue.bias ? " + bias" : "", form.epilogue.relu ? ", relu" : "",
                     form.accumulate ? ", added" : "", form.alignment, form.most_workspace);
}

std::string to_text(const Algorithm& algorithm) {
  std::string text;
  for (const uint64_t word : algorithm) text += fmt::format("{:016x}", word);
  return text;
}

std::optional<Algorithm> algorithm_from(std::string_view text) {
  Algorithm algorithm{};
  if (text.size() != kDigits * algorithm.size()) return std::nullopt;
  for (uint64_t& word : algorithm) {
    const char* end = text.data() + kDigits;
    const auto [stop, error] = std::from_chars(text.data(), end, word, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    text.remove_prefix(kDigits);
  }
  return algorithm;
}

size_t fastest(std::span<const double> seconds) {
  HEADRACE_CHECK(!seconds.empty());
  const double least = std::ranges::min(seconds);
  const auto first =
      std::ranges::find_if(seconds, [&](double each) { return each <= least * (1 + kNoise); });
  return static_cast<size_t>(first - seconds.begin());
}

Algorithm settle_algorithm(Choices& choices, const std::string& key,
                           const std::vector<Algorithm>& candidates,
                           const std::function<double(const Algorithm&)>& seconds,
                           const std::function<bool(const Algorithm&)>& takes) {
  HEADRACE_CHECK(!candidates.empty());
  std::string kept = choices.find(key);
  if (kept.empty() && choices.keeps()) {
    std::vector<double> each_s;
    for (const Algorithm& candidate : candidates) each_s.push_back(seconds(candidate));
    kept = choices.settle(key, to_text(candidates[fastest(each_s)]));
  }
  const auto algorithm = algorithm_from(kept);
  return algorithm && takes(*algorithm) ? *algorithm : candidates.front();
}

}  // namespace headrace::cuda
