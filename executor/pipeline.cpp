#include "executor/pipeline.h"

#include <algorithm>
#include <cmath>

#include "executor/compile.h"
#include "executor/seconds_since.h"
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

std::string name_of(const PlannedTransfer& transfer) {
  return fmt::format("{} of micro-batch {} from stage {} to stage {}",
                     transfer.phase == Phase::forward ? "activations" : "gradients",
                     transfer.microbatch, transfer.from_stage, transfer.to_stage);
}

// How many messages the replicas' passes have.
size_t count_transfers(const std::vector<TransferTable>& tables) {
  size_t count = 0;
  for (const TransferTable& table : tables) count += table.transfers.size();
  return count;
}

// These messages, once every program is compiled and every arena is there; those behind them stay.
void settle(const std::vector<TransferTable>& tables, const std::vector<Buffer>& arenas,
            std::vector<Transfer>& transfers) {
  const size_t devices = arenas.size() / tables.size();
  size_t next = 0;
  for (size_t replica = 0; replica < tables.size(); ++replica) {
    const size_t begin = replica * devices;
    const auto first = static_cast<int>(begin);
    const auto arena = [&](int device) {
      return static_cast<std::byte*>(arenas[begin + static_cast<size_t>(device)].data());
    };
    for (const PlannedTransfer& planned : tables[replica].transfers) {
      Transfer& transfer = transfers[next++];
      transfer = {first + planned.from_device, first + planned.to_device, {}, name_of(planned)};
      for (const auto& part : planned.parts)
        transfer.parts.push_back({resolve(part.source, arena(planned.from_device)),
                                  resolve(part.target, arena(planned.to_device)),
                                  static_cast<size_t>(part.bytes)});
    }
  }
}

// Where the programs that a device runs one after another ask for their ends.
void settle_places(const std::vector<const DeviceProgram*>& programs,
                   std::vector<Transfer>& transfers) {
  int sent = 0, posted = 0;
  for (const DeviceProgram* program : programs) {
    for (const size_t t : program->transfers(InstructionKind::start_send))
      transfers[t].sent = sent++;
    for (const size_t t : program->transfers(InstructionKind::post_receive))
      transfers[t].posted = posted++;
  }
}

}  // namespace

Pipeline::Pipeline(PipelineSpec spec, std::vector<std::unique_ptr<Device>> devices)
    : spec_(std::move(spec)), devices_(std::move(devices)) {
  const Graph& graph = spec_.training.graph;
  HEADRACE_CHECK(this->devices() % spec_.replicas == 0 &&
                 spec_.plan.devices() <= devices_per_replica());
  for (auto& device : devices_)
    memories_.push_back(device ? std::make_unique<DeviceMemory>(*device, graph) : nullptr);
  roots_ = storage_roots(graph);
  device_of_value_.assign(graph.values().size(), -1);
  for (size_t s = 0; s < spec_.plan.nodes.size(); ++s)
    for (const NodeId node : spec_.plan.nodes[s])
      for (const ValueId output : graph.node(node).outputs)
        if (output != kNoValue) device_of_value_[index(output)] = spec_.plan.device[s];

  const PassSpec training{.graph = &graph,
                          .gradients = spec_.training.gradients,
                          .state_updates = spec_.training.state_updates,
                          .results = {spec_.training.loss}};
  evaluation_graph_ = inference_graph(spec_.training);
  std::vector<ValueId> results = spec_.metrics;
  results.push_back(spec_.training.loss);
  const PassSpec evaluation{.graph = &evaluation_graph_,
                            .gradients = {},
                            .state_updates = {},
                            .results = std::move(results)};
  find_holders(training, evaluation);
  // A step's messages: those of the replicas' passes, then what brings gradients together.
  auto training_tables = transfer_tables(training);
  std::vector<Transfer> step(count_transfers(training_tables));
  const auto reductions = plan_reduction({.graph = &graph,
                                          .gradients = &spec_.training.gradients,
                                          .plan = &spec_.plan,
                                          .replicas = spec_.replicas},
                                         memories_, step);
  compile(training, spec_.schedule, reductions, training_tables, training_programs_);
  auto evaluation_tables = transfer_tables(evaluation);
  std::vector<Transfer> evaluation_transfers(count_transfers(evaluation_tables));
  compile(evaluation, forward_only(spec_.schedule), std::vector<DeviceReduction>(devices_.size()),
          evaluation_tables, evaluation_programs_);
  compile_update(reductions, step);
  check_holders();
  check_agreement();

  bind_arenas();
  training_transfers_ = training_tables[0].transfers;
  updates_.resize(devices_.size());
  settle(training_tables, arenas_, step);
  settle(evaluation_tables, arenas_, evaluation_transfers);
  make_links(std::move(step), std::move(evaluation_transfers));

  shares_.assign(static_cast<size_t>(microbatches()), 0.0F);
  squared_norms_.resize(spec_.training.gradients.size());
  make_tasks();
  team_ = std::make_unique<DeviceTeam>(devices_);
}

