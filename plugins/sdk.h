#pragma once

// Plugins in C++17, over plugins/abi.h. A whole scheduler:
//
//   #include "plugins/sdk.h"
//   static void gpipe(const headrace::sdk::ScheduleRequest& r) {
//     for (int stage = 0; stage < r.stages(); ++stage)
//       for (int mb = 0; mb < r.microbatches(); ++mb) r.forward(stage, mb);
//     for (int stage = r.stages() - 1; stage >= 0; --stage)
//       for (int mb = 0; mb < r.microbatches(); ++mb) r.backward(stage, mb);
//   }
//   HEADRACE_DEFINE_SCHEDULER("gpipe", "All forwards, then all backwards.", gpipe)
//
// Requests are views that are valid during the call. To refuse a request throw any std::exception:
// its text reaches the user behind the plugin's name, the exception stays inside the plugin.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "plugins/abi.h"

#ifndef HEADRACE_PLUGIN_VERSION
#define HEADRACE_PLUGIN_VERSION "0"
#endif

namespace headrace::sdk {

// Leaves the plugin when the host wants no more answers; only `guarded` catches it.
struct Stopped {};

// Runs `work` and turns whatever it throws into the host's `fail` and a status.
template <typename Work>
int32_t guarded(const headrace_host* host, Work&& work) noexcept {
  try {
    work();
    return 0;
  } catch (const Stopped&) {
  } catch (const std::exception& error) {
    host->fail(host->context, error.what());
  } catch (...) {
    host->fail(host->context, "threw something that is no std::exception");
  }
  return 1;
}

// The options of a call, checked by the host before it.
class Options {
 public:
  explicit Options(const headrace_host* host) : host_(host) {}

  // T: an integer type, double, bool or std::string, by the option's type in the plugin's table.
  template <typename T>
  T option(const char* name) const {
    const char* text = host_->option(host_->context, name);
    if (text == nullptr)
      throw std::logic_error("reads the option '" + std::string(name) +
                             "', which is not in its table");
    if constexpr (std::is_same_v<T, std::string>) {
      return text;
    } else if constexpr (std::is_same_v<T, bool>) {
      return std::string(text) == "true";
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(std::strtoll(text, nullptr, 10));
    } else {
      static_assert(std::is_floating_point_v<T>);
      std::istringstream stream(text);  // strtod would read by the user's locale
      stream.imbue(std::locale::classic());
      T value{};
      stream >> value;
      return value;
    }
  }

 protected:
  const headrace_host* host_;
};

class PlacementRequest : public Options {
 public:
  PlacementRequest(const headrace_host* host, const headrace_placement_request* request)
      : Options(host), request_(request) {}

  int devices() const { return request_->devices; }
  int stages_per_device() const { return request_->stages_per_device; }
  int microbatches() const { return request_->microbatches; }
  int stages() const { return devices() * stages_per_device(); }

 private:
  const headrace_placement_request* request_;
};

// Placements: the device of every stage. Looped: stage s on device s mod p.
inline std::vector<int> looped(const PlacementRequest& r) {
  std::vector<int> device(static_cast<size_t>(r.stages()));
  for (int s = 0; s < r.stages(); ++s) device[static_cast<size_t>(s)] = s % r.devices();
  return device;
}

// Down the devices and back: 0..p-1, p-1..0, and so on.
inline std::vector<int> v_shaped(const PlacementRequest& r) {
  std::vector<int> device = looped(r);
  for (int s = 0; s < r.stages(); ++s)
    if (s / r.devices() % 2 == 1)
      device[static_cast<size_t>(s)] = r.devices() - 1 - device[static_cast<size_t>(s)];
  return device;
}

// For schedules that know no loops; refuses others.
inline std::vector<int> one_stage_per_device(const PlacementRequest& r) {
  if (r.stages_per_device() != 1)
    throw std::invalid_argument("runs one stage per device, " +
                                std::to_string(r.stages_per_device()) +
                                " were asked for; use --stages-per-device 1 or a looped "
                                "scheduler such as breadth-first");
  return looped(r);
}

// For schedules over exactly two stages per device in a V; refuses others.
inline std::vector<int> two_stages_in_a_v(const PlacementRequest& r) {
  if (r.stages_per_device() != 2)
    throw std::invalid_argument("runs two stages per device, " +
                                std::to_string(r.stages_per_device()) +
                                " were asked for; use --stages-per-device 2");
  return v_shaped(r);
}

// What a step looks like, and where its actions go: each is appended to the list of its stage's
// device, in the order of the calls.
class ScheduleRequest : public Options {
 public:
  ScheduleRequest(const headrace_host* host, const headrace_schedule_request* request)
      : Options(host), request_(request) {}

