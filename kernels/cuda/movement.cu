#include <cstring>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"

// What only moves elements: each operator is a walk over two tensors through strides, or a few.
namespace headrace::cuda {
namespace {

template <typename T>
struct Copy {
  const T* x;
  T* y;
  Walk<2> walk;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    walk.find(i, at);
    y[at[1]] = x[at[0]];
  }
};

// A copy of elements of `size` bytes; `walk` finds what is read and what is written.
struct StridedCopy {
  Walk<2> walk;
  size_t size = 0;

  void run(Queue queue, const void* x, void* y) const {
    switch (size) {
      case 1:
        return run_as<uint8_t>(queue, x, y);
      case 2:
        return run_as<uint16_t>(queue, x, y);
      case 4:
        return run_as<uint32_t>(queue, x, y);
      default:
        return run_as<uint64_t>(queue, x, y);
    }
  }

 private:
  template <typename T>
  void run_as(Queue queue, const void* x, void* y) const {
    for_each(queue, walk.count, Copy<T>{static_cast<const T*>(x), static_cast<T*>(y), walk});
  }
};

// Two neighbours move as one element of twice the size wherever they lie side by side on both
// sides, up to eight bytes.
StridedCopy widened(StridedCopy copy) {
  Walk<2>& w = copy.walk;
  const auto is_even = [&] {
    if (w.dims == 0 || w.base[0] % 2 != 0 || w.base[1] % 2 != 0) return false;
    const int last = w.dims - 1;
    if (w.stride[0][last] != 1 || w.stride[1][last] != 1 || w.extent[last] % 2 != 0) return false;
    for (int d = 0; d < last; ++d)
      if (w.stride[0][d] % 2 != 0 || w.stride[1][d] % 2 != 0) return false;
    return true;
  };
  while (copy.size < 8 && is_even()) {
    copy.size *= 2;
    w.count /= 2;
    w.extent[w.dims - 1] /= 2;
    for (int k = 0; k < 2; ++k) {
      w.base[k] /= 2;
      for (int d = 0; d + 1 < w.dims; ++d) w.stride[k][d] /= 2;
    }
  }
  return copy;
}

// `shape` elements from one set of strides to another, walked in the order of the memory written.
struct Move {
  Shape shape, from, to;
  int64_t from_base = 0, to_base = 0;
};
std::optional<StridedCopy> copy_of(const Move& move, DType dtype) {
  const Shape strides[] = {move.from, move.to};
  auto walk = make_walk_in_order(move.to, move.shape, strides);
  if (!walk) return {};
  walk->base[0] = move.from_base;
  walk->base[1] = move.to_base;
  return widened({*walk, size_of(dtype)});
}

Shape input_strides(const KernelRequest& request, size_t i) {
  return strides_of(request.input_types[i], request.input_layouts[i]);
}
Shape output_strides(const KernelRequest& request, size_t o) {
  return strides_of(request.output_types[o], request.output_layouts[o]);
}

// One copy from the first input into the first output, which `clears` says is zeroed before.
Prepared one_copy(const Context& context, const KernelRequest& request, const Move& move,
                  bool clears = false) {
  if (accumulates(request)) return refuse("does not accumulate");
  const auto copy = copy_of(move, request.output_types[0].dtype);
  if (!copy) return refuse("too many dimensions");
  const auto bytes = static_cast<size_t>(request.output_types[0].bytes());
  return make_kernel([queue = context.queue, copy = *copy, clears, bytes](const KernelArgs& args) {
    if (clears) clear(queue, args.outputs[0], bytes);
    copy.run(queue, args.inputs[0], args.outputs[0]);
  });
}

size_t axis_of(const Node& node) { return static_cast<size_t>(node.attributes.get_int("axis")); }

// A copy for each part of a whole along the node's axis: move_of(part, where it begins).
template <typename MoveOf>
std::optional<std::vector<StridedCopy>> copies_of_parts(const Node& node,
                                                        const std::vector<TensorType>& parts,
                                                        const MoveOf& move_of) {
  std::vector<StridedCopy> copies;
  int64_t place = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    const auto copy = copy_of(move_of(p, place), parts[p].dtype);
    if (!copy) return {};
    copies.push_back(*copy);
    place += parts[p].shape[axis_of(node)];
  }
  return copies;
}

// Where a slice stands in the whole.
Move slice_of(const Attributes& attributes, const Shape& slice, const Shape& whole_strides,
              Shape slice_strides, bool reads_whole) {
  const auto &starts = attributes.get_ints("starts"), &steps = attributes.get_ints("steps");
  Shape strides = whole_strides;
  int64_t base = 0;
  for (size_t d = 0; d < slice.size(); ++d) {
    base += starts[d] * strides[d];
    strides[d] *= steps[d];
  }
  if (reads_whole) return {slice, strides, std::move(slice_strides), base, 0};
  return {slice, std::move(slice_strides), strides, 0, base};
}

