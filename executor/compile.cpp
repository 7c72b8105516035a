#include "executor/compile.h"

#include <algorithm>
#include <map>
#include <set>

#include "executor/chains.h"
#include "executor/device_order.h"
#include "executor/memory_plan.h"
#include "graph/error.h"

namespace headrace {
namespace {

// A piece of memory: in the arena while it is needed, or at an address that stays.
struct Storage {
  Interval interval;
  void* address = nullptr;
  int32_t taken_over = kUnset;  // the storage whose memory this one goes on using
};

class Compiler {
 public:
  Compiler(const PassSpec& spec, int device, DeviceMemory& memory, TransferTable& transfers,
           const DeviceReduction& reduction)
      : spec_(spec),
        graph_(*spec.graph),
        device_(device),
        memory_(memory),
        transfers_(transfers),
        reduction_(reduction),
        microbatches_(static_cast<size_t>(spec.schedule->microbatches)),
        root_(storage_roots(graph_)),
        stage_(stage_of_nodes(spec)),
        order_(device_order(spec, device, transfers)),
        local_(graph_.values().size() * microbatches_, kUnset),
        received_(spec.plan->channels.size() * microbatches_, kUnset),
        kernels_(graph_.nodes().size()),
        is_within_chain_(graph_.nodes().size()) {}

  DeviceProgram compile() {
    find_persistent();
    find_chains();
    assign_storage();
    prepare_kernels();
    share_in_place();
    place();
    emit();
    return std::move(program_);
  }

 private:
  bool here(int stage) const { return spec_.plan->device[static_cast<size_t>(stage)] == device_; }
  size_t slot(ValueId id, int microbatch) const {
    return index(id) * microbatches_ + static_cast<size_t>(microbatch);
  }
  size_t received_slot(size_t channel, int microbatch) const {
    return channel * microbatches_ + static_cast<size_t>(microbatch);
  }

  // Values that stay put: gradient accumulators, replaced states, results.
  void find_persistent() {
    const auto readers = graph_.consumers();
    std::map<ValueId, int> contributed;
    for (const auto& gradient : spec_.gradients)
      for (const ValueId c : gradient.contributions) ++contributed[c];
    for (const auto& [contribution, times] : contributed) {
      if (!is_here(contribution)) continue;
      const ValueId root = root_[index(contribution)];
      // The kernel may write straight into the accumulator only when it runs here and nobody else
      // reads its output.
      bool alone = times == 1 && is_here(root) &&
                   graph_.node(graph_.value(root).producer).phase != Phase::forward;
      for (ValueId v = root; alone && v != contribution;) {
        alone = readers[index(v)].size() == 1;
        v = graph_.node(readers[index(v)][0]).outputs[0];
        alone = alone && root_[index(v)] == root;
      }
      alone = alone && readers[index(contribution)].empty();
      if (alone)
        accumulator_of_root_[root] = contribution;
      else
        added_after_[contribution] = true;
    }
    for (const auto& [state, replacement] : spec_.state_updates) {
      if (!is_here(replacement)) continue;
      const ValueId root = root_[index(replacement)];
      state_of_root_[root] = state;
      if (is_received(root)) copied_after_.insert(replacement);
    }
    for (const ValueId result : spec_.results) {
      if (!is_here(result)) continue;
      const ValueId root = root_[index(result)];
      result_roots_.insert(root);
      if (is_received(root)) copied_after_.insert(result);
    }
  }

  // What a chain makes but for its last node's output is stored nowhere; its other nodes have no
  // turn of their own.
  void find_chains() {
    std::set<ValueId> replaced;
    for (const StateUpdate& update : spec_.state_updates) replaced.insert(update.state);
    const ChainRules rules{
        .may_vanish =
            [&](ValueId id) {
              return !state_of_root_.contains(id) && !result_roots_.contains(id) &&
                     !added_after_.contains(id) && transfers_.leaving(id).empty();
            },
        .may_wait =
            [&](ValueId id) { return id == kNoValue || !replaced.contains(root_[index(id)]); },
        .may_end = [&](ValueId id) { return !accumulator_of_root_.contains(id); }};
    for (Chain& chain : headrace::find_chains(graph_, order_, memory_.device(), rules)) {
      const NodeId last = chain.nodes.back();
      for (const NodeId node : chain.nodes) is_within_chain_[index(node)] = node != last;
      kernels_[index(last)].write = &program_.keep(std::move(chain.kernel));
      inputs_of_chain_[last] = std::move(chain.inputs);
    }
  }

