#include "tests/kernels/operator_case.h"

#include <cmath>
#include <random>

#include "graph/op_def.h"
#include "kernels/widened.h"

namespace headrace {
namespace {

template <typename T>
HostTensor draw_as(const InputSpec& spec, uint64_t salt) {
  std::mt19937_64 random(salt * 7919 + 1);
  const auto count = static_cast<size_t>(spec.type.elements());
  const auto values = std::make_unique<T[]>(count);
  for (size_t i = 0; i < count; ++i) {
    // Not std::uniform_*_distribution, whose values differ from library to library.
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    double x = spec.low + u * (spec.high - spec.low);
    if constexpr (std::is_integral_v<T>)
      x = std::min(std::floor(spec.low + u * (spec.high - spec.low + 1)), spec.high);
    if (spec.sprinkle_every > 0 && i % static_cast<size_t>(spec.sprinkle_every) == 0)
      x = spec.sprinkle;
    values[i] = static_cast<T>(x);
  }
  return make_host_tensor<T>(spec.type.shape, std::span<const T>(values.get(), count));
}

HostTensor narrowed_to(DType dtype, const HostTensor& wide) {
  auto [tensor, bytes] = allocate_host_tensor({dtype, wide.type.shape});
  narrow(dtype, wide.as<float>().data(), bytes, wide.type.elements());
  return tensor;
}

// Adds the sum of the output's elements times fixed random numbers, as a scalar.
ValueId project(Graph& graph, ValueId output, uint64_t salt) {
  if (is_narrow_float(graph.value(output).type.dtype))
    output = graph.add("Cast", {output}, {{"to", std::string("f32")}});
  const TensorType type = graph.value(output).type;
  const ValueId weights =
      graph.add_constant("projection", draw({.type = {type.dtype, type.shape}}, salt));
  const ValueId product = graph.add("Mul", {output, weights});
  if (type.rank() == 0) return product;
  Ints axes;
  for (int64_t d = 0; d < type.rank(); ++d) axes.push_back(d);
  return graph.add("ReduceSum", {product}, {{"axes", axes}, {"keepdims", 0_i}});
}

}  // namespace

std::vector<const Node*> OperatorCase::nodes() const {
  std::vector<const Node*> own;
  for (size_t n = 0; n < graph().nodes().size(); ++n) {
    const Node& candidate = graph().nodes()[n];
    if (static_cast<NodeId>(n) == node || candidate.origin == node) own.push_back(&candidate);
  }
  return own;
}

HostTensor draw(const InputSpec& spec, uint64_t salt) {
  switch (spec.type.dtype) {
    case DType::f32:
      return draw_as<float>(spec, salt);
    case DType::f64:
      return draw_as<double>(spec, salt);
    case DType::i32:
      return draw_as<int32_t>(spec, salt);
    case DType::i64:
      return draw_as<int64_t>(spec, salt);
    case DType::u8:
      return draw_as<uint8_t>(spec, salt);
    case DType::boolean:
      return draw_as<bool>(spec, salt);
    case DType::f16:
    case DType::bf16:
      return narrowed_to(spec.type.dtype, draw_as<float>(spec, salt));
    default:
      throw Error("the table draws no {}", name_of(spec.type.dtype));
  }
}

HostTensor rounded_to(const TensorType& type, const HostTensor& tensor) {
  const bool rounds = type.dtype == DType::f32 || is_narrow_float(type.dtype);
  if (!rounds || tensor.type.dtype != DType::f64) return tensor;
  const auto values = tensor.as<double>();
  const auto single =
      make_host_tensor<float>(type.shape, std::vector<float>(values.begin(), values.end()));
  return type.dtype == DType::f32 ? single : narrowed_to(type.dtype, single);
}

OperatorCase make_case(const OperatorRow& row) try {
  OperatorCase result;
  result.step = row.step;
  Graph graph;
  Node node;
  node.op = node.name = row.op;
  node.attributes = row.attributes;
  bool differentiable = false;
  for (size_t i = 0; i < row.inputs.size(); ++i) {
    const InputSpec& spec = row.inputs[i];
    const std::string name = fmt::format("input{}", i);
    ValueId id = kNoValue;
    if (spec.present) {
      const HostTensor data = draw(spec, i + 1);
      if (spec.differentiable) {
        id = graph.add_parameter(name, data);
        differentiable = true;
      } else if (spec.constant) {
        id = graph.add_constant(name, data);
      } else {
        id = graph.add_input(name, spec.type);
        result.feeds[id] = data;
      }
    }
    node.inputs.push_back(id);
  }
  result.node = graph.add_node(std::move(node));
  if (!differentiable) {
    result.training.graph = std::move(graph);
    return result;
  }
  std::vector<LossTerm> terms;
  for (size_t output : row.outputs)
    terms.push_back({project(graph, graph.node(result.node).outputs.at(output), 100 + output)});
  result.training = differentiate(std::move(graph), terms, {});
  const TensorType seed = result.graph().value(result.training.loss_seed).type;
  result.feeds[result.training.loss_seed] =
      seed.dtype == DType::f64 ? scalar_tensor(1.0) : scalar_tensor(1.0f);
  return result;
} catch (const Error& error) {
  throw Error("{}: {}", to_string(row), error.what());
}

}  // namespace headrace
