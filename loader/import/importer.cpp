#include "loader/import/importer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "graph/inner_gradient.h"
#include "loader/import/folding.h"
#include "loader/import/function_body.h"
#include "loader/import/naming.h"
#include "loader/import/reach.h"
#include "loader/import/refusal.h"
#include "loader/import/rules.h"
#include "loader/import/stored_tensors.h"
#include "loader/onnx/float_kinds.h"
#include "loader/onnx/size_limit.h"
#include "loader/onnx/stored_tensor.h"
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
  // The body of an operator that ONNX defines by others; null where the nodes stand in the file.
  std::shared_ptr<const GraphProto> body = nullptr;

  const Operand* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
      const auto it = scope->names.find(name);
      if (it != scope->names.end()) return &it->second;
    }
    return nullptr;
  }
};

// A trip count from the file asks for memory; beyond this it is a mistake or an attack.
constexpr int64_t kMostNodesInBodies = 100'000;

class Importer {
 public:
  Importer(ModelSource& source, const LoadOptions& options)
      : source_(source),
        options_(options),
        opset_(opset_version(*source.imported())),
        main_(source.imported()->graph()),
        reach_(find_reach(main_)),
        weights_(result_.forward.graph, options, reach_, source),
        types_(computed_types(main_, reach_, options.training)),
        tensors_(source, weights_, types_),
        names_(*source.imported()),
        known_(graph(), options.evaluate) {
    target_ = {.graph = &graph(),
               .weights = &weights_,
               .training = options.training && !options.as_exported,
               .draws = options.draw,
               .known = &known_,
               .types = types_};
    for (const auto& output : main_.output()) output_names_.insert(output.name());
  }

  ImportResult run(const std::map<std::string, Shape>& input_shapes) {
    Scope scope;
    tensors_.add_initializers(main_, scope.path, scope.names);
    add_inputs(input_shapes, scope);
    import_nodes(main_, scope);
    if (result_.unsupported.empty()) add_outputs(scope);
    for (std::string& note : tensors_.notes()) result_.notes.push_back(std::move(note));
    note_passes();
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

  void add_inputs(const std::map<std::string, Shape>& shapes, Scope& scope) {
    for (const auto& input : main_.input()) {
      if (scope.names.count(input.name()) > 0) continue;
      const auto& type = input.type();
      std::optional<DType> known;
      if (type.has_tensor_type()) known = dtype_of_onnx(type.tensor_type().elem_type());
      const auto shape = shapes.find(input.name());
      if (!known || shape == shapes.end()) {
        scope.names[input.name()] = unreadable(
            type.has_tensor_type()
                ? fmt::format("a tensor of type {}", onnx_type_name(type.tensor_type().elem_type()))
                : "a sequence, map or optional");
        continue;
      }
      const DType dtype = known.value();
      if (const auto fixed = options_.fixed_inputs.find(input.name());
          fixed != options_.fixed_inputs.end()) {
        const TensorType expected{dtype, shape->second};
        if (fixed->second.type != expected)
          throw Error("input '{}' is {} but the fixed tensor given is {}", input.name(),
                      to_string(expected), to_string(fixed->second.type));
        scope.names[input.name()] =
            constant_operand(converted(fixed->second, types_.of(dtype)), input.name());
        continue;
      }
      const DType computed = types_.of(dtype);
      const ValueId value =
          graph().add_input(input.name(), {options_.training ? computed : dtype, shape->second});
      scope.names[input.name()] = {.kind = Operand::Kind::computed,
                                   .value = cast(value, computed, input.name() + "/Cast")};
      const auto contents = options_.input_contents.find(input.name());
      if (contents != options_.input_contents.end() &&
          contents->second.type == graph().value(value).type)
        known_.set(value, contents->second);
    }
  }

  ValueId cast(ValueId value, DType dtype, const std::string& name) {
    if (graph().value(value).type.dtype == dtype) return value;
    const ValueId result = graph().add("Cast", {value}, {{"to", std::string(name_of(dtype))}},
                                       Phase::forward, kNoNode, name);
    graph().value(result).name = name;
    return result;
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
    } catch (const Refused&) {
      // Its nodes were refused one by one.
    } catch (const Unsupported& reason) {
      refuse(node, reason.what());
    } catch (const Error& error) {
      refuse(node, error.what());
    } catch (const std::out_of_range&) {
      refuse(node, "an input, a dimension or an attribute that it needs is not there");
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
      // The body that ONNX gives for an ill-formed operator may lack one.
      if (operand == nullptr) throw Unsupported("no node makes its input '{}'", name);
      if (operand->kind == Operand::Kind::failed) {
        if (operand->name.empty()) return std::nullopt;
        throw Unsupported("its input '{}' is {}", name, operand->name);
      }
      inputs.push_back(*operand);
    }
    return inputs;
  }

