#include "tests/cuda/training_graphs.h"

#include <limits>

#include "executor/fuse_for_device.h"
#include "executor/losses.h"
#include "kernels/evaluate.h"
#include "loader/model.h"

namespace headrace {
namespace {

// A graph in few words; one value per operator.
class Sketch {
 public:
  ValueId input(Shape shape, DType dtype = DType::f32) {
    return graph.add_input("input", {dtype, std::move(shape)});
  }
  ValueId weight(Shape shape) { return value(std::move(shape), Role::parameter); }
  ValueId value(Shape shape, Role role) {
    return graph.add_value({.name = fmt::format("{}", graph.values().size()),
                            .type = {DType::f32, std::move(shape)},
                            .role = role});
  }
  ValueId operator()(const char* op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph.add(op, std::move(inputs), std::move(attributes));
  }
  const Shape& shape(ValueId id) const { return graph.value(id).type.shape; }

  ValueId conv(ValueId x, int64_t channels, int64_t size, int64_t stride) {
    const int64_t pad = size / 2;
    return (*this)("Conv", {x, weight({channels, shape(x)[1], size, size})},
                   {{"strides", Shape{stride, stride}},
                    {"pads", Shape(4, pad)},
                    {"dilations", Shape{1, 1}},
                    {"group", int64_t{1}}});
  }
  ValueId batch_norm(ValueId x, bool relu) {
    std::vector<ValueId> inputs{x};
    for (const Role role : {Role::parameter, Role::parameter, Role::state, Role::state})
      inputs.push_back(value({shape(x)[1]}, role));
    return (*this)(
        "BatchNormalization", inputs,
        {{"epsilon", 1e-5}, {"momentum", 0.9}, {"activation", std::string(relu ? "relu" : "")}});
  }
  ValueId layer_norm(ValueId x) {
    const int64_t axis = graph.value(x).type.rank() - 1;
    const int64_t width = shape(x).back();
    return (*this)("LayerNormalization", {x, weight({width}), weight({width})},
                   {{"axis", axis}, {"epsilon", 1e-5}});
  }
  ValueId linear(ValueId x, int64_t width) {
    return (*this)("MatMul", {x, weight({shape(x).back(), width}), weight({width})});
  }
  ValueId window(const char* op, ValueId x, int64_t size, int64_t stride, int64_t pad) {
    return (*this)(op, {x},
                   {{"kernel_shape", Shape{size, size}},
                    {"strides", Shape{stride, stride}},
                    {"pads", Shape(4, pad)}});
  }
  TrainingGraph trained_on(ValueId scores, ValueId target) {
    const ValueId loss = (*this)("SoftmaxCrossEntropy", {scores, target},
                                 {{"axis", static_cast<int64_t>(shape(scores).size()) - 1},
                                  {"reduction", std::string("mean")}});
    return differentiate(std::move(graph), {{.value = loss}}, {});
  }

