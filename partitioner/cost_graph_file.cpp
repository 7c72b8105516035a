#include <algorithm>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>

#include "graph/error.h"
#include "graph/nearest.h"
#include "partitioner/cost_graph.h"

namespace headrace {
namespace {

using nlohmann::json;

constexpr size_t kMostNodes = 1'000'000, kMostEdges = 10'000'000, kMostDevices = 65'536;
// In all, so that sums are exact, or finite.
constexpr double kMostBytes = 1e18, kMostSeconds = 1e12;

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  CostGraph read() {
    const json root = parse();
    if (!root.is_object()) fail("is not a JSON object");
    check_keys(root, "",
               {"devices", "link_bytes_per_s", "communication", "overlapped", "nodes", "edges"});
    if (root.contains("devices")) read_devices(root["devices"]);
    if (root.contains("link_bytes_per_s")) {
      graph_.link_bytes_per_s = number(root["link_bytes_per_s"], "link_bytes_per_s");
      if (graph_.link_bytes_per_s == 0) fail("link_bytes_per_s is 0");
    }
    if (root.contains("communication")) read_communication(root["communication"]);
    if (root.contains("overlapped")) {
      if (!root["overlapped"].is_boolean()) fail("overlapped is neither true nor false");
      graph_.overlapped = root["overlapped"].get<bool>();
    }
    for (const json& node : list(root, "nodes", kMostNodes)) read_node(node);
    if (graph_.nodes.empty()) fail("has no nodes");
    if (root.contains("edges"))
      for (const json& edge : list(root, "edges", kMostEdges)) read_edge(edge);
    check_acyclic();
    return std::move(graph_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }

  json parse() const {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) fail("cannot be read");
    try {
      return json::parse(text.str());
    } catch (const json::parse_error& error) {
      fail("is no JSON: at byte {}", error.byte);
    } catch (const json::out_of_range&) {
      fail("is no JSON that can be read: a number is out of range");
    }
  }

  void check_keys(const json& object, const std::string& where,
                  std::initializer_list<const char*> known) const {
    const std::vector<std::string> names(known.begin(), known.end());
    for (const auto& [key, value] : object.items())
      if (std::find(names.begin(), names.end(), key) == names.end())
        fail("{}unknown key '{}'; did you mean '{}'?", where, key, nearest(key, names));
  }

  const json& list(const json& root, const char* key, size_t most) const {
    if (!root.contains(key) || !root[key].is_array()) fail("{} is no list", key);
    if (root[key].size() > most)
      fail("{} has {} entries, at most {} are read", key, root[key].size(), most);
    return root[key];
  }

  double number(const json& value, const std::string& what) const {
    if (!value.is_number()) fail("{} is no number", what);
    const double number = value.get<double>();
    if (!std::isfinite(number) || number < 0) fail("{} is {}, not 0 or more", what, number);
    return number;
  }

  int64_t bytes(const json& value, const std::string& what) {
    const double count = number(value, what);
    bytes_so_far_ += count;
    if (bytes_so_far_ > kMostBytes) fail("{}: more than {} in all", what, kMostBytes);
    return std::llround(count);
  }

  double seconds(const json& value, const std::string& what) {
    const double count = number(value, what);
    seconds_so_far_ += count;
    if (seconds_so_far_ > kMostSeconds) fail("{}: more than {} in all", what, kMostSeconds);
    return count;
  }

  // Ids and keys may be text or numbers.
  std::string name(const json& value, const std::string& what) const {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_number() && !value.is_boolean()) fail("{} is neither text nor a number", what);
    return value.dump();
  }

  void read_devices(const json& devices) {
    if (devices.is_array()) {
      if (devices.empty() || devices.size() > kMostDevices)
        fail("devices has {} entries, not 1 to {}", devices.size(), kMostDevices);
      for (const json& device : devices) read_device(device);
      return;
    }
    if (!devices.is_number_integer()) fail("devices is neither a whole number nor a list");
    const double count = devices.get<double>();
    if (count < 1 || count > kMostDevices) fail("devices is {}, not 1 to {}", count, kMostDevices);
    graph_.devices.resize(static_cast<size_t>(count));
  }

  void read_device(const json& device) {
    const std::string where = fmt::format("device {}: ", graph_.devices.size());
    if (!device.is_object()) fail("{}is not a JSON object", where);
    check_keys(device, where, {"memory_bytes", "speed"});
    PartitionDevice& added = graph_.devices.emplace_back();
    if (device.contains("memory_bytes"))
      added.memory_bytes = bytes(device["memory_bytes"], where + "memory_bytes");
    if (device.contains("speed")) added.speed = number(device["speed"], where + "speed");
    if (added.speed == 0) fail("{}speed is 0", where);
  }

  void read_communication(const json& value) {
    if (value == "p2p")
      graph_.communication = Communication::p2p;
    else if (value == "host")
      graph_.communication = Communication::host;
    else
      fail("communication is {}, neither \"p2p\" nor \"host\"", value.dump());
  }

