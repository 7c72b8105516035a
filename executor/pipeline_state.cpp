// What a pipeline holds, and what it measured: read by all processes from the one that has it.

#include <algorithm>
#include <cstring>

#include "executor/pipeline.h"
#include "graph/error.h"

namespace headrace {

size_t Pipeline::holder_of(ValueId weight) const {
  for (size_t d = 0; d < holds_.size(); ++d)
    if (holds_[d].contains(weight)) return d;
  HEADRACE_CHECK(false, "no device holds '{}'", spec_.training.graph.value(weight).name);
  return 0;
}

bool Pipeline::holds(ValueId weight) const {
  return std::any_of(holds_.begin(), holds_.end(),
                     [&](const auto& held) { return held.contains(weight); });
}

HostTensor Pipeline::tensor_from_owner(size_t device, const TensorType& type,
                                       const std::function<HostTensor()>& read) const {
  ProcessGroup& group = *spec_.processes.group;
  if (group.size() == 1) return read();
  const int owner = group.owner(static_cast<int>(device), devices());
  auto [tensor, bytes] = allocate_host_tensor(type);
  if (here(device)) std::memcpy(bytes, read().data.get(), static_cast<size_t>(type.bytes()));
  group.broadcast(bytes, static_cast<size_t>(type.bytes()), owner);
  return tensor;
}

HostTensor Pipeline::weight(ValueId id) const {
  const size_t d = holder_of(id);
  return tensor_from_owner(d, spec_.training.graph.value(id).type,
                           [&] { return memories_[d]->read_weight(id); });
}

void Pipeline::set_weight(ValueId id, const HostTensor& data) {
  for (size_t d = 0; d < memories_.size(); ++d)
    if (here(d) && holds_[d].contains(id)) memories_[d]->write_weight(id, data);
}

HostTensor Pipeline::optimizer_state(ValueId parameter, const std::string& name) const {
  const size_t d = holder_of(parameter);
  return tensor_from_owner(d, spec_.training.graph.value(parameter).type,
                           [&] { return memories_[d]->read_optimizer_state(parameter, name); });
}

void Pipeline::set_optimizer_state(ValueId parameter, const std::string& name,
                                   const HostTensor& data) {
  for (size_t d = 0; d < memories_.size(); ++d)
    if (here(d) && holds_[d].contains(parameter))
      memories_[d]->write_optimizer_state(parameter, name, data);
}

std::vector<std::string> Pipeline::own_states() const {
  std::vector<std::string> names;
  if (!spec_.update) return names;
  for (const auto& kept : spec_.update->kept)
    if (holder_of_own_state_.contains(kept.name)) names.push_back(kept.name);
  return names;
}

HostTensor Pipeline::own_state(const std::string& name) const {
  const size_t d = holder_of_own_state_.at(name);
  const auto kept = std::find_if(spec_.update->kept.begin(), spec_.update->kept.end(),
                                 [&](const auto& each) { return each.name == name; });
  return tensor_from_owner(d, spec_.update->graph.value(kept->before).type,
                           [&] { return own_updates_[d]->state(name); });
}

void Pipeline::set_own_state(const std::string& name, const HostTensor& data) {
  for (auto& update : own_updates_)
    if (update && update->holds(name)) update->set_state(name, data);
}

HostTensor Pipeline::gradient(ValueId parameter) const {
  const size_t d = holder_of(parameter);
  const Value& value = spec_.training.graph.value(parameter);
  return tensor_from_owner(d, value.type, [&] {
    auto [tensor, bytes] = allocate_host_tensor(value.type);
    devices_[d]->download(value.type, value.layout, update_programs_[d].gradient.at(parameter),
                          bytes);
    if (spec_.scale_losses) {
      auto* values = reinterpret_cast<float*>(bytes);
      for (int64_t i = 0; i < value.type.elements(); ++i)
        values[i] /= static_cast<float>(loss_scale_.value);
    }
    return tensor;
  });
}

std::vector<ActionRecord> Pipeline::actions(int device) const {
  const auto d = static_cast<size_t>(device);
  return from_owner(d, [&] { return std::vector(training_programs_[d].actions()); });
}

ActionTime Pipeline::update(int device) const {
  const auto d = static_cast<size_t>(device);
  return from_owner(d, [&] { return updates_[d]; });
}

// Of a message between processes its receiver tells.
std::vector<MeasuredTransfer> Pipeline::transfers() const {
  std::vector<MeasuredTransfer> received;
  for (size_t t = 0; t < training_transfers_.size(); ++t) {
    const PlannedTransfer& planned = training_transfers_[t];
    if (!here(static_cast<size_t>(planned.to_device))) continue;
    const Communicator::Moved moved = step_link_->moved(t);
    if (moved.end == moved.start) continue;
    const auto seconds = [&](std::chrono::steady_clock::time_point time) {
      return std::chrono::duration<double>(time - training_started_).count();
    };
    received.push_back({.from_stage = planned.from_stage,
                        .to_stage = planned.to_stage,
                        .from_device = planned.from_device,
                        .to_device = planned.to_device,
                        .microbatch = planned.microbatch,
                        .forward = planned.phase == Phase::forward,
                        .start_s = seconds(moved.start),
                        .end_s = seconds(moved.end)});
  }
  ProcessGroup& group = *spec_.processes.group;
  std::vector<MeasuredTransfer> all;
  for (int rank = 0; rank < group.size(); ++rank) {
    auto part = rank == group.rank() ? received : std::vector<MeasuredTransfer>();
    broadcast(group, part, rank);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::set<std::string> Pipeline::detours() const {
  std::set<std::string> all;
  for (const auto& device : devices_)
    if (device) all.merge(device->detours());
  return all;
}

std::vector<int64_t> Pipeline::peak_bytes() const {
  std::vector<int64_t> bytes;
  for (size_t d = 0; d < devices_.size(); ++d)
    bytes.push_back(from_owner(d, [&] {
      return memories_[d]->bytes() +
             static_cast<int64_t>(arenas_[d].bytes() + workspaces_[d].bytes()) +
             (own_updates_.empty() ? 0 : own_updates_[d]->bytes());
    }));
  return bytes;
}

std::vector<int64_t> Pipeline::workspace_bytes() const {
  std::vector<int64_t> bytes;
  for (size_t d = 0; d < devices_.size(); ++d)
    bytes.push_back(from_owner(d, [&] { return static_cast<int64_t>(workspaces_[d].bytes()); }));
  return bytes;
}

}  // namespace headrace
