#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// x's memory as it is; the output may share it.
Loop copy(const KernelRequest& request) {
  return [bytes = static_cast<size_t>(request.output_types[0].bytes())](const KernelArgs& args) {
    if (bytes > 0) std::memmove(args.outputs[0], args.inputs[0], bytes);
  };
}

// y element by element from where `view` finds it in x.
Loop read_through(const KernelRequest& request, StridedView view) {
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    return [view, count = view.count()](const KernelArgs& args) {
      for (int64_t i = 0; i < count; ++i) output<T>(args, 0)[i] = input<T>(args, 0)[view.offset(i)];
    };
  });
}

Loop transpose(const KernelRequest& request) {
  const Shape strides = row_major_strides(request.input_types[0].shape);
  StridedView view{request.output_types[0].shape, {}};
  for (int64_t axis : request.node->attributes.get_ints("perm"))
    view.strides.push_back(strides[static_cast<size_t>(axis)]);
  return read_through(request, view);
}

Loop expand(const KernelRequest& request) {
  return read_through(request,
                      broadcast_view(request.input_types[0].shape, request.output_types[0].shape));
}

// Where the elements of a slice stand in the tensor of shape `whole`.
StridedView slice_view(const Attributes& attributes, const Shape& whole, const Shape& slice) {
  const auto& starts = attributes.get_ints("starts");
  const auto& steps = attributes.get_ints("steps");
  StridedView view{slice, row_major_strides(whole)};
  for (size_t d = 0; d < slice.size(); ++d) {
    view.base += starts[d] * view.strides[d];
    view.strides[d] *= steps[d];
  }
  return view;
}

Loop slice(const KernelRequest& request) {
  return read_through(request, slice_view(request.node->attributes, request.input_types[0].shape,
                                          request.output_types[0].shape));
}

Loop slice_gradient(const KernelRequest& request) {
  const StridedView view = slice_view(request.node->attributes, request.output_types[0].shape,
                                      request.input_types[0].shape);
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    return [view, count = view.count(),
            total = request.output_types[0].elements()](const KernelArgs& args) {
      std::fill_n(output<T>(args, 0), total, T{0});
      for (int64_t i = 0; i < count; ++i) output<T>(args, 0)[view.offset(i)] = input<T>(args, 0)[i];
    };
  });
}

// The parts of a tensor along one axis, in bytes: a line of `whole` bytes holds a stretch of each.
struct Parts {
  int64_t outer = 1;
  size_t whole = 0;
  std::vector<size_t> bytes;
};
Parts parts_of(const std::vector<TensorType>& types, int64_t axis) {
  Parts parts;
  for (const TensorType& type : types) {
    const AxisSplit s = split_at(type.shape, axis);
    parts.outer = s.outer;
    parts.bytes.push_back(static_cast<size_t>(s.length * s.inner) * size_of(type.dtype));
    parts.whole += parts.bytes.back();
  }
  return parts;
}

Loop concat(const KernelRequest& request) {
  return [p = parts_of(request.input_types, request.node->attributes.get_int("axis"))](
             const KernelArgs& args) {
    auto* to = output<std::byte>(args, 0);
    for (int64_t o = 0; o < p.outer; ++o)
      for (size_t i = 0; i < p.bytes.size(); to += p.bytes[i++])
        if (p.bytes[i] > 0)
          std::memcpy(to, input<std::byte>(args, i) + static_cast<size_t>(o) * p.bytes[i],
                      p.bytes[i]);
  };
}

Loop split(const KernelRequest& request) {
  return [p = parts_of(request.output_types, request.node->attributes.get_int("axis"))](
             const KernelArgs& args) {
    const auto* from = input<std::byte>(args, 0);
    for (int64_t o = 0; o < p.outer; ++o)
      for (size_t i = 0; i < p.bytes.size(); from += p.bytes[i++])
        if (auto* to = output<std::byte>(args, i); to && p.bytes[i] > 0)
          std::memcpy(to + static_cast<size_t>(o) * p.bytes[i], from, p.bytes[i]);
  };
}

// Element (row, column) of the last two axes stays where column - row >= k (upper) or <= k.
Loop trilu(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const bool upper = a.get_int("upper", 1) != 0;
  const int64_t k = a.get_int("k", 0);
  const Shape& shape = request.output_types[0].shape;
  const int64_t rows = shape[shape.size() - 2], columns = shape.back();
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    return [=, count = element_count(shape)](const KernelArgs& args) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t diagonal = i % columns - i / columns % rows;
        const bool stays = upper ? diagonal >= k : diagonal <= k;
        output<T>(args, 0)[i] = stays ? input<T>(args, 0)[i] : T{0};
      }
    };
  });
}

}  // namespace

Loop movement(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"Identity", copy}, {"Reshape", copy}, {"Reorder", copy},  {"Transpose", transpose},
      {"Expand", expand}, {"Slice", slice},  {"Concat", concat}, {"SliceGrad", slice_gradient},
      {"Split", split},   {"Trilu", trilu},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
