// A scheduler that does what its option `how` says, each a thing that no scheduler may do. Options
// of every type, to test their checks.

#include <string>

#include "plugins/sdk.h"

namespace sdk = headrace::sdk;

namespace {

constexpr headrace_option options[] = {
    sdk::choice_option(
        "how", "nothing",
        "nothing|throw|throw-int|unknown-option|endless|stage|microbatch|kind|device|incomplete|"
        "duplicate|wrong-device|deadlock|assign",
        "What to do."),
    sdk::int_option("count", "4", "1", "64", "An integer with both bounds."),
    sdk::int_option("any-count", "-3", nullptr, nullptr, "An integer without bounds."),
    sdk::float_option("share", "0.5", "0", "1", "A number."),
    sdk::bool_option("flag", false, "A yes or no."),
    sdk::string_option("title", "none", "Any text."),
};

// Known to this file only: its text must arrive, the object must not.
struct PrivateError {
  std::string text;
};
struct PrivateException : std::exception {
  const char* what() const noexcept override { return "the mill wheel\nis missing"; }
};

void gpipe(const sdk::ScheduleRequest& r, int microbatches) {
  for (int stage = 0; stage < r.stages(); ++stage)
    for (int mb = 0; mb < r.microbatches(); ++mb) r.forward(stage, mb);
  for (int stage = r.stages() - 1; stage >= 0; --stage)
    for (int mb = 0; mb < microbatches; ++mb) r.backward(stage, mb);
}

// Stage 0 wants micro-batch 0 back before it sends micro-batch 1, which stage 1 wants before that.
void deadlock(const sdk::ScheduleRequest& r) {
  for (int mb = 0; mb < r.microbatches(); ++mb) {
    r.forward(0, mb);
    r.backward(0, mb);
  }
  for (int mb = 0; mb < r.microbatches(); ++mb) r.forward(1, mb);
  for (int mb = 0; mb < r.microbatches(); ++mb) r.backward(1, mb);
}

void misbehave(const headrace_host* host, const sdk::ScheduleRequest& r) {
  const auto how = r.option<std::string>("how");
  const auto emit = [&](int device, headrace_action action) {
    host->emit(host->context, device, action);
  };
  if (how == "throw") throw PrivateException();
  if (how == "throw-int") throw PrivateError{"unseen"};
  if (how == "unknown-option") r.option<int>("depth");
  if (how == "endless")
    for (;;) r.forward(0, 0);
  if (how == "stage") r.forward(r.stages(), 0);
  if (how == "microbatch") r.backward(0, -1);
  if (how == "kind") emit(0, {42, 0, 0, 0, 0});
  if (how == "device") emit(r.devices(), {HEADRACE_FORWARD, 0, 0, 0, 0});
  if (how == "assign") host->assign(host->context, 0, 0);
  if (how == "incomplete") gpipe(r, r.microbatches() - 1);
  if (how == "duplicate") {
    gpipe(r, r.microbatches());
    r.backward(0, 1);
  }
  if (how == "wrong-device") {
    emit(1, {HEADRACE_FORWARD, 0, 0, 0, 0});
    gpipe(r, r.microbatches());
  }
  if (how == "deadlock") deadlock(r);
  // The defaults and the types of options, as text in a refusal.
  if (how == "nothing")
    throw std::runtime_error("count " + std::to_string(r.option<int>("count")) + " any-count " +
                             std::to_string(r.option<int64_t>("any-count")) + " share " +
                             std::to_string(r.option<double>("share")) + " flag " +
                             (r.option<bool>("flag") ? "yes" : "no") + " title " +
                             r.option<std::string>("title"));
}

int32_t schedule(const headrace_host* host, const headrace_schedule_request* request) {
  return sdk::guarded(host, [&] { misbehave(host, sdk::ScheduleRequest(host, request)); });
}

constexpr headrace_scheduler table{sizeof(headrace_scheduler), nullptr, schedule, nullptr};

}  // namespace

extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) {
  static constexpr headrace_plugin plugin = sdk::detail::describe(
      HEADRACE_KIND_SCHEDULER, "misbehaving", "Everything that is wrong.", options, &table);
  return &plugin;
}
