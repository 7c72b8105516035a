#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/quantity.h"
#include "cli/text_table.h"
#include "kernels/evaluate.h"
#include "loader/npz.h"

namespace headrace {
namespace {

void report_json(const Inspection& model) {
  nlohmann::ordered_json unsupported = nlohmann::ordered_json::array();
  for (const auto& [op, domain, node, why] : model.unsupported)
    unsupported.push_back({{"operator", op}, {"domain", domain}, {"node", node}, {"why", why}});
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const auto& [name, type, held_by] : model.trainable_tensors)
    tensors.push_back({{"name", name},
                       {"dtype", name_of(type.dtype)},
                       {"shape", type.shape},
                       {"held_by", held_by}});
  const nlohmann::ordered_json json = {{"opset", model.opset},
                                       {"ir_version", model.ir_version},
                                       {"producer", model.producer},
                                       {"nodes", model.nodes},
                                       {"operators", model.operators},
                                       {"parameters", model.parameters},
                                       {"trainable", model.trainable},
                                       {"trainable_tensors", tensors},
                                       {"notes", model.notes},
                                       {"flops", model.flops},
                                       {"supported", unsupported.empty()},
                                       {"unsupported", unsupported}};
  print_json(json);
}

void list_trainable(const Inspection& model) {
  constexpr size_t kMost = 40;
  TextTable table({{"trainable"}, {"type"}, {"held by"}});
  const size_t shown = std::min(model.trainable_tensors.size(), kMost);
  for (size_t i = 0; i < shown; ++i) {
    const auto& [name, type, held_by] = model.trainable_tensors[i];
    table.add({name, to_string(type), held_by});
  }
  if (shown > 0) fmt::print("\n{}", table.text());
  if (shown < model.trainable_tensors.size())
    fmt::print("and {} more; --json lists all\n", model.trainable_tensors.size() - shown);
}

void report_text(const Inspection& model, const Settings& settings) {
  fmt::print("model       {}\n", settings.run.model);
  fmt::print("written by  {}, opset {}, IR version {}\n",
             model.producer.empty() ? "(no name)" : model.producer, model.opset, model.ir_version);
  fmt::print("parameters  {}, of them trainable {}\n", show_count(model.parameters),
             show_count(model.trainable));
  if (model.flops > 0)
    fmt::print("forward     {}FLOP for {}\n", show_number(model.flops),
               settings.run.batch
                   ? fmt::format("a batch of {}", *settings.run.batch)
                   : std::string("the batch as exported, one sample where it is free"));
  std::vector<std::pair<std::string, int64_t>> operators(model.operators.begin(),
                                                         model.operators.end());
  std::stable_sort(operators.begin(), operators.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  TextTable table({{"nodes", Align::right}, {"operator"}});
  for (const auto& [name, count] : operators) table.add({show_count(count), name});
  fmt::print("\n{}", table.text());
  list_trainable(model);
  for (const std::string& note : model.notes) fmt::print("\nnote: {}", note);
  if (!model.notes.empty()) fmt::print("\n");
  if (model.unsupported.empty()) {
    fmt::print("\nevery node is supported\n");
    return;
  }
  TextTable refused({{"not supported"}, {"domain"}, {"node"}, {"why"}});
  for (const auto& [op, domain, node, why] : model.unsupported)
    refused.add({op, domain, node, why});
  fmt::print("\n{}", refused.text());
}

}  // namespace

void inspect_command(const Settings& settings) {
  const RunConfig& run = settings.run;
  LoadOptions options{.bind = run.bind,
                      .batch = run.batch,
                      .untie = run.untie,
                      .freeze = run.freeze,
                      .evaluate = evaluate};
  if (!run.fixed_inputs.empty()) options.fixed_inputs = read_npz(run.fixed_inputs);
  const Inspection model = inspect_model(run.model, options);
  settings.json ? report_json(model) : report_text(model, settings);
}

}  // namespace headrace
