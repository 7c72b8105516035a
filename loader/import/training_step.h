#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loader/import/importer.h"

namespace headrace {

// A training step that a model describes itself (ONNX's TrainingInfoProto), cut in two at its
// Gradient node.
struct TrainingStep {
  // The model's graph and the algorithm's nodes up to the loss, its only output.
  std::shared_ptr<onnx::ModelProto> forward;
  std::set<std::string> trained;  // initializers of `forward` that gradients are taken by
  // What follows the gradients. Inputs: the gradients, every tensor that a binding replaces or that
  // is trained, the learning rate and the step count; outputs: what the bindings name.
  std::shared_ptr<onnx::ModelProto> update;
  std::vector<std::pair<std::string, std::string>> gradients;  // input of `update`, tensor
  struct Binding {
    std::string tensor, replacement;  // replacement empty: the tensor stays
  };
  std::vector<Binding> bindings;
  std::map<std::string, onnx::TensorProto> contents;  // of the bound and trained tensors
  std::string rate, step;  // inputs of `update` that the run feeds, empty where there are none
};

// Cuts the only training step of a model. `initial`: contents that replace those of initializers.
// Throws Error where the step is not of this form: more than one step, no Gradient or gradients of
// different values, a gradient by something that is no initializer, an update that reads the data.
TrainingStep cut_training_step(const onnx::ModelProto& model,
                               const std::map<std::string, HostTensor>& initial);

// What a model's initialization graph makes of its initializers, by their names.
std::map<std::string, HostTensor> run_initialization(const ModelSource& source,
                                                     const LoadOptions& options);

// The update as a graph. `source`: whose folder holds external tensors.
WrittenUpdate import_update(const TrainingStep& step, const ModelSource& source,
                            const LoadOptions& options);

}  // namespace headrace