  void read_node(const json& node) {
    std::string where = fmt::format("node {}: ", graph_.nodes.size());
    if (!node.is_object()) fail("{}is not a JSON object", where);
    if (!node.contains("id")) fail("{}has no id", where);
    CostNode& added = graph_.nodes.emplace_back();
    added.id = name(node["id"], where + "id");
    where = fmt::format("node '{}': ", added.id);
    check_keys(node, where, {"id", "seconds", "phase", "bytes", "colocate"});
    if (!node.contains("seconds")) fail("{}has no seconds", where);
    added.seconds = seconds(node["seconds"], where + "seconds");
    if (node.contains("phase")) added.phase = phase(node["phase"], where);
    if (node.contains("bytes")) added.bytes = bytes(node["bytes"], where + "bytes");
    if (node.contains("colocate") && !node["colocate"].is_null()) {
      // 1 and "1" are different keys.
      added.colocate =
          (node["colocate"].is_string() ? "s" : "n") + name(node["colocate"], where + "colocate");
    }
    const int index = static_cast<int>(graph_.nodes.size()) - 1;
    if (!node_of_id_.try_emplace(added.id, index).second) fail("{}is there twice", where);
  }

  Phase phase(const json& value, const std::string& where) const {
    if (value == "F") return Phase::forward;
    if (value == "I") return Phase::backward_input;
    if (value == "W") return Phase::backward_weight;
    fail("{}phase is {}, none of \"F\", \"I\", \"W\"", where, value.dump());
  }

  int end(const json& edge, const char* key, const std::string& where) const {
    if (!edge.contains(key)) fail("{}has no '{}'", where, key);
    const std::string id = name(edge[key], where + key);
    const auto found = node_of_id_.find(id);
    if (found == node_of_id_.end()) fail("{}there is no node '{}'", where, id);
    return found->second;
  }

  void read_edge(const json& edge) {
    std::string where = fmt::format("edge {}: ", graph_.edges.size());
    if (!edge.is_object()) fail("{}is not a JSON object", where);
    CostEdge& added = graph_.edges.emplace_back();
    added.from = end(edge, "from", where);
    added.to = end(edge, "to", where);
    where = fmt::format("edge '{}' -> '{}': ", graph_.nodes[static_cast<size_t>(added.from)].id,
                        graph_.nodes[static_cast<size_t>(added.to)].id);
    check_keys(edge, where, {"from", "to", "seconds", "bytes"});
    if (edge.contains("bytes")) added.bytes = bytes(edge["bytes"], where + "bytes");
    if (edge.contains("seconds")) {
      if (edge.contains("bytes")) fail("{}has both seconds and bytes", where);
      added.seconds = seconds(edge["seconds"], where + "seconds");
    } else if (added.bytes > 0) {
      if (graph_.link_bytes_per_s == 0)
        fail("{}has bytes, but the graph has no link_bytes_per_s", where);
      added.seconds = static_cast<double>(added.bytes) / graph_.link_bytes_per_s;
    }
  }

  // Kahn's order (CACM 1962); what it leaves holds a cycle.
  void check_acyclic() const {
    std::vector<std::vector<int>> next(graph_.nodes.size());
    std::vector<int> missing(graph_.nodes.size()), ready;
    for (const CostEdge& edge : graph_.edges) {
      next[static_cast<size_t>(edge.from)].push_back(edge.to);
      ++missing[static_cast<size_t>(edge.to)];
    }
    for (size_t n = 0; n < missing.size(); ++n)
      if (missing[n] == 0) ready.push_back(static_cast<int>(n));
    for (size_t done = 0; done < ready.size(); ++done)
      for (const int to : next[static_cast<size_t>(ready[done])])
        if (--missing[static_cast<size_t>(to)] == 0) ready.push_back(to);
    if (ready.size() == graph_.nodes.size()) return;
    // Backwards from what is left, along edges from what is left, one comes to a cycle.
    std::vector<int> before(graph_.nodes.size(), -1);
    for (const CostEdge& edge : graph_.edges)
      if (missing[static_cast<size_t>(edge.from)] > 0 && missing[static_cast<size_t>(edge.to)] > 0)
        before[static_cast<size_t>(edge.to)] = edge.from;
    size_t node = 0;
    while (missing[node] == 0) ++node;
    for (size_t step = 0; step < before.size(); ++step) node = static_cast<size_t>(before[node]);
    fail("the edges run in a cycle through node '{}'", graph_.nodes[node].id);
  }

  const std::string& path_;
  CostGraph graph_;
  double bytes_so_far_ = 0, seconds_so_far_ = 0;
  std::unordered_map<std::string, int> node_of_id_;
};

}  // namespace

CostGraph read_cost_graph(const std::string& path) { return Reader(path).read(); }

}  // namespace headrace