  int devices() const { return request_->devices; }
  int stages() const { return request_->stages; }
  int microbatches() const { return request_->microbatches; }
  int device(int stage) const { return request_->device_of_stage[stage]; }
  // The stages of a device, ascending.
  std::vector<int> stages_of(int device) const {
    std::vector<int> result;
    for (int s = 0; s < stages(); ++s)
      if (this->device(s) == device) result.push_back(s);
    return result;
  }

  double forward_s(int stage) const { return request_->forward_s[stage]; }
  double backward_input_s(int stage) const { return request_->backward_input_s[stage]; }
  double backward_weight_s(int stage) const { return request_->backward_weight_s[stage]; }
  int64_t activation_bytes(int stage) const { return request_->activation_bytes[stage]; }
  // 0 from a host that is older than this.
  int64_t weight_stash_bytes(int stage) const {
    constexpr size_t needed = offsetof(headrace_schedule_request, weight_stash_bytes) +
                              sizeof(headrace_schedule_request::weight_stash_bytes);
    return request_->struct_size >= needed ? request_->weight_stash_bytes[stage] : 0;
  }
  int64_t memory_limit_bytes(int device) const { return request_->memory_limit_bytes[device]; }
  double latency_s() const { return request_->latency_s; }

  void forward(int stage, int microbatch) const { emit(HEADRACE_FORWARD, stage, microbatch); }
  void backward(int stage, int microbatch) const { emit(HEADRACE_BACKWARD, stage, microbatch); }
  void backward_input(int stage, int microbatch) const {
    emit(HEADRACE_BACKWARD_INPUT, stage, microbatch);
  }
  void backward_weight(int stage, int microbatch) const {
    emit(HEADRACE_BACKWARD_WEIGHT, stage, microbatch);
  }
  // A forward and a backward of stages on one device that run together.
  void overlap(int stage, int microbatch, int backward_stage, int backward_microbatch) const {
    emit(HEADRACE_OVERLAP, stage, microbatch, backward_stage, backward_microbatch);
  }

 private:
  void emit(int32_t kind, int stage, int microbatch, int other_stage = 0,
            int other_microbatch = 0) const {
    // An impossible stage goes to the host as it is, which refuses it by number.
    const int32_t device = stage >= 0 && stage < stages() ? this->device(stage) : 0;
    const headrace_action action{kind, stage, microbatch, other_stage, other_microbatch};
    if (host_->emit(host_->context, device, action) != 0) throw Stopped{};
  }

  const headrace_schedule_request* request_;
};

struct Edge {
  int from, to;  // nodes
  int value;
  int64_t forward_bytes, backward_bytes;
};

// A tensor with everyone who reads it.
struct Value {
  int producer;
  int64_t bytes;
  double seconds;
  std::vector<int> readers;
};

// Units and meaning of every field: headrace_partition_request.
class PartitionRequest : public Options {
 public:
  PartitionRequest(const headrace_host* host, const headrace_partition_request* request)
      : Options(host), request_(request) {}

  int nodes() const { return request_->nodes; }
  int edges() const { return request_->edges; }
  int devices() const { return request_->devices; }
  int stages() const { return request_->stages; }
  int stages_per_device() const { return request_->stages_per_device; }
  int microbatches() const { return request_->microbatches; }

