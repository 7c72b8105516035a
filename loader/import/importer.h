#pragma once

#include <map>
#include <string>
#include <vector>

#include "loader/model.h"
#include "loader/onnx/model_source.h"

namespace headrace {

struct ImportResult {
  ForwardGraph forward;
  std::vector<Weight> weights;
  std::vector<std::string> notes;
  std::vector<Inspection::Unsupported> unsupported;  // when not empty, the graph is incomplete
  int64_t float_elements = 0;  // of all float tensors in the file that were met
};

// Turns the nodes of the main graph, in their order, into canonical nodes; the branch of an If
// whose condition is constant is imported in its place, the body of a Loop or Scan once for each
// pass. `input_shapes`: of every input that is not a weight. Fills `source.places`.
ImportResult import_model(ModelSource& source, const std::map<std::string, Shape>& input_shapes,
                          const LoadOptions& options);

// Throws Error that lists every node that could not be imported, with domain and reason.
void require_supported(const ImportResult& result);

}  // namespace headrace
