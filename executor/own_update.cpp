#include "executor/own_update.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "executor/compile.h"
#include "executor/single_pass.h"
#include "graph/error.h"
#include "graph/passes.h"

namespace headrace {
namespace {

// For each value of the update the parameters that it depends on, by position in `update.kept`.
std::vector<std::set<size_t>> parameters_behind(const WrittenUpdate& update,
                                                const Graph& training) {
  std::vector<std::set<size_t>> behind(update.graph.values().size());
  for (size_t k = 0; k < update.kept.size(); ++k) {
    const auto& kept = update.kept[k];
    if (!training.find(kept.name)) continue;
    behind[index(kept.before)].insert(k);
    for (const auto& gradient : update.gradients)
      if (gradient.parameter == kept.name) behind[index(gradient.value)].insert(k);
  }
  for (const Node& node : update.graph.nodes()) {
    std::set<size_t> all;
    for (const ValueId input : node.inputs)
      if (input != kNoValue) all.insert(behind[index(input)].begin(), behind[index(input)].end());
    for (const ValueId output : node.outputs)
      if (output != kNoValue) behind[index(output)] = all;
  }
  return behind;
}

// The update's graph as one device runs it: what lies in a backend's layout is reordered on its way
// in and out, and new contents are put in place behind the last node, when no old ones are read any
// more.
class DeviceGraph {
 public:
  explicit DeviceGraph(const WrittenUpdate& update)
      : update_(update), graph_(without_nodes(update.graph)) {
    for (size_t v = 0; v < graph_.values().size(); ++v) read_as_.push_back(static_cast<ValueId>(v));
  }

  void set_layout(ValueId id, const Layout& layout) {
    if (layout.id == 0) return;
    graph_.value(id).layout = layout;
    Value rows = graph_.value(id);
    rows.name += ":rows";
    rows.role = Role::computed;
    rows.layout = {};
    read_as_[index(id)] = put("Reorder", id, std::move(rows));
  }

  void add_nodes() {
    for (Node node : update_.graph.nodes()) {
      for (ValueId& input : node.inputs)
        if (input != kNoValue) input = read_as_[index(input)];
      graph_.adopt_node(std::move(node));
    }
  }

  StateUpdate replace(const WrittenUpdate::Kept& kept) {
    Value next = graph_.value(kept.before);
    next.name += ":next";
    next.role = Role::computed;
    next.data = {};
    const bool rows = next.layout.id == 0;
    const ValueId from = read_as_[index(kept.after)];
    return {kept.before, put(rows ? "Expand" : "Reorder", from, std::move(next))};
  }

  Graph take() { return std::move(graph_); }

 private:
  ValueId put(const std::string& op, ValueId from, Value made) {
    Node node;
    node.op = op;
    node.name = made.name;
    node.inputs = {from};
    if (op == "Expand") node.attributes = {{"shape", made.type.shape}};
    made.producer = kNoNode;
    const ValueId output = graph_.add_value(std::move(made));
    node.outputs = {output};
    graph_.adopt_node(std::move(node));
    return output;
  }

