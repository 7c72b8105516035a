#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "graph/passes.h"
#include "graph/written_update.h"

namespace headrace {

// Computes one node on constant inputs (constant folding). The loader owns no kernels: its caller
// passes this in.
using EvaluateNode =
    std::function<std::vector<HostTensor>(const Node&, std::span<const HostTensor> inputs)>;

struct LoadOptions {
  std::map<std::string, int64_t> bind;  // free dimensions by name, or "input:axis"
  std::optional<int64_t> batch;         // size of the first free leading dimension of the inputs
  // Shapes of the tensors that will be fed, by input: free dimensions take their sizes.
  std::map<std::string, Shape> input_shapes = {};
  // Contents of inputs, for a model that is loaded to be run on them alone: what must be known
  // before a run (a shape, axes, a condition) may then come from an input.
  std::map<std::string, HostTensor> input_contents = {};
  // Inputs that are the same in every batch: constants of the graph, which is then fed the others.
  std::map<std::string, HostTensor> fixed_inputs = {};
  std::string untie = "auto";       // auto, none, or comma-separated globs of initializer names
  std::vector<std::string> freeze;  // globs of initializer names that are not trained
  bool training = true;  // false: forward only; BatchNormalization and Dropout stay as exported
  EvaluateNode evaluate;
  // A model that describes its own training step (ONNX's training_info) is loaded for that step,
  // and what its initialization graph computes takes the place of what is stored.
  bool training_step = false;
  bool initialize = true;

  // Of the loader itself. The initializers that are trained, in place of judging by their use:
  std::optional<std::set<std::string>> trained = {};
  bool as_exported = false;  // BatchNormalization and Dropout, also in training
  bool draw = false;         // random numbers are drawn, once
};

// One trained or frozen tensor of the model: the value in the graph and where its data stands in
// the ONNX file.
struct Weight {
  ValueId value = kNoValue;
  std::string name;  // unique; the initializer's name, or the copy's own name when untied
};

class ModelSource;  // the parsed file and its mapped external data

struct Model {
  std::string path;
  ForwardGraph forward;            // canonical operators, phase F, shapes static
  std::vector<Weight> weights;     // parameters and states, in graph order
  std::vector<std::string> notes;  // what the loader did that a user should know, one line each
  std::optional<WrittenUpdate> update;  // of its own training step: `forward` yields the loss
  std::string batch_dimension;          // name of the dimension that `batch` bound, or empty
  std::shared_ptr<ModelSource> source;
};

// Throws Error: unreadable or invalid file, unbound dimension (its name and the option that binds
// it), unsupported nodes (all of them, with domain and reason), a weight file outside the model's
// folder.
Model load_model(const std::string& path, const LoadOptions& options);

// Writes the model that came in with new contents for the named weights, everything else untouched.
// Weights are row-major in their initializer's type. `external_data`: weights go to a file beside
// it. Written under a temporary name and renamed.
void save_model(const Model& model, const std::string& path,
                const std::map<std::string, HostTensor>& weights, bool external_data = false);

// What `headrace inspect` shows; never throws for an unsupported operator.
struct Inspection {
  int64_t opset = 0, ir_version = 0;
  std::string producer{};
  int64_t nodes = 0;
  std::map<std::string, int64_t> operators{};
  int64_t parameters = 0, trainable = 0;  // elements
  struct Trainable {
    std::string name;
    TensorType type;
    std::string held_by;  // "initializer", "Constant node in then_branch of 'y'"
  };
  std::vector<Trainable> trainable_tensors{};
  std::vector<std::string> notes{};  // as Model's
  struct Unsupported {
    std::string op, domain, node, why;
  };
  std::vector<Unsupported> unsupported{};
  double flops = 0;  // forward, one batch as bound; 0 when it could not be bound
};
Inspection inspect_model(const std::string& path, const LoadOptions& options);

}  // namespace headrace
