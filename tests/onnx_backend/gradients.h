#pragma once

#include <string>

namespace headrace {

// Differentiates the model of an ONNX backend test folder with respect to each of its float inputs,
// in f64 through the reference kernels, and compares with central differences at the inputs of the
// first data set. The loss is a fixed random projection of all float outputs. Returns what differs,
// empty where nothing does. Throws Error where the model is refused or has no gradient to check.
std::string check_gradients(const std::string& folder);

}  // namespace headrace
