#include "cli/cluster.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/parse_number.h"
#include "graph/split.h"
#include "scheduler/lower.h"

namespace headrace {
namespace {

// A device's number at the front of `text`, which loses it.
int take_device(std::string_view& text, int devices, const std::string& label) {
  int device = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), device);
  if (error != std::errc() || device < 0)
    throw Error("{}: is not A-B (both ways) or A>B, two devices", label);
  if (device >= devices) throw Error("{}: there is no device {}, only {}", label, device, devices);
  text.remove_prefix(static_cast<size_t>(stop - text.data()));
  return device;
}

template <size_t N>
size_t choice(const char* option, const std::string& text,
              const std::array<const char*, N>& choices) {
  const auto found = std::ranges::find(choices, text);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  throw Error("--{}: unknown '{}'; did you mean '{}'?", option, text,
              nearest(text, std::vector<std::string>(choices.begin(), choices.end())));
}

void require(bool given, const char* option, bool met, const char* needed) {
  if (given && !met) throw Error("--{} says nothing without {}", option, needed);
}

// LATENCY or LATENCY,BANDWIDTH.
Link link_in(const std::string& text, double bytes_per_s, const std::string& label) {
  const auto parts = split(text, ',');
  const auto latency = parse_number<double>(parts[0]);
  const auto bandwidth = parts.size() > 1 ? parse_number<double>(parts[1]) : bytes_per_s;
  if (parts.size() > 2 || !latency || !bandwidth || *latency < 0 || *bandwidth < 0)
    throw Error("{}: '{}' is not LATENCY or LATENCY,BANDWIDTH, 0 or more", label, text);
  return {.latency_s = *latency, .bytes_per_s = *bandwidth};
}

void add_pairs(const ClusterSettings& settings, int devices, Links& links) {
  for (const auto& [ends, text] : settings.link) {
    const std::string label = fmt::format("--link {}", ends);
    std::string_view rest = ends;
    const int from = take_device(rest, devices, label);
    if (rest.empty() || (rest.front() != '-' && rest.front() != '>'))
      throw Error("{}: is not A-B (both ways) or A>B, two devices", label);
    const bool both = rest.front() == '-';
    rest.remove_prefix(1);
    const int to = take_device(rest, devices, label);
    if (!rest.empty() || from == to)
      throw Error("{}: is not A-B (both ways) or A>B, two devices", label);
    const Link link = link_in(text, links.bytes_per_s, label);
    links.pairs.push_back({.from = from, .to = to, .link = link});
    if (both) links.pairs.push_back({.from = to, .to = from, .link = link});
  }
}

void add_nodes(const ClusterSettings& settings, int devices, Links& links) {
  const bool nodes = settings.devices_per_node.has_value();
  require(settings.node_latency.has_value(), "node-latency", nodes, "--devices-per-node");
  require(settings.node_bandwidth.has_value(), "node-bandwidth", nodes, "--devices-per-node");
  require(settings.cards_per_node.has_value(), "cards-per-node", nodes, "--devices-per-node");
  if (!nodes) return;
  const int64_t each = *settings.devices_per_node, cards = settings.cards_per_node.value_or(0);
  if (cards > each)
    throw Error("--cards-per-node {}: a node has {} devices, no more cards than these", cards,
                each);
  links.in_node = {.latency_s = settings.node_latency.value_or(links.latency_s),
                   .bytes_per_s = settings.node_bandwidth.value_or(links.bytes_per_s)};
  for (int64_t d = 0; d < devices; ++d) {
    links.node.push_back(static_cast<int>(d / each));
    if (cards > 0)
      links.card.push_back(static_cast<int>(d / each * cards + d % each * cards / each));
  }
}

std::vector<double> speeds_in(const std::vector<std::string>& texts, int devices) {
  std::vector<double> speeds;
  for (const std::string& text : texts)
    for (const std::string_view part : split(text, ',')) {
      const auto speed = parse_number<double>(part);
      if (!speed || *speed <= 0) throw Error("--device-speed: '{}' is not a number above 0", part);
      speeds.push_back(*speed);
    }
  if (speeds.size() == 1) speeds.resize(static_cast<size_t>(devices), speeds[0]);
  if (!speeds.empty() && speeds.size() != static_cast<size_t>(devices))
    throw Error("--device-speed: {} numbers for {} devices; give one, or one per device",
                speeds.size(), devices);
  return speeds;
}

DataParallel data_parallel_of(const ClusterSettings& settings, int replicas, const Links& links) {
  const bool replicated = replicas > 1;
  const auto sharding = choice<3>("shard", settings.shard, {"none", "gradients", "weights"});
  const auto regather = choice<2>("regather", settings.regather, {"stage", "microbatch"});
  const bool weights = static_cast<Sharding>(sharding) == Sharding::weights;
  const bool layers = settings.layers_per_stage > 1;
  require(sharding != 0, "shard", replicated, "--data-parallel 2 or more");
  require(settings.replica_latency.has_value(), "replica-latency", replicated,
          "--data-parallel 2 or more");
  require(settings.replica_bandwidth.has_value(), "replica-bandwidth", replicated,
          "--data-parallel 2 or more");
  require(regather != 0, "regather", weights, "--shard weights");
  require(layers, "layers-per-stage", regather != 0, "--regather microbatch");
  return {.replicas = replicas,
          .sharding = static_cast<Sharding>(sharding),
          .regather = static_cast<Regather>(regather),
          .layers_per_stage = settings.layers_per_stage,
          .link = {.latency_s = settings.replica_latency.value_or(links.latency_s),
                   .bytes_per_s = settings.replica_bandwidth.value_or(links.bytes_per_s)}};
}

bool has_collectives(const Schedule& schedule) {
  for (const auto& actions : schedule.devices)
    for (const Action& action : actions)
      if (!is_compute(action.kind) && !is_transfer(action.kind)) return true;
  return false;
}

}  // namespace

Cluster cluster_of(const Settings& given, int devices, const Links& otherwise) {
  const ClusterSettings& settings = given.cluster;
  Cluster cluster{.links = otherwise};
  cluster.links.latency_s = settings.latency.value_or(otherwise.latency_s);
  cluster.links.bytes_per_s = settings.bandwidth.value_or(otherwise.bytes_per_s);
  add_nodes(settings, devices, cluster.links);
  add_pairs(settings, devices, cluster.links);
  cluster.machine.speed = speeds_in(settings.device_speed, devices);
  cluster.machine.data_parallel =
      data_parallel_of(settings, given.run.data_parallel, cluster.links);
  return cluster;
}

Schedule lower_for(const Cluster& cluster, const Schedule& schedule, const StagePlan& plan,
                   const std::string& source) {
  if (cluster.machine.data_parallel.replicas == 1 || has_collectives(schedule))
    return lower(schedule, plan);
  if (is_lowered(schedule))
    throw Error(
        "{}: has transfers and neither UNSHARD nor REDUCE_GRAD, so that nothing can be added for "
        "--data-parallel; leave the transfers out",
        source);
  return lower(add_collectives(schedule, cluster.machine.data_parallel), plan);
}

}  // namespace headrace
