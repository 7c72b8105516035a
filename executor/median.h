#pragma once

#include <algorithm>
#include <vector>

namespace headrace {

// The middle one of `values`, the higher of two; there must be one.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace headrace
