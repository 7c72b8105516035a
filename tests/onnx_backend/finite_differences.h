#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/autodiff.h"
#include "kernels/evaluate.h"

namespace headrace {

// `count` fixed numbers in [-1, 1).
std::vector<double> random_numbers(size_t count, uint64_t salt);

// Gradients of a training graph against central differences of its loss, both in f64 by the
// reference kernels; random operators draw what the first step of a run draws.
class FiniteDifferences {
 public:
  // The graph outlives this. `feeds`: every input but the loss seed.
  FiniteDifferences(const TrainingGraph& training, Feeds feeds);

  double loss();
  // One for each of training.gradients, in that order.
  const std::vector<std::vector<double>>& gradients();

  // The loss's derivative along a direction, one vector for each of training.gradients (empty: that
  // parameter stays): differences over `step` and half of it, extrapolated so that third
  // derivatives cancel.
  double derivative(const std::vector<std::vector<double>>& direction, double step);

  // What the gradients say that derivative is, and the sum of the magnitudes of its terms.
  struct Product {
    double value = 0, magnitude = 0;
  };
  Product product(const std::vector<std::vector<double>>& direction);

 private:
  double loss_at(const std::vector<std::vector<double>>& direction, double step);

  const TrainingGraph& training_;
  Feeds feeds_;
  GraphEvaluator evaluator_;
  std::vector<std::vector<double>> gradients_;
};

}  // namespace headrace
