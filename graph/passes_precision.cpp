#include <algorithm>
#include <array>
#include <map>

#include "graph/error.h"
#include "graph/op_def.h"
#include "graph/passes.h"

namespace headrace {
namespace {

constexpr std::array kProducts = {"MatMul", "Conv", "ConvInputGrad", "Attention"};
// Narrow where all that they compute from is.
constexpr std::array kFollowing = {"Relu",        "LeakyRelu",   "Elu",     "Gelu",    "Swish",
                                   "HardSwish",   "Mish",        "Sigmoid", "Tanh",    "Clip",
                                   "Neg",         "Abs",         "Add",     "Sub",     "Mul",
                                   "Min",         "Max",         "Where",   "MaxPool", "Dropout",
                                   "AveragePool", "HardSigmoid", "Reshape", "Pad",     "Expand",
                                   "Slice",       "Transpose",   "Concat",  "Split"};

template <size_t n>
bool among(const std::array<const char*, n>& names, const std::string& op) {
  return std::ranges::find(names, op) != names.end();
}

class Narrower {
 public:
  Narrower(const Graph& old, DType narrow)
      : old_(old), narrow_(narrow), native_(old.values().size(), kNoValue) {}

  Graph run(std::span<const ValueId> roots, std::vector<ValueId>& remap) {
    for (size_t v = 0; v < old_.values().size(); ++v)
      if (old_.values()[v].producer == kNoNode) native_[v] = next_.add_value(old_.values()[v]);
    for (const Node& node : old_.nodes()) add(node);
    for (const ValueId input : old_.inputs) next_.inputs.push_back(native_[index(input)]);
    remap = native_;
    const auto keep_type = [&](ValueId id) {
      return remap[index(id)] = as(id, old_.value(id).type.dtype);
    };
    for (const ValueId root : roots) keep_type(root);
    for (const ValueId output : old_.outputs) next_.outputs.push_back(keep_type(output));
    return std::move(next_);
  }

 private:
  bool is_f32(ValueId id) const {
    return id != kNoValue && old_.value(id).type.dtype == DType::f32;
  }
  bool is_narrow(ValueId id) const {
    return id != kNoValue && next_.value(native_[index(id)]).type.dtype == narrow_;
  }

  // The dtype in which the node takes its f32 input i.
  DType taken(const Node& node, size_t i) const {
    if (node.op == "Attention" && i == 3) return DType::f32;  // its bias
    if (among(kProducts, node.op)) return narrow_;
    // Statistics are of scale's type.
    if (node.op.starts_with("BatchNormalization"))
      return i == 0 && is_narrow(node.inputs[0]) ? narrow_ : DType::f32;
    if (!among(kFollowing, node.op)) return DType::f32;
    bool any = false;
    for (const ValueId input : node.inputs) {
      if (!is_f32(input)) continue;
      const Role role = old_.value(input).role;
      if (role == Role::parameter || role == Role::constant) continue;
      if (!is_narrow(input)) return DType::f32;
      any = true;
    }
    return any ? narrow_ : DType::f32;
  }

  void add(const Node& old_node) {
    Node node = old_node;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (const ValueId input = node.inputs[i]; is_f32(input))
        node.inputs[i] = as(input, taken(old_node, i));
      else if (input != kNoValue)
        node.inputs[i] = native_[index(input)];
    const OpDef* op = find_op(node.op);
    HEADRACE_CHECK(op != nullptr, "{}", node.op);
    const std::vector<TensorType> types = op->infer(node, next_.types(node.inputs));
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      const ValueId output = node.outputs[o];
      if (output == kNoValue) continue;
      Value value = old_.value(output);
      value.type = types.at(o);
      value.producer = kNoNode;
      node.outputs[o] = native_[index(output)] = next_.add_value(std::move(value));
    }
    next_.adopt_node(std::move(node));
  }

  // The value in a dtype: itself or one Cast of it for all its readers.
  ValueId as(ValueId old, DType dtype) {
    const ValueId native = native_[index(old)];
    if (next_.value(native).type.dtype == dtype) return native;
    const auto [it, fresh] = casts_.try_emplace({native, dtype}, kNoValue);
    if (fresh)
      it->second =
          next_.add("Cast", {native}, {{"to", std::string(name_of(dtype))}}, Phase::forward,
                    kNoNode, fmt::format("{}:{}", next_.value(native).name, name_of(dtype)));
    return it->second;
  }

  const Graph& old_;
  const DType narrow_;
  Graph next_;
  std::vector<ValueId> native_;  // of each old value
  std::map<std::pair<ValueId, DType>, ValueId> casts_;
};

}  // namespace

Graph narrow_products(const Graph& graph, DType narrow, std::span<const ValueId> roots,
                      std::vector<ValueId>* remap) {
  return Narrower(graph, narrow).run(roots, *remap);
}

}  // namespace headrace