  const char* op(int node) const { return request_->node_op[node]; }
  double forward_s(int node) const { return request_->node_forward_s[node]; }
  double backward_input_s(int node) const { return request_->node_backward_input_s[node]; }
  double backward_weight_s(int node) const { return request_->node_backward_weight_s[node]; }
  int64_t parameter_bytes(int node) const { return request_->node_parameter_bytes[node]; }
  int64_t activation_bytes(int node) const { return request_->node_activation_bytes[node]; }
  int colocate(int node) const { return request_->node_colocate[node]; }
  Edge edge(int i) const {
    return {request_->edge_from[i], request_->edge_to[i], request_->edge_value[i],
            request_->edge_forward_bytes[i], request_->edge_backward_bytes[i]};
  }
  double speed(int device) const { return request_->device_speed[device]; }
  int64_t memory_bytes(int device) const { return request_->device_memory_bytes[device]; }
  int device(int stage) const { return request_->stage_device[stage]; }
  int in_flight(int stage) const { return request_->stage_in_flight[stage]; }
  double link_bytes_per_s() const { return request_->link_bytes_per_s; }
  double link_latency_s() const { return request_->link_latency_s; }

  // From a host that is older than 1.2: whether it tells what follows.
  bool has_values() const {
    return request_->struct_size >= offsetof(headrace_partition_request, reader_node) +
                                        sizeof(headrace_partition_request::reader_node);
  }
  bool is_costs_only() const { return has_values() && request_->graph == HEADRACE_GRAPH_COSTS; }
  bool host_communication() const { return request_->communication == HEADRACE_COMMUNICATION_HOST; }
  bool overlapped() const { return request_->overlapped != 0; }
  bool contiguous() const { return !has_values() || request_->contiguous != 0; }
  bool empty_stages() const { return has_values() && request_->empty_stages != 0; }
  bool edge_ordered(int i) const { return request_->edge_ordered[i] != 0; }
  int values() const { return request_->values; }
  Value value(int i) const {
    const int32_t* begin = request_->value_readers + i;
    return {request_->value_producer[i], request_->value_bytes[i], request_->value_seconds[i],
            std::vector<int>(request_->reader_node + begin[0], request_->reader_node + begin[1])};
  }

  // Whether the user has chosen a scheduler, whose steps simulate() can tell.
  bool can_simulate() const {
    return host_->struct_size >= offsetof(headrace_host, simulate) + sizeof(host_->simulate) &&
           host_->simulate != nullptr;
  }
  // Seconds of a step under these stages of all nodes; infinity where they do not fit.
  double simulate(const std::vector<int>& stage_of_node) const {
    double step_s = 0;
    if (host_->simulate(host_->context, stage_of_node.data(), &step_s) != 0) throw Stopped{};
    return step_s;
  }

  // Tells the host that no partition has a bottleneck of fewer seconds.
  void bound(double lower_bound_s) const {
    if (host_->struct_size < offsetof(headrace_host, bound) + sizeof(host_->bound)) return;
    if (host_->bound(host_->context, lower_bound_s) != 0) throw Stopped{};
  }

