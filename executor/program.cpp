#include "executor/program.h"

#include <algorithm>

namespace headrace {

double busy_seconds(const std::vector<ActionRecord>& records) {
  double busy_s = 0;
  for (const ActionRecord& record : records)
    busy_s += record.end_s - record.start_s - record.waited_s;
  return busy_s;
}

uint32_t DeviceProgram::add_call(const Kernel& kernel, const std::vector<Place>& inputs,
                                 const std::vector<Place>& outputs) {
  calls_.push_back({.kernel = &kernel,
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

void DeviceProgram::bind(std::byte* arena) {
  input_pointers_.clear();
  output_pointers_.clear();
  for (const Place& place : input_places_) input_pointers_.push_back(resolve(place, arena));
  for (const Place& place : output_places_) output_pointers_.push_back(resolve(place, arena));
}

void DeviceProgram::run(Communicator& communicator, StepContext context, void* workspace,
                        std::chrono::steady_clock::time_point step_start,
                        const std::function<void(const Action&)>& begins) {
  const auto now = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - step_start).count();
  };
  ActionRecord* record = nullptr;
  for (const Instruction instruction : instructions_) {
    switch (instruction.kind) {
      case InstructionKind::run: {
        const Call& call = calls_[instruction.index];
        call.kernel->run({.inputs = {input_pointers_.data() + call.first_input, call.inputs},
                          .outputs = {output_pointers_.data() + call.first_output, call.outputs},
                          .workspace = workspace,
                          .step = &context});
        break;
      }
      case InstructionKind::post_receive:
        communicator.post_receive(instruction.index);
        break;
      case InstructionKind::wait_receive: {
        const double before_s = now();
        communicator.wait_receive(instruction.index);
        if (record != nullptr) record->waited_s += now() - before_s;
        break;
      }
      case InstructionKind::start_send:
        communicator.start_send(instruction.index);
        break;
      case InstructionKind::wait_send:
        communicator.wait_send(instruction.index);
        break;
      case InstructionKind::begin_action: {
        record = &actions_[instruction.index];
        context.microbatch = record->action.microbatch;
        record->waited_s = 0;
        if (begins) begins(record->action);
        record->start_s = now();
        break;
      }
      case InstructionKind::end_action:
        record->end_s = now();
        record = nullptr;
        break;
    }
  }
}

}  // namespace headrace