  // What the kernel of a node's turn reads.
  const std::vector<ValueId>& inputs_of(NodeId node) const {
    const auto chain = inputs_of_chain_.find(node);
    return chain != inputs_of_chain_.end() ? chain->second : graph_.node(node).inputs;
  }

  bool is_here(ValueId id) const {
    const NodeId producer = graph_.value(id).producer;
    return producer != kNoNode && stage_[index(producer)] != kUnset &&
           here(stage_[index(producer)]);
  }

  bool is_received(ValueId id) const {
    return graph_.value(id).producer != kNoNode && !is_here(id);
  }

  int32_t new_storage(int64_t bytes, int64_t position, void* address) {
    storages_.push_back({.interval = {bytes, position, position}, .address = address});
    return static_cast<int32_t>(storages_.size() - 1);
  }

  void* persistent_address(ValueId root, int microbatch) {
    if (const auto it = accumulator_of_root_.find(root); it != accumulator_of_root_.end())
      return memory_.gradient(it->second);
    if (const auto it = state_of_root_.find(root); it != state_of_root_.end())
      return memory_.weight(it->second);
    if (result_roots_.contains(root)) return memory_.slot(root, microbatch);
    return nullptr;
  }

  // The storage that `stage` reads `id` from.
  int32_t storage_for_reading(ValueId id, int stage, int microbatch) {
    const Value& value = graph_.value(id);
    int32_t& known = value.producer == kNoNode || is_here(id)
                         ? local_[slot(id, microbatch)]
                         : received_[received_slot(transfers_.channel(id, stage), microbatch)];
    if (known == kUnset) {
      HEADRACE_CHECK(value.producer == kNoNode, "'{}' is read before it is made or received",
                     value.name);
      known = new_storage(
          value.bytes(), 0,
          value.role == Role::input ? memory_.slot(id, microbatch) : memory_.weight(id));
    }
    return known;
  }

  void assign_storage() {
    for (const Step& step : order_.steps) {
      for (const size_t transfer : step.posts) {
        const PlannedTransfer& t = transfers_.transfers[transfer];
        for (const auto& part : t.parts)
          received_[received_slot(part.channel, t.microbatch)] =
              new_storage(part.bytes, step.opening, nullptr);
      }
      for (size_t t = step.begin; t < step.end; ++t) assign_turn(order_.turns[t]);
    }
  }

  void assign_turn(const Turn& turn) {
    if (is_within_chain_[index(turn.node)]) return;
    const int64_t position = turn.position;
    const Node& node = graph_.node(turn.node);
    for (const ValueId input : inputs_of(turn.node)) {
      if (input == kNoValue) continue;
      auto& interval =
          storages_[static_cast<size_t>(storage_for_reading(input, turn.stage, turn.microbatch))]
              .interval;
      interval.last = std::max(interval.last, position);
    }
    for (const ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      int32_t& storage = local_[slot(output, turn.microbatch)];
      if (node.op == "Reshape") {
        storage = storage_for_reading(node.inputs[0], turn.stage, turn.microbatch);
      } else {
        storage = new_storage(graph_.value(output).bytes(), position,
                              persistent_address(output, turn.microbatch));
      }
      auto& interval = storages_[static_cast<size_t>(storage)].interval;
      interval.last = std::max(interval.last, position);
      for (const size_t channel : transfers_.leaving(output))
        interval.last =
            std::max(interval.last, free_after(transfers_.carrying(channel, turn.microbatch)));
    }
  }

  // Last position at which a transfer may still read its source.
  int64_t free_after(size_t transfer) const {
    const int32_t guard = order_.guard[transfer];
    return guard == kUnset ? order_.positions : order_.steps[static_cast<size_t>(guard)].opening;
  }

