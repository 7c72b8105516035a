#pragma once

#include <map>

#include "graph/graph.h"
#include "loader/model.h"

namespace headrace {

// What values of a graph are, for those inputs whose contents are given before the run: computed
// when somebody asks, so that a shape or a condition may come from an input while everything else
// is left to the kernels of the run.
class KnownValues {
 public:
  // Both outlive it.
  KnownValues(const Graph& graph, const EvaluateNode& evaluate)
      : graph_(graph), evaluate_(evaluate) {}

  void set(ValueId input, HostTensor contents) { contents_[input] = std::move(contents); }

  // Null where the value depends on a parameter, a random number or an input that is not given.
  const HostTensor* find(ValueId value);

 private:
  const Graph& graph_;
  const EvaluateNode& evaluate_;
  std::map<ValueId, HostTensor> contents_;  // an empty tensor: not known
};

}  // namespace headrace
