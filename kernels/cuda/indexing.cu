#include "kernels/cuda/families.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sort.h"
#include "kernels/cuda/types.h"
#include "kernels/cuda/walk.h"

// Gather, GatherElements and GatherND, their gradients, and both Scatters. An index outside of its
// axis cannot be reported from a device: it reads all ones, which is NaN, and writes nothing.
namespace headrace::cuda {
namespace {

// Stretches of `length` elements of a tensor, one for each tuple of an index tensor: a tuple names
// a place along each of `depth` axes, and where it stands adds its offset of `base`.
struct Places {
  static constexpr int kMostDepth = 8;
  Walk<1> base;
  int depth = 1;
  int64_t extent[kMostDepth] = {}, stride[kMostDepth] = {};
  int64_t length = 1;
  DType dtype = DType::i64;

  int64_t tuples() const { return base.count; }
  // -1: outside. Negative indices count from the end.
  HEADRACE_HOST_DEVICE int64_t offset(const void* indices, int64_t tuple) const {
    const IndexReader index{indices, dtype};
    int64_t at[1];
    base.find(tuple, at);
    for (int d = 0; d < depth; ++d) {
      const int64_t i = index[tuple * depth + d];
      if (i < -extent[d] || i >= extent[d]) return -1;
      at[0] += (i < 0 ? i + extent[d] : i) * stride[d];
    }
    return at[0];
  }
};

std::optional<Places> places_of(const KernelRequest& request, const Shape& x) {
  const Node& node = *request.node;
  const TensorType& indices = request.input_types[1];
  const Shape strides = row_major_strides(x);
  Places places;
  places.dtype = indices.dtype;
  Shape tuples = indices.shape, base = strides;
  if (node.op.starts_with("GatherND") || node.op == "ScatterND") {
    const auto batch = static_cast<size_t>(node.attributes.get_int("batch_dims", 0));
    places.depth = static_cast<int>(indices.shape.back());
    const size_t end = batch + static_cast<size_t>(places.depth);
    tuples.pop_back();
    base.resize(batch);
    base.resize(tuples.size(), 0);
    if (places.depth > Places::kMostDepth) return {};
    for (size_t d = batch; d < end; ++d) {
      places.extent[d - batch] = x[d];
      places.stride[d - batch] = strides[d];
    }
    places.length = element_count(std::span(x).subspan(end));
  } else {
    const auto axis = static_cast<size_t>(node.attributes.get_int("axis"));
    places.extent[0] = x[axis];
    places.stride[0] = strides[axis];
    if (node.op.find("Elements") != std::string::npos) {
      base[axis] = 0;
    } else {
      // Gather: tuples for each place before the axis and each index.
      places.length = strides[axis];
      tuples.insert(tuples.begin(), x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
      base.resize(axis);
      base.resize(tuples.size(), 0);
    }
  }
  const auto walk = make_walk(tuples, {base});
  if (!walk) return {};
  places.base = *walk;
  return places;
}

// Gather's indices are the same for every place before the axis.
struct GatherPlaces : Places {
  int64_t positions = 1;
  HEADRACE_HOST_DEVICE int64_t find(const void* indices, int64_t tuple) const {
    const IndexReader index{indices, dtype};
    const int64_t i = index[tuple - quotient(tuple, positions) * positions];
    if (i < -extent[0] || i >= extent[0]) return -1;
    int64_t at[1];
    base.find(tuple, at);
    return at[0] + (i < 0 ? i + extent[0] : i) * stride[0];
  }
};

// Either of the two.
struct Finder {
  GatherPlaces places;
  bool is_gather = false;
  HEADRACE_HOST_DEVICE int64_t operator()(const void* indices, int64_t tuple) const {
    return is_gather ? places.find(indices, tuple) : places.offset(indices, tuple);
  }
};

std::optional<Finder> finder_of(const KernelRequest& request, const Shape& x) {
  if (!IndexReader::can_read(request.input_types[1].dtype)) return {};
  const auto places = places_of(request, x);
  if (!places) return {};
  Finder finder;
  static_cast<Places&>(finder.places) = *places;
  finder.is_gather = request.node->op == "Gather" || request.node->op == "GatherGrad";
  finder.places.positions = request.input_types[1].elements();
  return finder;
}

template <typename T>
struct Take {
  const T* x;
  const void* indices;
  T* y;
  Finder find;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t tuple = quotient(i, find.places.length);
    const int64_t from = find(indices, tuple);
    y[i] = from < 0 ? static_cast<T>(~T{0}) : x[from + i - tuple * find.places.length];
  }
};

// Which stretch each tuple names; `rows` where it names none.
struct PutKeys {
  const void* indices;
  uint32_t *keys, *numbers;
  Finder find;
  int64_t rows;
  HEADRACE_HOST_DEVICE void operator()(int64_t tuple) const {
    const int64_t at = find(indices, tuple);
    keys[tuple] = static_cast<uint32_t>(at < 0 ? rows : quotient(at, find.places.length));
    numbers[tuple] = static_cast<uint32_t>(tuple);
  }
};

enum class Reduction : uint8_t { none, add, mul, min, max };

HEADRACE_HOST_DEVICE float combined(Reduction reduction, float there, float update) {
  switch (reduction) {
    case Reduction::add:
      return there + update;
    case Reduction::mul:
      return there * update;
    case Reduction::min:
      return there < update || there != there ? there : update;
    default:
      return there > update || there != there ? there : update;
  }
}

// The updates of one stretch, in ascending order of their tuples: whoever comes upon the first of
// them in the sorted keys does them all.
struct Group {
  const uint32_t *keys, *numbers;
  int64_t tuples, length, rows;

