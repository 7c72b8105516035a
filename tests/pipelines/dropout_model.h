#pragma once

#include "tests/loader/onnx_text.h"
#include "tests/temporary_folder.h"

namespace headrace {

// A small model with Dropout in training mode, in that folder; its path.
inline std::string write_dropout_model(const TemporaryFolder& folder) {
  std::string path = folder / "model.onnx";
  write_onnx(parse_onnx(R"(
    g (float[N,4] x) => (float[N,3] y)
    <float[4,4] w = {0.5,-1,0.25,2,-0.5,1,0.75,-2,1.5,-0.25,1.25,-1.5,0.1,0.2,0.3,0.4},
     float[4,3] v = {0.5,-1,0.25,2,-0.5,1,0.75,-2,1.5,-0.25,1.25,-1.5},
     float ratio = {0.3}, bool training = {1}> {
      h = MatMul(x, w)
      t = Tanh(h)
      d = Dropout(t, ratio, training)
      y = MatMul(d, v)
    })"),
             path);
  return path;
}

}  // namespace headrace