  Graph graph;
};

ValueId bottleneck(Sketch& g, ValueId x, int64_t width, int64_t stride) {
  ValueId y = g.batch_norm(g.conv(x, width, 1, 1), true);
  y = g.batch_norm(g.conv(y, width, 3, stride), true);
  y = g.batch_norm(g.conv(y, 4 * width, 1, 1), false);
  if (stride != 1 || g.shape(x)[1] != 4 * width)
    x = g.batch_norm(g.conv(x, 4 * width, 1, stride), false);
  return g("Relu", {g("Add", {y, x})});
}

HostTensor causal_mask(int64_t tokens) {
  auto [mask, bytes] = allocate_host_tensor({DType::f32, {tokens, tokens}});
  for (int64_t i = 0; i < tokens; ++i)
    for (int64_t j = 0; j < tokens; ++j)
      reinterpret_cast<float*>(bytes)[i * tokens + j] =
          j <= i ? 0 : -std::numeric_limits<float>::infinity();
  return mask;
}

// How many of a node's first inputs and outputs are of its data's type; the others are statistics
// and what belongs to them, which stay f32.
struct Data {
  size_t inputs, outputs;
};
Data data_of(const Node& node) {
  if (node.op == "BatchNormalization") return {1, 1};
  if (node.op == "BatchNormalizationGrad") return {2, 1};
  if (node.op == "LayerNormalization") return {3, 1};
  if (node.op == "LayerNormalizationGrad") return {3, 3};
  if (node.op == "Attention") return {3, 1};
  if (node.op == "AttentionGrad") return {5, 3};
  return {node.inputs.size(), node.outputs.size()};
}

// Images, weights and their gradients stored in another float type. Nothing computes with them.
TrainingGraph stored_in(DType dtype, TrainingGraph training) {
  Graph& graph = training.graph;
  std::vector<bool> stays(graph.values().size(), false);
  for (const Node& node : graph.nodes()) {
    const Data data = data_of(node);
    for (size_t i = data.inputs; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue) stays[index(node.inputs[i])] = true;
    for (size_t o = data.outputs; o < node.outputs.size(); ++o)
      if (node.outputs[o] != kNoValue) stays[index(node.outputs[o])] = true;
  }
  for (size_t v = 0; v < stays.size(); ++v) {
    Value& value = graph.value(ValueId(v));
    if (value.type.dtype != DType::f32 || stays[v]) continue;
    value.type.dtype = dtype;
    value.data = {};
  }
  return training;
}

}  // namespace

std::vector<NamedGraph> shipped_models(DType dtype, Device& device) {
  struct Shipped {
    const char *name, *loss;
    int64_t batch;
  };
  std::vector<NamedGraph> all;
  for (const auto& [name, loss, batch] :
       {Shipped{"char-gpt", "cross-entropy", 8}, Shipped{"fashion-cnn", "cross-entropy", 24},
        Shipped{"heat-unet", "mse", 8}, Shipped{"tabular-mlp", "mse", 16}}) {
    LoadOptions options;
    options.batch = batch;
    options.evaluate = evaluate;
    Model model =
        load_model(fmt::format("{}/models/{}/{}.onnx", HEADRACE_SOURCE_DIR, name, name), options);
    Graph graph = fuse_for_device(canonicalize(std::move(model.forward)), dtype, device).graph;
    const AttachedLosses losses = attach_losses(graph, {loss});
    all.push_back({name, stored_in(dtype, differentiate(std::move(graph), losses.terms, {}))});
  }
  return all;
}

NamedGraph resnet50(DType dtype) {
  constexpr int64_t kBatch = 64;
  Sketch g;
  const ValueId pictures = g.input({kBatch, 3, 224, 224});
  ValueId x = g.batch_norm(g.conv(pictures, 64, 7, 2), true);
  x = g.window("MaxPool", x, 3, 2, 1);
  int64_t width = 64;
  for (const int blocks : {3, 4, 6, 3}) {
    for (int block = 0; block < blocks; ++block)
      x = bottleneck(g, x, width, block == 0 && width > 64 ? 2 : 1);
    width *= 2;
  }
  x = g("Reshape", {g.window("AveragePool", x, 7, 1, 0)}, {{"shape", Shape{kBatch, 2048}}});
  const ValueId scores = g.linear(x, 1000);
  return {"ResNet-50", stored_in(dtype, g.trained_on(scores, g.input({kBatch}, DType::i64)))};
}

NamedGraph decoder(DType dtype, Device& device) {
  constexpr int64_t kRows = 8, kTokens = 1024, kWidth = 768, kHeads = 12, kWords = 50304;
  Sketch g;
  const ValueId tokens = g.input({kRows, kTokens}, DType::i64);
  ValueId x = g("Gather", {g.weight({kWords, kWidth}), tokens}, {{"axis", int64_t{0}}});
  x = g("Add", {x, g.weight({kTokens, kWidth})});
  const ValueId mask = g.graph.add_constant("mask", causal_mask(kTokens));
  for (int layer = 0; layer < 12; ++layer) {
    const ValueId seen = g.layer_norm(x);
    const auto heads = [&](Shape perm) {
      const ValueId all = g.linear(seen, kWidth);
      return g("Transpose",
               {g("Reshape", {all}, {{"shape", Shape{kRows, kTokens, kHeads, kWidth / kHeads}}})},
               {{"perm", std::move(perm)}});
    };
    const ValueId q = heads({0, 2, 1, 3}), k = heads({0, 2, 3, 1}), v = heads({0, 2, 1, 3});
    const ValueId scores =
        g("Softmax", {g("Add", {g("MatMul", {q, k}), mask})}, {{"axis", int64_t{3}}});
    const ValueId mixed = g("Transpose", {g("MatMul", {scores, v})}, {{"perm", Shape{0, 2, 1, 3}}});
    x = g("Add",
          {x, g.linear(g("Reshape", {mixed}, {{"shape", Shape{kRows, kTokens, kWidth}}}), kWidth)});
    const ValueId hidden = g("Gelu", {g.linear(g.layer_norm(x), 4 * kWidth)});
    x = g("Add", {x, g.linear(hidden, kWidth)});
  }
  g.graph.outputs = {g.linear(g.layer_norm(x), kWords)};
  g.graph = fuse_for_device(canonicalize({std::move(g.graph), {}}), dtype, device).graph;
  const ValueId scores = g.graph.outputs[0], next = g.input({kRows, kTokens}, DType::i64);
  return {"12-layer decoder", stored_in(dtype, g.trained_on(scores, next))};
}

NamedGraph convolutions(DType dtype) {
  struct Form {
    Shape x, w, strides, pads, dilations;
    int64_t groups;
    Shape transposed;  // the shape that a ConvTranspose of x makes; empty: a Conv
  };
  const std::vector<Form> forms{
      {{8, 16, 100}, {32, 16, 5}, {1}, {2, 2}, {1}, 1, {}},
      {{8, 32, 50}, {32, 16, 4}, {2}, {1, 1}, {1}, 1, {8, 16, 100}},
      {{8, 32, 28, 28}, {64, 8, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4, {}},
      {{8, 32, 28, 28}, {32, 1, 3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 32, {}},
      {{8, 32, 28, 28}, {64, 32, 3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 1, {}},
      {{8, 32, 28, 28}, {64, 32, 1, 1}, {3, 3}, {0, 0, 0, 0}, {1, 1}, 1, {}},
      {{8, 3, 29, 31}, {7, 3, 3, 5}, {1, 2}, {1, 2, 0, 1}, {1, 1}, 1, {}},
      {{8, 32, 14, 14}, {32, 16, 2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1, {8, 16, 28, 28}},
      {{2, 16, 12, 12, 12}, {16, 16, 3, 3, 3}, {1, 1, 1}, Shape(6, 1), {1, 1, 1}, 1, {}},
  };
  Sketch g;
  std::vector<LossTerm> losses;
  for (const Form& form : forms)
    for (const bool epilogue : {false, true}) {
      const bool transposed = !form.transposed.empty();
      Attributes attributes{{"strides", form.strides},
                            {"pads", form.pads},
                            {"dilations", form.dilations},
                            {"group", form.groups},
                            {"activation", std::string(epilogue ? "relu" : "")}};
      if (transposed) attributes.set("input_shape", form.transposed);
      std::vector<ValueId> inputs{g.weight(form.x), g.weight(form.w)};
      if (epilogue) inputs.push_back(g.weight({transposed ? form.transposed[1] : form.w[0]}));
      const ValueId y = g(transposed ? "ConvInputGrad" : "Conv", inputs, attributes);
      losses.push_back({.value = g("MeanSquaredError", {y, g.input(g.shape(y))},
                                   {{"reduction", std::string("mean")}})});
    }
  return {"convolutions of every form",
          stored_in(dtype, differentiate(std::move(g.graph), losses, {}))};
}

}  // namespace headrace