  std::vector<Operand> apply(const NodeProto& node, Scope& scope, std::vector<Operand> inputs) {
    if (operator_name(node) == kGradientOperator)
      return import_gradient(node, scope, std::move(inputs));
    if (scope.body == nullptr) {
      if (const auto held = tensors_.held_by(node, inputs, scope.path))
        return node.op_type() == "Constant" ? std::vector{*held} : charged({*held});
    } else if (node.op_type() == "Constant") {
      if (const auto data = read_constant(node, scope.body, *source_.external))
        return {constant_operand(converted(*data, types_.of(data->type.dtype)))};
    }
    if (find_rule(operator_name(node)) == nullptr)
      return import_function(node, scope, std::move(inputs));
    Subgraphs subgraphs(*this, node, scope);
    auto outputs = apply_rule({.proto = node,
                               .opset = opset_,
                               .path = scope.path,
                               .in_file = scope.body == nullptr,
                               .subgraphs = &subgraphs},
                              std::move(inputs));
    if (node.op_type() == "Identity" && scope.path.empty() &&
        output_names_.count(node.output(0)) == 0)
      outputs[0].alias = node.output(0);
    return outputs;
  }

  // The derivatives of `y` by the tensors `xs`, at the values that the graph gives them.
  std::vector<Operand> import_gradient(const NodeProto& node, const Scope& scope,
                                       std::vector<Operand> inputs) {
    const size_t first = graph().nodes().size();
    ImportContext context(target_, {.proto = node, .opset = opset_, .path = scope.path},
                          std::move(inputs));
    const auto* names = context.find("xs");
    const Operand* y = scope.find(string_attribute(node, "y"));
    if (names == nullptr) throw Unsupported("it has no xs: the tensors that it derives by");
    if (y == nullptr || y->kind != Operand::Kind::computed)
      throw Unsupported("its y '{}' is computed by no node before it", string_attribute(node, "y"));
    if (node.output_size() > names->strings_size())
      throw Unsupported("{} outputs for {} tensors", node.output_size(), names->strings_size());
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

  std::vector<Operand> apply_rule(const ImportedNode& node, std::vector<Operand> inputs) {
    const ImportRule* rule = find_rule(operator_name(node.proto));
    HEADRACE_CHECK(rule != nullptr, "no rule for {}", node.proto.op_type());
    if (can_fold(node.proto, inputs) && options_.evaluate)
      return charged(fold(*rule, node, target_, std::move(inputs), options_.evaluate));
    const size_t first = graph().nodes().size();
    ImportContext context(target_, node, std::move(inputs));
    rule->apply(context);
    auto outputs = context.take_outputs();
    // What a subgraph holds has names of its own.
    if (!has_subgraph(node.proto)) names_.name_nodes(graph(), first, node.proto, outputs);
    return outputs;
  }

  // What the file only describes is counted, so that no file can ask for any amount of memory.
  std::vector<Operand> charged(std::vector<Operand> made) {
    for (const Operand& operand : made)
      if (operand.has_data()) constant_bytes_ += operand.data.type.bytes();
    if (constant_bytes_ > kLargestConstants)
      throw Unsupported("the constants before it and it take {} bytes", constant_bytes_);
    return made;
  }

  std::vector<Operand> import_function(const NodeProto& node, const Scope& outer,
                                       std::vector<Operand> arguments) {
    std::vector<std::optional<TensorType>> types;
    for (const Operand& operand : arguments) {
      if (operand.kind == Operand::Kind::computed)
        types.emplace_back(graph().value(operand.value).type);
      else if (operand.has_data())
        types.emplace_back(operand.data.type);
      else
        types.emplace_back();
    }
    const auto body = function_body(*source_.imported(), node, types);
    if (body == nullptr) throw Unsupported("the operator is not supported");
    // Inputs at the end may be left out altogether.
    arguments.resize(static_cast<size_t>(body->input_size()));
    return import_nodes_of(*body, std::move(arguments),
                           {.outer = nullptr, .path = outer.path, .names = {}, .body = body});
  }

  // The bodies of one node's subgraphs see the names around it.
  class Subgraphs : public SubgraphImporter {
   public:
    Subgraphs(Importer& importer, const NodeProto& owner, const Scope& scope)
        : importer_(importer), owner_(owner), scope_(scope) {}

    std::vector<Operand> import_body(const onnx::AttributeProto& body,
                                     std::vector<Operand> arguments) override {
      return importer_.import_body(owner_, body, std::move(arguments), scope_);
    }
    std::vector<Operand> import_extra(const NodeProto& node, std::vector<Operand> inputs) override {
      return importer_.apply_rule(
          {.proto = node, .opset = importer_.opset_, .path = scope_.path, .in_file = false},
          std::move(inputs));
    }

   private:
    Importer& importer_;
    const NodeProto& owner_;
    const Scope& scope_;
  };

  std::vector<Operand> import_body(const NodeProto& owner, const onnx::AttributeProto& body,
                                   std::vector<Operand> arguments, const Scope& outer) {
    const GraphProto& proto = body.g();
    if (static_cast<size_t>(proto.input_size()) != arguments.size())
      throw Unsupported("its {} takes {} inputs, {} are given", body.name(), proto.input_size(),
                        arguments.size());
    ++passes_[{owner.op_type(), label_of(owner)}];
    Scope inner{.outer = &outer, .path = outer.path, .names = {}, .body = outer.body};
    inner.path.emplace_back(first_output(owner), body.name());
    if (inner.body == nullptr) tensors_.add_initializers(proto, inner.path, inner.names);
    return import_nodes_of(proto, std::move(arguments), std::move(inner));
  }

  // The outputs of `proto`, its inputs being the arguments.
  std::vector<Operand> import_nodes_of(const GraphProto& proto, std::vector<Operand> arguments,
                                       Scope inner) {
    nodes_in_bodies_ += proto.node_size() + 1;
    if (nodes_in_bodies_ > kMostNodesInBodies)
      throw Unsupported("more than {} nodes once its passes are written out", kMostNodesInBodies);
    for (size_t i = 0; i < arguments.size(); ++i)
      inner.names[proto.input(static_cast<int>(i)).name()] = std::move(arguments[i]);
    const size_t refused = result_.unsupported.size();
    import_nodes(proto, inner);
    std::vector<Operand> outputs;
    for (const auto& output : proto.output()) {
      const Operand* operand = inner.find(output.name());
      HEADRACE_CHECK(operand != nullptr, "no value '{}'", output.name());
      outputs.push_back(*operand);
    }
    if (result_.unsupported.size() > refused ||
        std::any_of(outputs.begin(), outputs.end(),
                    [](const Operand& o) { return o.kind == Operand::Kind::failed; }))
      throw Refused();
    return outputs;
  }

  static std::string first_output(const NodeProto& node) {
    for (const std::string& output : node.output())
      if (!output.empty()) return output;
    return {};
  }
  static std::string label_of(const NodeProto& node) {
    return node.name().empty() ? first_output(node) : node.name();
  }

  void note_passes() {
    int decided = 0;
    for (const auto& [node, passes] : passes_) {
      if (node.first == "If")
        decided += 1;
      else
        result_.notes.push_back(
            fmt::format("{} '{}' is written out: {} passes", node.first, node.second, passes));
    }
    if (decided > 0)
      result_.notes.push_back(
          fmt::format("{} If node{} whose condition is known: one branch is kept", decided,
                      decided == 1 ? "" : "s"));
  }

  void add_outputs(const Scope& scope) {
    for (const auto& output : main_.output()) {
      const Operand* operand = scope.find(output.name());
      HEADRACE_CHECK(operand != nullptr, "no output '{}'", output.name());
      NodeProto keeper;
      keeper.set_op_type("Identity");
      keeper.add_input(output.name());
      keeper.add_output(output.name());
      ImportContext context(target_, {.proto = keeper, .opset = opset_, .in_file = false},
                            {*operand});
      ValueId value = kNoValue;
      try {
        value = context.value(0);
        if (value == kNoValue) throw Unsupported("its node does not compute it");
      } catch (const Unsupported& reason) {
        refuse(keeper, fmt::format("output '{}': {}", output.name(), reason.what()));
        continue;
      }
      value = as_declared(value, output);
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

  // As declared, so that a run gives what the file promises; training goes on in f32.
  ValueId as_declared(ValueId value, const onnx::ValueInfoProto& output) {
    const auto declared = output.type().has_tensor_type()
                              ? dtype_of_onnx(output.type().tensor_type().elem_type())
                              : std::optional<DType>();
    const DType dtype = graph().value(value).type.dtype;
    const bool narrowed = declared && *declared != dtype && types_.of(*declared) == dtype;
    if (!narrowed || options_.training) return value;
    return cast(value, *declared, output.name());
  }

  ModelSource& source_;
  const LoadOptions& options_;
  int64_t opset_;
  const GraphProto& main_;
  ImportResult result_;
  Reach reach_;
  WeightTable weights_;
  ComputedTypes types_;
  StoredTensors tensors_;
  ValueNames names_;
  KnownValues known_;
  ImportTarget target_;
  std::set<std::string> output_names_;
  std::map<std::pair<std::string, std::string>, int> passes_;  // by operator and name
  int64_t nodes_in_bodies_ = 0;
  int64_t constant_bytes_ = 0;  // of those that the file only describes
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
