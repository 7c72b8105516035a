#include "executor/calibrate.h"

#include <nlohmann/json.hpp>

#include "executor/machine_cache.h"
#include "executor/rates_json.h"
#include "executor/time_node.h"
#include "graph/op_def.h"

namespace headrace {
namespace {

struct Probe {
  Graph graph;
  Node node;
};

Probe probe(const std::string& op, const std::vector<Shape>& shapes, Attributes attributes,
            Device& device) {
  Probe result;
  std::vector<ValueId> inputs;
  for (const Shape& shape : shapes)
    inputs.push_back(
        result.graph.add_input(fmt::format("x{}", inputs.size()), {DType::f32, shape}));
  result.graph.add(op, inputs, std::move(attributes));
  const Node& node = result.graph.nodes().back();
  const LayoutProposal layouts = device.propose_layouts(kernel_request(result.graph, node));
  for (size_t i = 0; i < node.inputs.size(); ++i)
    result.graph.value(node.inputs[i]).layout = layouts.inputs[i];
  for (size_t o = 0; o < node.outputs.size(); ++o)
    result.graph.value(node.outputs[o]).layout = layouts.outputs[o];
  result.node = node;
  return result;
}

double flops_per_s(Device& device, const Probe& p) {
  return node_cost(p.graph, p.node).flops / time_node(device, p.graph, p.node);
}

double bytes_per_s(Device& device, const Probe& p) {
  return node_cost(p.graph, p.node).bytes / time_node(device, p.graph, p.node);
}

}  // namespace

DeviceRates measure_rates(Device& device) {
  DeviceRates rates;
  rates.cache_bytes = last_cache_bytes();
  rates.matmul_flops_per_s =
      flops_per_s(device, probe("MatMul", {{512, 256}, {256, 1024}}, {}, device));
  const std::vector<int64_t> ones = {1, 1}, pads = {1, 1, 1, 1};
  rates.convolution_flops_per_s = flops_per_s(
      device, probe("Conv", {{8, 64, 28, 28}, {64, 64, 3, 3}},
                    {{"strides", ones}, {"pads", pads}, {"dilations", ones}, {"group", int64_t{1}}},
                    device));
  rates.elementwise_flops_per_s = flops_per_s(
      device, probe("Gelu", {{1 << 16}}, {{"approximate", std::string("none")}}, device));
  rates.memory_bytes_per_s = bytes_per_s(device, probe("Add", {{1 << 22}, {1 << 22}}, {}, device));
  const Probe tiny = probe("Add", {{16}, {16}}, {}, device);
  rates.node_overhead_s = time_node(device, tiny.graph, tiny.node);
  const Probe copy = probe("Neg", {{1 << 20}}, {}, device);
  rates.copy_bytes_per_s = bytes_per_s(device, copy) / 2;
  return rates;
}

DeviceRates cached_rates(Device& device) {
  constexpr std::uintmax_t kMostBytes = 1 << 20;
  const std::string machine = machine_name(device);
  const auto path = cache_folder() / "rates-1.json";
  auto cache = nlohmann::json::parse(read_small_file(path, kMostBytes), nullptr, false);
  if (!cache.is_object()) cache = nlohmann::json::object();
  if (const auto it = cache.find(machine); it != cache.end())
    if (auto rates = rates_from_json(*it)) {
      rates->machine = machine;
      return *rates;
    }
  DeviceRates rates = measure_rates(device);
  rates.machine = machine;
  cache[machine] = to_json(rates);
  // A lost race or a full disk only means that the next run measures again.
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  replace_file(path, cache.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return rates;
}

}  // namespace headrace