 private:
  const headrace_partition_request* request_;
};

// Rows of a plugin's option table; values as text, null for no bound.
constexpr headrace_option int_option(const char* name, const char* value, const char* minimum,
                                     const char* maximum, const char* help) {
  return {name, HEADRACE_OPTION_INT, value, minimum, maximum, nullptr, help};
}
constexpr headrace_option float_option(const char* name, const char* value, const char* minimum,
                                       const char* maximum, const char* help) {
  return {name, HEADRACE_OPTION_FLOAT, value, minimum, maximum, nullptr, help};
}
constexpr headrace_option bool_option(const char* name, bool value, const char* help) {
  return {name, HEADRACE_OPTION_BOOL, value ? "true" : "false", nullptr, nullptr, nullptr, help};
}
constexpr headrace_option string_option(const char* name, const char* value, const char* help) {
  return {name, HEADRACE_OPTION_STRING, value, nullptr, nullptr, nullptr, help};
}
constexpr headrace_option choice_option(const char* name, const char* value, const char* choices,
                                        const char* help) {
  return {name, HEADRACE_OPTION_CHOICE, value, nullptr, nullptr, choices, help};
}
inline constexpr std::array<headrace_option, 0> no_options{};

namespace detail {

inline void assign_all(const headrace_host* host, const std::vector<int>& values) {
  for (size_t i = 0; i < values.size(); ++i)
    if (host->assign(host->context, static_cast<int32_t>(i), values[i]) != 0) throw Stopped{};
}

// What `headrace plugins` says of where the stages go.
template <auto Place>
inline constexpr const char* placement_name = "its own";
template <>
inline constexpr const char* placement_name<&looped> = "looped";
template <>
inline constexpr const char* placement_name<&v_shaped> = "V";
template <>
inline constexpr const char* placement_name<&one_stage_per_device> = "one stage per device";
template <>
inline constexpr const char* placement_name<&two_stages_in_a_v> = "V, two stages per device";

template <auto Schedule, auto Place>
inline constexpr headrace_scheduler scheduler_table = {
    sizeof(headrace_scheduler),
    [](const headrace_host* host, const headrace_placement_request* request) {
      return guarded(host, [&] { assign_all(host, Place(PlacementRequest(host, request))); });
    },
    [](const headrace_host* host, const headrace_schedule_request* request) {
      return guarded(host, [&] { Schedule(ScheduleRequest(host, request)); });
    },
    placement_name<Place>};

template <auto Partition>
inline constexpr headrace_partitioner partitioner_table = {
    sizeof(headrace_partitioner),
    [](const headrace_host* host, const headrace_partition_request* request) {
      return guarded(host, [&] { assign_all(host, Partition(PartitionRequest(host, request))); });
    }};

#if defined(__clang__)
inline constexpr const char* build_tag = "clang " __clang_version__;
#elif defined(__GNUC__)
inline constexpr const char* build_tag = "gcc " __VERSION__;
#else
inline constexpr const char* build_tag = "";
#endif

template <typename OptionTable>
constexpr headrace_plugin describe(int32_t kind, const char* name, const char* summary,
                                   const OptionTable& options, const void* table) {
  return {HEADRACE_PLUGIN_MAGIC,
          HEADRACE_ABI_MAJOR,
          HEADRACE_ABI_MINOR,
          sizeof(headrace_plugin),
          kind,
          name,
          HEADRACE_PLUGIN_VERSION,
          summary,
          build_tag,
          std::data(options),
          static_cast<uint32_t>(std::size(options)),
          sizeof(headrace_option),
          table};
}

}  // namespace detail

template <auto Schedule, auto Place = looped, const auto& Table = no_options>
constexpr headrace_plugin describe_scheduler(const char* name, const char* summary) {
  return detail::describe(HEADRACE_KIND_SCHEDULER, name, summary, Table,
                          &detail::scheduler_table<Schedule, Place>);
}

template <auto Partition, const auto& Table = no_options>
constexpr headrace_plugin describe_partitioner(const char* name, const char* summary) {
  return detail::describe(HEADRACE_KIND_PARTITIONER, name, summary, Table,
                          &detail::partitioner_table<Partition>);
}

}  // namespace headrace::sdk

// HEADRACE_DEFINE_SCHEDULER(name, summary, schedule[, place[, options]])
//   void schedule(const ScheduleRequest&)
//   std::vector<int> place(const PlacementRequest&)      default: looped
//   static constexpr headrace_option options[] = {...}   default: none
#define HEADRACE_DEFINE_SCHEDULER(name, summary, ...)                                    \
  extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) { \
    static constexpr headrace_plugin plugin =                                            \
        headrace::sdk::describe_scheduler<__VA_ARGS__>(name, summary);                   \
    return &plugin;                                                                      \
  }

// HEADRACE_DEFINE_PARTITIONER(name, summary, partition[, options])
//   std::vector<int> partition(const PartitionRequest&): the stage of every node
#define HEADRACE_DEFINE_PARTITIONER(name, summary, ...)                                  \
  extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) { \
    static constexpr headrace_plugin plugin =                                            \
        headrace::sdk::describe_partitioner<__VA_ARGS__>(name, summary);                 \
    return &plugin;                                                                      \
  }
