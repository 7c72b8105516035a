#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

using RowsLoop = void (*)(const float*, float*, int64_t, int64_t);
using GradientRowsLoop = void (*)(const float*, const float*, float*, int64_t, int64_t);

// Over the last axis: rows of n values, read and written once.
class RowsKernel : public Kernel {
 public:
  RowsKernel(RowsLoop loop, int64_t rows, int64_t n) : loop_(loop), rows_(rows), n_(n) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    parallel_ranges(rows_, 4 * n_, [&](int64_t begin, int64_t end) {
      loop_(x + begin * n_, y + begin * n_, end - begin, n_);
    });
  }

 private:
  RowsLoop loop_;
  int64_t rows_, n_;
};

class GradientRowsKernel : public Kernel {
 public:
  GradientRowsKernel(GradientRowsLoop loop, int64_t rows, int64_t n)
      : loop_(loop), rows_(rows), n_(n) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* dy = static_cast<const float*>(args.inputs[0]);
    const auto* y = static_cast<const float*>(args.inputs[1]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    parallel_ranges(rows_, 2 * n_, [&](int64_t begin, int64_t end) {
      loop_(dy + begin * n_, y + begin * n_, dx + begin * n_, end - begin, n_);
    });
  }

 private:
  GradientRowsLoop loop_;
  int64_t rows_, n_;
};

std::string softmax_refusal(const KernelRequest& request) {
  if (request.input_types[0].dtype != DType::f32) return "not f32";
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  if (request.input_types[0].elements() == 0) return "empty";
  return {};
}

int64_t last_extent(const KernelRequest& request) { return request.input_types[0].shape.back(); }

// True where every axis behind the softmax's has one element.
bool is_over_rows(const KernelRequest& request) {
  const Shape& shape = request.input_types[0].shape;
  return request.node->attributes.get_int("axis") == static_cast<int64_t>(shape.size()) - 1;
}

dnnl::algorithm algorithm_of(const Node& node) {
  return node.op.starts_with("Log") ? dnnl::algorithm::softmax_log
                                    : dnnl::algorithm::softmax_accurate;
}

dnnl::softmax_forward::primitive_desc forward_softmax(const KernelRequest& request) {
  const dnnl::memory::desc rows =
      row_major_desc(request.input_types[0].dtype, request.input_types[0].shape);
  return {engine(),
          dnnl::prop_kind::forward_training,
          algorithm_of(*request.node),
          rows,
          rows,
          static_cast<int>(request.node->attributes.get_int("axis")),
          user_scratchpad()};
}

}  // namespace

Prepared prepare_softmax_rows(const Context&, const KernelRequest& request) {
  if (std::string why = softmax_refusal(request); !why.empty()) return refuse("{}", why);
  if (!is_over_rows(request)) return refuse("not over the last axis");
  const vector::SoftmaxTable& loops = *vector_table().softmax;
  const int64_t n = last_extent(request);
  return std::make_unique<RowsKernel>(
      request.node->op == "Softmax" ? loops.softmax : loops.log_softmax,
      request.input_types[0].elements() / n, n);
}

Prepared prepare_softmax_gradient_rows(const Context&, const KernelRequest& request) {
  if (std::string why = softmax_refusal(request); !why.empty()) return refuse("{}", why);
  if (!is_over_rows(request)) return refuse("not over the last axis");
  const vector::SoftmaxTable& loops = *vector_table().softmax;
  const int64_t n = last_extent(request);
  return std::make_unique<GradientRowsKernel>(
      request.node->op == "SoftmaxGrad" ? loops.softmax_gradient : loops.log_softmax_gradient,
      request.input_types[0].elements() / n, n);
}

Prepared prepare_softmax(const Context& context, const KernelRequest& request) {
  if (std::string why = softmax_refusal(request); !why.empty()) return refuse("{}", why);
  const auto forward = forward_softmax(request);
  auto kernel = std::make_unique<PrimitiveKernel>(context, dnnl::softmax_forward(forward),
                                                  forward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_SRC, forward.src_desc());
  kernel->bind_output(0, DNNL_ARG_DST, forward.dst_desc());
  return kernel;
}

Prepared prepare_softmax_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = softmax_refusal(request); !why.empty()) return refuse("{}", why);
  const auto forward = forward_softmax(request);
  const dnnl::memory::desc rows = forward.dst_desc();
  const dnnl::softmax_backward::primitive_desc backward(
      engine(), algorithm_of(*request.node), rows, rows, rows,
      static_cast<int>(request.node->attributes.get_int("axis")), forward, user_scratchpad());
  auto kernel = std::make_unique<PrimitiveKernel>(context, dnnl::softmax_backward(backward),
                                                  backward.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_DIFF_DST, rows);
  kernel->bind_input(1, DNNL_ARG_DST, rows);
  kernel->bind_output(0, DNNL_ARG_DIFF_SRC, rows);
  return kernel;
}

}  // namespace headrace::cpu
