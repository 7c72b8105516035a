#pragma once

#include <cstddef>
#include <cstdint>

namespace onnx {
class ModelProto;
}

namespace headrace {

// One small change to a model that keeps its wire form sound: a number, a name, an operator, an
// attribute, the order or the number of nodes. What changes depends on `seed` alone; `mutate_bytes`
// (libFuzzer's LLVMFuzzerMutate) changes tensor contents and free text.
using MutateBytes = size_t (*)(uint8_t* data, size_t size, size_t max_size);
void mutate_model(onnx::ModelProto& model, uint32_t seed, MutateBytes mutate_bytes);

// Puts some nodes and tensors of `other` into `model`.
void cross_models(onnx::ModelProto& model, const onnx::ModelProto& other, uint32_t seed);

}  // namespace headrace
