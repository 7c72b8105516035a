#include "executor/cost_table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "executor/machine_cache.h"
#include "executor/rates_json.h"
#include "graph/error.h"

namespace headrace {
namespace {

using nlohmann::json;

constexpr std::uintmax_t kLargestTable = 64 << 20;
constexpr int64_t kMostWorkspace = int64_t{1} << 50;

std::optional<NodeCost> cost_from_json(const json& entry) {
  if (!entry.is_object()) return std::nullopt;
  const auto seconds = entry.find("seconds"), cold = entry.find("cold_s"),
             workspace = entry.find("workspace_bytes");
  for (const auto& number : {seconds, cold, workspace})
    if (number == entry.end() || !number->is_number()) return std::nullopt;
  if (!workspace->is_number_integer()) return std::nullopt;
  const NodeCost cost{seconds->get<double>(), cold->get<double>(), workspace->get<int64_t>()};
  for (const double each : {cost.seconds, cost.cold_s})
    if (!std::isfinite(each) || each < 0) return std::nullopt;
  if (cost.workspace_bytes < 0 || cost.workspace_bytes > kMostWorkspace) return std::nullopt;
  return cost;
}

// Throws Error that says what is wrong, without the file's name.
CostTable table_from_json(const std::string& text) {
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object() || !file.contains("headrace_costs"))
    throw Error("is no file of node costs (plan --cost profile --dump-costs writes one)");
  if (file["headrace_costs"] != 2)
    throw Error("has another version of node costs than 2; write it anew with --dump-costs");
  CostTable table;
  const auto machine = file.find("machine"), rates = file.find("rates"), nodes = file.find("nodes");
  if (machine == file.end() || !machine->is_string()) throw Error("'machine' is no text");
  const auto read_rates = rates == file.end() ? std::nullopt : rates_from_json(*rates);
  if (!read_rates) throw Error("'rates' are not complete or not positive numbers");
  if (nodes == file.end() || !nodes->is_object()) throw Error("'nodes' is no object");
  table.rates = *read_rates;
  table.rates.machine = machine->get<std::string>();
  for (const auto& [form, entry] : nodes->items()) {
    const auto cost = cost_from_json(entry);
    if (!cost)
      throw Error("the cost of '{}' is not {{seconds, cold_s, workspace_bytes}}, all at least 0",
                  form);
    table.nodes[form] = *cost;
  }
  return table;
}

std::string to_text(const CostTable& table) {
  json nodes = json::object();
  for (const auto& [form, cost] : table.nodes)
    nodes[form] = {{"seconds", cost.seconds},
                   {"cold_s", cost.cold_s},
                   {"workspace_bytes", cost.workspace_bytes}};
  const json file = {{"headrace_costs", 2},
                     {"machine", table.rates.machine},
                     {"rates", to_json(table.rates)},
                     {"nodes", std::move(nodes)}};
  return file.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

// A file per machine, named so that a person sees whose it is.
std::filesystem::path cache_path(const std::string& machine) {
  std::string name;
  for (const char c : machine)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  return cache_folder() / fmt::format("costs-2-{}.json", name.substr(0, 200));
}

}  // namespace

std::string form_of(const Graph& graph, const Node& node, const std::vector<bool>& accumulate) {
  std::string types, layouts;
  std::vector<uint16_t> seen;
  const auto add = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id == kNoValue) {
        types += " -";
        continue;
      }
      const Value& value = graph.value(id);
      types += " " + to_string(value.type);
      if (value.layout.id == 0) {
        layouts += " rows";
        continue;
      }
      const auto at = std::find(seen.begin(), seen.end(), value.layout.id);
      layouts += fmt::format(" {}", at - seen.begin());
      if (at == seen.end()) seen.push_back(value.layout.id);
    }
    types += ';';
  };
  add(node.inputs);
  add(node.outputs);
  for (size_t o = 0; o < accumulate.size(); ++o)
    if (accumulate[o]) types += fmt::format(" +{}", o);
  return fmt::format("{} {{{}}}{}|{}", node.op, to_string(node.attributes), types, layouts);
}

const NodeCost* CostTable::find(const Graph& graph, const Node& node,
                                const std::vector<bool>& accumulate) const {
  const std::string form = form_of(graph, node, accumulate);
  if (const auto it = nodes.find(form); it != nodes.end()) return &it->second;
  const std::string without_layouts = form.substr(0, form.rfind('|') + 1);
  const auto it = nodes.lower_bound(without_layouts);
  return it != nodes.end() && it->first.starts_with(without_layouts) ? &it->second : nullptr;
}

CostTable read_cost_table(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    throw Error("{}: there is no such file", path);
  if (std::filesystem::file_size(path, error) > kLargestTable || error)
    throw Error("{}: is larger than node costs can be", path);
  try {
    return table_from_json(read_small_file(path, kLargestTable));
  } catch (const Error& wrong) {
    throw Error("{}: {}", path, wrong.what());
  }
}

void write_cost_table(const std::string& path, const CostTable& table) {
  if (!replace_file(path, to_text(table))) throw RunError("{}: cannot be written", path);
}

CostTable cached_cost_table(const std::string& machine) {
  try {
    CostTable table = table_from_json(read_small_file(cache_path(machine), kLargestTable));
    if (table.rates.machine == machine) return table;
  } catch (const Error&) {  // as good as none
  }
  return {};
}

void cache_cost_table(const CostTable& table) {
  std::error_code ignored;
  std::filesystem::create_directories(cache_folder(), ignored);
  replace_file(cache_path(table.rates.machine), to_text(table));
}

}  // namespace headrace
