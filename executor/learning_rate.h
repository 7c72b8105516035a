#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

enum class Decay { constant, cosine, step };

// How the learning rate runs over the steps of a training, counted from 0. With W = warmup_steps,
// T = total_steps and s the step:
//   s < W      peak * (s + 1) / W                                                   (linear
//   warm-up) constant   peak cosine     floor + (peak - floor) * (1 + cos(pi * (s - W) / (T - W)))
//   / 2       (arXiv:1608.03983);
//              floor from step T on
//   step       peak * factor ^ floor((s - W) / every)
struct LearningRateSpec {
  double peak = 1e-3;
  Decay decay = Decay::constant;
  int64_t warmup_steps = 0;
  double floor = 0;     // cosine
  int64_t every = 1;    // step: steps between two decays
  double factor = 0.1;  // step
  bool operator==(const LearningRateSpec&) const = default;
};

// "constant", "cosine" or "step". Throws Error naming the nearest.
Decay decay_named(std::string_view name);
std::string_view name_of(Decay decay);

// Throws Error when a number is negative, not finite, or the floor lies above the peak.
void check(const LearningRateSpec& spec);

// The rate of a step, by a spec that check() accepts.
double learning_rate(const LearningRateSpec& spec, int64_t step, int64_t total_steps);

}  // namespace headrace
