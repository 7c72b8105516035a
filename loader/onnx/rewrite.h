#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>

#include "graph/host_tensor.h"
#include "loader/onnx/model_source.h"

namespace headrace {

// Whether every node and tensor that `places` speak of is in `model`; false for those that came
// into being when local functions were expanded.
bool has_places(const onnx::ModelProto& model, const std::map<std::string, WeightPlace>& places);

// The contents that the file has in a place of `has_places`.
HostTensor read_place(const onnx::ModelProto& model, const WeightPlace& place,
                      ExternalData& external);

// Puts new contents into their places. Weights that were copied for their reader become
// initializers of their own and the reader's input is named after them; a copy that an Identity
// node stood for takes that node's place. Throws Error naming a weight that the model does not have
// or whose type differs.
void replace_weights(onnx::ModelProto& model, const std::map<std::string, WeightPlace>& places,
                     const std::map<std::string, HostTensor>& weights);

}  // namespace headrace
