#include "loader/import/dimensions.h"

#include <algorithm>
#include <set>

#include "graph/error.h"
#include "graph/nearest.h"

namespace headrace {
namespace {

using onnx::TensorShapeProto;

struct Dimension {
  std::string name{};   // empty where the size is fixed
  std::string place{};  // "input:axis"
  bool unnamed = false;
  int64_t size = 0;
};

struct Input {
  std::string name;
  std::vector<Dimension> dimensions;
};

std::vector<Input> free_inputs(const onnx::GraphProto& graph) {
  std::set<std::string> weights;
  for (const auto& tensor : graph.initializer()) weights.insert(tensor.name());
  std::vector<Input> inputs;
  for (const auto& proto : graph.input()) {
    if (weights.count(proto.name()) > 0 || !proto.type().has_tensor_type()) continue;
    if (!proto.type().tensor_type().has_shape())
      throw Error("input '{}' has no shape, not even its number of dimensions", proto.name());
    Input input{.name = proto.name(), .dimensions = {}};
    for (const auto& dim : proto.type().tensor_type().shape().dim()) {
      Dimension dimension{.place = fmt::format("{}:{}", proto.name(), input.dimensions.size())};
      if (dim.has_dim_value() && dim.dim_value() >= 0) {
        dimension.size = dim.dim_value();
      } else {
        // Paddle calls every free dimension "?"; equal names would have to be equal sizes.
        dimension.unnamed = dim.dim_param().empty() || dim.dim_param() == "?";
        dimension.name = dimension.unnamed ? dimension.place : dim.dim_param();
      }
      input.dimensions.push_back(std::move(dimension));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

// Applies --bind: by the dimension's name or its place.
void apply_bindings(std::vector<Input>& inputs, const std::map<std::string, int64_t>& bind) {
  for (const auto& [name, size] : bind) {
    if (size < 1) throw Error("--bind {}={}: a dimension is at least 1", name, size);
    bool found = false;
    std::vector<std::string> known;
    for (Input& input : inputs) {
      for (Dimension& dimension : input.dimensions) {
        if (!dimension.name.empty()) known.push_back(dimension.name);
        if (dimension.name != name && dimension.place != name) continue;
        found = true;
        if (dimension.size != 0 && dimension.size != size)
          throw Error("--bind {}={}: dimension {} of the model is {}", name, size, dimension.place,
                      dimension.size);
        dimension.size = size;
      }
    }
    if (found) continue;
    if (known.empty()) throw Error("--bind {}: the model has no free dimension", name);
    throw Error("--bind {}: no such free dimension; did you mean '{}'?", name,
                nearest(name, known));
  }
}

// Free dimensions of the same name must agree in all shapes; fixed ones are compared when fed.
void apply_shapes(std::vector<Input>& inputs, const std::map<std::string, Shape>& shapes) {
  for (const auto& [name, shape] : shapes) {
    const auto input =
        std::find_if(inputs.begin(), inputs.end(),
                     [&, &wanted = name](const Input& i) { return i.name == wanted; });
    if (input == inputs.end()) {
      std::string known;
      for (const Input& i : inputs) known += fmt::format(" '{}'", i.name);
      throw Error("the model has no input '{}'; its inputs:{}", name, known);
    }
    if (shape.size() != input->dimensions.size())
      throw Error("input '{}' has {} dimensions but the tensor given is {}", name,
                  input->dimensions.size(), to_string(shape));
    for (size_t d = 0; d < shape.size(); ++d)
      if (const std::string& free = input->dimensions[d].name; !free.empty())
        apply_bindings(inputs, {{free, shape[d]}});
  }
}

std::string bind_batch(std::vector<Input>& inputs, int64_t batch) {
  if (batch < 1) throw Error("a batch of {}; it is at least 1", batch);
  const Dimension* leading = nullptr;
  for (const Input& input : inputs) {
    if (input.dimensions.empty() || input.dimensions[0].name.empty()) continue;
    leading = &input.dimensions[0];
    break;
  }
  if (leading == nullptr) {
    for (const Input& input : inputs) {
      if (input.dimensions.empty()) continue;
      if (input.dimensions[0].size == batch) return {};
      throw Error(
          "the model's batch is fixed: input '{}' has {} rows, {} are asked for; give "
          "--microbatches so that --batch / --microbatches is {}, or export the model with a free "
          "batch dimension",
          input.name, input.dimensions[0].size, batch, input.dimensions[0].size);
    }
    return {};
  }
  if (leading->size != 0 && leading->size != batch)
    throw Error("dimension '{}' is bound to {} and is the batch, which is {}", leading->name,
                leading->size, batch);
  std::string name = leading->name;
  const bool unnamed = leading->unnamed;
  for (Input& input : inputs) {
    for (size_t d = 0; d < input.dimensions.size(); ++d) {
      Dimension& dimension = input.dimensions[d];
      const bool same = dimension.name == name || (unnamed && dimension.unnamed && d == 0);
      if (same && dimension.size == 0) dimension.size = batch;
    }
  }
  return name;
}

}  // namespace

BoundDimensions bind_dimensions(const onnx::GraphProto& graph, const LoadOptions& options) {
  std::vector<Input> inputs = free_inputs(graph);
  BoundDimensions bound;
  apply_bindings(inputs, options.bind);
  apply_shapes(inputs, options.input_shapes);
  for (const auto& [name, tensor] : options.fixed_inputs)
    apply_shapes(inputs, {{name, tensor.type.shape}});
  if (options.batch) bound.batch_dimension = bind_batch(inputs, *options.batch);
  for (const Input& input : inputs) {
    Shape shape;
    bool complete = true;
    for (const Dimension& dimension : input.dimensions) {
      shape.push_back(dimension.size);
      if (dimension.name.empty() || dimension.size != 0) continue;
      complete = false;
      if (std::find(bound.unbound.begin(), bound.unbound.end(), dimension.name) ==
          bound.unbound.end())
        bound.unbound.push_back(dimension.name);
    }
    if (complete) bound.shapes[input.name] = std::move(shape);
  }
  return bound;
}

}  // namespace headrace
