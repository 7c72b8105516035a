#include <memory>

#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/layouts.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"

// One axis after the other, through images of f32 in the workspace. The gradient reads each table
// the other way: for each place of the image its pairs of (element of y, tap), in ascending order.
namespace headrace::cuda {
namespace {

struct Axis {
  int64_t outer = 1, from = 0, to = 0, inner = 1, taps = 1;
  size_t starts = 0, pairs = 0;  // where the gradient's table of this axis stands among all
};

struct ResampleAxis {
  FloatReader x;
  FloatWriter y;
  const int32_t* index;
  FloatReader weight;
  Axis axis;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = quotient(i, axis.inner), n = i - row * axis.inner;
    const int64_t outer = quotient(row, axis.to), j = row - outer * axis.to;
    double sum = 0;
    for (int64_t t = j * axis.taps; t < (j + 1) * axis.taps; ++t)
      sum += static_cast<double>(weight[t]) *
             static_cast<double>(x[(outer * axis.from + index[t]) * axis.inner + n]);
    y.set(i, sum);
  }
};

struct ResampleAxisGradient {
  FloatReader dy;
  FloatWriter dx;
  const int32_t *starts, *pairs;
  FloatReader weight;
  Axis axis;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = quotient(i, axis.inner), n = i - row * axis.inner;
    const int64_t outer = quotient(row, axis.from), place = row - outer * axis.from;
    double sum = 0;
    for (int32_t p = starts[place]; p < starts[place + 1]; ++p) {
      const int64_t t = pairs[p], j = quotient(t, axis.taps);
      sum += static_cast<double>(weight[t]) *
             static_cast<double>(dy[(outer * axis.to + j) * axis.inner + n]);
    }
    dx.set(i, sum);
  }
};

// The dimensions in the order of memory, and where each stands among them.
struct InMemory {
  Shape shape;
  std::vector<size_t> place;
};
InMemory in_memory(const Shape& shape, const Layout& layout) {
  InMemory m{shape, {}};
  for (size_t d = 0; d < shape.size(); ++d) m.place.push_back(d);
  if (layout.id != kChannelsLast) return m;
  for (size_t d = 2; d < shape.size(); ++d) {
    m.shape[d - 1] = shape[d];
    m.place[d] = d - 1;
  }
  m.shape.back() = shape[1];
  m.place[1] = shape.size() - 1;
  return m;
}

// The axes in their order, each seen in an image whose earlier axes are resampled already.
std::vector<Axis> axes_of(const KernelRequest& request, InMemory image) {
  std::vector<Axis> axes;
  size_t input = 1;
  for (int64_t axis : request.node->attributes.get_ints("axes")) {
    const size_t at = image.place[static_cast<size_t>(axis)];
    const Shape& table = request.input_types[input].shape;
    Axis a{.from = image.shape[at], .to = table[0], .taps = table[1]};
    for (size_t d = 0; d < at; ++d) a.outer *= image.shape[d];
    for (size_t d = at + 1; d < image.shape.size(); ++d) a.inner *= image.shape[d];
    axes.push_back(a);
    image.shape[at] = table[0];
    input += 2;
  }
  return axes;
}

// Why the tables are not for these kernels; empty: they are.
std::string refusal_of(const KernelRequest& request, const std::vector<Axis>& axes) {
  if (accumulates(request)) return "does not accumulate";
  if (request.input_layouts[0].id != request.output_layouts[0].id) return "layouts differ";
  if (axes.empty()) return "no axes";
  for (size_t i = 0; i < axes.size(); ++i) {
    const HostTensor& table = request.constants[1 + 2 * i];
    if (!table) return "the tables are no constants";
    for (int32_t index : table.as<int32_t>())
      if (index < 0 || index >= axes[i].from) return "an index is outside of its axis";
  }
  return {};
}

int64_t larger_side(const Axis& a) { return a.outer * std::max(a.from, a.to) * a.inner; }

// Two images that axes take turns with, each as large as the largest side of any.
size_t image_bytes(const std::vector<Axis>& axes) {
  int64_t most = 0;
  for (const Axis& a : axes) most = std::max(most, larger_side(a));
  return (static_cast<size_t>(most) * sizeof(float) + 63) / 64 * 64;
}

