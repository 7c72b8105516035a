#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "executor/communicator.h"
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

// A prepared kernel and the places it works on, as indices into the program's tables.
struct Call {
  const Kernel* kernel = nullptr;
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
                    const std::vector<Place>& outputs);
  void add(InstructionKind kind, size_t index) {
    instructions_.push_back({kind, static_cast<uint32_t>(index)});
  }
  void begin_action(const Action& action);
  void end_action();
  const Kernel& keep(std::unique_ptr<Kernel> kernel);

  // Settles every address; `arena` holds arena_bytes(). Must come before run.
  void bind(std::byte* arena);
  // Runs on the calling thread. Throws what a kernel throws, or Stopped.
  // `begins` is told every action that begins.
  void run(Communicator& communicator, StepContext context, void* workspace,
           std::chrono::steady_clock::time_point step_start,
           const std::function<void(const Action&)>& begins = {});

  size_t workspace_bytes() const { return workspace_bytes_; }
  const std::vector<ActionRecord>& actions() const { return actions_; }

  int64_t arena_bytes = 0;      // planned by the compiler
  int64_t peak_live_bytes = 0;  // no plan could need less

 private:
  std::vector<Instruction> instructions_;
  std::vector<Call> calls_;
  std::vector<Place> input_places_, output_places_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
  std::vector<ActionRecord> actions_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  size_t workspace_bytes_ = 0;
};

inline void* resolve(const Place& place, std::byte* arena) {
  if (place.address != nullptr) return place.address;
  return place.arena_offset < 0 ? nullptr : arena + place.arena_offset;
}

}  // namespace headrace
