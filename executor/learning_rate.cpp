#include "executor/learning_rate.h"

#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

const std::array<std::string, 3>& decay_names() {
  static const std::array<std::string, 3> names = {"constant", "cosine", "step"};
  return names;
}

}  // namespace

Decay decay_named(std::string_view name) {
  const auto& names = decay_names();
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Decay>(i);
  throw Error("no learning-rate decay is named '{}'; did you mean '{}'?", name,
              nearest(name, names));
}

std::string_view name_of(Decay decay) { return decay_names()[static_cast<size_t>(decay)]; }

void check(const LearningRateSpec& spec) {
  const auto valid = [](double value) { return std::isfinite(value) && value >= 0; };
  if (!valid(spec.peak)) throw Error("the learning rate {} is not a number >= 0", spec.peak);
  if (spec.warmup_steps < 0) throw Error("{} warm-up steps: expected >= 0", spec.warmup_steps);
  if (spec.decay == Decay::cosine && !(valid(spec.floor) && spec.floor <= spec.peak))
    throw Error("the learning rate's floor {} is not between 0 and its peak {}", spec.floor,
                spec.peak);
  if (spec.decay == Decay::step && spec.every < 1)
    throw Error("the learning rate decays every {} steps: expected >= 1", spec.every);
  if (spec.decay == Decay::step && !valid(spec.factor))
    throw Error("the learning rate's factor {} is not a number >= 0", spec.factor);
}

double learning_rate(const LearningRateSpec& spec, int64_t step, int64_t total_steps) {
  if (step < spec.warmup_steps)
    return spec.peak * static_cast<double>(step + 1) / static_cast<double>(spec.warmup_steps);
  const int64_t since = step - spec.warmup_steps;
  switch (spec.decay) {
    case Decay::constant:
      break;
    case Decay::cosine: {
      if (step >= total_steps) return spec.floor;
      const double part =
          static_cast<double>(since) / static_cast<double>(total_steps - spec.warmup_steps);
      return spec.floor + (spec.peak - spec.floor) * (1 + std::cos(std::numbers::pi * part)) / 2;
    }
    case Decay::step: {
      const int64_t drops = since / spec.every;
      return spec.peak * std::pow(spec.factor, static_cast<double>(drops));
    }
  }
  return spec.peak;
}

}  // namespace headrace
