#include <algorithm>

#include "kernels/cpu/families.h"
#include "kernels/cpu/strided_copy.h"

namespace headrace::cpu {
namespace {

// The part of the unpadded tensor that a padding keeps, and where it stands in the padded one.
struct Kept {
  Shape shape;
  int64_t inner_base = 0, padded_base = 0;
};
Kept kept_part(const Shape& inner, const Shape& padded, const Shape& pads) {
  const Shape inner_strides = row_major_strides(inner), padded_strides = row_major_strides(padded);
  Kept kept;
  for (size_t d = 0; d < inner.size(); ++d) {
    const int64_t cropped_front = std::max<int64_t>(0, -pads[d]);
    const int64_t cropped_back = std::max<int64_t>(0, -pads[inner.size() + d]);
    kept.shape.push_back(std::max<int64_t>(0, inner[d] - cropped_front - cropped_back));
    kept.inner_base += cropped_front * inner_strides[d];
    kept.padded_base += std::max<int64_t>(0, pads[d]) * padded_strides[d];
  }
  return kept;
}

std::string padding_refusal(const KernelRequest& request) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  const DType dtype = request.output_types[0].dtype;
  if (is_narrow_float(dtype)) return "half precision";
  if (request.node->attributes.get_string("mode", "constant") != "constant") return "not constant";
  return {};
}

}  // namespace

Prepared prepare_pad(const Context&, const KernelRequest& request) {
  if (std::string why = padding_refusal(request); !why.empty()) return refuse("{}", why);
  const Attributes& a = request.node->attributes;
  const Shape &in = request.input_types[0].shape, &out = request.output_types[0].shape;
  const Kept kept = kept_part(in, out, a.get_ints("pads"));
  if (element_count(kept.shape) == 0) return refuse("nothing is kept");
  return make_strided_copy(
      request.output_types[0].dtype,
      {kept.shape, row_major_strides(in), row_major_strides(out), kept.inner_base, kept.padded_base,
       element_count(out), a.get_float("value", 0)});
}

Prepared prepare_pad_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = padding_refusal(request); !why.empty()) return refuse("{}", why);
  const Shape &dy = request.input_types[0].shape, &dx = request.output_types[0].shape;
  const Kept kept = kept_part(dx, dy, request.node->attributes.get_ints("pads"));
  if (element_count(kept.shape) == 0) return refuse("nothing is kept");
  const bool whole = kept.shape == dx;
  return make_strided_copy(request.output_types[0].dtype,
                           {kept.shape, row_major_strides(dy), row_major_strides(dx),
                            kept.padded_base, kept.inner_base, whole ? 0 : element_count(dx), 0});
}

}  // namespace headrace::cpu
