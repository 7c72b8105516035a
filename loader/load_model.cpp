#include "graph/error.h"
#include "loader/import/dimensions.h"
#include "loader/import/importer.h"
#include "loader/model.h"
#include "loader/onnx/model_source.h"

namespace headrace {
namespace {

void require_bound(const BoundDimensions& bound, const std::string& path) {
  if (bound.unbound.empty()) return;
  std::string options;
  for (const std::string& name : bound.unbound) options += fmt::format(" --bind {}=N", name);
  throw Error("{}: {} of the inputs {} free; give{}{}", path,
              bound.unbound.size() == 1 ? "a dimension" : "dimensions",
              bound.unbound.size() == 1 ? "is" : "are", options,
              bound.batch_dimension.empty() ? ", or --batch for the leading one" : "");
}

void require_supported(const ImportResult& result, const std::string& path) {
  if (result.unsupported.empty()) return;
  std::string list;
  for (const auto& entry : result.unsupported)
    list += fmt::format("\n  {}{}{} '{}': {}", entry.domain,
                        entry.domain.empty() ? "" : "::", entry.op, entry.node, entry.why);
  throw Error("{}: {} of its nodes cannot be used:{}", path, result.unsupported.size(), list);
}

}  // namespace

Model load_model(const std::string& path, const LoadOptions& options) {
  Model model;
  model.path = path;
  model.source = read_model(path);
  const auto& graph = model.source->imported()->graph();
  BoundDimensions bound;
  try {
    bound = bind_dimensions(graph, options);
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
  require_bound(bound, path);
  ImportResult result;
  try {
    result = import_model(*model.source, bound.shapes, options);
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
  require_supported(result, path);
  model.forward = std::move(result.forward);
  model.weights = std::move(result.weights);
  model.notes = std::move(result.notes);
  model.batch_dimension = std::move(bound.batch_dimension);
  return model;
}

}  // namespace headrace
