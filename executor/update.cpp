#include "executor/update.h"

#include <fmt/format.h>

#include "graph/error.h"

namespace headrace {
namespace {

class UpdateCompiler {
 public:
  UpdateCompiler(const UpdateSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
                 std::vector<Transfer>& transfers)
      : spec_(spec),
        graph_(*spec.graph),
        memories_(memories),
        transfers_(transfers),
        devices_(memories.size() / static_cast<size_t>(spec.replicas)) {}

  std::vector<UpdatePrograms> compile() {
    std::vector<UpdatePrograms> programs(memories_.size());
    for (size_t d = 0; d < memories_.size(); ++d) reduce(programs[d].gather, d);
    share_states(programs);
    exchange(programs);
    for (size_t d = 0; d < memories_.size(); ++d)
      for (const auto& gradient : *spec_.gradients)
        if (memories_[d] && holds(d, gradient.parameter)) finish(programs[d], d, gradient);
    return programs;
  }

 private:
  bool holds(size_t device, ValueId parameter) const {
    return (*spec_.holds)[device].contains(parameter);
  }

  // The device that makes a value in the replica that `device` belongs to.
  size_t home(ValueId value, size_t device) const {
    return device - device % devices_ +
           static_cast<size_t>(spec_.device_of_node[index(graph_.value(value).producer)]);
  }

  // Sums what this device owns in the order of the replicas, and takes over what others summed.
  void reduce(DeviceProgram& gather, size_t device) {
    const DeviceReduction& reduction = (*spec_.reductions)[device];
    for (const auto& [stage, posts] : reduction.posts)
      for (const size_t t : posts) gather.add(InstructionKind::wait_receive, t);
    if (memories_[device])
      for (const ValueId contribution : reduction.owned) sum_up(gather, device, contribution);
    for (const auto& [stage, sends] : reduction.sends)
      for (const size_t t : sends) gather.add(InstructionKind::wait_send, t);
    for (const size_t t : reduction.sum_posts) gather.add(InstructionKind::post_receive, t);
    for (const size_t t : reduction.sum_sends) gather.add(InstructionKind::start_send, t);
    for (const size_t t : reduction.sum_posts) gather.add(InstructionKind::wait_receive, t);
    for (const size_t t : reduction.sum_sends) gather.add(InstructionKind::wait_send, t);
  }

  void sum_up(DeviceProgram& gather, size_t device, ValueId contribution) {
    DeviceMemory& memory = *memories_[device];
    const auto mine = static_cast<int>(device / devices_);
    const auto place = [&](int replica) {
      return Place{.address = replica == mine ? memory.gradient(contribution)
                                              : received_gradient(memory, contribution, replica)};
    };
    const Kernel& add = prepare(gather, memory, "Add", {}, contribution, 2, 1);
    // The sum so far lies with the first replica's, and from this device's turn on in its own.
    for (int replica = 1; replica < spec_.replicas; ++replica) {
      const Place sum = place(replica < mine ? 0 : mine);
      gather.add_call(add, {sum, place(replica == mine ? 0 : replica)}, {sum});
    }
  }

  void share_states(std::vector<UpdatePrograms>& programs) {
    if (spec_.replicas == 1) return;
    std::map<size_t, std::vector<ValueId>> states;  // by device of the first replica
    for (const auto& [state, replacement] : *spec_.state_updates)
      if (const size_t device = home(replacement, 0); holds(device, state))
        states[device].push_back(state);
    for (const auto& [from, updated] : states)
      for (size_t to = from + devices_; to < memories_.size(); to += devices_) {
        Transfer transfer{static_cast<int>(from), static_cast<int>(to), {}, "running statistics"};
        for (const ValueId state : updated)
          transfer.parts.push_back(
              {.source = memories_[from] ? memories_[from]->weight(state) : nullptr,
               .target = memories_[to] ? memories_[to]->weight(state) : nullptr,
               .bytes = static_cast<size_t>(graph_.value(state).bytes())});
        programs[to].gather.add(InstructionKind::post_receive, transfers_.size());
        programs[from].gather.add(InstructionKind::start_send, transfers_.size());
        programs[to].gather.add(InstructionKind::wait_receive, transfers_.size());
        programs[from].gather.add(InstructionKind::wait_send, transfers_.size());
        transfers_.push_back(std::move(transfer));
      }
  }

