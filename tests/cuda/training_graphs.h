#pragma once

#include <string>
#include <vector>

#include "graph/autodiff.h"
#include "kernels/device.h"

namespace headrace {

// What people train, as training graphs whose images and weights are stored in one float type: the
// models of this repository, and two well-known ones drawn here. Values have no contents.
// Statistics and what scales by them in a batch normalisation stay f32, as mixed precision has
// them. Attention is one node where the device fuses it.
struct NamedGraph {
  std::string name;
  TrainingGraph training;
};

std::vector<NamedGraph> shipped_models(DType dtype, Device& device);
// 224 x 224 pictures, 64 at a time.
NamedGraph resnet50(DType dtype);
// Twelve layers, 768 wide, 8 rows of 1,024 tokens.
NamedGraph decoder(DType dtype, Device& device);
// A convolution of each form that the operators can state, with one to three spatial dimensions:
// groups, depthwise, dilated, unequal pads, strides beyond the kernel, odd channels, ConvTranspose.
NamedGraph convolutions(DType dtype);

}  // namespace headrace
