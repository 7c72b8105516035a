#include "graph/error.h"
#include "loader/import/dimensions.h"
#include "loader/import/importer.h"
#include "loader/import/training_step.h"
#include "loader/model.h"
#include "loader/onnx/model_source.h"

namespace headrace {
namespace {

void require_bound(const BoundDimensions& bound) {
  if (bound.unbound.empty()) return;
  std::string options;
  for (const std::string& name : bound.unbound) options += fmt::format(" --bind {}=N", name);
  throw Error("{} of the inputs {} free; give{}{}",
              bound.unbound.size() == 1 ? "a dimension" : "dimensions",
              bound.unbound.size() == 1 ? "is" : "are", options,
              bound.batch_dimension.empty() ? ", or --batch for the leading one" : "");
}

// Gives the model over to the training step that it describes itself.
TrainingStep take_training_step(ModelSource& source, LoadOptions& options,
                                std::vector<std::string>& notes) {
  if (!options.freeze.empty())
    throw Error("the model's training_info says what is trained; --freeze has no say in it");
  std::map<std::string, HostTensor> initial;
  if (options.initialize) initial = run_initialization(source, options);
  if (!initial.empty())
    notes.push_back(fmt::format("its initialization graph set {} tensors", initial.size()));
  TrainingStep step = cut_training_step(*source.proto, initial);
  check_model(*step.forward, source.path.string());
  source.inlined = step.forward->functions_size() > 0
                       ? expand_functions(*step.forward, source.path.string())
                       : step.forward;
  options.trained = step.trained;
  options.as_exported = true;
  options.untie = "none";
  return step;
}

Model load(const std::string& path, LoadOptions options) {
  Model model;
  model.path = path;
  model.source = read_model(path);
  model.notes = model.source->notes;
  std::optional<TrainingStep> step;
  if (options.training_step && model.source->proto->training_info_size() > 0)
    step = take_training_step(*model.source, options, model.notes);
  const auto& graph = model.source->imported()->graph();
  BoundDimensions bound = bind_dimensions(graph, options);
  require_bound(bound);
  ImportResult result = import_model(*model.source, bound.shapes, options);
  require_supported(result);
  model.forward = std::move(result.forward);
  model.weights = std::move(result.weights);
  for (std::string& note : result.notes) model.notes.push_back(std::move(note));
  model.batch_dimension = std::move(bound.batch_dimension);
  if (step) {
    model.update = import_update(*step, *model.source, options);
    for (const auto& kept : model.update->kept)
      model.source->places.try_emplace(
          kept.name,
          WeightPlace{.name = kept.name, .type = model.update->graph.value(kept.before).type});
  }
  return model;
}

}  // namespace

Model load_model(const std::string& path, const LoadOptions& options) {
  try {
    return load(path, options);
  } catch (const Error& error) {
    // What reading says names the file already.
    if (std::string_view(error.what()).starts_with(path)) throw;
    throw Error("{}: {}", path, error.what());
  }
}

}  // namespace headrace
