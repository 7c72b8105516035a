#include "executor/calibrate.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "executor/time_node.h"
#include "graph/error.h"
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

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown";
}

std::filesystem::path cache_file() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::filesystem::path(cache) / "headrace" / "rates-1.json";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/tmp" : home) / ".cache/headrace/rates-1.json";
}

nlohmann::json read_cache() {
  std::ifstream file(cache_file());
  auto json = nlohmann::json::parse(file, nullptr, false);
  return json.is_object() ? json : nlohmann::json::object();
}

nlohmann::json to_json(const DeviceRates& rates) {
  return {{"matmul_flops_per_s", rates.matmul_flops_per_s},
          {"convolution_flops_per_s", rates.convolution_flops_per_s},
          {"elementwise_flops_per_s", rates.elementwise_flops_per_s},
          {"memory_bytes_per_s", rates.memory_bytes_per_s},
          {"node_overhead_s", rates.node_overhead_s},
          {"copy_bytes_per_s", rates.copy_bytes_per_s},
          {"copy_latency_s", rates.copy_latency_s}};
}

DeviceRates from_json(const nlohmann::json& json, const std::string& machine) {
  DeviceRates rates;
  rates.machine = machine;
  rates.matmul_flops_per_s = json.value("matmul_flops_per_s", rates.matmul_flops_per_s);
  rates.convolution_flops_per_s =
      json.value("convolution_flops_per_s", rates.convolution_flops_per_s);
  rates.elementwise_flops_per_s =
      json.value("elementwise_flops_per_s", rates.elementwise_flops_per_s);
  rates.memory_bytes_per_s = json.value("memory_bytes_per_s", rates.memory_bytes_per_s);
  rates.node_overhead_s = json.value("node_overhead_s", rates.node_overhead_s);
  rates.copy_bytes_per_s = json.value("copy_bytes_per_s", rates.copy_bytes_per_s);
  rates.copy_latency_s = json.value("copy_latency_s", rates.copy_latency_s);
  return rates;
}

// A lost race or a full disk only means that the next run measures again.
void write_cache(const nlohmann::json& json) {
  std::error_code ignored;
  const auto path = cache_file();
  std::filesystem::create_directories(path.parent_path(), ignored);
  const auto temporary = path.string() + fmt::format(".{}", getpid());
  std::ofstream(temporary) << json.dump(1) << "\n";
  std::filesystem::rename(temporary, path, ignored);
}

}  // namespace

DeviceRates measure_rates(Device& device) {
  DeviceRates rates;
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

DeviceRates cached_rates(Device& device, const std::string& key) {
  const std::string machine = fmt::format("{} / {}", processor_name(), key);
  auto cache = read_cache();
  if (const auto it = cache.find(machine); it != cache.end()) return from_json(*it, machine);
  DeviceRates rates = measure_rates(device);
  rates.machine = machine;
  cache[machine] = to_json(rates);
  write_cache(cache);
  return rates;
}

}  // namespace headrace
