#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/host_tensor.h"

namespace headrace {

// Inputs of a model and the outputs that are expected of it, by the model's names.
struct OnnxTestSet {
  std::string name;  // "test_data_set_0"
  std::map<std::string, HostTensor> inputs;
  std::vector<std::pair<std::string, HostTensor>> outputs;  // in the model's order
};

// The data sets of a folder of ONNX's backend tests, in ascending number: test_data_set_N with
// input_K.pb for the model's K-th input that has no initializer and output_K.pb for its K-th
// output. Throws Error: a folder without data sets, a set without outputs, a file that is no
// tensor or belongs to no input or output, an input that is not a tensor.
std::vector<OnnxTestSet> read_onnx_test_sets(const std::string& model, const std::string& folder);

}  // namespace headrace
