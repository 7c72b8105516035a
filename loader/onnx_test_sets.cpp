#include "loader/onnx_test_sets.h"

#include <filesystem>
#include <set>

#include "graph/error.h"
#include "loader/onnx/model_source.h"
#include "loader/tensor_file.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

using Infos = std::vector<const onnx::ValueInfoProto*>;

Infos fed_inputs(const onnx::GraphProto& graph) {
  std::set<std::string> initialized;
  for (const auto& tensor : graph.initializer()) initialized.insert(tensor.name());
  Infos inputs;
  for (const auto& input : graph.input())
    if (initialized.count(input.name()) == 0) inputs.push_back(&input);
  return inputs;
}

Infos all_outputs(const onnx::GraphProto& graph) {
  Infos outputs;
  for (const auto& output : graph.output()) outputs.push_back(&output);
  return outputs;
}

// The tensors of KIND_0.pb, KIND_1.pb, ... with the names that the model has for them.
std::vector<std::pair<std::string, HostTensor>> read_tensors(const fs::path& folder,
                                                             const std::string& kind,
                                                             const Infos& infos) {
  std::vector<std::pair<std::string, HostTensor>> tensors;
  for (size_t k = 0;; ++k) {
    const fs::path file = folder / fmt::format("{}_{}.pb", kind, k);
    if (!fs::exists(file)) return tensors;
    if (k >= infos.size())
      throw Error("{}: the model has {} {}s that tensors are given for", file.string(),
                  infos.size(), kind);
    const auto& info = *infos[k];
    if (!info.type().has_tensor_type())
      throw Error("{} '{}' is a sequence, map or optional; only tensors are supported", kind,
                  info.name());
    tensors.emplace_back(info.name(), read_tensor_file(file.string()));
  }
}

}  // namespace

std::vector<OnnxTestSet> read_onnx_test_sets(const std::string& model, const std::string& folder) {
  if (!fs::is_directory(folder)) throw Error("{}: not a folder", folder);
  const auto source = read_model(model);
  const auto& graph = source->proto->graph();
  std::vector<OnnxTestSet> sets;
  for (size_t n = 0;; ++n) {
    OnnxTestSet set;
    set.name = fmt::format("test_data_set_{}", n);
    const fs::path path = fs::path(folder) / set.name;
    if (!fs::is_directory(path)) break;
    for (auto& [name, tensor] : read_tensors(path, "input", fed_inputs(graph)))
      set.inputs[name] = std::move(tensor);
    set.outputs = read_tensors(path, "output", all_outputs(graph));
    if (set.outputs.empty()) throw Error("{}: there is no output_0.pb", path.string());
    sets.push_back(std::move(set));
  }
  if (sets.empty())
    throw Error("{}: there is no folder test_data_set_0 as in ONNX's backend tests", folder);
  return sets;
}

}  // namespace headrace
