// Products by cuBLASLt. A row-major matrix is its transpose in the library's column order, so
// y = a b is asked for as y' = b' a', and the bias of y's columns is one of the rows of y'.

#include <algorithm>
#include <bit>
#include <utility>

#include "graph/error.h"
#include "kernels/cuda/cublas_matmul.h"
#include "kernels/cuda/cublas_scratch.h"
#include "kernels/cuda/libraries.h"
#include "kernels/cuda/product_tuning.h"
#include "kernels/queue_timing.h"

namespace headrace::cuda {
namespace {

// Parts of a split sum are added in f32, in an order that never changes: the same bits each time.
constexpr uint32_t kReduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
// How many of the library's answers are timed where products are tuned.
constexpr size_t kCandidates = 8;
// Addresses in arenas are multiples of this.
constexpr uint32_t kAlignment = 64;

struct Types {
  cudaDataType_t data;
  cublasComputeType_t compute;
  cudaDataType_t scale;
};

std::optional<Types> types_of(DType dtype, bool tf32) {
  switch (dtype) {
    case DType::f32:
      return Types{CUDA_R_32F, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                   CUDA_R_32F};
    case DType::f64:
      return Types{CUDA_R_64F, CUBLAS_COMPUTE_64F, CUDA_R_64F};
    case DType::f16:
      return Types{CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
    case DType::bf16:
      return Types{CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
    default:
      return std::nullopt;
  }
}

// One of the library's descriptions: its handle, and what sets its attributes and destroys it.
template <typename Handle, auto set_attribute, auto destroy>
class Description {
 public:
  template <typename Create, typename... Args>
  explicit Description(Create create, const Args&... args) {
    check(create(&it_, args...), "describe a product");
  }
  ~Description() { destroy(it_); }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  template <typename Attribute, typename T>
  void set(Attribute attribute, const T& value) const {
    check(set_attribute(it_, attribute, &value, sizeof value), "describe a product");
  }
  Handle get() const { return it_; }

 private:
  Handle it_ = nullptr;
};
using Product =
    Description<cublasLtMatmulDesc_t, cublasLtMatmulDescSetAttribute, cublasLtMatmulDescDestroy>;
using Matrix = Description<cublasLtMatrixLayout_t, cublasLtMatrixLayoutSetAttribute,
                           cublasLtMatrixLayoutDestroy>;
using Preference = Description<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceSetAttribute,
                               cublasLtMatmulPreferenceDestroy>;

class MatmulKernel : public Kernel {
 public:
  MatmulKernel(const Context& context, ProductForm form, const Types& types)
      : queue_(context.queue),
        handle_(context.libraries->cublaslt),
        form_(std::move(form)),
        size_(types.data == CUDA_R_64F   ? 8
              : types.data == CUDA_R_32F ? 4
                                         : 2),
        double_(types.scale == CUDA_R_64F),
        product_(cublasLtMatmulDescCreate, types.compute, types.scale),
        // Sides exchange: the library's first factor is b.
        b_(cublasLtMatrixLayoutCreate, types.data, plan_.b.columns, plan_.b.rows, plan_.b.columns),
        a_(cublasLtMatrixLayoutCreate, types.data, plan_.a.columns, plan_.a.rows, plan_.a.columns),
        y_(cublasLtMatrixLayoutCreate, types.data, plan_.n, plan_.m, plan_.n) {
    set_batch(b_, plan_.b.stride);
    set_batch(a_, plan_.a.stride);
    set_batch(y_, plan_.m * plan_.n);
    form_.alignment = plan_.alignment(size_, kAlignment);
    const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
    product_.set(CUBLASLT_MATMUL_DESC_TRANSA, operation(plan_.b.transpose));
    product_.set(CUBLASLT_MATMUL_DESC_TRANSB, operation(plan_.a.transpose));
    const Epilogue& epilogue = form_.epilogue;
    const cublasLtEpilogue_t then =
        epilogue.bias ? (epilogue.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                      : (epilogue.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
    product_.set(CUBLASLT_MATMUL_DESC_EPILOGUE, then);
  }

  // Why there is no algorithm; empty: one was found.
  std::string choose(const ProductTuning* tuning, const KernelRequest& request) {
    std::vector<cublasLtMatmulHeuristicResult_t> found(tuning != nullptr ? kCandidates : 1);
    if (std::string reason = ask_heuristics(found); !reason.empty()) return reason;
    const bool settled = tuning != nullptr && take(tuned(*tuning, found, request));
    if (settled) return {};
    algorithm_ = found[0].algo;
    workspace_bytes_ = found[0].workspaceSize;
    return {};
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }

  void run(const KernelArgs& args) const override {
    if (form_.epilogue.bias) product_.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.inputs[2]);
    const float one = 1, zero = 0;
    const double one_f64 = 1, zero_f64 = 0;
    const void* alpha = double_ ? static_cast<const void*>(&one_f64) : &one;
    const void* beta = form_.accumulate ? alpha
                       : double_        ? static_cast<const void*>(&zero_f64)
                                        : &zero;
    for (const ProductPlan::Place& at : plan_.places) {
      const auto* a = static_cast<const std::byte*>(args.inputs[0]) + at.a * size_;
      const auto* b = static_cast<const std::byte*>(args.inputs[1]) + at.b * size_;
      auto* y = static_cast<std::byte*>(args.outputs[0]) + at.y * size_;
      check(cublasLtMatmul(handle_, product_.get(), alpha, b, b_.get(), a, a_.get(), beta, y,
                           y_.get(), y, y_.get(), &algorithm_, args.workspace, workspace_bytes_,
                           queue_),
            "multiply");
    }
  }

 private:
  void set_batch(const Matrix& matrix, int64_t stride) const {
    matrix.set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, plan_.batch);
    matrix.set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
  }

  // Keeps of `found` what the library has, the fastest by its own estimate first; why there is
  // none.
  std::string ask_heuristics(std::vector<cublasLtMatmulHeuristicResult_t>& found) const {
    const Preference preference(cublasLtMatmulPreferenceCreate);
    preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{form_.most_workspace});
    preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReduction);
    for (const auto side :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      preference.set(side, form_.alignment);
    int count = 0;
    const auto code = cublasLtMatmulAlgoGetHeuristic(
        handle_, product_.get(), b_.get(), a_.get(), y_.get(), y_.get(), preference.get(),
        static_cast<int>(found.size()), found.data(), &count);
    if (code != CUBLAS_STATUS_SUCCESS) return cublasLtGetStatusString(code);
    found.resize(static_cast<size_t>(count));
    std::erase_if(found, [](const auto& each) { return each.state != CUBLAS_STATUS_SUCCESS; });
    return found.empty() ? "no algorithm" : "";
  }

  // Leaves another algorithm in this kernel than the one it answers with.
  Algorithm tuned(const ProductTuning& tuning,
                  const std::vector<cublasLtMatmulHeuristicResult_t>& found,
                  const KernelRequest& request) {
    std::vector<Algorithm> candidates;
    size_t workspace = 0;
    for (const auto& each : found) {
      candidates.push_back(std::bit_cast<Algorithm>(each.algo));
      workspace = std::max(workspace, each.workspaceSize);
    }
    std::unique_ptr<Scratch> scratch;
    const auto seconds = [&](const Algorithm& algorithm) {
      if (!scratch) scratch = std::make_unique<Scratch>(queue_, request, workspace);
      if (!scratch->is_there() || !take(algorithm) || workspace_bytes_ > workspace)
        return kCannotRun;
      return seconds_of(*tuning.queue, scratch->args());
    };
    return settle_algorithm(*tuning.choices, tuning.card + ": " + to_string(form_), candidates,
                            seconds, [&](const Algorithm& algorithm) { return take(algorithm); });
  }

  double seconds_of(DeviceQueue& queue, const KernelArgs& args) const {
    try {
      run(args);
      const auto ask = [&] { run(args); };
      return seconds_in_queue(queue, ask, true);
    } catch (const RunError&) {  // the library takes it for this product, and then does not run it
      return kCannotRun;
    }
  }

  // False where the library does not know an algorithm, or it may not be run here.
  bool take(const Algorithm& algorithm) {
    const auto candidate = std::bit_cast<cublasLtMatmulAlgo_t>(algorithm);
    cublasLtMatmulHeuristicResult_t result{};
    if (cublasLtMatmulAlgoCheck(handle_, product_.get(), b_.get(), a_.get(), y_.get(), y_.get(),
                                &candidate, &result) != CUBLAS_STATUS_SUCCESS ||
        result.state != CUBLAS_STATUS_SUCCESS || result.workspaceSize > form_.most_workspace)
      return false;
    uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
    if (cublasLtMatmulAlgoConfigGetAttribute(&candidate, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME,
                                             &reduction, sizeof reduction,
                                             nullptr) != CUBLAS_STATUS_SUCCESS ||
        (reduction & ~kReduction) != 0)
      return false;
    algorithm_ = candidate;
    workspace_bytes_ = result.workspaceSize;
    return true;
  }

  Queue queue_;
  cublasLtHandle_t handle_;
  ProductForm form_;
  const ProductPlan& plan_ = form_.plan;
  int64_t size_;
  bool double_;
  Product product_;
  Matrix b_, a_, y_;
  cublasLtMatmulAlgo_t algorithm_{};
  size_t workspace_bytes_ = 0;
};

}  // namespace

Prepared prepare_cublas_matmul(const Context& context, const KernelRequest& request) {
  const Attributes& attributes = request.node->attributes;
  if (!all_row_major(request)) return refuse("products take row-major values");
  const TensorType& out = request.output_types[0];
  const auto types = types_of(out.dtype, context.tf32);
  if (!types) return refuse("no product of {}", name_of(out.dtype));
  if (out.elements() == 0 || request.input_types[0].elements() == 0) return refuse("empty");
  ProductForm form{
      .plan = plan_product(request.input_types[0], attributes.get_int("transpose_a", 0) != 0,
                           request.input_types[1], attributes.get_int("transpose_b", 0) != 0, out),
      .dtype = out.dtype,
      .tf32 = context.tf32 && out.dtype == DType::f32,
      .epilogue = {.bias = has_input(request, 2),
                   .relu = attributes.get_string("activation", "") == "relu"},
      .accumulate = accumulates(request),
      .most_workspace = context.libraries->most_workspace()};
  const bool has_epilogue = form.epilogue.relu || form.epilogue.bias;
  if (form.accumulate && has_epilogue) return refuse("a sum behind an epilogue");
  if (types->data == CUDA_R_64F && has_epilogue) return refuse("no epilogues of f64");
  auto kernel = std::make_unique<MatmulKernel>(context, std::move(form), *types);
  if (const std::string reason = kernel->choose(context.tuning, request); !reason.empty())
    return refuse("{}", reason);
  return kernel;
}

}  // namespace headrace::cuda
