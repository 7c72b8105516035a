#include "loader/import/training_step.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

#include "graph/error.h"
#include "loader/import/reach.h"
#include "loader/import/refusal.h"
#include "loader/onnx/float_kinds.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::ValueInfoProto;
using Names = std::unordered_set<std::string>;

constexpr std::string_view kGraphCall = "ai.onnx.preview.training::GraphCall";

bool is_gradient(const NodeProto& node) { return operator_name(node) == kGradientOperator; }

template <typename List>
bool any_in(const List& list, const Names& names) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& name) { return names.count(name) > 0; });
}

template <typename List>
auto find_named(const List& list, const std::string& name) {
  return std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.name() == name; });
}

void rename_reads(NodeProto& node, const std::function<std::string(const std::string&)>& renamed) {
  for (std::string& name : *node.mutable_input()) name = renamed(name);
  for (auto& attribute : *node.mutable_attribute()) {
    if (!attribute.has_g()) continue;
    for (NodeProto& inner : *attribute.mutable_g()->mutable_node()) rename_reads(inner, renamed);
  }
}

// A GraphCall (ONNX 1.7) stands for a copy of the model's graph on other inputs; initializers are
// the same.
void expand_call(const NodeProto& call, const GraphProto& called, GraphProto& target) {
  const std::string wanted = string_attribute(call, "graph_name");
  if (!wanted.empty() && wanted != called.name())
    throw Error("GraphCall '{}' calls the graph '{}', the model's is '{}'", call.name(), wanted,
                called.name());
  std::map<std::string, std::string> renamed;
  int position = 0;
  for (const auto& input : called.input()) {
    if (find_named(called.initializer(), input.name()) != called.initializer().end()) continue;
    if (position >= call.input_size())
      throw Error("GraphCall '{}' gives {} inputs, the graph has more", call.name(), position);
    renamed[input.name()] = call.input(position++);
  }
  const std::string prefix = (call.name().empty() ? call.output(0) : call.name()) + "/";
  for (int i = 0; i < called.output_size() && i < call.output_size(); ++i)
    if (!call.output(i).empty()) renamed[called.output(i).name()] = call.output(i);
  for (const NodeProto& node : called.node())
    for (const std::string& output : node.output())
      if (!output.empty()) renamed.emplace(output, prefix + output);
  const auto renaming = [&](const std::string& name) {
    const auto it = renamed.find(name);
    return it == renamed.end() ? name : it->second;
  };
  for (const NodeProto& node : called.node()) {
    NodeProto& copy = *target.add_node();
    copy = node;
    if (!copy.name().empty()) copy.set_name(prefix + copy.name());
    rename_reads(copy, renaming);
    for (std::string& output : *copy.mutable_output()) output = renaming(output);
  }
}

// The model's graph and the algorithm's as the one graph that the specification makes of them.
GraphProto combine(const GraphProto& inference, const GraphProto& algorithm,
                   const std::map<std::string, HostTensor>& initial) {
  GraphProto combined = inference;
  for (const auto& input : algorithm.input())
    if (find_named(combined.input(), input.name()) == combined.input().end())
      *combined.add_input() = input;
  for (const auto& output : algorithm.output()) *combined.add_output() = output;
  for (const auto& tensor : algorithm.initializer()) {
    if (find_named(combined.initializer(), tensor.name()) != combined.initializer().end())
      throw Error("the graph and its training algorithm both store '{}'", tensor.name());
    *combined.add_initializer() = tensor;
  }
  for (const auto& tensor : algorithm.sparse_initializer())
    *combined.add_sparse_initializer() = tensor;
  for (const auto& info : algorithm.value_info()) *combined.add_value_info() = info;
  for (const NodeProto& node : algorithm.node()) {
    if (operator_name(node) == kGraphCall)
      expand_call(node, inference, combined);
    else
      *combined.add_node() = node;
  }
  for (const auto& [name, tensor] : initial) {
    const auto place = find_named(combined.initializer(), name);
    if (place == combined.initializer().end())
      throw Error("the initialization sets '{}', which is no initializer", name);
    const auto position = static_cast<int>(place - combined.initializer().begin());
    const auto stored = dtype_of_onnx(place->data_type());
    const bool floats = stored && is_float(*stored) && is_float(tensor.type.dtype);
    write_tensor(floats ? converted(tensor, *stored) : tensor,
                 *combined.mutable_initializer(position));
  }
  return combined;
}