  void prepare_kernels() {
    for (const Turn& turn : order_.turns) {
      const Node& node = graph_.node(turn.node);
      Prepared& prepared = kernels_[index(turn.node)];
      if (prepared.write != nullptr || node.op == "Reshape" || is_within_chain_[index(turn.node)])
        continue;
      KernelRequest request = kernel_request(graph_, node);
      prepared.write = &program_.keep(memory_.device().prepare(request));
      if (microbatches_ == 1) continue;
      request.accumulate.assign(node.outputs.size(), false);
      for (size_t o = 0; o < node.outputs.size(); ++o)
        request.accumulate[o] = accumulator_of_root_.contains(node.outputs[o]);
      if (std::find(request.accumulate.begin(), request.accumulate.end(), true) ==
          request.accumulate.end())
        continue;
      prepared.accumulates = true;
      if (auto kernel = memory_.device().prepare(request))
        prepared.accumulate = &program_.keep(std::move(kernel));
    }
  }

  int32_t representative(int32_t storage) const {
    while (storages_[static_cast<size_t>(storage)].taken_over != kUnset)
      storage = storages_[static_cast<size_t>(storage)].taken_over;
    return storage;
  }

  // Where a kernel may work in place and its input is needed no longer, the output goes on using
  // the input's memory.
  void share_in_place() {
    for (const Turn& turn : order_.turns) {
      const Node& node = graph_.node(turn.node);
      const std::vector<ValueId>& inputs = inputs_of(turn.node);
      const Kernel* kernel = kernels_[index(turn.node)].write;
      if (kernel == nullptr) continue;
      std::set<int32_t> used;
      for (size_t o = 0; o < node.outputs.size(); ++o) {
        const int input = node.outputs[o] == kNoValue ? -1 : kernel->in_place_input(o);
        if (input < 0 || inputs[static_cast<size_t>(input)] == kNoValue) continue;
        const int32_t out = local_[slot(node.outputs[o], turn.microbatch)];
        const int32_t in = representative(
            storage_for_reading(inputs[static_cast<size_t>(input)], turn.stage, turn.microbatch));
        Storage& target = storages_[static_cast<size_t>(out)];
        Storage& source = storages_[static_cast<size_t>(in)];
        if (target.address != nullptr || source.address != nullptr || out == in) continue;
        if (source.interval.last != turn.position) continue;
        if (source.interval.bytes != target.interval.bytes || !used.insert(in).second) continue;
        target.taken_over = in;
        source.interval.last = std::max(source.interval.last, target.interval.last);
      }
    }
  }

  void place() {
    std::vector<Interval> intervals;
    std::vector<size_t> of;
    for (size_t s = 0; s < storages_.size(); ++s) {
      if (storages_[s].address != nullptr || storages_[s].taken_over != kUnset) continue;
      intervals.push_back(storages_[s].interval);
      of.push_back(s);
    }
    // Scratch of turns whose kernel cannot accumulate: made, added, forgotten.
    for (const Turn& turn : order_.turns) {
      const Prepared& prepared = kernels_[index(turn.node)];
      if (!prepared.accumulates || prepared.accumulate != nullptr) continue;
      for (const ValueId output : graph_.node(turn.node).outputs) {
        if (!accumulator_of_root_.contains(output)) continue;
        intervals.push_back({graph_.value(output).bytes(), turn.position, turn.position});
        scratch_[{turn.position, output}] = static_cast<int64_t>(intervals.size()) - 1;
      }
    }
    const MemoryPlan plan = plan_memory(intervals);
    offset_.assign(storages_.size(), -1);
    for (size_t i = 0; i < of.size(); ++i) offset_[of[i]] = plan.offset[i];
    for (auto& [key, interval] : scratch_) interval = plan.offset[static_cast<size_t>(interval)];
    program_.arena_bytes = plan.bytes;
    program_.peak_live_bytes = plan.peak_live_bytes;
  }

  Place place_of(int32_t storage) const {
    const auto s = static_cast<size_t>(representative(storage));
    if (storages_[s].address != nullptr) return {.address = storages_[s].address};
    return {.arena_offset = offset_[s]};
  }