  const WrittenUpdate& update_;
  Graph graph_;
  std::vector<ValueId> read_as_;
};

}  // namespace

OwnUpdate::OwnUpdate(const WrittenUpdate& update, const Graph& training, const Place& place)
    : rate_(update.rate), step_(update.step) {
  const auto behind = parameters_behind(update, training);
  const auto held = [&](size_t k) {
    const auto id = training.find(update.kept[k].name);
    return id && place.memory->holds(*id);
  };
  DeviceGraph shaped(update);
  for (size_t k = 0; k < update.kept.size(); ++k)
    if (held(k))
      shaped.set_layout(update.kept[k].before,
                        training.value(*training.find(update.kept[k].name)).layout);
  for (const auto& gradient : update.gradients) {
    const auto id = training.find(gradient.parameter);
    if (id && place.memory->holds(*id))
      shaped.set_layout(gradient.value, training.value(*id).layout);
  }
  shaped.add_nodes();
  std::vector<StateUpdate> updates;
  for (size_t k = 0; k < update.kept.size(); ++k) {
    const auto& kept = update.kept[k];
    if (kept.after == kNoValue) continue;
    const auto& needs = behind[index(kept.after)];
    const bool parameter = training.find(kept.name).has_value();
    const bool wanted =
        parameter ? held(k) : needs.empty() || std::any_of(needs.begin(), needs.end(), held);
    if (!wanted) continue;
    for (const size_t other : needs)
      if (!held(other))
        throw Error(
            "the model's own update of '{}' reads '{}', which is on another device; train "
            "on one device",
            kept.name, update.kept[other].name);
    updates.push_back(shaped.replace(kept));
    if (!parameter) states_.push_back(kept);
  }
  graph_ = shaped.take();

  Device& device = place.memory->device();
  memory_ = std::make_unique<DeviceMemory>(device, graph_);
  for (size_t k = 0; k < update.kept.size(); ++k)
    if (held(k))
      memory_->lend_weight(update.kept[k].before,
                           place.memory->weight(*training.find(update.kept[k].name)));
  for (const auto& gradient : update.gradients)
    if (const auto id = training.find(gradient.parameter); id && place.memory->holds(*id))
      if (void* summed = place.gradient(*id)) memory_->lend_slot(gradient.value, 0, summed);

  SinglePass pass = single_pass(graph_);
  PassSpec spec{
      .graph = &graph_, .gradients = {}, .state_updates = std::move(updates), .results = {}};
  pass.plan = live_plan(spec, std::move(pass.plan));
  spec.plan = &pass.plan;
  spec.schedule = &pass.schedule;
  spec.simulation = &pass.simulation;
  TransferTable none(pass.plan, 1);
  program_ = compile_pass(spec, 0, *memory_, none);
  arena_ = device.allocate(static_cast<size_t>(std::max<int64_t>(program_.arena_bytes, 64)));
  workspace_ = device.allocate(std::max<size_t>(program_.workspace_bytes(), 64));
  program_.bind(static_cast<std::byte*>(arena_.data()));
}

void OwnUpdate::feed(ValueId input, double value) {
  if (!memory_->has_slot(input, 0)) return;
  const TensorType& type = graph_.value(input).type;
  // A graph's input, of one element, in row-major order: a number of its dtype.
  std::byte number[sizeof(double)];
  const auto put = [&](auto typed) { std::memcpy(number, &typed, sizeof typed); };
  switch (type.dtype) {
    case DType::f32:
      put(static_cast<float>(value));
      break;
    case DType::f64:
      put(value);
      break;
    case DType::i32:
      put(static_cast<int32_t>(value));
      break;
    default:
      HEADRACE_CHECK(type.dtype == DType::i64);
      put(static_cast<int64_t>(value));
  }
  memory_->device().upload(type, {}, number, memory_->slot(input, 0));
}

void OwnUpdate::run(const StepContext& context, Communicator& link) {
  if (rate_) feed(*rate_, context.learning_rate);
  if (step_) feed(*step_, static_cast<double>(context.step));
  program_.run(memory_->device(), link, context, workspace_.data(),
               std::chrono::steady_clock::now());
}

bool OwnUpdate::holds(const std::string& state) const {
  return std::any_of(states_.begin(), states_.end(),
                     [&](const auto& kept) { return kept.name == state; });
}

HostTensor OwnUpdate::state(const std::string& name) const {
  for (const auto& kept : states_)
    if (kept.name == name) return memory_->read_weight(kept.before);
  HEADRACE_CHECK(false, "no state '{}'", name);
  return {};
}

void OwnUpdate::set_state(const std::string& name, const HostTensor& data) {
  for (const auto& kept : states_)
    if (kept.name == name) memory_->write_weight(kept.before, data);
}

int64_t OwnUpdate::bytes() const {
  return memory_->bytes() + static_cast<int64_t>(arena_.bytes() + workspace_.bytes());
}

}  // namespace headrace
