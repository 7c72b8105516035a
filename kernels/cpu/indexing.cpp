#include <algorithm>
#include <functional>

#include "kernels/cpu/broadcast.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/integers.h"
#include "kernels/cpu/parallel.h"

namespace headrace::cpu {
namespace {

// Stretches of `length` elements of a tensor, one for each tuple of an index tensor. A tuple names
// a place along each of `axes`; where the tuple stands adds its offset of `bases`.
class Places {
 public:
  struct Axis {
    int64_t extent, stride;
  };

  static Places elements(const Shape& x, const TensorType& indices, size_t axis) {
    Shape strides = row_major_strides(x);
    const Axis along{x[axis], strides[axis]};
    strides[axis] = 0;
    return {indices.shape, strides, {along}, 1, indices.dtype};
  }
  static Places tuples(const Shape& x, const TensorType& indices, size_t batch_dims) {
    const Shape strides = row_major_strides(x);
    const Shape tuples(indices.shape.begin(), indices.shape.end() - 1);
    Shape base(tuples.size(), 0);
    std::copy_n(strides.begin(), batch_dims, base.begin());
    const size_t end = batch_dims + static_cast<size_t>(indices.shape.back());
    std::vector<Axis> axes;
    for (size_t d = batch_dims; d < end; ++d) axes.push_back({x[d], strides[d]});
    const int64_t length = element_count(std::span(x).subspan(end));
    return {tuples, base, std::move(axes), length, indices.dtype};
  }

  int64_t length() const { return length_; }
  Integers read(const void* indices) const { return {indices, dtype_}; }

  // Throws Error for an index outside of its axis; what follows then need not look.
  void check(const Integers& indices, const std::string& op) const {
    const auto depth = static_cast<int64_t>(axes_.size());
    for (int64_t i = 0, n = bases_.rows() * bases_.row_length() * depth; i < n; ++i) {
      const int64_t index = indices[i], extent = axes_[static_cast<size_t>(i % depth)].extent;
      if (index < -extent || index >= extent)
        throw Error("{}: index {} is outside an axis of {}", op, index, extent);
    }
  }

  // The tuples in as many parts as can be handed out; each part costs `part_length` elements.
  int64_t parts() const { return one_row() ? bases_.row_length() : bases_.rows(); }
  int64_t part_length() const { return one_row() ? length_ : bases_.row_length() * length_; }

  // Calls body(tuple, offset) for each tuple of parts [begin, end), in ascending order.
  template <typename Body>
  void for_tuples(const Integers& indices, int64_t begin, int64_t end, Body body) const {
    const int64_t n = bases_.row_length(), step = bases_.row_stride(0);
    if (one_row()) {
      for (int64_t i = begin; i < end; ++i) body(i, i * step + named(indices, i));
      return;
    }
    bases_.for_rows(begin, end, [&](int64_t row, const auto& offsets) {
      for (int64_t i = 0; i < n; ++i)
        body(row * n + i, offsets[0] + i * step + named(indices, row * n + i));
    });
  }

 private:
  Places(const Shape& tuples, const Shape& strides, std::vector<Axis> axes, int64_t length,
         DType dtype)
      : bases_(Broadcast::from_strides(tuples, {&strides, 1})),
        axes_(std::move(axes)),
        length_(length),
        dtype_(dtype) {}

  bool one_row() const { return bases_.rows() == 1; }
  // Negative indices count from the end.
  int64_t named(const Integers& indices, int64_t tuple) const {
    int64_t at = tuple * static_cast<int64_t>(axes_.size()), offset = 0;
    for (const Axis& axis : axes_) {
      const int64_t index = indices[at++];
      offset += (index < 0 ? index + axis.extent : index) * axis.stride;
    }
    return offset;
  }

  Broadcast bases_;
  std::vector<Axis> axes_;
  int64_t length_;
  DType dtype_;
};

Places places_of(const KernelRequest& request, const Shape& x) {
  const Attributes& a = request.node->attributes;
  if (request.node->op.find("Elements") != std::string::npos)
    return Places::elements(x, request.input_types[1], static_cast<size_t>(a.get_int("axis")));
  return Places::tuples(x, request.input_types[1], static_cast<size_t>(a.get_int("batch_dims", 0)));
}

template <typename T>
class GatherKernel : public Kernel {
 public:
  GatherKernel(Places places, std::string op) : places_(std::move(places)), op_(std::move(op)) {}

  void run(const KernelArgs& args) const override {
    const T* x = static_cast<const T*>(args.inputs[0]);
    T* y = static_cast<T*>(args.outputs[0]);
    const Integers indices = places_.read(args.inputs[1]);
    places_.check(indices, op_);
    const int64_t length = places_.length();
    parallel_ranges(places_.parts(), places_.part_length(), [&](int64_t begin, int64_t end) {
      places_.for_tuples(indices, begin, end, [&](int64_t tuple, int64_t offset) {
        std::copy_n(x + offset, length, y + tuple * length);
      });
    });
  }