// The part of a tensor that a padding keeps, from its place there to its place among the pads.
struct Kept {
  Shape shape;
  int64_t inner_base = 0, padded_base = 0;
};
Kept kept_part(const Shape& inner, const Shape& pads, const Shape& inner_strides,
               const Shape& padded_strides) {
  Kept kept;
  for (size_t d = 0; d < inner.size(); ++d) {
    const int64_t front = std::max<int64_t>(0, -pads[d]);
    const int64_t back = std::max<int64_t>(0, -pads[inner.size() + d]);
    kept.shape.push_back(std::max<int64_t>(0, inner[d] - front - back));
    kept.inner_base += front * inner_strides[d];
    kept.padded_base += std::max<int64_t>(0, pads[d]) * padded_strides[d];
  }
  return kept;
}

enum class PadMode : uint8_t { constant, edge, wrap, reflect };

// Where place `at` of a padded dimension reads in one of n elements; -1: nowhere.
HEADRACE_HOST_DEVICE int64_t pad_source(int64_t at, int64_t n, PadMode mode) {
  if (at >= 0 && at < n) return at;
  switch (mode) {
    case PadMode::edge:
      return at < 0 ? 0 : n - 1;
    case PadMode::wrap:
      return (at % n + n) % n;
    case PadMode::reflect: {
      if (n == 1) return 0;
      const int64_t period = 2 * (n - 1);
      const int64_t phase = (at % period + period) % period;
      return phase < n ? phase : period - phase;
    }
    default:
      return -1;
  }
}

template <typename T>
struct PadWith {
  static constexpr int kMostDims = 5;
  const T* x;
  T* y;
  T value;
  PadMode mode;
  int dims;
  int64_t padded[kMostDims], inner[kMostDims], front[kMostDims];
  int64_t read[kMostDims], written[kMostDims];

  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    int64_t from = 0, to = 0;
    bool outside = false;
    for (int d = dims - 1; d >= 0; --d) {
      const int64_t rest = quotient(i, padded[d]), place = i - rest * padded[d];
      const int64_t at = pad_source(place - front[d], inner[d], mode);
      outside = outside || at < 0;
      from += at * read[d];
      to += place * written[d];
      i = rest;
    }
    y[to] = outside ? value : x[from];
  }
};

// The bits of the padding, of the tensor's own dtype.
template <typename T>
T bits_of_value(DType dtype, double value) {
  T bits{};
  const auto put = [&](auto number) { std::memcpy(&bits, &number, sizeof bits); };
  if constexpr (sizeof(T) == 8) {
    if (dtype == DType::f64)
      put(value);
    else
      put(static_cast<int64_t>(value));
  } else if constexpr (sizeof(T) == 4) {
    if (dtype == DType::f32)
      put(static_cast<float>(value));
    else
      put(static_cast<int32_t>(static_cast<int64_t>(value)));
  } else if constexpr (sizeof(T) == 2) {
    if (dtype == DType::f16)
      put(from_f32<Float16>(static_cast<float>(value)));
    else if (dtype == DType::bf16)
      put(from_f32<BFloat16>(static_cast<float>(value)));
    else
      put(static_cast<int16_t>(value));
  } else {
    put(dtype == DType::boolean ? static_cast<uint8_t>(value != 0)
                                : static_cast<uint8_t>(static_cast<int64_t>(value)));
  }
  return bits;
}

// Element (row, column) of the last two axes stays where column - row >= k (upper) or <= k.
template <typename T>
struct Triangle {
  const T* x;
  T* y;
  int64_t rows, columns, k;
  bool upper;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t line = quotient(i, columns);
    const int64_t diagonal = i - line * columns - (line - quotient(line, rows) * rows);
    y[i] = (upper ? diagonal >= k : diagonal <= k) ? x[i] : T{0};
  }
};

}  // namespace

Prepared prepare_reorder(const Context& context, const KernelRequest& request) {
  return one_copy(
      context, request,
      {request.output_types[0].shape, input_strides(request, 0), output_strides(request, 0)});
}

Prepared prepare_reshape(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  return make_kernel(
      [queue = context.queue,
       bytes = static_cast<size_t>(request.output_types[0].bytes())](const KernelArgs& args) {
        if (args.outputs[0] != args.inputs[0])
          copy_on_device(queue, args.outputs[0], args.inputs[0], bytes);
      },
      0);
}

