#include "executor/feeding.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include "graph/error.h"

namespace headrace {
namespace {

// The integers that may be read from a fed value, by the nodes that read it.
struct Range {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();
};

void narrow(Range& range, int64_t least, int64_t most) {
  range.least = std::max(range.least, least);
  range.most = std::min(range.most, most);
}

Range allowed_range(const Graph& graph, const std::vector<std::vector<NodeId>>& readers,
                    ValueId id) {
  Range range;
  for (const NodeId reader : readers[index(id)]) {
    const Node& node = graph.node(reader);
    const auto size_along_axis = [&] {
      const Shape& shape = graph.value(node.inputs[0]).type.shape;
      return shape[static_cast<size_t>(node.attributes.get_int("axis"))];
    };
    const bool second = node.inputs.size() > 1 && node.inputs[1] == id;
    if (node.op == "Gather" && second) {
      narrow(range, -size_along_axis(), size_along_axis() - 1);
    } else if ((node.op == "SoftmaxCrossEntropy" || node.op == "NegativeLogLikelihood") && second) {
      narrow(range, std::min<int64_t>(0, node.attributes.get_int("ignore_index", 0)),
             size_along_axis() - 1);
    } else if (node.op == "Reshape") {
      const Range inner = allowed_range(graph, readers, node.outputs[0]);
      narrow(range, inner.least, inner.most);
    }
  }
  return range;
}

Field field_of(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.type.rank() == 0)
    throw Error(
        "input '{}' is a scalar and data sets feed tensors with a batch axis; if it is the same in "
        "every batch, give it with --fixed-inputs",
        value.name);
  const Shape& shape = value.type.shape;
  return {value.name, {value.type.dtype, Shape(shape.begin() + 1, shape.end())}};
}

}  // namespace

FeedPlan feed_plan(const PreparedModel& prepared) {
  const Graph& graph = prepared.training.graph;
  FeedPlan plan;
  for (const ValueId id : prepared.inputs) plan.inputs.push_back(field_of(graph, id));
  for (const ValueId id : prepared.targets) plan.targets.push_back(field_of(graph, id));
  plan.values = prepared.inputs;
  plan.values.insert(plan.values.end(), prepared.targets.begin(), prepared.targets.end());
  for (const ValueId id : plan.values)
    if (graph.value(id).type.shape[0] != prepared.microbatch_size)
      throw Error(
          "input '{}' is {}: its first axis is not the micro-batch of {}; if it is the same in "
          "every batch, give it with --fixed-inputs",
          graph.value(id).name, to_string(graph.value(id).type), prepared.microbatch_size);
  return plan;
}

void check_ranges(const PreparedModel& prepared, const FeedPlan& plan, const Dataset& dataset) {
  const Graph& graph = prepared.training.graph;
  const auto readers = graph.consumers();
  for (size_t f = 0; f < plan.values.size(); ++f) {
    const Value& value = graph.value(plan.values[f]);
    if (is_float(value.type.dtype)) continue;
    const Range range = allowed_range(graph, readers, plan.values[f]);
    if (range.least == Range{}.least && range.most == Range{}.most) continue;
    const auto [least, most] = dataset.integer_range(f);
    if (least < range.least || most > range.most)
      throw Error("{}: '{}' holds {} but the model takes {} to {} there", dataset.path(),
                  value.name, least < range.least ? least : most, std::max<int64_t>(range.least, 0),
                  range.most);
  }
}

std::vector<std::vector<std::byte>> random_batch(const PreparedModel& prepared,
                                                 const FeedPlan& plan, int microbatches,
                                                 uint64_t seed) {
  const Graph& graph = prepared.training.graph;
  const auto readers = graph.consumers();
  std::mt19937_64 random(seed);
  std::vector<std::vector<std::byte>> fields;
  for (const ValueId id : plan.values) {
    const TensorType& type = graph.value(id).type;
    auto& field = fields.emplace_back(static_cast<size_t>(type.bytes() * microbatches));
    const auto fill = [&]<typename T>(T, auto draw) {
      for (size_t at = 0; at < field.size(); at += sizeof(T)) {
        const T value = static_cast<T>(draw());
        std::memcpy(field.data() + at, &value, sizeof(T));
      }
    };
    const Range range = allowed_range(graph, readers, id);
    const int64_t least = std::max<int64_t>(range.least, 0);
    const auto choices = static_cast<uint64_t>(
        range.most == Range{}.most ? 2 : std::max<int64_t>(range.most - least + 1, 1));
    const auto integer = [&] { return least + static_cast<int64_t>(random() % choices); };
    const auto real = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    switch (type.dtype) {
      case DType::f32:
        fill(float{}, real);
        break;
      case DType::f64:
        fill(double{}, real);
        break;
      case DType::i32:
        fill(int32_t{}, integer);
        break;
      case DType::i64:
        fill(int64_t{}, integer);
        break;
      case DType::boolean:
        fill(uint8_t{}, integer);
        break;
      default:
        throw Error("input '{}' is {}: random data are floats, 32- and 64-bit integers and bools",
                    graph.value(id).name, to_string(type));
    }
  }
  return fields;
}

int64_t counted_targets(const PreparedModel& prepared, const FeedPlan& plan,
                        std::span<const std::span<const std::byte>> fields, int microbatch) {
  if (!prepared.counted_target) return prepared.microbatch_size;
  const auto field = static_cast<size_t>(
      std::find(plan.values.begin(), plan.values.end(), *prepared.counted_target) -
      plan.values.begin());
  const int64_t count = prepared.targets_per_microbatch;
  const auto* targets = reinterpret_cast<const int64_t*>(fields[field].data()) + microbatch * count;
  return count - std::count(targets, targets + count, kIgnoredTarget);
}

void feed_batch(Pipeline& pipeline, const PreparedModel& prepared, const FeedPlan& plan,
                std::span<const std::span<const std::byte>> fields) {
  const Graph& graph = prepared.training.graph;
  int64_t total = 0;
  for (int m = 0; m < pipeline.microbatches(); ++m)
    total += counted_targets(prepared, plan, fields, m);
  for (int m = 0; m < pipeline.microbatches(); ++m) {
    for (size_t f = 0; f < plan.values.size(); ++f)
      pipeline.feed(plan.values[f], m,
                    fields[f].data() + m * graph.value(plan.values[f]).type.bytes());
    const int64_t counted = counted_targets(prepared, plan, fields, m);
    pipeline.feed_share(m, total == 0 ? 0.0F
                                      : static_cast<float>(static_cast<double>(counted) /
                                                           static_cast<double>(total)));
  }
}

}  // namespace headrace