Pipeline::~Pipeline() = default;

std::vector<std::unique_ptr<Device>> Pipeline::dismantle(std::unique_ptr<Pipeline> pipeline) {
  std::vector<std::unique_ptr<Device>> devices = std::move(pipeline->devices_);
  pipeline.reset();  // its memory and kernels still belong to the devices
  return devices;
}

// The messages of a pass in each replica.
std::vector<TransferTable> Pipeline::transfer_tables(const PassSpec& pass) const {
  const TransferTable table(live_plan(pass, spec_.plan), spec_.schedule.microbatches);
  return std::vector<TransferTable>(static_cast<size_t>(spec_.replicas), table);
}

// Compiles one pass for every device.
void Pipeline::compile(PassSpec pass, const Schedule& schedule,
                       const std::vector<DeviceReduction>& reductions,
                       std::vector<TransferTable>& tables, std::vector<DeviceProgram>& programs) {
  const StagePlan plan = live_plan(pass, spec_.plan);
  const Schedule lowered = lower(schedule, plan);
  const Simulation simulation = simulate(lowered, plan, spec_.links);
  pass.plan = &plan;
  pass.schedule = &lowered;
  pass.simulation = &simulation;
  for (size_t d = 0; d < devices_.size(); ++d) {
    const int replica = static_cast<int>(d) / devices_per_replica();
    const int device = static_cast<int>(d) % devices_per_replica();
    TransferTable& transfers = tables[static_cast<size_t>(replica)];
    pass.first_microbatch = replica * schedule.microbatches;
    pass.first_transfer = static_cast<size_t>(replica) * transfers.transfers.size();
    programs.push_back(here(d) ? compile_pass(pass, device, *memories_[d], transfers, reductions[d])
                               : DeviceProgram());
  }
}

void Pipeline::compile_update(const std::vector<DeviceReduction>& reductions,
                              std::vector<Transfer>& transfers) {
  const Graph& graph = spec_.training.graph;
  std::vector<int> device_of_node(graph.nodes().size(), -1);
  for (size_t s = 0; s < spec_.plan.nodes.size(); ++s)
    for (const NodeId node : spec_.plan.nodes[s])
      device_of_node[index(node)] = spec_.plan.device[s];
  update_programs_ = compile_updates({.graph = &graph,
                                      .gradients = &spec_.training.gradients,
                                      .optimizer = spec_.optimizer,
                                      .apply = !spec_.update,
                                      .norms = spec_.clip_norm > 0 || spec_.scale_losses,
                                      .device_of_node = std::move(device_of_node),
                                      .holds = &holds_,
                                      .reductions = &reductions,
                                      .state_updates = &spec_.training.state_updates,
                                      .replicas = spec_.replicas},
                                     memories_, transfers);
  if (!spec_.update) return;
  for (size_t d = 0; d < devices_.size(); ++d) {
    const auto gradient = [this, d](ValueId parameter) -> void* {
      const auto it = update_programs_[d].gradient.find(parameter);
      return it == update_programs_[d].gradient.end() ? nullptr : const_cast<void*>(it->second);
    };
    own_updates_.push_back(
        here(d) ? std::make_unique<OwnUpdate>(*spec_.update, graph,
                                              OwnUpdate::Place{memories_[d].get(), gradient})
                : nullptr);
  }
  find_own_holders();
}

// Who holds what follows from the plan alone, so that it is known of other processes' devices too.
void Pipeline::find_holders(const PassSpec& training, const PassSpec& evaluation) {
  const int devices = devices_per_replica();
  auto held = weights_of_devices(training, live_plan(training, spec_.plan), devices);
  const auto more = weights_of_devices(evaluation, live_plan(evaluation, spec_.plan), devices);
  for (size_t d = 0; d < held.size(); ++d) held[d].insert(more[d].begin(), more[d].end());
  for (int replica = 0; replica < spec_.replicas; ++replica)
    holds_.insert(holds_.end(), held.begin(), held.end());
}

void Pipeline::check_holders() const {
  const Graph& graph = spec_.training.graph;
  for (size_t d = 0; d < devices_.size(); ++d)
    for (size_t v = 0; here(d) && v < graph.values().size(); ++v) {
      const auto id = static_cast<ValueId>(v);
      HEADRACE_CHECK(memories_[d]->holds(id) == holds_[d].contains(id), "'{}' on device {}",
                     graph.value(id).name, d);
    }
}

