#include "loader/import/importer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "graph/inner_gradient.h"
#include "loader/import/folding.h"
#include "loader/import/naming.h"
#include "loader/import/reach.h"
#include "loader/import/refusal.h"
#include "loader/import/rules.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;

// Names of one graph; those of the graphs around it are seen through `outer`.
struct Scope {
  const Scope* outer = nullptr;
  GraphPath path;
  std::unordered_map<std::string, Operand> names;

  const Operand* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
      const auto it = scope->names.find(name);
      if (it != scope->names.end()) return &it->second;
    }
    return nullptr;
  }
};

class Importer {
 public:
  Importer(ModelSource& source, const LoadOptions& options)
      : source_(source),
        options_(options),
        opset_(opset_version(*source.imported())),
        main_(source.imported()->graph()),
        weights_(result_.forward.graph, options, find_reach(main_), source),
        names_(*source.imported()),
        known_(graph(), options.evaluate) {
    target_ = {.graph = &graph(),
               .weights = &weights_,
               .training = options.training && !options.as_exported,
               .draws = options.draw,
               .known = &known_};
    for (const auto& output : main_.output()) output_names_.insert(output.name());
  }

  ImportResult run(const std::map<std::string, Shape>& input_shapes) {
    Scope scope;
    add_initializers(main_, scope);
    add_inputs(input_shapes, scope);
    import_nodes(main_, scope);
    if (result_.unsupported.empty()) add_outputs(scope);
    report_dtypes();
    result_.forward.state_updates = weights_.state_updates();
    result_.weights = weights_.in_graph();
    result_.float_elements = weights_.float_elements();
    for (std::string& note : weights_.notes()) result_.notes.push_back(std::move(note));
    return std::move(result_);
  }

 private:
  Graph& graph() { return result_.forward.graph; }

  void refuse(const NodeProto& node, std::string why) {
    std::string name = node.name();
    if (name.empty() && node.output_size() > 0) name = node.output(0);
    result_.unsupported.push_back(
        {.op = node.op_type(),
         .domain = is_default_domain(node.domain()) ? "ai.onnx" : node.domain(),
         .node = std::move(name),
         .why = std::move(why)});
  }

  Operand stored_tensor(const onnx::TensorProto& tensor, const std::string& name, bool in_node,
                        const GraphPath& path) {
    HostTensor data = read_tensor(tensor, source_.imported(), *source_.external);
    WeightPlace place{.graph = path, .name = name, .constant_node = in_node};
    const int weight = weights_.add(std::move(place), data);
    Operand operand = constant_operand(std::move(data), name);
    operand.weight = weight;
    if (weights_.trainable(weight)) operand.kind = Operand::Kind::weight;
    return operand;
  }

  void add_initializers(const GraphProto& proto, Scope& scope) {
    for (const auto& tensor : proto.initializer()) {
      if (!dtype_of_onnx(tensor.data_type())) {
        scope.names[tensor.name()] =
            unreadable(fmt::format("a tensor of type {}", onnx_type_name(tensor.data_type())));
        continue;
      }
      scope.names[tensor.name()] = stored_tensor(tensor, tensor.name(), false, scope.path);
    }
    for (const auto& sparse : proto.sparse_initializer())
      scope.names[sparse.values().name()] = unreadable("a sparse tensor");
  }

  // Refused only when a node reads it: `name` then says what it is.
  static Operand unreadable(std::string what) {
    return {.kind = Operand::Kind::failed, .name = std::move(what)};
  }

  void add_inputs(const std::map<std::string, Shape>& shapes, Scope& scope) {
    for (const auto& input : main_.input()) {
      if (scope.names.count(input.name()) > 0) continue;
      const auto& type = input.type();
      const auto dtype = type.has_tensor_type() ? dtype_of_onnx(type.tensor_type().elem_type())
                                                : std::optional<DType>();
      const auto shape = shapes.find(input.name());
      if (!dtype || shape == shapes.end()) {
        scope.names[input.name()] = unreadable(
            type.has_tensor_type()
                ? fmt::format("a tensor of type {}", onnx_type_name(type.tensor_type().elem_type()))
                : "a sequence, map or optional");
        continue;
      }
      const ValueId value = graph().add_input(input.name(), {*dtype, shape->second});
      scope.names[input.name()] = {.kind = Operand::Kind::computed, .value = value};
      const auto contents = options_.input_contents.find(input.name());
      if (contents != options_.input_contents.end() &&
          contents->second.type == graph().value(value).type)
        known_.set(value, contents->second);
    }
  }

