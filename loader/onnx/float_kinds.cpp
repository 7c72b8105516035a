#include "loader/onnx/float_kinds.h"

#include "loader/data/convert.h"

namespace headrace {

HostTensor converted(const HostTensor& tensor, DType dtype) {
  if (tensor.type.dtype == dtype) return tensor;
  const Conversion convert = conversion(tensor.type.dtype, dtype, false);
  HEADRACE_CHECK(convert != nullptr && is_float(dtype), "{} to {}", to_string(tensor.type),
                 name_of(dtype));
  auto [result, bytes] = allocate_host_tensor({dtype, tensor.type.shape});
  convert(tensor.data.get(), bytes, static_cast<size_t>(result.type.elements()));
  return result;
}

}  // namespace headrace
