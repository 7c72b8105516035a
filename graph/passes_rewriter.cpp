#include "graph/passes_rewriter.h"

#include <algorithm>

namespace headrace {

Rewriter::Rewriter(ForwardGraph forward)
    : forward_(std::move(forward)),
      readers_(forward_.graph.consumers()),
      kept_(forward_.graph.values().size(), false) {
  for (const ValueId output : forward_.graph.outputs) kept_[index(output)] = true;
  for (const StateUpdate& update : forward_.state_updates) kept_[index(update.replacement)] = true;
}

NodeId Rewriter::maker_id(ValueId value, std::string_view op) const {
  if (value == kNoValue) return kNoNode;
  const NodeId id = graph().value(value).producer;
  if (id == kNoNode || node(id).op != op || node(id).outputs[0] != value) return kNoNode;
  return id;
}

const Node* Rewriter::maker(ValueId value, std::string_view op) const {
  const NodeId id = maker_id(value, op);
  return id == kNoNode ? nullptr : &node(id);
}

bool Rewriter::is_private(ValueId value) const {
  return readers(value).size() == 1 && !is_kept(value);
}

std::optional<double> Rewriter::number(ValueId id) const {
  if (id == kNoValue) return std::nullopt;
  const Value& value = graph().value(id);
  if (value.role != Role::constant || !is_float(value.type.dtype) || value.type.elements() != 1)
    return std::nullopt;
  return to_doubles(value.data)[0];
}

ValueId Rewriter::add_constant(std::string name, HostTensor data) {
  readers_.emplace_back();
  kept_.push_back(false);
  return forward_.graph.add_constant(std::move(name), std::move(data));
}

ValueId Rewriter::add_output(std::string name, TensorType type) {
  readers_.emplace_back();
  kept_.push_back(false);
  return forward_.graph.add_value({.name = std::move(name), .type = std::move(type)});
}

void Rewriter::link(NodeId id) {
  for (const ValueId input : node(id).inputs) {
    if (input == kNoValue) continue;
    auto& list = readers_[index(input)];
    if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
  }
  for (const ValueId output : node(id).outputs)
    if (output != kNoValue) forward_.graph.value(output).producer = id;
}

std::vector<ValueId> Rewriter::unlink(NodeId id) {
  auto inputs = std::move(forward_.graph.node(id).inputs);
  std::erase(inputs, kNoValue);
  for (const ValueId input : inputs) std::erase(readers_[index(input)], id);
  return inputs;
}

void Rewriter::sweep(const std::vector<ValueId>& values) {
  for (const ValueId value : values) {
    const NodeId maker = graph().value(value).producer;
    if (maker == kNoNode || is_erased(maker)) continue;
    const auto& outputs = node(maker).outputs;
    const bool needed = std::any_of(outputs.begin(), outputs.end(), [&](ValueId v) {
      return v != kNoValue && (is_kept(v) || !readers(v).empty());
    });
    if (!needed) erase(maker);
  }
}

void Rewriter::replace(NodeId place, Node replacement) {
  const auto freed = unlink(place);
  forward_.graph.node(place) = std::move(replacement);
  link(place);
  sweep(freed);
}

void Rewriter::erase(NodeId id) {
  const auto freed = unlink(id);
  forward_.graph.node(id).outputs.clear();
  sweep(freed);
}

void Rewriter::read_instead(ValueId from, ValueId to) {
  const auto moved = std::move(readers_[index(from)]);
  readers_[index(from)].clear();
  for (const NodeId reader : moved) {
    auto& inputs = forward_.graph.node(reader).inputs;
    std::replace(inputs.begin(), inputs.end(), from, to);
    link(reader);
  }
}

bool Rewriter::bypass(NodeId id, ValueId same) {
  const ValueId output = node(id).outputs[0];
  if (!is_kept(output)) {
    read_instead(output, same);
    erase(id);
    return true;
  }
  // The name that must survive goes to the value itself.
  const NodeId maker = graph().value(same).producer;
  if (maker == kNoNode || is_kept(same)) return false;
  unlink(id);
  forward_.graph.node(id).outputs.clear();
  auto& outputs = forward_.graph.node(maker).outputs;
  std::replace(outputs.begin(), outputs.end(), same, output);
  link(maker);
  read_instead(same, output);
  return true;
}

ForwardGraph Rewriter::finish() {
  std::vector<ValueId> roots = graph().outputs;
  for (const StateUpdate& update : forward_.state_updates)
    roots.insert(roots.end(), {update.state, update.replacement});
  std::vector<ValueId> new_value;
  ForwardGraph result;
  result.graph = drop_dead(graph(), roots, &new_value);
  for (const StateUpdate& update : forward_.state_updates)
    result.state_updates.push_back(
        {new_value[index(update.state)], new_value[index(update.replacement)]});
  return result;
}

}  // namespace headrace
