#pragma once

#include <string>

namespace headrace {

// Differentiates the model of an ONNX backend test folder with respect to each of its float inputs,
// in f64 through the reference kernels, and compares with central differences. The loss is a fixed
// random projection of all float outputs. The point is the first data set's inputs, each moved by
// up to a hundredth and what is not finite replaced: many cases lie on kinks and ties. Returns what
// differs, empty where nothing does. Throws Error where the model is refused or has no gradient.
std::string check_gradients(const std::string& folder);

}  // namespace headrace
