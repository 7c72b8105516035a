#include <algorithm>
#include <limits>

#include "loader/import/rules.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {
namespace {

using Operands = std::vector<Operand>;

const onnx::AttributeProto& body_of(const ImportContext& c, std::string_view attribute) {
  const auto* body = c.find(attribute);
  if (body == nullptr || !body->has_g()) throw Unsupported("it has no {}", attribute);
  return *body;
}

// A condition or trip count, which must be known before the run.
bool truth_of(const ImportContext& c, const Operand& operand, std::string_view what) {
  const HostTensor* contents = c.contents(operand);
  if (contents == nullptr || contents->type.elements() != 1)
    throw Unsupported("{} is computed from data; only one known before the run is followed", what);
  if (is_float(contents->type.dtype)) throw Unsupported("{} is a float", what);
  return to_int64s(*contents)[0] != 0;
}

void if_(ImportContext& c) {
  const bool holds = truth_of(c, c.operand(0), "its condition");
  const auto& branch = body_of(c, holds ? "then_branch" : "else_branch");
  const Operands outputs = c.subgraphs().import_body(branch, {});
  for (size_t i = 0; i < outputs.size(); ++i) c.result(outputs[i], i);
}

// Loops: what a body makes in each pass is collected and put together along a new axis.

onnx::NodeProto extra_node(const ImportContext& c, std::string op, std::string output) {
  onnx::NodeProto node;
  node.set_op_type(std::move(op));
  node.set_name(c.node().name().empty() ? c.node().output(0) : c.node().name());
  node.add_output(std::move(output));
  return node;
}

void set_int(onnx::NodeProto& node, const char* name, int64_t value) {
  auto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

Operands unstack(ImportContext& c, const Operand& stacked, int64_t axis) {
  onnx::NodeProto node = extra_node(c, "SplitToSequence", "");
  node.add_input("");
  set_int(node, "axis", axis);
  set_int(node, "keepdims", 0);
  return *c.subgraphs().import_extra(node, {stacked}).at(0).items;
}

Operand stack(ImportContext& c, Operands items, int64_t axis, const std::string& name) {
  onnx::NodeProto node = extra_node(c, "ConcatFromSequence", name);
  node.add_input("");
  set_int(node, "axis", axis);
  set_int(node, "new_axis", 1);
  const Operand sequence{.kind = Operand::Kind::sequence,
                         .items = std::make_shared<const Operands>(std::move(items))};
  return c.subgraphs().import_extra(node, {sequence}).at(0);
}

// Of a loop without a pass: the body's declaration says what would have been stacked.
Operand nothing_stacked(const onnx::ValueInfoProto& output, int64_t axis) {
  const auto& type = output.type().tensor_type();
  const auto dtype = dtype_of_onnx(type.elem_type());
  Shape shape;
  for (const auto& dim : type.shape().dim()) {
    if (!dim.has_dim_value()) shape.clear();
    if (!dim.has_dim_value()) break;
    shape.push_back(dim.dim_value());
  }
  if (!dtype || static_cast<int>(shape.size()) != type.shape().dim_size() || !type.has_shape())
    throw Unsupported("it makes no pass and its body does not declare the shape of '{}'",
                      output.name());
  shape.insert(shape.begin() + normalize_axis(axis, static_cast<int64_t>(shape.size()) + 1), 0);
  return constant_operand(allocate_host_tensor({*dtype, shape}).first);
}

std::string output_name(const ImportContext& c, size_t output) {
  return c.wants(output) ? c.node().output(static_cast<int>(output)) : std::string();
}

// M, condition, carried... -> carried..., stacked...; its body: number, condition, carried... ->
// condition, carried..., stacked...
void loop(ImportContext& c) {
  const auto& body = body_of(c, "body");
  const auto outputs = static_cast<size_t>(body.g().output_size());
  if (c.input_count() < 2 || outputs + 1 < c.input_count())
    throw Unsupported("its body gives {} values for {} carried", outputs, c.input_count());
  const size_t carried = c.input_count() - 2;
  if (!c.has(0) && !c.has(1)) throw Unsupported("it has neither a trip count nor a condition");
  const int64_t trips =
      c.has(0) ? c.ints(0, "trip count").at(0) : std::numeric_limits<int64_t>::max();
  bool goes_on = !c.has(1) || truth_of(c, c.operand(1), "its condition");

  Operands values;
  for (size_t i = 0; i < carried; ++i) values.push_back(c.operand(i + 2));
  std::vector<Operands> collected(outputs - 1 - carried);
  for (int64_t pass = 0; pass < trips && goes_on; ++pass) {
    Operands arguments = {constant_operand(scalar_tensor(pass)),
                          constant_operand(scalar_tensor(true))};
    arguments.insert(arguments.end(), values.begin(), values.end());
    Operands made = c.subgraphs().import_body(body, std::move(arguments));
    goes_on = truth_of(c, made[0], "the condition of its next pass");
    for (size_t i = 0; i < carried; ++i) values[i] = std::move(made[i + 1]);
    for (size_t i = 0; i < collected.size(); ++i)
      collected[i].push_back(std::move(made[i + 1 + carried]));
  }
  for (size_t i = 0; i < carried; ++i) c.result(values[i], i);
  for (size_t i = 0; i < collected.size(); ++i) {
    if (!c.wants(carried + i)) continue;
    c.result(collected[i].empty()
                 ? nothing_stacked(body.g().output(static_cast<int>(1 + carried + i)), 0)
                 : stack(c, std::move(collected[i]), 0, output_name(c, carried + i)),
             carried + i);
  }
}

// One scan: states and the slices of each scanned input, in the order in which they are met.
struct Scanned {
  Operands states;
  std::vector<Operands> outputs;  // of each pass
};

Scanned run_scan(ImportContext& c, const onnx::AttributeProto& body, Operands states,
                 const std::vector<Operands>& inputs) {
  Scanned result{.states = std::move(states), .outputs = {}};
  result.outputs.resize(static_cast<size_t>(body.g().output_size()) - result.states.size());
  for (size_t pass = 0; pass < inputs[0].size(); ++pass) {
    Operands arguments = result.states;
    for (const Operands& input : inputs) {
      if (input.size() != inputs[0].size())
        throw Unsupported("inputs of {} and {} slices are scanned together", inputs[0].size(),
                          input.size());
      arguments.push_back(input[pass]);
    }
    Operands made = c.subgraphs().import_body(body, std::move(arguments));
    for (size_t i = 0; i < result.states.size(); ++i) result.states[i] = std::move(made[i]);
    for (size_t i = 0; i < result.outputs.size(); ++i)
      result.outputs[i].push_back(std::move(made[i + result.states.size()]));
  }
  return result;
}

// Attribute `name` for number `i` of a list that may be left out.
int64_t entry_of(const std::vector<int64_t>& list, size_t i, std::string_view name, size_t count) {
  if (list.empty()) return 0;
  if (list.size() != count) throw Unsupported("{} {} for {} tensors", list.size(), name, count);
  return list[i];
}

// A weight that is scanned is read by this node, so that its copies can be told apart.
Operand scanned_operand(ImportContext& c, size_t input) {
  if (c.operand(input).kind != Operand::Kind::weight) return c.operand(input);
  return {.kind = Operand::Kind::computed, .value = c.value(input)};
}

// states..., scanned... -> states..., stacked... The form before opset 9 has the lengths in front
// and a leading axis of the batch, each entry of which is scanned for itself.
void scan(ImportContext& c) {
  const auto& body = body_of(c, "body");
  const bool batched = c.opset() < 9;
  const size_t first = batched ? 1 : 0;
  const int64_t count = c.get_int("num_scan_inputs", 0);
  const auto body_outputs = static_cast<size_t>(body.g().output_size());
  if (count < 1 || c.input_count() < first + static_cast<size_t>(count))
    throw Unsupported("{} scanned of {} inputs", count, c.input_count());
  const auto scanned = static_cast<size_t>(count);
  const size_t carried = c.input_count() - first - scanned;
  if (body_outputs < carried)
    throw Unsupported("its body gives {} values for {} carried", body_outputs, carried);
  if (batched && c.has(0)) throw Unsupported("sequence_lens");

  const auto input_axes = c.get_ints("scan_input_axes");
  const auto input_directions = c.get_ints(batched ? "directions" : "scan_input_directions");
  const auto in_order = [&](Operands slices, size_t i) {
    if (entry_of(input_directions, i, "directions", scanned) != 0)
      std::reverse(slices.begin(), slices.end());
    return slices;
  };
  const size_t made = body_outputs - carried;
  const auto output_axes = c.get_ints("scan_output_axes");
  const auto output_directions = c.get_ints("scan_output_directions");
  const auto stacked = [&](Operands passes, size_t i, const std::string& name) {
    const int64_t axis = entry_of(output_axes, i, "axes", made);
    if (passes.empty())
      return nothing_stacked(body.g().output(static_cast<int>(carried + i)), axis);
    if (entry_of(output_directions, i, "directions", made) != 0)
      std::reverse(passes.begin(), passes.end());
    return stack(c, std::move(passes), axis, name);
  };

  Operands states;
  for (size_t i = 0; i < carried; ++i) states.push_back(c.operand(first + i));
  if (!batched) {
    std::vector<Operands> inputs;
    for (size_t i = 0; i < scanned; ++i)
      inputs.push_back(in_order(
          unstack(c, scanned_operand(c, carried + i), entry_of(input_axes, i, "axes", scanned)),
          i));
    Scanned result = run_scan(c, body, std::move(states), inputs);
    for (size_t i = 0; i < carried; ++i) c.result(result.states[i], i);
    for (size_t i = 0; i < made; ++i)
      if (c.wants(carried + i))
        c.result(stacked(std::move(result.outputs[i]), i, output_name(c, carried + i)),
                 carried + i);
    return;
  }

  std::vector<Operands> states_of, inputs_of;  // of each operand, by batch entry
  for (size_t i = 0; i < carried; ++i)
    states_of.push_back(unstack(c, scanned_operand(c, 1 + i), 0));
  for (size_t i = 0; i < scanned; ++i)
    inputs_of.push_back(unstack(c, scanned_operand(c, 1 + carried + i), 0));
  std::vector<Operands> outputs(carried + made);
  for (size_t b = 0; b < inputs_of[0].size(); ++b) {
    Operands start;
    for (const Operands& operands : states_of) start.push_back(operands.at(b));
    std::vector<Operands> inputs;
    for (size_t i = 0; i < scanned; ++i)
      inputs.push_back(in_order(unstack(c, inputs_of[i].at(b), 0), i));
    Scanned result = run_scan(c, body, std::move(start), inputs);
    for (size_t i = 0; i < carried; ++i) outputs[i].push_back(std::move(result.states[i]));
    for (size_t i = 0; i < made; ++i)
      outputs[carried + i].push_back(stacked(std::move(result.outputs[i]), i, ""));
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (c.wants(i)) c.result(stack(c, std::move(outputs[i]), 0, output_name(c, i)), i);
}

}  // namespace

std::span<const ImportRule> control_flow_rules() {
  static constexpr ImportRule kRules[] = {{"If", if_}, {"Loop", loop}, {"Scan", scan}};
  return kRules;
}

}  // namespace headrace