  void import_nodes(const GraphProto& proto, Scope& scope) {
    const auto live = live_nodes(proto);
    for (int n = 0; n < proto.node_size(); ++n)
      if (live[static_cast<size_t>(n)]) import_node(proto.node(n), scope);
  }

  void import_node(const NodeProto& node, Scope& scope) {
    std::vector<Operand> outputs(static_cast<size_t>(node.output_size()),
                                 {.kind = Operand::Kind::failed});
    try {
      if (const std::string why = refusal_by_name(node); !why.empty()) throw Unsupported("{}", why);
      std::optional<std::vector<Operand>> inputs = resolve(node, scope);
      if (inputs) outputs = apply(node, scope, std::move(*inputs));
    } catch (const Unsupported& reason) {
      refuse(node, reason.what());
    } catch (const Error& error) {
      refuse(node, error.what());
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string& name = node.output(static_cast<int>(i));
      if (name.empty()) continue;
      if (outputs[i].kind == Operand::Kind::constant && outputs[i].name.empty())
        outputs[i].name = name;
      scope.names[name] = std::move(outputs[i]);
    }
  }

  // Empty when a node before this one was refused already: its followers say nothing new.
  std::optional<std::vector<Operand>> resolve(const NodeProto& node, const Scope& scope) {
    std::vector<Operand> inputs;
    for (const std::string& name : node.input()) {
      if (name.empty()) {
        inputs.emplace_back();
        continue;
      }
      const Operand* operand = scope.find(name);
      HEADRACE_CHECK(operand != nullptr, "no value '{}'", name);
      if (operand->kind == Operand::Kind::failed) {
        if (operand->name.empty()) return std::nullopt;
        throw Unsupported("its input '{}' is {}", name, operand->name);
      }
      inputs.push_back(*operand);
    }
    return inputs;
  }

  std::vector<Operand> apply(const NodeProto& node, Scope& scope, std::vector<Operand> inputs) {
    if (operator_name(node) == "If") return import_if(node, scope, inputs.at(0));
    if (operator_name(node) == kGradientOperator) return import_gradient(node, scope, inputs);
    if (const auto* value = constant_tensor(node))
      return {stored_tensor(*value, node.output(0), true, scope.path)};
    const ImportRule* rule = find_rule(operator_name(node));
    HEADRACE_CHECK(rule != nullptr);
    if (can_fold(node, inputs) && options_.evaluate)
      return fold(*rule, node, opset_, target_.training, std::move(inputs), options_.evaluate);

    const size_t first = graph().nodes().size();
    ImportContext context(target_, node, opset_, scope.path, std::move(inputs));
    rule->apply(context);
    auto outputs = context.take_outputs();
    names_.name_nodes(graph(), first, node, outputs);
    if (node.op_type() == "Identity" && scope.path.empty() &&
        output_names_.count(node.output(0)) == 0)
      outputs[0].alias = node.output(0);
    return outputs;
  }

  // The derivatives of `y` by the tensors `xs`, at the values that the graph gives them.
  std::vector<Operand> import_gradient(const NodeProto& node, const Scope& scope,
                                       std::vector<Operand> inputs) {
    const size_t first = graph().nodes().size();
    ImportContext context(target_, node, opset_, scope.path, std::move(inputs));
    const auto* names = context.find("xs");
    const Operand* y = scope.find(string_attribute(node, "y"));
    HEADRACE_CHECK(names != nullptr);
    if (y == nullptr || y->kind != Operand::Kind::computed)
      throw Unsupported("its y '{}' is computed by no node before it", string_attribute(node, "y"));
    std::vector<ValueId> xs;
    for (int i = 0; i < names->strings_size(); ++i) {
      if (i >= node.input_size() || node.input(i) != names->strings(i))
        throw Unsupported("a gradient by '{}' at another tensor's value", names->strings(i));
      xs.push_back(context.value(static_cast<size_t>(i)));
    }
    const auto gradients = add_gradient(graph(), y->value, xs);
    for (size_t i = 0; i < gradients.size(); ++i) context.result(gradients[i], i);
    auto outputs = context.take_outputs();
    names_.name_nodes(graph(), first, node, outputs);
    return outputs;
  }