// Pinned memory, from which a copy to the device may be under way.
struct Tables {
  size_t bytes = 0;
  std::shared_ptr<int32_t> data;

  explicit Tables(const std::vector<int32_t>& numbers) : bytes(numbers.size() * sizeof(int32_t)) {
    data = {static_cast<int32_t*>(allocate_pinned((bytes + 63) / 64 * 64)),
            [](int32_t* memory) { free_pinned(memory); }};
    std::ranges::copy(numbers, data.get());
  }
};

Tables tables_of(const KernelRequest& request, std::vector<Axis>& axes) {
  std::vector<int32_t> numbers;
  for (size_t i = 0; i < axes.size(); ++i) {
    Axis& axis = axes[i];
    const auto index = request.constants[1 + 2 * i].as<int32_t>();
    std::vector<std::vector<int32_t>> of_place(static_cast<size_t>(axis.from));
    for (size_t t = 0; t < index.size(); ++t)
      of_place[static_cast<size_t>(index[t])].push_back(static_cast<int32_t>(t));
    axis.starts = numbers.size();
    int32_t start = 0;
    for (const auto& pairs : of_place) {
      numbers.push_back(start);
      start += static_cast<int32_t>(pairs.size());
    }
    numbers.push_back(start);
    axis.pairs = numbers.size();
    for (const auto& pairs : of_place) numbers.insert(numbers.end(), pairs.begin(), pairs.end());
  }
  return Tables(numbers);
}

}  // namespace

Prepared prepare_resampling(const Context& context, const KernelRequest& request) {
  const TensorType& x = request.input_types[0];
  if (!is_stored_float(x.dtype)) return refuse("no kernel for {}", name_of(x.dtype));
  const std::vector<Axis> axes = axes_of(request, in_memory(x.shape, request.input_layouts[0]));
  if (std::string why = refusal_of(request, axes); !why.empty()) return refuse("{}", why);
  const size_t bytes = image_bytes(axes);
  return make_kernel(
      [=, queue = context.queue, operands = Operands(request)](const KernelArgs& args) {
        FloatReader image = operands.in(args, 0);
        for (size_t i = 0; i < axes.size(); ++i) {
          const bool is_last = i + 1 == axes.size();
          void* next = static_cast<std::byte*>(args.workspace) + i % 2 * bytes;
          const FloatWriter y = is_last ? operands.out(args, 0) : FloatWriter{next};
          for_each(queue, axes[i].outer * axes[i].to * axes[i].inner,
                   ResampleAxis{image, y, input<int32_t>(args, 1 + 2 * i),
                                operands.in(args, 2 + 2 * i), axes[i]});
          image = {next};
        }
      },
      -1, 2 * bytes);
}

Prepared prepare_resampling_gradient(const Context& context, const KernelRequest& request) {
  const TensorType& dx = request.output_types[0];
  if (!is_stored_float(dx.dtype)) return refuse("no kernel for {}", name_of(dx.dtype));
  std::vector<Axis> axes = axes_of(request, in_memory(dx.shape, request.output_layouts[0]));
  if (std::string why = refusal_of(request, axes); !why.empty()) return refuse("{}", why);
  const size_t bytes = image_bytes(axes);
  const Tables tables = tables_of(request, axes);
  return make_kernel(
      [=, queue = context.queue, operands = Operands(request)](const KernelArgs& args) {
        auto* there =
            reinterpret_cast<int32_t*>(static_cast<std::byte*>(args.workspace) + 2 * bytes);
        copy_to_device(queue, there, tables.data.get(), tables.bytes);
        FloatReader image = operands.in(args, 0);
        for (size_t i = axes.size(); i-- > 0;) {
          void* next = static_cast<std::byte*>(args.workspace) + i % 2 * bytes;
          const FloatWriter y = i == 0 ? operands.out(args, 0) : FloatWriter{next};
          for_each(queue, axes[i].outer * axes[i].from * axes[i].inner,
                   ResampleAxisGradient{image, y, there + axes[i].starts, there + axes[i].pairs,
                                        operands.in(args, 2 + 2 * i), axes[i]});
          image = {next};
        }
      },
      -1, 2 * bytes + tables.bytes);
}

}  // namespace headrace::cuda
