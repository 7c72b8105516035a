#include <algorithm>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// The stretches of `length` elements of x that an index tensor names, one for each of its tuples: a
// tuple holds an index for each of `dims`, and where it stands in the index tensor gives the rest.
struct Places {
  std::string op;
  StridedView base;
  Shape dims, strides;
  int64_t length = 1;
  DType dtype = DType::i64;

  int64_t count() const { return base.count(); }
  // Negative indices count from the end.
  int64_t offset(const IntReader& indices, int64_t tuple) const {
    int64_t result = base.offset(tuple);
    for (size_t d = 0; d < dims.size(); ++d) {
      const int64_t index = indices[tuple * static_cast<int64_t>(dims.size()) + int64_t(d)];
      if (index < -dims[d] || index >= dims[d])
        throw Error("{}: index {} is outside an axis of {}", op, index, dims[d]);
      result += (index < 0 ? index + dims[d] : index) * strides[d];
    }
    return result;
  }
};

Places places_of(const KernelRequest& request, const Shape& x) {
  const Node& node = *request.node;
  const TensorType& indices = request.input_types[1];
  const Shape strides = row_major_strides(x);
  Places places{node.op, {indices.shape, strides}, {}, {}, 1, indices.dtype};
  if (node.op.find("Elements") != std::string::npos) {
    const auto axis = static_cast<size_t>(node.attributes.get_int("axis"));
    places.base.strides[axis] = 0;
    places.dims = {x[axis]};
    places.strides = {strides[axis]};
    return places;
  }
  const auto batch = static_cast<size_t>(node.attributes.get_int("batch_dims", 0));
  const size_t end = batch + static_cast<size_t>(indices.shape.back());
  places.base.shape.pop_back();
  places.base.strides.resize(batch);
  places.base.strides.resize(places.base.shape.size(), 0);
  for (size_t d = batch; d < x.size(); ++d) {
    if (d >= end) {
      places.length *= x[d];
    } else {
      places.dims.push_back(x[d]);
      places.strides.push_back(strides[d]);
    }
  }
  return places;
}

Loop gather_places(const KernelRequest& request) {
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Loop {
    return [p = places_of(request, request.input_types[0].shape)](const KernelArgs& args) {
      const IntReader indices(args.inputs[1], p.dtype);
      for (int64_t i = 0; i < p.count(); ++i)
        std::copy_n(input<T>(args, 0) + p.offset(indices, i), p.length,
                    output<T>(args, 0) + i * p.length);
    };
  });
}

template <typename T>
Loop scattered_gradient(const KernelRequest& request) {
  return [p = places_of(request, request.output_types[0].shape),
          total = request.output_types[0].elements()](const KernelArgs& args) {
    const IntReader indices(args.inputs[1], p.dtype);
    std::fill_n(output<T>(args, 0), total, T{0});
    for (int64_t i = 0; i < p.count(); ++i) {
      T* to = output<T>(args, 0) + p.offset(indices, i);
      for (int64_t n = 0; n < p.length; ++n) to[n] += input<T>(args, 0)[i * p.length + n];
    }
  };
}

template <typename T>
struct Reduction {
  std::string_view name;
  T (*combine)(T there, T update);
};

template <typename T>
Loop scatter_by(const KernelRequest& request, T (*combine)(T, T)) {
  return [combine, p = places_of(request, request.input_types[0].shape),
          total = request.output_types[0].elements()](const KernelArgs& args) {
    const IntReader indices(args.inputs[1], p.dtype);
    T* y = output<T>(args, 0);
    if (y != input<T>(args, 0)) std::copy_n(input<T>(args, 0), total, y);
    for (int64_t i = 0; i < p.count(); ++i) {
      T* to = y + p.offset(indices, i);
      for (int64_t n = 0; n < p.length; ++n)
        to[n] = combine(to[n], input<T>(args, 2)[i * p.length + n]);
    }
  };
}

// In ascending order of the updates; integers wrap.
Loop scatter(const KernelRequest& request) {
  const std::string reduction = request.node->attributes.get_string("reduction", "none");
  const DType dtype = request.output_types[0].dtype;
  if (reduction == "none")
    return for_size(dtype, [&]<typename T>() {
      return scatter_by<T>(request, [](T, T update) { return update; });
    });
  return for_number(dtype, [&]<typename T>() -> Loop {
    static constexpr Reduction<T> reductions[] = {
        {"add", [](T a, T b) { return static_cast<T>(Sum<T>(a) + Sum<T>(b)); }},
        {"mul", [](T a, T b) { return static_cast<T>(Sum<T>(a) * Sum<T>(b)); }},
        {"min", [](T a, T b) { return a < b || a != a ? a : b; }},
        {"max", [](T a, T b) { return a > b || a != a ? a : b; }},
    };
    for (const auto& [name, combine] : reductions)
      if (name == reduction) return scatter_by<T>(request, combine);
    return {};
  });
}

// The first `length` of each line come in reverse, what is behind them stays.
Loop reverse_sequence(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const TensorType& x = request.input_types[0];
  const AxisSplit batch = split_at(x.shape, a.get_int("batch_axis"));
  const AxisSplit time = split_at(x.shape, a.get_int("time_axis"));
  return for_size(x.dtype, [&]<typename T>() -> Loop {
    return [=, count = x.elements(), dtype = request.input_types[1].dtype](const KernelArgs& args) {
      const IntReader lengths(args.inputs[1], dtype);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t length = lengths[i / batch.inner % batch.length];
        if (length < 0 || length > time.length)
          throw Error("ReverseSequence: length {} is outside an axis of {}", length, time.length);
        const int64_t step = i / time.inner % time.length;
        const int64_t from = step < length ? length - 1 - step : step;
        output<T>(args, 0)[i] = input<T>(args, 0)[i + (from - step) * time.inner];
      }
    };
  });
}

}  // namespace

Loop indexing(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"GatherElements", gather_places},
      {"GatherElementsGrad", by_float<scattered_gradient<float>, scattered_gradient<double>>},
      {"GatherND", gather_places},
      {"GatherNDGrad", by_float<scattered_gradient<float>, scattered_gradient<double>>},
      {"ScatterElements", scatter},
      {"ScatterND", scatter},
      {"ReverseSequence", reverse_sequence},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
