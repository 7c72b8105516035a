#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "executor/communicator.h"
#include "executor/mark_times.h"
#include "kernels/device.h"
#include "scheduler/schedule.h"

namespace headrace {

enum class InstructionKind : uint8_t {
  run,           // index: call
  post_receive,  // index: transfer, and so below
  wait_receive,
  start_send,
  wait_send,
  begin_action,  // index: action
  end_action,
};
struct Instruction {
  InstructionKind kind;
  uint32_t index;
};

// Where a tensor lies: an address that stays, or an offset in the arena of its device.
struct Place {
  void* address = nullptr;
  int64_t arena_offset = -1;  // used when address is null; both unset: no tensor
};

// What a kernel makes of StepContext: where it reads it, it differs from step to step, so it cannot
// be recorded, and wants to know the micro-batch that it works on.
struct StepUse {
  bool reads = false;
  int microbatch = 0;
};

// A prepared kernel and the places it works on, as indices into the program's tables.
struct Call {
  const Kernel* kernel = nullptr;
  StepUse step;
  uint32_t first_input = 0, inputs = 0, first_output = 0, outputs = 0;
};

struct ActionRecord {
  Action action;
  double start_s = 0, end_s = 0;  // of the last step, since its start
  double waited_s = 0;            // of that, for transfers
};

// What the actions took without their waits.
double busy_seconds(const std::vector<ActionRecord>& records);

// All that one device does in a step, flat: running it takes no decision and no memory.
class DeviceProgram {
 public:
  uint32_t add_call(const Kernel& kernel, const std::vector<Place>& inputs,
                    const std::vector<Place>& outputs, const StepUse& step = {});
  void add(InstructionKind kind, size_t index) {
    instructions_.push_back({kind, static_cast<uint32_t>(index)});
  }
  void begin_action(const Action& action);
  void end_action();
  const Kernel& keep(std::unique_ptr<Kernel> kernel);

  // Settles every address; `arena` holds arena_bytes(). Must come before run.
  void bind(std::byte* arena);
  // Runs on the calling thread, `device`'s, until the device is done. Throws what a kernel throws,
  // or Stopped. `begins` is told every action that begins, or whose kernels are asked for.
  void run(Device& device, Communicator& communicator, const StepContext& context, void* workspace,
           std::chrono::steady_clock::time_point step_start,
           const std::function<void(const Action&)>& begins = {});

  // The transfers of all instructions of one kind, in their order.
  std::vector<size_t> transfers(InstructionKind kind) const;

  size_t workspace_bytes() const { return workspace_bytes_; }
  const std::vector<ActionRecord>& actions() const { return actions_; }

  int64_t arena_bytes = 0;      // planned by the compiler
  int64_t peak_live_bytes = 0;  // no plan could need less

 private:
  // Calls without anything between them, which a device may record.
  struct Stretch {
    size_t begin = 0, end = 0;  // instructions
    bool tried = false;
    std::unique_ptr<Recording> recording = {};  // null: the device does not record it
  };

  void find_stretches();
  void call(const Call& call, StepContext context, void* workspace) const;
  // The instruction behind the stretch that begins at `at`; `at` itself where none does.
  size_t replay(DeviceQueue& queue, size_t at, const StepContext& context, void* workspace);
  void settle_records(std::chrono::steady_clock::time_point step_start);

  std::vector<Instruction> instructions_;
  std::vector<Call> calls_;
  std::vector<Place> input_places_, output_places_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
  std::vector<ActionRecord> actions_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  size_t workspace_bytes_ = 0;

  // Two marks for each action and two for each receive within one, in this order.
  MarkTimes marks_;
  std::vector<size_t> action_of_receive_;
  std::vector<std::string> action_names_;  // for profilers, where there is a queue
  std::vector<Stretch> stretches_;
  bool has_run_ = false;
};

inline void* resolve(const Place& place, std::byte* arena) {
  if (place.address != nullptr) return place.address;
  return place.arena_offset < 0 ? nullptr : arena + place.arena_offset;
}

}  // namespace headrace
