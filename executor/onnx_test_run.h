#pragma once

#include <string>
#include <vector>

#include "graph/host_tensor.h"
#include "kernels/device.h"

namespace headrace {

// What became of one expected output.
struct OutputCheck {
  std::string output;
  std::string difference;  // one line; empty: it is as expected
};

struct OnnxTestResult {
  std::string set;  // "test_data_set_0"
  std::vector<OutputCheck> outputs;
  bool passed() const;
};

// How `got` differs from `expected`, naming the element that is furthest off; empty where it does
// not. Types must agree; integers and bools exactly, floats within 1e-3 of the expected value and
// 1e-7, the tolerances of onnx.backend.test's runner, which gives bfloat16 2^-6 instead. NaN
// agrees with NaN.
std::string difference(const HostTensor& got, const HostTensor& expected);

// Runs the model on every data set of an ONNX backend test folder (loader/onnx_test_sets.h), as
// run_forward does. Throws Error where the model or the folder cannot be used.
std::vector<OnnxTestResult> run_onnx_test(const std::string& model, const std::string& folder,
                                          Device& device);

}  // namespace headrace