  void emit() {
    std::vector<size_t> parts_missing(transfers_.transfers.size());
    for (size_t t = 0; t < parts_missing.size(); ++t)
      parts_missing[t] = transfers_.transfers[t].parts.size();
    std::set<size_t> arrived;
    std::set<ValueId> begun;  // accumulators that hold something
    const auto finished = stages_finished();

    for (size_t s = 0; s < order_.steps.size(); ++s) {
      const Step& step = order_.steps[s];
      for (const size_t transfer : step.posts) {
        PlannedTransfer& t = transfers_.transfers[transfer];
        for (auto& part : t.parts)
          part.target = place_of(received_[received_slot(part.channel, t.microbatch)]);
        add(InstructionKind::post_receive, transfer);
      }
      for (const size_t transfer : step.sent) add(InstructionKind::wait_send, transfer);
      program_.begin_action(step.action);
      for (size_t t = step.begin; t < step.end; ++t) {
        const Turn& turn = order_.turns[t];
        if (is_within_chain_[index(turn.node)]) continue;
        await_inputs(turn, arrived);
        emit_call(turn, begun);
        emit_sends(turn, parts_missing);
      }
      program_.end_action();
      for (const int stage : finished[s]) {
        add_all(InstructionKind::post_receive, reduction_.posts, stage);
        add_all(InstructionKind::start_send, reduction_.sends, stage);
      }
    }
    // Before the step is over every send has left.
    for (size_t t = 0; t < transfers_.transfers.size(); ++t)
      if (transfers_.transfers[t].from_device == device_ && order_.guard[t] == kUnset)
        add(InstructionKind::wait_send, t);
  }

  // A transfer of this pass.
  void add(InstructionKind kind, size_t transfer) {
    program_.add(kind, spec_.first_transfer + transfer);
  }

  // What goes between replicas for a stage, by numbers among all transfers.
  void add_all(InstructionKind kind, const std::map<int, std::vector<size_t>>& by_stage,
               int stage) {
    const auto transfers = by_stage.find(stage);
    if (transfers == by_stage.end()) return;
    for (const size_t transfer : transfers->second) program_.add(kind, transfer);
  }

  // Per step the stages that are done behind it.
  std::vector<std::vector<int>> stages_finished() const {
    std::map<int, size_t> last;
    for (size_t s = 0; s < order_.steps.size(); ++s)
      for (size_t t = order_.steps[s].begin; t < order_.steps[s].end; ++t)
        last[order_.turns[t].stage] = s;
    std::vector<std::vector<int>> finished(order_.steps.size());
    for (const auto& [stage, step] : last) finished[step].push_back(stage);
    return finished;
  }

  void await_inputs(const Turn& turn, std::set<size_t>& arrived) {
    for (const ValueId input : inputs_of(turn.node)) {
      if (input == kNoValue || graph_.value(input).producer == kNoNode || is_here(input)) continue;
      const size_t transfer =
          transfers_.carrying(transfers_.channel(input, turn.stage), turn.microbatch);
      if (arrived.insert(transfer).second) add(InstructionKind::wait_receive, transfer);
    }
  }