 private:
  Places places_;
  std::string op_;
};

// Each thread owns a range of y's stretches and goes through all updates, so that those of one
// place are combined in ascending order whatever the team.
template <typename T, typename Combine>
class ScatterKernel : public Kernel {
 public:
  // What y starts from: an input's elements, zeros, or what lies there.
  enum class Start : uint8_t { input, zeros, kept };

  ScatterKernel(Places places, const KernelRequest& request, Start start, size_t updates)
      : places_(std::move(places)),
        op_(request.node->op),
        count_(request.output_types[0].elements()),
        start_(start),
        updates_(updates) {}

  int in_place_input(size_t) const override { return start_ == Start::input ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const T* x = static_cast<const T*>(args.inputs[0]);
    const T* updates = static_cast<const T*>(args.inputs[updates_]);
    T* y = static_cast<T*>(args.outputs[0]);
    const Integers indices = places_.read(args.inputs[1]);
    places_.check(indices, op_);
    const int64_t length = places_.length();
    parallel_ranges(count_ / length, length, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * length, last = end * length;
      if (start_ == Start::zeros) std::fill(y + first, y + last, T{0});
      if (start_ == Start::input && x != y) std::copy(x + first, x + last, y + first);
      places_.for_tuples(indices, 0, places_.parts(), [&](int64_t tuple, int64_t offset) {
        if (offset < first || offset >= last) return;
        const T* from = updates + tuple * length;
        for (int64_t i = 0; i < length; ++i) y[offset + i] = Combine{}(y[offset + i], from[i]);
      });
    });
  }

 private:
  Places places_;
  std::string op_;
  int64_t count_;
  Start start_;
  size_t updates_;
};

struct Overwrite {
  template <typename T>
  T operator()(T, T update) const {
    return update;
  }
};
struct Lesser {
  float operator()(float a, float b) const { return a < b || a != a ? a : b; }
};
struct Greater {
  float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

template <typename T, typename Combine>
Prepared scatter(const KernelRequest& request) {
  using Made = ScatterKernel<T, Combine>;
  return std::make_unique<Made>(places_of(request, request.input_types[0].shape), request,
                                Made::Start::input, 2);
}

// Calls make.operator()<T>() with an unsigned integer of the element's size.
template <typename Make>
Prepared for_size(DType dtype, Make make) {
  switch (size_of(dtype)) {
    case 1:
      return make.template operator()<uint8_t>();
    case 2:
      return make.template operator()<uint16_t>();
    case 4:
      return make.template operator()<uint32_t>();
    default:
      return make.template operator()<uint64_t>();
  }
}

// Why no kernel of this file serves the request; empty where one may.
std::string refusal(const KernelRequest& request) {
  if (!all_row_major(request)) return "takes row-major values";
  if (request.output_types[0].elements() == 0 || request.input_types[1].elements() == 0)
    return "empty";
  return {};
}

}  // namespace

Prepared prepare_gather_places(const Context&, const KernelRequest& request) {
  if (std::string why = refusal(request); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  return for_size(request.output_types[0].dtype, [&]<typename T>() -> Prepared {
    return std::make_unique<GatherKernel<T>>(places_of(request, request.input_types[0].shape),
                                             request.node->op);
  });
}

Prepared prepare_gather_places_gradient(const Context&, const KernelRequest& request) {
  if (std::string why = refusal(request); !why.empty()) return refuse("{}", why);
  if (request.output_types[0].dtype != DType::f32) return refuse("not f32");
  using Made = ScatterKernel<float, std::plus<float>>;
  const auto start = accumulates(request) ? Made::Start::kept : Made::Start::zeros;
  return std::make_unique<Made>(places_of(request, request.output_types[0].shape), request, start,
                                0);
}

Prepared prepare_scatter(const Context&, const KernelRequest& request) {
  if (std::string why = refusal(request); !why.empty()) return refuse("{}", why);
  if (accumulates(request)) return refuse("does not accumulate");
  const std::string reduction = request.node->attributes.get_string("reduction", "none");
  if (reduction == "none")
    return for_size(request.output_types[0].dtype,
                    [&]<typename T>() { return scatter<T, Overwrite>(request); });
  if (request.output_types[0].dtype != DType::f32) return refuse("not f32");
  if (reduction == "add") return scatter<float, std::plus<float>>(request);
  if (reduction == "mul") return scatter<float, std::multiplies<float>>(request);
  if (reduction == "min") return scatter<float, Lesser>(request);
  return scatter<float, Greater>(request);
}

}  // namespace headrace::cpu
