#pragma once

#include <onnx/defs/parser.h>

#include <fstream>
#include <string>
#include <vector>

#include "kernels/evaluate.h"
#include "loader/model.h"
#include "tests/temporary_folder.h"

namespace headrace {

// A model from ONNX's text form: `body` is "g (float[N,3] x) => (float[N,2] y) <...> { ... }".
inline onnx::ModelProto parse_onnx(const std::string& body, int opset = 18, int ir = 8) {
  const std::string text = "<ir_version: " + std::to_string(ir) +
                           ", opset_import: [\"\" : " + std::to_string(opset) + "]>\n" + body;
  onnx::ModelProto model;
  onnx::OnnxParser parser(text.c_str());
  const auto status = parser.Parse(model);
  if (!status.IsOK()) throw std::runtime_error(status.ErrorMessage());
  return model;
}

inline void write_onnx(const onnx::ModelProto& model, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  model.SerializeToOstream(&file);
}

inline onnx::ModelProto read_onnx(const std::string& path) {
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  if (!model.ParseFromIstream(&file)) throw std::runtime_error(path);
  return model;
}

inline LoadOptions folding() {
  LoadOptions options;
  options.evaluate = evaluate;
  return options;
}

inline Model load_onnx(const onnx::ModelProto& model, const LoadOptions& options = folding()) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.onnx";
  write_onnx(model, path);
  return load_model(path, options);
}

inline Model load_text(const std::string& body, int opset = 18,
                       const LoadOptions& options = folding()) {
  return load_onnx(parse_onnx(body, opset), options);
}

// The operators of the graph, in order.
inline std::vector<std::string> operators(const Model& model) {
  std::vector<std::string> names;
  for (const Node& node : model.forward.graph.nodes()) names.push_back(node.op);
  return names;
}

inline std::vector<std::string> weight_names(const Model& model) {
  std::vector<std::string> names;
  for (const Weight& weight : model.weights) names.push_back(weight.name);
  return names;
}

// Outputs of the forward graph on the given inputs, in order, as doubles.
inline std::vector<std::vector<double>> run(const Model& model,
                                            const std::vector<HostTensor>& inputs) {
  const Graph& graph = model.forward.graph;
  Feeds feeds;
  for (size_t i = 0; i < inputs.size(); ++i) feeds[graph.inputs.at(i)] = inputs[i];
  std::vector<std::vector<double>> outputs;
  for (const HostTensor& tensor : evaluate_graph(graph, feeds, graph.outputs)) {
    if (is_float(tensor.type.dtype)) {
      outputs.push_back(to_doubles(tensor));
    } else {
      const auto integers = to_int64s(tensor);
      outputs.emplace_back(integers.begin(), integers.end());
    }
  }
  return outputs;
}

inline HostTensor floats(Shape shape, std::vector<float> values) {
  return make_host_tensor<float>(std::move(shape), values);
}

// "x 0, 1, 2, ..." of that shape.
inline HostTensor counting(Shape shape) {
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return floats(std::move(shape), values);
}

}  // namespace headrace