  static const onnx::TensorProto* constant_tensor(const NodeProto& node) {
    if (node.op_type() != "Constant") return nullptr;
    for (const auto& attribute : node.attribute())
      if (attribute.name() == "value" && attribute.has_t() &&
          dtype_of_onnx(attribute.t().data_type()))
        return &attribute.t();
    return nullptr;
  }

  std::vector<Operand> import_if(const NodeProto& node, Scope& scope, const Operand& condition) {
    const HostTensor* contents = &condition.data;
    if (condition.kind == Operand::Kind::computed) contents = known_.find(condition.value);
    if (contents == nullptr || !*contents || contents->type.elements() != 1)
      throw Unsupported(
          "its condition is computed from data; only one known before the run is followed");
    const bool holds = to_int64s(*contents)[0] != 0;
    const std::string branch_name = holds ? "then_branch" : "else_branch";
    const auto branch = std::find_if(node.attribute().begin(), node.attribute().end(),
                                     [&](const auto& a) { return a.name() == branch_name; });
    HEADRACE_CHECK(branch != node.attribute().end() && branch->has_g());
    const auto named = std::find_if(node.output().begin(), node.output().end(),
                                    [](const std::string& name) { return !name.empty(); });
    Scope inner{.outer = &scope, .path = scope.path, .names = {}};
    inner.path.emplace_back(named == node.output().end() ? "" : *named, branch_name);
    add_initializers(branch->g(), inner);
    import_nodes(branch->g(), inner);
    std::vector<Operand> outputs;
    for (int i = 0; i < node.output_size(); ++i) {
      const Operand* operand = inner.find(branch->g().output(i).name());
      HEADRACE_CHECK(operand != nullptr, "no value '{}'", branch->g().output(i).name());
      outputs.push_back(*operand);
    }
    return outputs;
  }

  void add_outputs(const Scope& scope) {
    for (const auto& output : main_.output()) {
      const Operand* operand = scope.find(output.name());
      HEADRACE_CHECK(operand != nullptr, "no output '{}'", output.name());
      NodeProto keeper;
      keeper.set_op_type("Identity");
      keeper.add_input(output.name());
      keeper.add_output(output.name());
      ImportContext context(target_, keeper, opset_, {}, {*operand});
      ValueId value = kNoValue;
      try {
        value = context.value(0);
      } catch (const Unsupported& reason) {
        refuse(keeper, fmt::format("output '{}': {}", output.name(), reason.what()));
        continue;
      }
      auto& outputs = graph().outputs;
      const bool plain = graph().value(value).role == Role::computed &&
                         std::find(outputs.begin(), outputs.end(), value) == outputs.end();
      if (plain) {
        graph().value(value).name = output.name();
      } else {
        value = graph().add("Identity", {value});
        graph().value(value).name = output.name();
      }
      outputs.push_back(value);
    }
  }

  void report_dtypes() {
    for (const auto& [dtype, names] : weights_.wrong_dtypes())
      result_.unsupported.push_back(
          {.op = "initializer",
           .domain = "",
           .node = names.front(),
           .why = fmt::format("{} weights of type {}: only f32 weights are trained", names.size(),
                              dtype)});
  }

  ModelSource& source_;
  const LoadOptions& options_;
  int64_t opset_;
  const GraphProto& main_;
  ImportResult result_;
  WeightTable weights_;
  ValueNames names_;
  KnownValues known_;
  ImportTarget target_;
  std::set<std::string> output_names_;
};

}  // namespace

void require_supported(const ImportResult& result) {
  if (result.unsupported.empty()) return;
  std::string list;
  for (const auto& entry : result.unsupported)
    list += fmt::format("\n  {}{}{} '{}': {}", entry.domain,
                        entry.domain.empty() ? "" : "::", entry.op, entry.node, entry.why);
  throw Error("{} of its nodes cannot be used:{}", result.unsupported.size(), list);
}

ImportResult import_model(ModelSource& source, const std::map<std::string, Shape>& input_shapes,
                          const LoadOptions& options) {
  return Importer(source, options).run(input_shapes);
}

}  // namespace headrace
