#include "plugins/host/plugin_call.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "graph/error.h"

namespace headrace {
namespace {

constexpr size_t kLongestReason = 1000;

}  // namespace

PluginCall::PluginCall(const PluginInfo& plugin, const OptionValues& options, EmitSink emit_sink,
                       AssignSink assign_sink, BoundSink bound_sink, Simulator simulator)
    : plugin_(plugin),
      options_(options),
      emit_(std::move(emit_sink)),
      assign_(std::move(assign_sink)),
      bound_(std::move(bound_sink)),
      simulator_(std::move(simulator)),
      host_{sizeof(headrace_host),           this, &emit, &assign, &option, &fail, &bound,
            simulator_ ? &simulate : nullptr} {}

// The plugin's text becomes part of one line for the user.
void PluginCall::refuse(const char* reason) noexcept {
  if (refused_) return;
  refused_ = true;
  try {
    reason_ = reason == nullptr ? "" : reason;
    if (reason_.size() > kLongestReason) reason_ = reason_.substr(0, kLongestReason) + "...";
    std::replace_if(
        reason_.begin(), reason_.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  } catch (const std::exception&) {
    reason_.clear();
  }
}

template <typename Work>
int32_t PluginCall::answer(Work&& work) noexcept {
  if (refused_) return 1;
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    refuse(error.what());
    return 1;
  }
}

int32_t PluginCall::emit(void* context, int32_t device, headrace_action action) {
  auto& call = *static_cast<PluginCall*>(context);
  return call.answer([&] {
    if (!call.emit_) throw Error("emitted an action where none is asked for");
    call.emit_(device, action);
  });
}

int32_t PluginCall::assign(void* context, int32_t index, int32_t value) {
  auto& call = *static_cast<PluginCall*>(context);
  return call.answer([&] {
    if (!call.assign_) throw Error("assigned a value where none is asked for");
    call.assign_(index, value);
  });
}

int32_t PluginCall::bound(void* context, double lower_bound_s) {
  auto& call = *static_cast<PluginCall*>(context);
  return call.answer([&] {
    if (!call.bound_) throw Error("told a bound where none is asked for");
    call.bound_(lower_bound_s);
  });
}

int32_t PluginCall::simulate(void* context, const int32_t* stage_of_node, double* step_s) {
  auto& call = *static_cast<PluginCall*>(context);
  return call.answer([&] { *step_s = call.simulator_(stage_of_node); });
}

const char* PluginCall::option(void* context, const char* name) {
  const auto& call = *static_cast<const PluginCall*>(context);
  if (name == nullptr) return nullptr;
  for (const auto& [key, value] : call.options_)
    if (key == name) return value.c_str();
  return nullptr;
}

void PluginCall::fail(void* context, const char* message) {
  static_cast<PluginCall*>(context)->refuse(message);
}

void PluginCall::run_guarded(const std::function<int32_t()>& call) {
  try {
    const int32_t status = call();
    if (status != 0 && !refused_)
      refuse(fmt::format("gave up with status {} and no reason", status).c_str());
  } catch (const std::exception& error) {
    // The ABI forbids it, yet a C++ plugin without the SDK may do it.
    refuse(fmt::format("let an exception out: {}", error.what()).c_str());
  } catch (...) {
    refuse("let an exception out");
  }
  if (refused_)
    throw Error("{} {}: {}", plugin_.kind, plugin_.name,
                reason_.empty() ? "failed without a reason" : reason_);
}

}  // namespace headrace
