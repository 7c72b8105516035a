// NVIDIA's GPUs: `--devices cuda:0-3`.

#include <fmt/format.h>

#include <cstdio>

#include "executor/choice_file.h"
#include "executor/machine_cache.h"
#include "executor/parse_bytes.h"
#include "graph/error.h"
#include "kernels/cuda/cuda_device.h"
#include "plugins/backends/backend.h"

namespace headrace {
namespace {

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(const cuda::DeviceOptions& options) : options_(options) {}

  std::unique_ptr<Device> make_device(int index, std::unique_ptr<Device> host) const override {
    std::string reason;
    const int count = cuda::visible_devices(reason);
    if (index >= count)
      throw Error("there is no device cuda:{}: {}", index,
                  count == 0 ? reason : fmt::format("this machine has {}", count));
    return cuda::make_device(index, options_, std::move(host));
  }

 private:
  cuda::DeviceOptions options_;
};

std::string unusable() {
  std::string reason;
  cuda::visible_devices(reason);
  return reason;
}

// Of all cards and versions of the library: keys name theirs.
std::shared_ptr<Choices> product_choices() {
  return std::make_shared<ChoiceFile>(
      cache_folder() / "products-1.txt",
      [](const std::string& note) { fmt::print(stderr, "headrace: {}\n", note); });
}

std::unique_ptr<Backend> open(const std::map<std::string, std::string>& options) {
  const auto is_set = [&](const char* name) { return options.at(name) == "true"; };
  const auto workspace = parse_bytes(options.at("workspace"));
  if (!workspace)
    throw Error(
        "--device-option workspace={}: is no size; write it as 1GiB, 500MB or a number of bytes",
        options.at("workspace"));
  return std::make_unique<CudaBackend>(
      cuda::DeviceOptions{.tf32 = is_set("tf32"),
                          .graphs = is_set("graphs"),
                          .most_workspace = static_cast<size_t>(*workspace),
                          .choices = is_set("autotune") ? product_choices() : nullptr});
}

}  // namespace
}  // namespace headrace

extern "C" HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void) {
  static constexpr headrace_option options[] = {
      {"tf32", HEADRACE_OPTION_BOOL, "false", nullptr, nullptr, nullptr,
       "Round the factors of f32 products and convolutions to TF32."},
      {"graphs", HEADRACE_OPTION_BOOL, "true", nullptr, nullptr, nullptr,
       "Record stretches of kernels as CUDA graphs and replay them."},
      {"autotune", HEADRACE_OPTION_BOOL, "false", nullptr, nullptr, nullptr,
       "Time algorithms of products on the device, once; the fastest are kept in the cache."},
      {"workspace", HEADRACE_OPTION_STRING, "1GiB", nullptr, nullptr, nullptr,
       "Workspace that a kernel of cuDNN or cuBLASLt may take."},
  };
  static constexpr headrace::BackendTable table = {sizeof(headrace::BackendTable),
                                                   headrace::unusable, headrace::open};
  static constexpr headrace_plugin plugin = {
      HEADRACE_PLUGIN_MAGIC,
      HEADRACE_ABI_MAJOR,
      HEADRACE_ABI_MINOR,
      sizeof(headrace_plugin),
      HEADRACE_KIND_BACKEND,
      "cuda",
      HEADRACE_PLUGIN_VERSION,
      "NVIDIA's GPUs, by cuDNN, cuBLASLt and kernels of its own.",
      headrace::kBackendTag,
      options,
      std::size(options),
      sizeof(headrace_option),
      &table};
  return &plugin;
}
