#include "executor/session.h"

#include <algorithm>

#include "executor/fuse_for_device.h"
#include "executor/settle_layouts.h"
#include "executor/sha256.h"
#include "graph/error.h"
#include "graph/nearest.h"
#include "graph/passes.h"
#include "kernels/evaluate.h"
#include "loader/glob.h"
#include "loader/npz.h"

namespace headrace {
namespace {

// The options that a batch is divided by.
std::string name_of_parts(const RunConfig& config) {
  std::string text = fmt::format("--microbatches {}", config.microbatches);
  if (config.data_parallel > 1)
    text += fmt::format(" times --data-parallel {}", config.data_parallel);
  return text;
}

std::optional<int64_t> microbatch_size(const RunConfig& config) {
  if (!config.batch) return std::nullopt;
  if (config.microbatches < 1) throw Error("--microbatches must be at least 1");
  const int64_t microbatches = microbatches_in_all(config);
  if (*config.batch < 1 || *config.batch % microbatches != 0)
    throw Error("--batch {} is not divisible by {}", *config.batch, name_of_parts(config));
  return *config.batch / microbatches;
}

// What training needs of the forward graph, its dead ends dropped and ids renewed.
struct Trimmed {
  ForwardGraph forward;
  AttachedLosses losses;
};

// The graph that `rewrite` makes of the forward graph, with everything renumbered as it says; roots
// are what training reads of it.
template <typename Rewrite>
Trimmed rewritten(const ForwardGraph& forward, AttachedLosses losses, const Rewrite& rewrite) {
  std::vector<ValueId> roots = losses.correct_counts;
  for (const auto& term : losses.terms) roots.push_back(term.value);
  for (const auto& update : forward.state_updates) roots.push_back(update.replacement);
  std::vector<ValueId> renumbered;
  Trimmed result{{rewrite(forward.graph, roots, &renumbered), {}}, std::move(losses)};
  const auto renew = [&](ValueId& id) { id = renumbered[index(id)]; };
  for (auto update : forward.state_updates) {
    renew(update.state);
    renew(update.replacement);
    result.forward.state_updates.push_back(update);
  }
  for (auto& term : result.losses.terms) renew(term.value);
  for (auto& id : result.losses.correct_counts) renew(id);
  for (auto& id : result.losses.targets) renew(id);
  if (result.losses.counted_target) renew(*result.losses.counted_target);
  return result;
}

Trimmed trim(const ForwardGraph& forward, AttachedLosses losses) {
  return rewritten(
      forward, std::move(losses),
      [](const Graph& graph, const std::vector<ValueId>& roots, std::vector<ValueId>* renumbered) {
        return drop_dead(graph, roots, renumbered);
      });
}

DType dtype_of_products(const std::string& precision) {
  const std::vector<std::string> known = {"f32", "bf16", "f16"};
  if (std::find(known.begin(), known.end(), precision) == known.end())
    throw Error("--precision: unknown '{}'; did you mean '{}'?", precision,
                nearest(precision, known));
  return *dtype_named(precision);
}

Trimmed with_products_in(DType products, Trimmed trimmed) {
  if (products == DType::f32) return trimmed;
  return rewritten(
      trimmed.forward, std::move(trimmed.losses),
      [&](const Graph& graph, const std::vector<ValueId>& roots, std::vector<ValueId>* renumbered) {
        return narrow_products(graph, products, roots, renumbered);
      });
}

void require_parameters(const Graph& graph, const RunConfig& config) {
  int64_t frozen = 0;
  for (const Value& value : graph.values()) {
    if (value.role == Role::parameter) return;
    if (value.role == Role::constant && is_float(value.type.dtype) &&
        matches_any(config.freeze, value.name))
      ++frozen;
  }
  if (frozen > 0)
    throw Error("{}: nothing to train: --freeze keeps all of its {} weight{} as they are",
                config.model, frozen, frozen == 1 ? "" : "s");
  throw Error("{}: nothing to train: no float tensor stored in it leads to an output",
              config.model);
}

// A model that brings its own update leaves nothing for these to say.
void require_no_optimizer(const WrittenUpdate& update, const RunConfig& config) {
  const auto refuse = [&](const char* what) {
    throw Error(
        "{}: its training_info brings its own loss and optimizer: {} has no say in it; "
        "--loss trains the model apart from that",
        config.model, what);
  };
  if (config.optimizer != OptimizerSpec{}) refuse("the optimizer given");
  if (config.clip_norm != 0) refuse("--clip-norm");
  if (config.precision == "f16")
    throw Error(
        "{}: its own update knows nothing of the scaled gradients of --precision f16: take bf16",
        config.model);
  if (!update.rate && config.rate != LearningRateSpec{}) refuse("the learning rate given");
}

}  // namespace

int64_t microbatches_in_all(const RunConfig& config) {
  return int64_t{config.microbatches} * config.data_parallel;
}

PreparedModel prepare_model(const RunConfig& config, Device& device) {
  PreparedModel prepared;
  LoadOptions options;
  options.bind = config.bind;
  options.batch = microbatch_size(config);
  options.untie = config.untie;
  options.freeze = config.freeze;
  options.evaluate = evaluate;
  options.training_step = config.losses.empty();
  options.initialize = config.initialize;
  if (!config.fixed_inputs.empty()) options.fixed_inputs = read_npz(config.fixed_inputs);
  prepared.model = load_model(config.model, options);
  if (prepared.model.update) require_no_optimizer(*prepared.model.update, config);
  require_parameters(prepared.model.forward.graph, config);

  const DType products = dtype_of_products(config.precision);
  ForwardGraph forward =
      fuse_for_device(canonicalize(std::move(prepared.model.forward)), products, device);
  AttachedLosses losses;
  if (prepared.model.update)
    losses.terms.push_back({.value = forward.graph.outputs.at(0)});
  else
    losses = attach_losses(forward.graph, config.losses);
  Trimmed trimmed = with_products_in(products, trim(forward, std::move(losses)));

  prepared.targets = trimmed.losses.targets;
  prepared.correct_counts = trimmed.losses.correct_counts;
  prepared.counted_target = trimmed.losses.counted_target;
  prepared.targets_per_microbatch = trimmed.losses.targets_per_microbatch;
  TrainingGraph training = differentiate(std::move(trimmed.forward.graph), trimmed.losses.terms,
                                         std::move(trimmed.forward.state_updates));
  if (training.gradients.empty())
    throw Error("{}: nothing to train: none of its weights leads to the loss", config.model);
  prepared.training = settle_layouts(std::move(training), device);

  for (const ValueId id : prepared.training.graph.inputs) {
    const bool target =
        std::find(prepared.targets.begin(), prepared.targets.end(), id) != prepared.targets.end();
    if (!target && id != prepared.training.loss_seed) prepared.inputs.push_back(id);
  }
  for (const ValueId id : prepared.inputs) {
    const TensorType& type = prepared.training.graph.value(id).type;
    if (type.rank() > 0) {
      prepared.microbatch_size = type.shape[0];
      break;
    }
  }
  if (const auto asked = microbatch_size(config); asked && prepared.microbatch_size != *asked)
    throw Error("{}: a micro-batch holds {} samples, but --batch {} by {} asks for {}",
                config.model, prepared.microbatch_size, *config.batch, name_of_parts(config),
                *asked);
  return prepared;
}

const TrainingGraph& graph_of(const PreparedModel& prepared, const PreparedPlan& plan) {
  return plan.recomputed ? *plan.recomputed : prepared.training;
}

std::unique_ptr<Pipeline> make_pipeline(const PreparedModel& prepared, const PreparedPlan& plan,
                                        const RunConfig& config,
                                        std::vector<std::unique_ptr<Device>> devices,
                                        const Processes& processes) {
  return std::make_unique<Pipeline>(PipelineSpec{.training = graph_of(prepared, plan),
                                                 .metrics = prepared.correct_counts,
                                                 .plan = plan.plan,
                                                 .schedule = plan.schedule,
                                                 .replicas = config.data_parallel,
                                                 .links = plan.links,
                                                 .optimizer = config.optimizer,
                                                 .update = prepared.model.update,
                                                 .clip_norm = config.clip_norm,
                                                 .scale_losses = config.precision == "f16",
                                                 .seed = config.seed,
                                                 .processes = processes},
                                    std::move(devices));
}

std::vector<int64_t> predicted_peak_bytes(const PreparedPlan& plan, int replicas) {
  std::vector<int64_t> bytes;
  for (int replica = 0; replica < replicas; ++replica)
    for (const MemoryPeak& peak : plan.simulation.peak_memory) bytes.push_back(peak.bytes);
  return bytes;
}

std::map<std::string, HostTensor> read_weights(const Pipeline& pipeline) {
  std::map<std::string, HostTensor> weights;
  const Graph& graph = pipeline.training().graph;
  for (size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    const auto id = static_cast<ValueId>(v);
    if ((value.role == Role::parameter || value.role == Role::state) && pipeline.holds(id))
      weights[value.name] = pipeline.weight(id);
  }
  for (const std::string& state : pipeline.own_states()) weights[state] = pipeline.own_state(state);
  return weights;
}

std::string parameters_sha256(const Graph& graph,
                              const std::map<std::string, HostTensor>& weights) {
  std::map<std::string, HostTensor> parameters;
  for (const auto& [name, tensor] : weights)
    if (const auto id = graph.find(name); id && graph.value(*id).role == Role::parameter)
      parameters[name] = tensor;
  return sha256(parameters);
}

}  // namespace headrace
