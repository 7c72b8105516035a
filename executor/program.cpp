#include "executor/program.h"

#include <algorithm>

#include "scheduler/text.h"

namespace headrace {

double busy_seconds(const std::vector<ActionRecord>& records) {
  double busy_s = 0;
  for (const ActionRecord& record : records)
    busy_s += record.end_s - record.start_s - record.waited_s;
  return busy_s;
}

uint32_t DeviceProgram::add_call(const Kernel& kernel, const std::vector<Place>& inputs,
                                 const std::vector<Place>& outputs, const StepUse& step) {
  calls_.push_back({.kernel = &kernel,
                    .step = step,
                    .first_input = static_cast<uint32_t>(input_places_.size()),
                    .inputs = static_cast<uint32_t>(inputs.size()),
                    .first_output = static_cast<uint32_t>(output_places_.size()),
                    .outputs = static_cast<uint32_t>(outputs.size())});
  input_places_.insert(input_places_.end(), inputs.begin(), inputs.end());
  output_places_.insert(output_places_.end(), outputs.begin(), outputs.end());
  workspace_bytes_ = std::max(workspace_bytes_, kernel.workspace_bytes());
  const auto call = static_cast<uint32_t>(calls_.size() - 1);
  add(InstructionKind::run, call);
  return call;
}

void DeviceProgram::begin_action(const Action& action) {
  actions_.push_back({.action = action});
  add(InstructionKind::begin_action, actions_.size() - 1);
}

void DeviceProgram::end_action() { add(InstructionKind::end_action, actions_.size() - 1); }

const Kernel& DeviceProgram::keep(std::unique_ptr<Kernel> kernel) {
  kernels_.push_back(std::move(kernel));
  return *kernels_.back();
}

std::vector<size_t> DeviceProgram::transfers(InstructionKind kind) const {
  std::vector<size_t> transfers;
  for (const Instruction instruction : instructions_)
    if (instruction.kind == kind) transfers.push_back(instruction.index);
  return transfers;
}

void DeviceProgram::bind(std::byte* arena) {
  input_pointers_.clear();
  output_pointers_.clear();
  for (const Place& place : input_places_) input_pointers_.push_back(resolve(place, arena));
  for (const Place& place : output_places_) output_pointers_.push_back(resolve(place, arena));

  action_of_receive_.clear();
  size_t action = 0;
  bool in_action = false;
  for (const Instruction instruction : instructions_) {
    if (instruction.kind == InstructionKind::begin_action) action = instruction.index;
    if (instruction.kind == InstructionKind::begin_action) in_action = true;
    if (instruction.kind == InstructionKind::end_action) in_action = false;
    if (instruction.kind == InstructionKind::wait_receive && in_action)
      action_of_receive_.push_back(action);
  }
  find_stretches();
}

void DeviceProgram::find_stretches() {
  stretches_.clear();
  for (size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction instruction = instructions_[i];
    if (instruction.kind != InstructionKind::run || calls_[instruction.index].step.reads) continue;
    if (stretches_.empty() || stretches_.back().end != i) stretches_.push_back({.begin = i});
    stretches_.back().end = i + 1;
  }
}

void DeviceProgram::call(const Call& call, StepContext context, void* workspace) const {
  context.microbatch = call.step.microbatch;
  call.kernel->run({.inputs = {input_pointers_.data() + call.first_input, call.inputs},
                    .outputs = {output_pointers_.data() + call.first_output, call.outputs},
                    .workspace = workspace,
                    .step = &context});
}

size_t DeviceProgram::replay(DeviceQueue& queue, size_t at, const StepContext& context,
                             void* workspace) {
  const auto stretch = std::ranges::lower_bound(stretches_, at, {}, &Stretch::begin);
  if (stretch == stretches_.end() || stretch->begin != at) return at;
  if (!stretch->tried)
    stretch->recording = queue.recorded([&] {
      for (size_t i = at; i < stretch->end; ++i)
        call(calls_[instructions_[i].index], context, workspace);
    });
  stretch->tried = true;
  if (!stretch->recording) return at;
  stretch->recording->replay();
  return stretch->end;
}

void DeviceProgram::run(Device& device, Communicator& communicator, const StepContext& context,
                        void* workspace, std::chrono::steady_clock::time_point step_start,
                        const std::function<void(const Action&)>& begins) {
  DeviceQueue* queue = device.queue();
  marks_.prepare(queue, 2 * (actions_.size() + action_of_receive_.size()));
  if (queue != nullptr && action_names_.empty())
    for (const ActionRecord& record : actions_) action_names_.push_back(to_string(record.action));
  size_t next_receive = 0;
  bool in_action = false;
  for (size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction instruction = instructions_[i];
    switch (instruction.kind) {
      case InstructionKind::run:
        // The first time libraries may still set themselves up, which cannot be recorded.
        if (const size_t behind =
                queue != nullptr && has_run_ ? replay(*queue, i, context, workspace) : i;
            behind != i)
          i = behind - 1;
        else
          call(calls_[instruction.index], context, workspace);
        break;
      case InstructionKind::post_receive:
        communicator.post_receive(instruction.index);
        break;
      case InstructionKind::wait_receive: {
        const size_t mark = 2 * (actions_.size() + next_receive);
        if (in_action) marks_.mark(mark);
        communicator.wait_receive(instruction.index);
        if (in_action) marks_.mark(mark + 1);
        next_receive += in_action ? 1 : 0;
        break;
      }
      case InstructionKind::start_send:
        communicator.start_send(instruction.index);
        break;
      case InstructionKind::wait_send:
        communicator.wait_send(instruction.index);
        break;
      case InstructionKind::begin_action: {
        const Action& action = actions_[instruction.index].action;
        in_action = true;
        if (begins) begins(action);
        if (queue != nullptr) queue->open_range(action_names_[instruction.index].c_str());
        marks_.mark(2 * instruction.index);
        break;
      }
      case InstructionKind::end_action:
        marks_.mark(2 * instruction.index + 1);
        if (queue != nullptr) queue->close_range();
        in_action = false;
        break;
    }
  }
  if (queue != nullptr) {
    queue->synchronize();
    communicator.check();
  }
  has_run_ = true;
  settle_records(step_start);
}

void DeviceProgram::settle_records(std::chrono::steady_clock::time_point step_start) {
  for (size_t a = 0; a < actions_.size(); ++a) {
    actions_[a].start_s = marks_.seconds(2 * a, step_start);
    actions_[a].end_s = marks_.seconds(2 * a + 1, step_start);
    actions_[a].waited_s = 0;
  }
  for (size_t r = 0; r < action_of_receive_.size(); ++r) {
    const size_t mark = 2 * (actions_.size() + r);
    actions_[action_of_receive_[r]].waited_s +=
        marks_.seconds(mark + 1, step_start) - marks_.seconds(mark, step_start);
  }
}

}  // namespace headrace
