#include "executor/pipeline.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "executor/compile.h"
#include "graph/error.h"
#include "graph/passes.h"
#include "scheduler/lower.h"

namespace headrace {
namespace {

Schedule forward_only(Schedule schedule) {
  for (auto& actions : schedule.devices) {
    std::vector<Action> kept;
    for (Action action : actions) {
      if (action.kind == ActionKind::overlap)
        action = {
            .kind = ActionKind::forward, .stage = action.stage, .microbatch = action.microbatch};
      if (action.kind == ActionKind::forward) kept.push_back(action);
    }
    actions = std::move(kept);
  }
  return schedule;
}

// The messages of a transfer table, once every device's program is compiled and its arena is there.
std::vector<Transfer> settle(const TransferTable& table, const std::vector<Buffer>& arenas) {
  const auto arena = [&](int device) {
    return static_cast<std::byte*>(arenas[static_cast<size_t>(device)].data());
  };
  std::vector<Transfer> settled;
  for (const PlannedTransfer& planned : table.transfers) {
    Transfer transfer{planned.from_device, planned.to_device, {}};
    for (const auto& part : planned.parts)
      transfer.parts.push_back({resolve(part.source, arena(planned.from_device)),
                                resolve(part.target, arena(planned.to_device)),
                                static_cast<size_t>(part.bytes)});
    settled.push_back(std::move(transfer));
  }
  return settled;
}

}  // namespace

Pipeline::Pipeline(PipelineSpec spec, std::vector<std::unique_ptr<Device>> devices)
    : spec_(std::move(spec)), devices_(std::move(devices)) {
  const Graph& graph = spec_.training.graph;
  HEADRACE_CHECK(spec_.plan.devices() <= static_cast<int>(devices_.size()));
  for (auto& device : devices_) memories_.push_back(std::make_unique<DeviceMemory>(*device, graph));
  roots_ = storage_roots(graph);
  device_of_value_.assign(graph.values().size(), -1);
  for (size_t s = 0; s < spec_.plan.nodes.size(); ++s)
    for (const NodeId node : spec_.plan.nodes[s])
      for (const ValueId output : graph.node(node).outputs)
        if (output != kNoValue) device_of_value_[index(output)] = spec_.plan.device[s];

  const TransferTable training_transfers = compile({.graph = &graph,
                                                    .gradients = spec_.training.gradients,
                                                    .state_updates = spec_.training.state_updates,
                                                    .results = {spec_.training.loss}},
                                                   spec_.schedule, training_programs_);
  evaluation_graph_ = inference_graph(spec_.training);
  std::vector<ValueId> results = spec_.metrics;
  results.push_back(spec_.training.loss);
  const TransferTable evaluation_transfers =
      compile({.graph = &evaluation_graph_,
               .gradients = {},
               .state_updates = {},
               .results = std::move(results)},
              forward_only(spec_.schedule), evaluation_programs_);

  std::vector<int> device_of_node(graph.nodes().size(), -1);
  for (size_t s = 0; s < spec_.plan.nodes.size(); ++s)
    for (const NodeId node : spec_.plan.nodes[s])
      device_of_node[index(node)] = spec_.plan.device[s];
  std::vector<Transfer> update_transfers;
  update_programs_ = compile_updates({.graph = &graph,
                                      .gradients = &spec_.training.gradients,
                                      .optimizer = spec_.optimizer,
                                      .apply = !spec_.update,
                                      .norms = spec_.clip_norm > 0,
                                      .device_of_node = std::move(device_of_node)},
                                     memories_, update_transfers);

  for (size_t d = 0; spec_.update && d < devices_.size(); ++d) {
    const auto gradient = [this, d](ValueId parameter) -> void* {
      const auto it = update_programs_[d].gradient.find(parameter);
      return it == update_programs_[d].gradient.end() ? nullptr : const_cast<void*>(it->second);
    };
    own_updates_.push_back(std::make_unique<OwnUpdate>(
        *spec_.update, graph, OwnUpdate::Place{memories_[d].get(), gradient}));
  }

  bind_arenas();
  const int count = static_cast<int>(devices_.size());
  training_transfers_ = training_transfers.transfers;
  updates_.resize(devices_.size());
  training_link_ = make_inproc_communicator(count, settle(training_transfers, arenas_));
  evaluation_link_ = make_inproc_communicator(count, settle(evaluation_transfers, arenas_));
  update_link_ = make_inproc_communicator(count, std::move(update_transfers));

  shares_.assign(static_cast<size_t>(microbatches()), 0.0F);
  squared_norms_.resize(spec_.training.gradients.size());
  make_tasks();
  team_ = std::make_unique<DeviceTeam>(devices_);
}

Pipeline::~Pipeline() = default;

// Compiles one pass for every device.
TransferTable Pipeline::compile(PassSpec pass, const Schedule& schedule,
                                std::vector<DeviceProgram>& programs) {
  const StagePlan plan = live_plan(pass, spec_.plan);
  const Schedule lowered = lower(schedule, plan);
  const Simulation simulation = simulate(lowered, plan, spec_.links);
  pass.plan = &plan;
  pass.schedule = &lowered;
  pass.simulation = &simulation;
  TransferTable transfers(plan, microbatches());
  for (size_t d = 0; d < devices_.size(); ++d)
    programs.push_back(compile_pass(pass, static_cast<int>(d), *memories_[d], transfers));
  return transfers;
}

// Training and evaluation never run at the same time, so they share each device's arena.
void Pipeline::bind_arenas() {
  for (size_t d = 0; d < devices_.size(); ++d) {
    auto& train = training_programs_[d];
    auto& evaluation = evaluation_programs_[d];
    auto& update = update_programs_[d];
    arenas_.push_back(devices_[d]->allocate(
        static_cast<size_t>(std::max<int64_t>({train.arena_bytes, evaluation.arena_bytes, 64}))));
    workspaces_.push_back(devices_[d]->allocate(
        std::max<size_t>({train.workspace_bytes(), evaluation.workspace_bytes(),
                          update.gather.workspace_bytes(), update.apply.workspace_bytes(), 64})));
    auto* arena = static_cast<std::byte*>(arenas_[d].data());
    for (DeviceProgram* program : {&train, &evaluation, &update.gather, &update.apply})
      program->bind(arena);
  }
}

void Pipeline::make_tasks() {
  const auto context = [this] {
    return StepContext{
        .seed = spec_.seed, .step = info_.step, .learning_rate = info_.learning_rate};
  };
  const auto backward = [this, context](size_t d) {
    training_programs_[d].run(*training_link_, context(), workspaces_[d].data(), started_);
    update_programs_[d].gather.run(*update_link_, context(), workspaces_[d].data(), started_);
  };
  gradient_task_ = [backward](int device) { backward(static_cast<size_t>(device)); };
  train_task_ = [this, backward, context](int device) {
    const auto d = static_cast<size_t>(device);
    backward(d);
    updates_[d].start_s = seconds_since_start();
    StepContext update = context();
    if (spec_.clip_norm > 0) update.gradient_scale = agree_on_scale(device);
    update_programs_[d].apply.run(*update_link_, update, workspaces_[d].data(), started_);
    if (!own_updates_.empty()) own_updates_[d]->run(update, *update_link_);
    updates_[d].end_s = seconds_since_start();
  };
  evaluation_task_ = [this, context](int device) {
    const auto d = static_cast<size_t>(device);
    evaluation_programs_[d].run(*evaluation_link_, context(), workspaces_[d].data(), started_);
  };
  stop_all_ = [this] {
    training_link_->stop();
    evaluation_link_->stop();
    update_link_->stop();
  };
}

// Every device computes the same scale from the same norms, summed in parameter order, so the bits
// do not depend on who holds what.
double Pipeline::agree_on_scale(int device) {
  const auto& gradients = spec_.training.gradients;
  for (size_t g = 0; g < gradients.size(); ++g) {
    if (holder_of(gradients[g].parameter) != static_cast<size_t>(device)) continue;
    squared_norms_[g] =
        *update_programs_[static_cast<size_t>(device)].squared_norm.at(gradients[g].parameter);
  }
  update_link_->barrier();
  double sum = 0;
  for (const double norm : squared_norms_) sum += norm;
  const double norm = std::sqrt(sum);
  return norm > spec_.clip_norm ? spec_.clip_norm / norm : 1.0;
}

double Pipeline::seconds_since_start() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

void Pipeline::run(const std::function<void(int)>& task) {
  training_link_->start_step();
  evaluation_link_->start_step();
  update_link_->start_step();
  started_ = std::chrono::steady_clock::now();
  team_->run(task, stop_all_);
  step_seconds_ = seconds_since_start();
}

double Pipeline::weighted_loss() const {
  double total = 0;
  for (int m = 0; m < microbatches(); ++m)
    if (const float share = shares_[static_cast<size_t>(m)]; share != 0)
      total += metric(spec_.training.loss, m) * share;
  return total;
}

double Pipeline::accumulate_gradients(const StepInfo& info) {
  info_ = info;
  run(gradient_task_);
  training_started_ = started_;
  return weighted_loss();
}

double Pipeline::train_step(const StepInfo& info) {
  info_ = info;
  run(train_task_);
  training_started_ = started_;
  return weighted_loss();
}

void Pipeline::evaluate() { run(evaluation_task_); }

double Pipeline::metric(ValueId id, int microbatch) const {
  const auto device = static_cast<size_t>(device_of_value_[index(id)]);
  float value = 0;
  std::memcpy(&value, memories_[device]->slot(roots_[index(id)], microbatch), sizeof value);
  return value;
}

HostTensor Pipeline::result(ValueId id, int microbatch) const {
  const Value& value = spec_.training.graph.value(id);
  const auto device = static_cast<size_t>(device_of_value_[index(id)]);
  auto [tensor, bytes] = allocate_host_tensor(value.type);
  devices_[device]->download(value.type, value.layout,
                             memories_[device]->slot(roots_[index(id)], microbatch), bytes);
  return tensor;
}

void Pipeline::feed(ValueId input, int microbatch, const void* data) {
  const Value& value = spec_.training.graph.value(input);
  for (size_t d = 0; d < memories_.size(); ++d)
    if (memories_[d]->has_slot(input, microbatch))
      devices_[d]->upload(value.type, value.layout, data, memories_[d]->slot(input, microbatch));
}

void Pipeline::feed_share(int microbatch, float share) {
  shares_[static_cast<size_t>(microbatch)] = share;
  feed(spec_.training.loss_seed, microbatch, &share);
}

size_t Pipeline::holder_of(ValueId weight) const {
  for (size_t d = 0; d < memories_.size(); ++d)
    if (memories_[d]->holds(weight)) return d;
  HEADRACE_CHECK(false, "no device holds '{}'", spec_.training.graph.value(weight).name);
  return 0;
}

bool Pipeline::holds(ValueId weight) const {
  return std::any_of(memories_.begin(), memories_.end(),
                     [&](const auto& memory) { return memory->holds(weight); });
}

HostTensor Pipeline::weight(ValueId id) const { return memories_[holder_of(id)]->read_weight(id); }

void Pipeline::set_weight(ValueId id, const HostTensor& data) {
  for (auto& memory : memories_)
    if (memory->holds(id)) memory->write_weight(id, data);
}

HostTensor Pipeline::optimizer_state(ValueId parameter, const std::string& name) const {
  return memories_[holder_of(parameter)]->read_optimizer_state(parameter, name);
}

void Pipeline::set_optimizer_state(ValueId parameter, const std::string& name,
                                   const HostTensor& data) {
  for (auto& memory : memories_)
    if (memory->holds(parameter)) memory->write_optimizer_state(parameter, name, data);
}

std::vector<std::string> Pipeline::own_states() const {
  std::vector<std::string> names;
  if (!spec_.update) return names;
  for (const auto& kept : spec_.update->kept)
    if (std::any_of(own_updates_.begin(), own_updates_.end(),
                    [&](const auto& update) { return update->holds(kept.name); }))
      names.push_back(kept.name);
  return names;
}

HostTensor Pipeline::own_state(const std::string& name) const {
  for (const auto& update : own_updates_)
    if (update->holds(name)) return update->state(name);
  HEADRACE_CHECK(false, "no device holds '{}'", name);
  return {};
}

void Pipeline::set_own_state(const std::string& name, const HostTensor& data) {
  for (auto& update : own_updates_)
    if (update->holds(name)) update->set_state(name, data);
}

HostTensor Pipeline::gradient(ValueId parameter) const {
  const size_t d = holder_of(parameter);
  const Value& value = spec_.training.graph.value(parameter);
  auto [tensor, bytes] = allocate_host_tensor(value.type);
  devices_[d]->download(value.type, value.layout, update_programs_[d].gradient.at(parameter),
                        bytes);
  return tensor;
}

const std::vector<ActionRecord>& Pipeline::actions(int device) const {
  return training_programs_[static_cast<size_t>(device)].actions();
}

std::vector<MeasuredTransfer> Pipeline::transfers() const {
  std::vector<MeasuredTransfer> measured;
  for (size_t t = 0; t < training_transfers_.size(); ++t) {
    const Communicator::Moved moved = training_link_->moved(t);
    if (moved.end == moved.start) continue;
    const auto seconds = [&](std::chrono::steady_clock::time_point time) {
      return std::chrono::duration<double>(time - training_started_).count();
    };
    const PlannedTransfer& planned = training_transfers_[t];
    measured.push_back({.from_stage = planned.from_stage,
                        .to_stage = planned.to_stage,
                        .from_device = planned.from_device,
                        .to_device = planned.to_device,
                        .microbatch = planned.microbatch,
                        .forward = planned.phase == Phase::forward,
                        .start_s = seconds(moved.start),
                        .end_s = seconds(moved.end)});
  }
  return measured;
}

std::vector<int64_t> Pipeline::peak_bytes() const {
  std::vector<int64_t> bytes;
  for (size_t d = 0; d < devices_.size(); ++d)
    bytes.push_back(memories_[d]->bytes() +
                    static_cast<int64_t>(arenas_[d].bytes() + workspaces_[d].bytes()) +
                    (own_updates_.empty() ? 0 : own_updates_[d]->bytes()));
  return bytes;
}

}  // namespace headrace