  // Calls each(place in y, element of the updates) for element i of the sorted updates' stretches.
  template <typename Each>
  HEADRACE_HOST_DEVICE void run(int64_t i, const Each& each) const {
    int64_t j = quotient(i, length);
    const int64_t n = i - j * length;
    const uint32_t key = keys[j];
    if (key >= rows || (j > 0 && keys[j - 1] == key)) return;
    int64_t last = j;
    while (last + 1 < tuples && keys[last + 1] == key) ++last;
    each(static_cast<int64_t>(key) * length + n, j, last, n);
  }
  HEADRACE_HOST_DEVICE int64_t update_at(int64_t j, int64_t n) const {
    return static_cast<int64_t>(numbers[j]) * length + n;
  }
};

template <typename T>
struct CombineUpdates {
  const T* updates;
  T* y;
  Group group;
  Reduction reduction;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    group.run(i, [this](int64_t at, int64_t first, int64_t last, int64_t n) {
      float value = to_f32(y[at]);
      for (int64_t j = first; j <= last; ++j)
        value = combined(reduction, value, to_f32(updates[group.update_at(j, n)]));
      y[at] = from_f32<T>(value);
    });
  }
};

template <typename T>
struct PutLast {
  const T* updates;
  T* y;
  Group group;
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    group.run(i, [this](int64_t at, int64_t, int64_t last, int64_t n) {
      y[at] = updates[group.update_at(last, n)];
    });
  }
};

// Tuples sorted by the stretch that they name.
struct Sorted {
  Finder find;
  KeySort sort;
  int64_t rows = 0;

  Group run(Queue queue, const void* indices, void* workspace) const {
    const int64_t tuples = find.places.tuples();
    for_each(queue, tuples,
             PutKeys{indices, sort.keys(workspace), sort.numbers(workspace), find, rows});
    sort.run(queue, workspace);
    return {sort.sorted_keys(workspace), sort.sorted_numbers(workspace), tuples, find.places.length,
            rows};
  }
  int64_t updates() const { return find.places.tuples() * find.places.length; }
};

struct SortedOrRefusal {
  std::optional<Sorted> sorted;
  std::string refusal;
};
SortedOrRefusal sorted_for(const KernelRequest& request, const Shape& y) {
  if (!all_row_major(request)) return {{}, "takes row-major values"};
  const auto find = finder_of(request, y);
  if (!find) return {{}, "no such indices"};
  const int64_t elements = element_count(y), tuples = find->places.tuples();
  if (elements == 0 || tuples == 0 || find->places.length == 0) return {{}, "empty"};
  const int64_t rows = elements / find->places.length;
  if (rows >= KeySort::kMost || tuples >= KeySort::kMost) return {{}, "too large"};
  return {Sorted{*find, KeySort(tuples, rows), rows}, {}};
}

}  // namespace

Prepared prepare_gather(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (!all_row_major(request)) return refuse("takes row-major values");
  const auto find = finder_of(request, request.input_types[0].shape);
  if (!find) return refuse("no such indices");
  const int64_t count = request.output_types[0].elements();
  return with_size(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel([=, queue = context.queue, find = *find](const KernelArgs& args) {
      for_each(queue, count, Take<T>{input<T>(args, 0), args.inputs[1], output<T>(args, 0), find});
    });
  });
}

Prepared prepare_gather_gradient(const Context& context, const KernelRequest& request) {
  const auto [sorted, refusal] = sorted_for(request, request.output_types[0].shape);
  if (!sorted) return refuse("{}", refusal);
  const auto bytes = static_cast<size_t>(request.output_types[0].bytes());
  return with_float_type(request.output_types[0].dtype, [&](auto stored) -> Prepared {
    using T = decltype(stored);
    return make_kernel(
        [queue = context.queue, s = *sorted, bytes,
         adds = accumulates(request)](const KernelArgs& args) {
          if (!adds) clear(queue, args.outputs[0], bytes);
          const Group group = s.run(queue, args.inputs[1], args.workspace);
          for_each(queue, s.updates(),
                   CombineUpdates<T>{input<T>(args, 0), output<T>(args, 0), group, Reduction::add});
        },
        -1, sorted->sort.bytes());
  });
}

Prepared prepare_scatter(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  const auto [sorted, refusal] = sorted_for(request, request.output_types[0].shape);
  if (!sorted) return refuse("{}", refusal);
  const auto bytes = static_cast<size_t>(request.output_types[0].bytes());
  const auto make = [&](auto put) -> Prepared {
    return make_kernel(
        [queue = context.queue, s = *sorted, bytes, put](const KernelArgs& args) {
          if (args.outputs[0] != args.inputs[0])
            copy_on_device(queue, args.outputs[0], args.inputs[0], bytes);
          put(queue, s.updates(), args, s.run(queue, args.inputs[1], args.workspace));
        },
        0, sorted->sort.bytes());
  };
  const std::string name = request.node->attributes.get_string("reduction", "none");
  if (name == "none")
    return with_size(request.output_types[0].dtype, [&](auto stored) {
      using T = decltype(stored);
      return make([](Queue queue, int64_t count, const KernelArgs& args, const Group& group) {
        for_each(queue, count, PutLast<T>{input<T>(args, 2), output<T>(args, 0), group});
      });
    });
  const Reduction reduction = name == "add"   ? Reduction::add
                              : name == "mul" ? Reduction::mul
                              : name == "min" ? Reduction::min
                                              : Reduction::max;
  return with_float_type(request.output_types[0].dtype, [&](auto stored) {
    using T = decltype(stored);
    return make(
        [reduction](Queue queue, int64_t count, const KernelArgs& args, const Group& group) {
          for_each(queue, count,
                   CombineUpdates<T>{input<T>(args, 2), output<T>(args, 0), group, reduction});
        });
  });
}

}  // namespace headrace::cuda