  void emit_call(const Turn& turn, std::set<ValueId>& begun) {
    const Node& node = graph_.node(turn.node);
    const Prepared& prepared = kernels_[index(turn.node)];
    if (prepared.write != nullptr) {
      std::vector<Place> inputs, outputs;
      for (const ValueId input : inputs_of(turn.node))
        inputs.push_back(input == kNoValue
                             ? Place{}
                             : place_of(storage_for_reading(input, turn.stage, turn.microbatch)));
      for (const ValueId output : node.outputs)
        outputs.push_back(output == kNoValue ? Place{}
                                             : place_of(local_[slot(output, turn.microbatch)]));
      const StepUse step{.reads = reads_step(node),
                         .microbatch = spec_.first_microbatch + turn.microbatch};
      bool first = true;
      for (const ValueId output : node.outputs)
        if (accumulator_of_root_.contains(output)) first = begun.insert(output).second && first;
      if (!prepared.accumulates || first) {
        program_.add_call(*prepared.write, inputs, outputs, step);
      } else if (prepared.accumulate != nullptr) {
        program_.add_call(*prepared.accumulate, inputs, outputs, step);
      } else {
        const auto kept = outputs;
        for (size_t o = 0; o < outputs.size(); ++o)
          if (accumulator_of_root_.contains(node.outputs[o]))
            outputs[o] = {.arena_offset = scratch_.at({turn.position, node.outputs[o]})};
        program_.add_call(*prepared.write, inputs, outputs, step);
        for (size_t o = 0; o < outputs.size(); ++o)
          if (accumulator_of_root_.contains(node.outputs[o]))
            program_.add_call(kernel_for("Add", node.outputs[o]), {kept[o], outputs[o]}, {kept[o]});
      }
    }
    // A Reshape of what came from another device lies where that was received.
    for (const ValueId output : node.outputs)
      if (copied_after_.contains(output))
        program_.add_call(kernel_for("Reorder", output),
                          {place_of(local_[slot(output, turn.microbatch)])},
                          {{.address = persistent_address(root_[index(output)], turn.microbatch)}});
    for (const ValueId output : node.outputs) {
      if (output == kNoValue || !added_after_.contains(output)) continue;
      const Place made = place_of(local_[slot(output, turn.microbatch)]);
      const Place sum{.address = memory_.gradient(output)};
      if (begun.insert(output).second)
        program_.add_call(kernel_for("Reorder", output), {made}, {sum});
      else
        program_.add_call(kernel_for("Add", output), {sum, made}, {sum});
    }
  }

  // A kernel on tensors of `like`'s type and layout: Add of two, or Reorder as a plain copy.
  const Kernel& kernel_for(const std::string& op, ValueId like) {
    const auto [it, fresh] = extra_kernels_.try_emplace({op, like}, nullptr);
    if (fresh) {
      const Value& value = graph_.value(like);
      const size_t arity = op == "Add" ? 2 : 1;
      Node node;
      node.op = op;
      node.name = value.name;
      node.inputs.assign(arity, like);
      node.outputs = {like};
      it->second = &program_.keep(memory_.device().prepare(kernel_request(graph_, node)));
    }
    return *it->second;
  }

  void emit_sends(const Turn& turn, std::vector<size_t>& parts_missing) {
    for (const ValueId output : graph_.node(turn.node).outputs) {
      if (output == kNoValue) continue;
      for (const size_t channel : transfers_.leaving(output)) {
        const size_t transfer = transfers_.carrying(channel, turn.microbatch);
        for (auto& part : transfers_.transfers[transfer].parts)
          if (part.channel == channel)
            part.source = place_of(local_[slot(output, turn.microbatch)]);
        if (--parts_missing[transfer] == 0) add(InstructionKind::start_send, transfer);
      }
    }
  }

  struct Prepared {
    const Kernel* write = nullptr;
    const Kernel* accumulate = nullptr;  // null: not needed, or the backend has none
    bool accumulates = false;            // some output is an accumulator
  };

  const PassSpec& spec_;
  const Graph& graph_;
  const int device_;
  DeviceMemory& memory_;
  TransferTable& transfers_;
  const DeviceReduction& reduction_;
  const size_t microbatches_;
  const std::vector<ValueId> root_;
  const std::vector<int> stage_;
  const DeviceOrder order_;
  std::vector<Storage> storages_;
  std::vector<int32_t> local_, received_;
  std::vector<int64_t> offset_;
  std::map<std::pair<int64_t, ValueId>, int64_t> scratch_;  // by position
  std::map<ValueId, ValueId> accumulator_of_root_, state_of_root_;
  std::map<ValueId, bool> added_after_;
  std::set<ValueId> copied_after_;  // states and results whose root another device makes
  std::set<ValueId> result_roots_;
  std::vector<Prepared> kernels_;
  std::vector<bool> is_within_chain_;  // of nodes: another one of its chain stands for it
  std::map<NodeId, std::vector<ValueId>> inputs_of_chain_;  // by its last node
  std::map<std::pair<std::string, ValueId>, const Kernel*> extra_kernels_;
  DeviceProgram program_;
};

}  // namespace

DeviceProgram compile_pass(const PassSpec& spec, int device, DeviceMemory& memory,
                           TransferTable& transfers, const DeviceReduction& reduction) {
  return Compiler(spec, device, memory, transfers, reduction).compile();
}

}  // namespace headrace
