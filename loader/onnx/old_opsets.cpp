#include <onnx/version_converter/convert.h>

#include <algorithm>
#include <map>

#include "graph/error.h"
#include "loader/onnx/model_source.h"
#include "loader/onnx/tensors.h"

namespace headrace {
namespace {

[[noreturn]] void refuse(const onnx::ModelProto& model, const std::string& path,
                         const std::string& why) {
  throw Error("{}: opset {} is older than {} and cannot be converted: {}", path,
              opset_version(model), kOldestOpset, why);
}

// Before opset 7 an operand could be laid along any axes of the other, the converter reshapes it as
// if these were the first.
void check_broadcasts(const onnx::ModelProto& model, const onnx::ModelProto& converted,
                      const std::string& path) {
  std::map<std::string, std::string> operand_of;  // by what the node makes
  for (const auto& node : converted.graph().node())
    if (node.input_size() == 2 && node.output_size() == 1)
      operand_of[node.output(0)] = node.input(1);
  for (const auto& node : model.graph().node()) {
    const auto axis = std::find_if(node.attribute().begin(), node.attribute().end(),
                                   [](const auto& a) { return a.name() == "axis"; });
    if (axis == node.attribute().end() || axis->i() == 0 || node.input_size() != 2 ||
        node.output_size() != 1)
      continue;
    const auto now = operand_of.find(node.output(0));
    if (now == operand_of.end() || now->second != node.input(1))
      refuse(model, path,
             fmt::format("node '{}' ({}) broadcasts along axis {}", node.output(0), node.op_type(),
                         axis->i()));
  }
}

}  // namespace

std::shared_ptr<onnx::ModelProto> convert_to_oldest_opset(const onnx::ModelProto& model,
                                                          const std::string& path) {
  // The converter knows graphs and tensors only.
  if (model.functions_size() > 0) refuse(model, path, "it has local functions");
  if (model.training_info_size() > 0) refuse(model, path, "it has training_info");
  for_each_tensor(model, [&](const onnx::TensorProto& tensor) {
    if (is_external(tensor)) refuse(model, path, "it has external data");
  });
  try {
    auto converted = std::make_shared<onnx::ModelProto>(
        onnx::version_conversion::ConvertVersion(model, static_cast<int>(kOldestOpset)));
    check_model(*converted, path);
    check_broadcasts(model, *converted, path);
    return converted;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse(model, path, error.what());
  }
}

}  // namespace headrace