// Layouts follow from the CPU: what one process sends another must be able to read.
void Pipeline::check_agreement() const {
  ProcessGroup& group = *spec_.processes.group;
  std::vector<int64_t> mine;
  for (const Value& value : spec_.training.graph.values()) {
    mine.push_back(value.bytes());
    mine.push_back(value.layout.id);
  }
  auto first = mine;
  broadcast(group, first, 0);
  if (first != mine)
    throw RunError("rank {} lays values out otherwise than rank 0: use machines with equal CPUs",
                   group.rank());
}

void Pipeline::find_own_holders() {
  for (size_t d = 0; d < devices_.size(); ++d)
    for (const auto& kept : spec_.update->kept)
      if (from_owner(d, [&] { return own_updates_[d]->holds(kept.name); }))
        holder_of_own_state_.emplace(kept.name, d);
}

// Training and evaluation never run at the same time, so they share each device's arena.
void Pipeline::bind_arenas() {
  arenas_.resize(devices_.size());
  workspaces_.resize(devices_.size());
  for (size_t d = 0; d < devices_.size(); ++d) {
    if (!here(d)) continue;
    auto& train = training_programs_[d];
    auto& evaluation = evaluation_programs_[d];
    auto& update = update_programs_[d];
    arenas_[d] = devices_[d]->allocate(
        static_cast<size_t>(std::max<int64_t>({train.arena_bytes, evaluation.arena_bytes, 64})));
    workspaces_[d] = devices_[d]->allocate(
        std::max<size_t>({train.workspace_bytes(), evaluation.workspace_bytes(),
                          update.gather.workspace_bytes(), update.apply.workspace_bytes(), 64}));
    auto* arena = static_cast<std::byte*>(arenas_[d].data());
    for (DeviceProgram* program : {&train, &evaluation, &update.gather, &update.apply})
      program->bind(arena);
  }
}

void Pipeline::make_links(std::vector<Transfer> step, std::vector<Transfer> evaluation) {
  std::vector<DeviceQueue*> queues;
  for (const auto& device : devices_) queues.push_back(device ? device->queue() : nullptr);
  const bool queued = std::ranges::any_of(queues, [](auto* queue) { return queue != nullptr; });
  const Processes& processes = spec_.processes;
  const auto link = [&](std::vector<Transfer> transfers) {
    return queued ? make_queued_communicator(*processes.group, queues, transfers, processes.timeout)
                  : make_communicator(*processes.group, devices(), std::move(transfers),
                                      processes.timeout);
  };
  for (size_t d = 0; d < devices_.size(); ++d) {
    if (!here(d)) continue;
    settle_places({&training_programs_[d], &update_programs_[d].gather}, step);
    settle_places({&evaluation_programs_[d]}, evaluation);
  }
  step_link_ = link(std::move(step));
  evaluation_link_ = link(std::move(evaluation));
}

void Pipeline::make_tasks() {
  const auto context = [this] {
    return StepContext{
        .seed = spec_.seed, .step = info_.step, .learning_rate = info_.learning_rate};
  };
  const auto backward = [this, context](size_t d) {
    training_programs_[d].run(*devices_[d], *step_link_, context(), workspaces_[d].data(), started_,
                              begins_[d]);
    update_programs_[d].gather.run(*devices_[d], *step_link_, context(), workspaces_[d].data(),
                                   started_);
  };
  for (size_t d = 0; d < devices_.size(); ++d)
    begins_.emplace_back([at = spec_.processes.whereabouts, d](const Action& action) {
      if (at != nullptr) at->at(static_cast<int>(d), action);
    });
  gradient_task_ = [backward](int device) { backward(static_cast<size_t>(device)); };
  train_task_ = [this, backward, context](int device) {
    const auto d = static_cast<size_t>(device);
    backward(d);
    updates_[d].start_s = seconds_since(started_);
    StepContext update = context();
    if (settle_scale(device, update)) {
      update_programs_[d].apply.run(*devices_[d], *step_link_, update, workspaces_[d].data(),
                                    started_);
      if (!own_updates_.empty()) own_updates_[d]->run(update, *step_link_);
    }
    updates_[d].end_s = seconds_since(started_);
  };
  evaluation_task_ = [this, context](int device) {
    const auto d = static_cast<size_t>(device);
    evaluation_programs_[d].run(*devices_[d], *evaluation_link_, context(), workspaces_[d].data(),
                                started_);
  };
  stop_all_ = [this] {
    step_link_->stop();
    evaluation_link_->stop();
  };
}

// The norm of all gradients as they are, scaled or not. Every device computes the same from the
// same norms, summed in parameter order, so the bits do not depend on who holds what.
double Pipeline::agree_on_norm(int device) {
  const auto& gradients = spec_.training.gradients;
  // Entries of other processes' devices stay zero: the sum over the processes brings them.
  for (size_t g = 0; g < gradients.size(); ++g) {
    if (holder_of(gradients[g].parameter) != static_cast<size_t>(device)) continue;
    const auto d = static_cast<size_t>(device);
    devices_[d]->download({DType::f64, {}}, {},
                          update_programs_[d].squared_norm.at(gradients[g].parameter),
                          &squared_norms_[g]);
  }
  step_link_->barrier([this] { spec_.processes.group->sum(squared_norms_); });
  double sum = 0;
  for (const double norm : squared_norms_) sum += norm;
  return std::sqrt(sum);
}