  // Every holder of a parameter gets the contributions that were made elsewhere. All receives are
  // posted and all sends started before anything is waited for.
  void exchange(std::vector<UpdatePrograms>& programs) {
    std::vector<std::vector<size_t>> sends(memories_.size()), receives(memories_.size());
    for (const auto& gradient : *spec_.gradients) {
      for (const ValueId contribution : gradient.contributions) {
        for (size_t to = 0; to < memories_.size(); ++to) {
          const size_t from = home(contribution, to);
          if (to == from || !holds(to, gradient.parameter)) continue;
          const Value& value = graph_.value(contribution);
          const TransferPart part{
              .source = memories_[from] ? memories_[from]->gradient(contribution) : nullptr,
              .target = memories_[to] ? memories_[to]->slot(contribution, 0) : nullptr,
              .bytes = static_cast<size_t>(value.bytes())};
          transfers_.push_back({.from = static_cast<int>(from),
                                .to = static_cast<int>(to),
                                .parts = {part},
                                .name = fmt::format("the gradient '{}'", value.name)});
          sends[from].push_back(transfers_.size() - 1);
          receives[to].push_back(transfers_.size() - 1);
        }
      }
    }
    for (size_t d = 0; d < memories_.size(); ++d) {
      DeviceProgram& gather = programs[d].gather;
      for (const size_t t : receives[d]) gather.add(InstructionKind::post_receive, t);
      for (const size_t t : sends[d]) gather.add(InstructionKind::start_send, t);
      for (const size_t t : receives[d]) gather.add(InstructionKind::wait_receive, t);
      for (const size_t t : sends[d]) gather.add(InstructionKind::wait_send, t);
    }
  }

  void finish(UpdatePrograms& programs, size_t d, const ParameterGradient& gradient) {
    DeviceMemory& memory = *memories_[d];
    const auto place = [&](ValueId contribution) {
      return Place{.address = home(contribution, d) == d ? memory.gradient(contribution)
                                                         : memory.slot(contribution, 0)};
    };
    const Place sum = place(gradient.contributions.at(0));
    for (size_t c = 1; c < gradient.contributions.size(); ++c)
      programs.gather.add_call(
          prepare(programs.gather, memory, "Add", {}, gradient.parameter, 2, 1),
          {sum, place(gradient.contributions[c])}, {sum});
    programs.gradient[gradient.parameter] = sum.address;
    if (spec_.norms) {
      void* norm = memory.scalar(gradient.parameter);
      programs.gather.add_call(
          prepare(programs.gather, memory, "SquaredNorm", {}, gradient.parameter, 1, 1), {sum},
          {{.address = norm}});
      programs.squared_norm[gradient.parameter] = norm;
    }

    if (!spec_.apply) return;
    const auto states = optimizer_state_names(spec_.optimizer);
    std::vector<Place> outputs{{.address = memory.weight(gradient.parameter)}};
    std::vector<Place> inputs{outputs[0], sum};
    for (const auto& state : states) {
      const Place at{.address = memory.optimizer_state(gradient.parameter, state)};
      inputs.push_back(at);
      outputs.push_back(at);
    }
    programs.apply.add_call(prepare(programs.apply, memory, update_op(spec_.optimizer),
                                    update_attributes(spec_.optimizer), gradient.parameter,
                                    inputs.size(), outputs.size()),
                            inputs, outputs, StepUse{.reads = true});
  }

  // A kernel whose tensors are all like the parameter or gradient, save SquaredNorm's scalar
  // result.
  const Kernel& prepare(DeviceProgram& program, DeviceMemory& memory, const std::string& op,
                        Attributes attributes, ValueId like, size_t inputs, size_t outputs) {
    const Value& value = graph_.value(like);
    Node node;
    node.op = op;
    node.name = fmt::format("{} of {}", op, value.name);
    node.inputs.assign(inputs, like);
    node.outputs.assign(outputs, like);
    node.attributes = std::move(attributes);
    node.phase = Phase::update;
    KernelRequest request = kernel_request(graph_, node);
    request.constants.assign(inputs, {});
    if (op == "SquaredNorm") {
      request.output_types = {{DType::f64, {}}};
      request.output_layouts = {Layout{}};
    }
    return program.keep(memory.device().prepare(request));
  }

  const UpdateSpec& spec_;
  const Graph& graph_;
  const std::vector<std::unique_ptr<DeviceMemory>>& memories_;
  std::vector<Transfer>& transfers_;
  const size_t devices_;  // of a replica
};

}  // namespace

std::vector<UpdatePrograms> compile_updates(
    const UpdateSpec& spec, const std::vector<std::unique_ptr<DeviceMemory>>& memories,
    std::vector<Transfer>& transfers) {
  return UpdateCompiler(spec, memories, transfers).compile();
}

}  // namespace headrace
