#include "loader/import/naming.h"

#include <algorithm>

namespace headrace {
namespace {

void collect(const onnx::GraphProto& graph, std::set<std::string>& names) {
  for (const auto& input : graph.input()) names.insert(input.name());
  for (const auto& tensor : graph.initializer()) names.insert(tensor.name());
  for (const auto& node : graph.node()) {
    names.insert(node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute())
      if (attribute.has_g()) collect(attribute.g(), names);
  }
}

}  // namespace

ValueNames::ValueNames(const onnx::ModelProto& model) { collect(model.graph(), values_); }

// Numbered from where the last search for a free name ended: a loop asks for the same one often.
std::string ValueNames::unique(std::set<std::string>& taken, const std::string& wanted) {
  if (taken.insert(wanted).second) return wanted;
  int& number = numbers_.try_emplace(wanted, 2).first->second;
  for (;; ++number) {
    std::string name = fmt::format("{}_{}", wanted, number);
    if (taken.insert(name).second) return name;
  }
}

// Two subgraphs may use one name, and the body of a loop is imported once for each pass.
std::string ValueNames::name_in_file(const std::string& name) {
  const bool first = values_.count(name) > 0 && given_.insert(name).second;
  return first ? name : unique(values_, name);
}

void ValueNames::name_nodes(Graph& graph, size_t first, const onnx::NodeProto& source,
                            const std::vector<Operand>& outputs) {
  const size_t end = graph.nodes().size();
  if (first == end) return;
  std::string base = source.name();
  for (const std::string& output : source.output())
    if (base.empty()) base = output;
  const NodeId last = outputs.empty() || outputs[0].kind != Operand::Kind::computed
                          ? kNoNode
                          : graph.value(outputs[0].value).producer;
  for (size_t n = first; n < end; ++n) {
    const auto id = static_cast<NodeId>(n);
    const bool is_main = end - first == 1 || id == last;
    Node& node = graph.node(id);
    node.name = unique(nodes_, is_main ? base : base + "/" + node.op);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const auto bound = std::find_if(outputs.begin(), outputs.end(), [&](const Operand& operand) {
        return operand.kind == Operand::Kind::computed && operand.value == node.outputs[i];
      });
      graph.value(node.outputs[i]).name =
          bound != outputs.end()
              ? name_in_file(source.output(static_cast<int>(bound - outputs.begin())))
              : unique(values_, i == 0 ? node.name : fmt::format("{}:{}", node.name, i));
    }
  }
}

}  // namespace headrace