class Cutter {
 public:
  Cutter(const ModelProto& model, const std::map<std::string, HostTensor>& initial)
      : model_(model),
        info_(model.training_info(0)),
        all_(combine(model.graph(), info_.algorithm(), initial)) {
    for (const auto& tensor : all_.initializer()) stored_.insert(tensor.name());
    for (const NodeProto& node : all_.node())
      for (const std::string& output : node.output())
        if (!output.empty()) maker_[output] = &node;
  }

  TrainingStep cut() {
    find_gradients();
    cut_forward();
    find_bindings();
    cut_update();
    return std::move(step_);
  }

 private:
  void find_gradients() {
    for (const NodeProto& node : all_.node()) {
      if (!is_gradient(node)) continue;
      const std::string y = string_attribute(node, "y");
      if (!loss_.empty() && loss_ != y)
        throw Error("the training algorithm takes gradients of '{}' and of '{}'; one loss is used",
                    loss_, y);
      loss_ = y;
      add_gradients(node);
    }
    if (loss_.empty()) throw Error("the training algorithm has no Gradient node");
    if (maker_.count(loss_) == 0)
      throw Error("the training algorithm takes the gradient of '{}', which no node makes", loss_);
    for (const auto& [value, tensor] : step_.gradients) after_gradient_.insert(value);
    for (const NodeProto& node : all_.node())
      if (!is_gradient(node) && any_in(node.input(), after_gradient_))
        after_gradient_.insert(node.output().begin(), node.output().end());
  }

  void add_gradients(const NodeProto& node) {
    const auto xs = std::find_if(node.attribute().begin(), node.attribute().end(),
                                 [](const auto& attribute) { return attribute.name() == "xs"; });
    for (int i = 0; xs != node.attribute().end() && i < xs->strings_size(); ++i) {
      const std::string& tensor = xs->strings(i);
      if (i >= node.output_size() || node.output(i).empty()) continue;
      if (i >= node.input_size() || node.input(i) != tensor)
        throw Error("Gradient '{}' is taken by '{}' at another tensor's value", node.name(),
                    tensor);
      if (stored_.count(tensor) == 0)
        throw Error("Gradient '{}' is taken by '{}', which is no initializer", node.name(), tensor);
      step_.trained.insert(tensor);
      step_.gradients.emplace_back(node.output(i), tensor);
    }
  }

  std::shared_ptr<ModelProto> empty_model() const {
    auto model = std::make_shared<ModelProto>(model_);
    model->clear_training_info();
    model->mutable_graph()->Clear();
    model->mutable_graph()->set_name(model_.graph().name());
    return model;
  }

  void cut_forward() {
    step_.forward = empty_model();
    GraphProto& graph = *step_.forward->mutable_graph();
    for (const NodeProto& node : all_.node())
      if (!is_gradient(node) && !any_in(node.output(), after_gradient_)) *graph.add_node() = node;
    *graph.add_output() = described(loss_);
    // Dead nodes would ask for inputs that no data set has.
    const std::vector<bool> live = live_nodes(graph);
    GraphProto kept;
    for (size_t n = 0; n < live.size(); ++n)
      if (live[n]) *kept.add_node() = graph.node(static_cast<int>(n));
    graph.mutable_node()->Swap(kept.mutable_node());
    for (const NodeProto& node : graph.node()) collect(node, forward_reads_);
    copy_read(graph, forward_reads_);
  }

