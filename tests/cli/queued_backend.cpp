#include <cstdlib>

#include "plugins/backends/backend.h"
#include "tests/pipelines/queued_device.h"

namespace headrace {
namespace {

class QueuedBackend : public Backend {
 public:
  std::unique_ptr<Device> make_device(int /*index*/, std::unique_ptr<Device> host) const override {
    return make_queued_device(std::move(host));
  }
};

std::string unusable() {
  const char* reason = std::getenv("QUEUED_UNUSABLE");
  return reason == nullptr ? "" : reason;
}

std::unique_ptr<Backend> open(const std::map<std::string, std::string>&) {
  return std::make_unique<QueuedBackend>();
}

}  // namespace
}  // namespace headrace

extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) {
  static constexpr headrace_option options[] = {
      {"calm", HEADRACE_OPTION_BOOL, "true", nullptr, nullptr, nullptr, "Has no meaning."}};
  static constexpr headrace::BackendTable table = {sizeof(headrace::BackendTable),
                                                   headrace::unusable, headrace::open};
  static constexpr headrace_plugin plugin = {HEADRACE_PLUGIN_MAGIC,
                                             HEADRACE_ABI_MAJOR,
                                             HEADRACE_ABI_MINOR,
                                             sizeof(headrace_plugin),
                                             HEADRACE_KIND_BACKEND,
                                             "queued",
                                             HEADRACE_PLUGIN_VERSION,
                                             "CPUs that work behind their callers' backs.",
                                             headrace::kBackendTag,
                                             options,
                                             1,
                                             sizeof(headrace_option),
                                             &table};
  return &plugin;
}