// What gradients are multiplied by in the update; false: they overflowed, and nothing is updated.
bool Pipeline::settle_scale(int device, StepContext& update) {
  if (spec_.clip_norm == 0 && !spec_.scale_losses) return true;
  const double norm = agree_on_norm(device) / scale();
  if (spec_.scale_losses && !std::isfinite(norm)) {
    overflowed_ = true;
    return false;
  }
  update.gradient_scale = 1 / scale();
  if (spec_.clip_norm > 0 && norm > spec_.clip_norm)
    update.gradient_scale *= spec_.clip_norm / norm;
  return true;
}

void Pipeline::run(const std::function<void(int)>& task) {
  step_link_->start_step();
  evaluation_link_->start_step();
  if (!squared_norms_.empty()) std::fill(squared_norms_.begin(), squared_norms_.end(), 0.0);
  if (spec_.processes.whereabouts != nullptr) spec_.processes.whereabouts->begin(info_.step + 1);
  started_ = std::chrono::steady_clock::now();
  try {
    team_->run(task, stop_all_);
  } catch (...) {
    await_queues();
    throw;
  }
  step_seconds_ = seconds_since(started_);
}

// After a failure queues may be at work yet, on memory that ends with this.
void Pipeline::await_queues() {
  try {
    team_->run(
        [this](int device) {
          DeviceQueue* queue = devices_[static_cast<size_t>(device)]->queue();
          if (queue != nullptr) queue->synchronize();
        },
        [] {});
  } catch (const std::exception&) {
    // What failed is on its way to the caller.
  }
}

double Pipeline::weighted_loss() const {
  const ValueId loss = spec_.training.loss;
  double total = 0;
  for (int first = 0; first < microbatches(); first += spec_.schedule.microbatches)
    total += from_owner(maker_of(loss, first), [&] {
      double part = 0;
      for (int m = first; m < first + spec_.schedule.microbatches; ++m)
        if (const float share = shares_[static_cast<size_t>(m)]; share != 0)
          part += read_scalar(loss, m) * share;
      return part;
    });
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
  overflowed_ = false;
  run(train_task_);
  if (spec_.scale_losses) loss_scale_.settle(!overflowed_);
  training_started_ = started_;
  return weighted_loss();
}

void Pipeline::evaluate() { run(evaluation_task_); }

size_t Pipeline::maker_of(ValueId computed, int microbatch) const {
  const int replica = microbatch / spec_.schedule.microbatches;
  const int device = replica * devices_per_replica() + device_of_value_[index(computed)];
  return static_cast<size_t>(device);
}

float Pipeline::read_scalar(ValueId id, int microbatch) const {
  const size_t d = maker_of(id, microbatch);
  float value = 0;
  devices_[d]->download({DType::f32, {}}, {},
                        memories_[d]->slot(roots_[index(id)], microbatch_in_replica(microbatch)),
                        &value);
  return value;
}

double Pipeline::metric(ValueId id, int microbatch) const {
  return from_owner(maker_of(id, microbatch), [&] { return read_scalar(id, microbatch); });
}

HostTensor Pipeline::result(ValueId id, int microbatch) const {
  const Value& value = spec_.training.graph.value(id);
  const size_t d = maker_of(id, microbatch);
  return tensor_from_owner(d, value.type, [&] {
    auto [tensor, bytes] = allocate_host_tensor(value.type);
    devices_[d]->download(value.type, value.layout,
                          memories_[d]->slot(roots_[index(id)], microbatch_in_replica(microbatch)),
                          bytes);
    return tensor;
  });
}

void Pipeline::feed(ValueId input, int microbatch, const void* data) {
  const Value& value = spec_.training.graph.value(input);
  const int slot = microbatch_in_replica(microbatch);
  const auto devices = static_cast<size_t>(devices_per_replica());
  const size_t first = static_cast<size_t>(microbatch / spec_.schedule.microbatches) * devices;
  for (size_t d = first; d < first + devices; ++d)
    if (here(d) && memories_[d]->has_slot(input, slot))
      devices_[d]->upload(value.type, value.layout, data, memories_[d]->slot(input, slot));
}

void Pipeline::feed_share(int microbatch, float share) {
  shares_[static_cast<size_t>(microbatch)] = share;
  const float seed = share * static_cast<float>(scale());
  feed(spec_.training.loss_seed, microbatch, &seed);
}

}  // namespace headrace