  static void collect(const NodeProto& node, Names& names) {
    names.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (!attribute.has_g()) continue;
      for (const NodeProto& inner : attribute.g().node()) collect(inner, names);
      for (const auto& output : attribute.g().output()) names.insert(output.name());
    }
  }

  void copy_read(GraphProto& graph, const Names& reads) const {
    for (const auto& tensor : all_.initializer())
      if (reads.count(tensor.name()) > 0) *graph.add_initializer() = tensor;
    for (const auto& tensor : all_.sparse_initializer())
      if (reads.count(tensor.values().name()) > 0) *graph.add_sparse_initializer() = tensor;
    for (const auto& input : all_.input())
      if (reads.count(input.name()) > 0) *graph.add_input() = input;
  }

  // As an output. The checker wants a type and a shape there; the import infers its own.
  ValueInfoProto described(const std::string& name) const {
    ValueInfoProto info;
    for (const auto* list : {&all_.input(), &all_.value_info(), &all_.output()})
      if (const auto it = find_named(*list, name); it != list->end()) info = *it;
    info.set_name(name);
    auto& type = *info.mutable_type()->mutable_tensor_type();
    if (type.elem_type() == onnx::TensorProto::UNDEFINED)
      type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape();
    return info;
  }

  void find_bindings() {
    Names bound;
    for (const auto& binding : info_.update_binding()) {
      const std::string& tensor = binding.key();
      if (stored_.count(tensor) == 0)
        throw Error("the update replaces '{}', which is no initializer", tensor);
      if (!bound.insert(tensor).second) throw Error("two updates replace '{}'", tensor);
      if (is_running_statistic(tensor, binding.value())) continue;
      if (forward_reads_.count(tensor) > 0 && step_.trained.count(tensor) == 0)
        throw Error(
            "the update replaces '{}', which the forward pass reads and no gradient is "
            "taken by",
            tensor);
      step_.bindings.push_back({tensor, binding.value()});
    }
    for (const std::string& tensor : step_.trained)
      if (bound.count(tensor) == 0) step_.bindings.push_back({tensor, {}});
    for (const auto& binding : step_.bindings)
      step_.contents[binding.tensor] = *find_named(all_.initializer(), binding.tensor);
  }

  // BatchNormalization's are replaced after each micro-batch, by the node itself.
  bool is_running_statistic(const std::string& tensor, const std::string& replacement) const {
    const auto maker = maker_.find(replacement);
    return maker != maker_.end() && maker->second->op_type() == "BatchNormalization" &&
           after_gradient_.count(replacement) == 0 && maker->second->input_size() == 5 &&
           (maker->second->input(3) == tensor || maker->second->input(4) == tensor);
  }

  void cut_update() {
    step_.update = empty_model();
    GraphProto& graph = *step_.update->mutable_graph();
    Names wanted;
    for (const auto& binding : step_.bindings)
      if (!binding.replacement.empty() && wanted.insert(binding.replacement).second)
        *graph.add_output() = described(binding.replacement);
    Names given;
    for (const auto& [value, tensor] : step_.gradients) given.insert(value);
    std::vector<const NodeProto*> needed;
    for (int n = all_.node_size() - 1; n >= 0; --n) {
      const NodeProto& node = all_.node(n);
      if (is_gradient(node) || !any_in(node.output(), wanted)) continue;
      needed.push_back(&node);
      collect(node, wanted);
    }
    for (auto node = needed.rbegin(); node != needed.rend(); ++node) *graph.add_node() = **node;

    for (const auto& [value, tensor] : step_.gradients) add_input_like(graph, value, tensor);
    for (const auto& binding : step_.bindings) {
      add_input_like(graph, binding.tensor, binding.tensor);
      wanted.erase(binding.tensor);
    }
    Names constants;
    for (const std::string& name : wanted)
      if (stored_.count(name) > 0) constants.insert(name);
    for (const auto& tensor : all_.initializer())
      if (constants.count(tensor.name()) > 0) *graph.add_initializer() = tensor;
    for (const auto& input : all_.input())
      if (wanted.count(input.name()) > 0 && stored_.count(input.name()) == 0)
        add_fed_input(graph, input);
  }

  void add_input_like(GraphProto& graph, const std::string& name, const std::string& tensor) const {
    const auto& stored = *find_named(all_.initializer(), tensor);
    ValueInfoProto& input = *graph.add_input();
    input.set_name(name);
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(stored.data_type());
    type.mutable_shape();
    for (const int64_t dim : stored.dims()) type.mutable_shape()->add_dim()->set_dim_value(dim);
  }

  // An input of the update alone that holds one number is the learning rate or the step count.
  void add_fed_input(GraphProto& graph, const ValueInfoProto& input) {
    const auto dtype = dtype_of_onnx(input.type().tensor_type().elem_type());
    int64_t elements = 1;
    for (const auto& dim : input.type().tensor_type().shape().dim())
      elements = dim.has_dim_value() ? elements * dim.dim_value() : 0;
    if (forward_reads_.count(input.name()) > 0 || elements != 1 || !dtype)
      throw Error(
          "the training algorithm's update reads the input '{}', which is neither a "
          "learning rate nor a step count",
          input.name());
    std::string& fed = is_float(*dtype) ? step_.rate : step_.step;
    if (!fed.empty())
      throw Error("the training algorithm's update reads '{}' and '{}': which of them is the {}?",
                  fed, input.name(), is_float(*dtype) ? "learning rate" : "step count");
    fed = input.name();
    *graph.add_input() = input;
  }

  const ModelProto& model_;
  const onnx::TrainingInfoProto& info_;
  GraphProto all_;
  TrainingStep step_;
  std::string loss_;
  Names stored_, after_gradient_, forward_reads_;
  std::map<std::string, const NodeProto*> maker_;
};

}  // namespace

TrainingStep cut_training_step(const ModelProto& model,
                               const std::map<std::string, HostTensor>& initial) {
  if (model.training_info_size() != 1)
    throw Error("{} training steps are described; one is supported", model.training_info_size());
  return Cutter(model, initial).cut();
}

}  // namespace headrace
