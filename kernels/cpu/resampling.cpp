#include <omp.h>

#include <algorithm>

#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

// One axis within a plane: [outer, from, inner] becomes [outer, to, inner], or for the gradient the
// other way round. Its table is in inputs `table` and `table` + 1.
struct Pass {
  int64_t outer = 1, from = 0, to = 0, inner = 1, taps = 0;
  size_t table = 0;
};

// The dimensions from the first resampled axis on make planes, which go through all passes one by
// one, so that what stands between two passes stays in the cache.
struct Plan {
  bool gradient = false;
  int64_t planes = 1, source = 1, target = 1;  // elements of a plane before and after
  int64_t between = 0;                         // the most between two passes
  std::vector<Pass> passes;                    // in the order of their work
};

// `block`: channels that stand side by side behind every pixel.
Plan plan_of(const KernelRequest& request, int64_t block) {
  const auto& axes = request.node->attributes.get_ints("axes");
  Plan plan;
  plan.gradient = request.node->op == "ResampleGrad";
  Shape shape = request.input_types[0].shape;
  shape[1 % shape.size()] /= block;
  shape.push_back(block);
  const auto first = static_cast<size_t>(axes.front());
  for (size_t d = 0; d < first; ++d) plan.planes *= shape[d];

  // Axes that shrink go first and those that grow last.
  const Shape& wanted = request.output_types[0].shape;
  const auto growth = [&](size_t i) {
    const auto d = static_cast<size_t>(axes[i]);
    return static_cast<double>(wanted[d]) / static_cast<double>(shape[d]);
  };
  std::vector<size_t> order(axes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> growths(axes.size());
  for (size_t i = 0; i < order.size(); ++i) growths[i] = growth(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return growths[a] < growths[b]; });

  const auto plane_elements = [&] {
    return element_count(std::span<const int64_t>(shape).subspan(first));
  };
  plan.source = plane_elements();
  for (const size_t i : order) {
    const auto d = static_cast<size_t>(axes[i]);
    Pass pass{.table = 1 + 2 * i};
    for (size_t k = first; k < d; ++k) pass.outer *= shape[k];
    for (size_t k = d + 1; k < shape.size(); ++k) pass.inner *= shape[k];
    pass.taps = request.input_types[pass.table].shape[1];
    pass.from = plan.gradient ? wanted[d] : shape[d];
    pass.to = request.input_types[pass.table].shape[0];
    shape[d] = wanted[d];
    plan.passes.push_back(pass);
    if (plan.passes.size() < axes.size()) plan.between = std::max(plan.between, plane_elements());
  }
  plan.target = plane_elements();
  return plan;
}

class ResampleKernel : public Kernel {
 public:
  ResampleKernel(Plan plan, int threads) : plan_(std::move(plan)), threads_(threads) {}

  size_t workspace_bytes() const override {
    return static_cast<size_t>(plan_.between * kBuffers * threads_) * sizeof(float);
  }

  void run(const KernelArgs& args) const override {
    check_tables(args);
    const auto* source = static_cast<const float*>(args.inputs[0]);
    auto* target = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        plan_.planes, std::max(plan_.source, plan_.target), [&](int64_t begin, int64_t end) {
          auto* own =
              static_cast<float*>(args.workspace) + plan_.between * kBuffers * omp_get_thread_num();
          for (int64_t plane = begin; plane < end; ++plane)
            resample(args, source + plane * plan_.source, target + plane * plan_.target, own);
        });
  }

 private:
  static constexpr int64_t kBuffers = 2;

  // The tables are data: an index that points outside must not be followed.
  void check_tables(const KernelArgs& args) const {
    for (const Pass& pass : plan_.passes) {
      const auto* index = static_cast<const int32_t*>(args.inputs[pass.table]);
      for (int64_t i = 0; i < pass.to * pass.taps; ++i)
        if (index[i] < 0 || index[i] >= pass.from)
          throw Error("Resample: index {} is outside an axis of {}", index[i], pass.from);
    }
  }

  void resample(const KernelArgs& args, const float* source, float* target, float* buffers) const {
    for (size_t i = 0; i < plan_.passes.size(); ++i) {
      const bool last = i + 1 == plan_.passes.size();
      float* result = last ? target : buffers + static_cast<int64_t>(i % kBuffers) * plan_.between;
      apply(plan_.passes[i], args, source, result);
      source = result;
    }
  }

  void apply(const Pass& pass, const KernelArgs& args, const float* source, float* result) const {
    const vector::ResamplingTable& loops = *vector_table().resampling;
    const auto* index = static_cast<const int32_t*>(args.inputs[pass.table]);
    const auto* weight = static_cast<const float*>(args.inputs[pass.table + 1]);
    const int64_t indexed = pass.from * pass.inner, other = pass.to * pass.inner;
    if (plan_.gradient) std::fill_n(result, pass.outer * indexed, 0.0f);
    for (int64_t o = 0; o < pass.outer; ++o) {
      if (plan_.gradient)
        loops.scatter(source + o * other, index, weight, pass.to, pass.taps, pass.inner,
                      result + o * indexed);
      else
        loops.gather(source + o * indexed, index, weight, pass.to, pass.taps, pass.inner,
                     result + o * other);
    }
  }

  Plan plan_;
  int threads_;
};

// Channels side by side where image 0 lies so and only its pixels are resampled, else 0: row-major.
int64_t block_of(const KernelRequest& request) {
  const auto& axes = request.node->attributes.get_ints("axes");
  if (axes.empty() || axes.front() < 2) return 0;
  return channels_side_by_side(request.input_types[0], request.input_layouts[0]);
}

}  // namespace

LayoutProposal propose_resampling(const Context& context, const KernelRequest& request) {
  LayoutProposal proposal = propose_row_major(context, request);
  if (request.input_types[0].dtype != DType::f32 || block_of(request) == 0) return proposal;
  proposal.inputs[0] = request.input_layouts[0];
  proposal.outputs[0] = layout_like(request.input_layouts[0], request.output_types[0]);
  return proposal;
}

Prepared prepare_resampling(const Context& context, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  if (request.node->attributes.get_ints("axes").empty()) return refuse("no axis");
  if (request.input_types[0].elements() == 0 || request.output_types[0].elements() == 0)
    return refuse("empty");
  int64_t block = 1;
  if (!all_row_major(request)) {
    if (request.output_layouts[0].id != request.input_layouts[0].id)
      return refuse("layouts differ");
    block = block_of(request);
    if (block == 0) return refuse("takes row-major values");
  }
  return std::make_unique<ResampleKernel>(plan_of(request, block), context.threads);
}

}  // namespace headrace::cpu
