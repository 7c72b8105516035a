#pragma once

#include <cstdint>

namespace headrace {

// What losses are multiplied by, so that gradients in f16 neither vanish nor overflow (Micikevicius
// et al., arXiv:1710.03740, section 3.2), as a power of two: halved by a step whose gradients are
// not all finite, which then updates nothing, and doubled after many good ones.
struct LossScale {
  double value = 65536;
  int64_t good_steps = 0;  // since it last changed

  void settle(bool finite) {
    constexpr int64_t kPatience = 2000;
    constexpr double kLeast = 1, kMost = 16777216;
    good_steps = finite ? good_steps + 1 : 0;
    if (!finite && value > kLeast) value /= 2;
    if (good_steps == kPatience) {
      good_steps = 0;
      if (value < kMost) value *= 2;
    }
  }
  bool operator==(const LossScale&) const = default;
};

}  // namespace headrace
