#pragma once

#include <functional>
#include <string>

#include "plugins/abi.h"
#include "plugins/host/plugin_info.h"

namespace headrace {

// One call into a plugin: the host's side of the callbacks. What the plugin answers goes to the
// sinks, which throw Error to refuse it; the first refusal ends the call. A call belongs to one
// thread.
class PluginCall {
 public:
  using EmitSink = std::function<void(int device, const headrace_action&)>;
  using AssignSink = std::function<void(int index, int value)>;
  using BoundSink = std::function<void(double lower_bound_s)>;
  using Simulator = std::function<double(const int32_t* stage_of_node)>;

  // Borrows all for as long as the call lasts. A null sink refuses that kind of answer; a null
  // simulator is none that the plugin sees.
  PluginCall(const PluginInfo& plugin, const OptionValues& options, EmitSink emit,
             AssignSink assign, BoundSink bound = nullptr, Simulator simulator = nullptr);
  PluginCall(const PluginCall&) = delete;
  PluginCall& operator=(const PluginCall&) = delete;

  // Calls `function`; throws Error with the plugin's name when it failed or was refused.
  template <typename Request>
  void run(int32_t (*function)(const headrace_host*, const Request*), const Request& request) {
    run_guarded([&] { return function(&host_, &request); });
  }

 private:
  void run_guarded(const std::function<int32_t()>& call);
  template <typename Work>
  int32_t answer(Work&& work) noexcept;
  void refuse(const char* reason) noexcept;

  static int32_t emit(void* context, int32_t device, headrace_action action);
  static int32_t assign(void* context, int32_t index, int32_t value);
  static const char* option(void* context, const char* name);
  static int32_t bound(void* context, double lower_bound_s);
  static int32_t simulate(void* context, const int32_t* stage_of_node, double* step_s);
  static void fail(void* context, const char* message);

  const PluginInfo& plugin_;
  const OptionValues& options_;
  EmitSink emit_;
  AssignSink assign_;
  BoundSink bound_;
  Simulator simulator_;
  bool refused_ = false;
  std::string reason_;
  headrace_host host_;
};

}  // namespace headrace