Prepared prepare_transpose(const Context& context, const KernelRequest& request) {
  const Shape strides = input_strides(request, 0);
  Shape from;
  for (int64_t axis : request.node->attributes.get_ints("perm"))
    from.push_back(strides[static_cast<size_t>(axis)]);
  return one_copy(context, request,
                  {request.output_types[0].shape, from, output_strides(request, 0)});
}

Prepared prepare_expand(const Context& context, const KernelRequest& request) {
  const Shape& shape = request.output_types[0].shape;
  return one_copy(
      context, request,
      {shape, broadcast_strides(request.input_types[0].shape, input_strides(request, 0), shape),
       output_strides(request, 0)});
}

Prepared prepare_slice(const Context& context, const KernelRequest& request) {
  return one_copy(context, request,
                  slice_of(request.node->attributes, request.output_types[0].shape,
                           input_strides(request, 0), output_strides(request, 0), true));
}

Prepared prepare_slice_gradient(const Context& context, const KernelRequest& request) {
  return one_copy(context, request,
                  slice_of(request.node->attributes, request.input_types[0].shape,
                           output_strides(request, 0), input_strides(request, 0), false),
                  true);
}

Prepared prepare_concat(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Shape to = output_strides(request, 0);
  const auto copies =
      copies_of_parts(*request.node, request.input_types, [&](size_t i, int64_t at) {
        return Move{request.input_types[i].shape, input_strides(request, i), to, 0,
                    at * to[axis_of(*request.node)]};
      });
  if (!copies) return refuse("too many dimensions");
  return make_kernel([queue = context.queue, copies = *copies](const KernelArgs& args) {
    for (size_t i = 0; i < copies.size(); ++i)
      copies[i].run(queue, args.inputs[i], args.outputs[0]);
  });
}

Prepared prepare_split(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Shape from = input_strides(request, 0);
  const auto copies =
      copies_of_parts(*request.node, request.output_types, [&](size_t o, int64_t at) {
        return Move{request.output_types[o].shape, from, output_strides(request, o),
                    at * from[axis_of(*request.node)], 0};
      });
  if (!copies) return refuse("too many dimensions");
  return make_kernel([queue = context.queue, copies = *copies](const KernelArgs& args) {
    for (size_t o = 0; o < copies.size(); ++o)
      if (args.outputs[o] != nullptr) copies[o].run(queue, args.inputs[0], args.outputs[o]);
  });
}

Prepared prepare_pad(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const Attributes& a = request.node->attributes;
  const TensorType& out = request.output_types[0];
  const std::string mode = a.get_string("mode", "constant");
  return with_size(out.dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    PadWith<T> pad{};
    if (out.rank() > pad.kMostDims) return refuse("too many dimensions");
    pad.value = bits_of_value<T>(out.dtype, a.get_float("value", 0));
    pad.mode = mode == "edge"      ? PadMode::edge
               : mode == "wrap"    ? PadMode::wrap
               : mode == "reflect" ? PadMode::reflect
                                   : PadMode::constant;
    pad.dims = static_cast<int>(out.rank());
    std::ranges::copy(out.shape, pad.padded);
    std::ranges::copy(request.input_types[0].shape, pad.inner);
    std::copy_n(a.get_ints("pads").begin(), pad.dims, pad.front);
    std::ranges::copy(input_strides(request, 0), pad.read);
    std::ranges::copy(output_strides(request, 0), pad.written);
    return make_kernel([=, queue = context.queue, count = out.elements()](const KernelArgs& args) {
      PadWith<T> body = pad;
      body.x = input<T>(args, 0);
      body.y = output<T>(args, 0);
      for_each(queue, count, body);
    });
  });
}

Prepared prepare_pad_gradient(const Context& context, const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  if (a.get_string("mode", "constant") != "constant") return refuse("not constant");
  const Shape padded = input_strides(request, 0), inner = output_strides(request, 0);
  const Shape& dx = request.output_types[0].shape;
  const Kept kept = kept_part(dx, a.get_ints("pads"), inner, padded);
  return one_copy(context, request, {kept.shape, padded, inner, kept.padded_base, kept.inner_base},
                  kept.shape != dx);
}

Prepared prepare_trilu(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const Attributes& a = request.node->attributes;
  const Shape& shape = request.output_types[0].shape;
  const int64_t rows = shape[shape.size() - 2], columns = shape.back(), k = a.get_int("k", 0);
  const bool upper = a.get_int("upper", 1) != 0;
  return with_size(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [=, queue = context.queue, count = element_count(shape)](const KernelArgs& args) {
          for_each(queue, count,
                   Triangle<T>{input<T>(args, 0), output<T>(args, 0), rows, columns, k, upper});
        },
        0);
  });
}

}  // namespace headrace::cuda
