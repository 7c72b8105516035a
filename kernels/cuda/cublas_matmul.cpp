// Products by cuBLASLt. A row-major matrix is its transpose in the library's column order, so
// y = a b is asked for as y' = b' a', and the bias of y's columns is one of the rows of y'.

#include <algorithm>
#include <numeric>
#include <utility>

#include "graph/error.h"
#include "kernels/cuda/cublas_matmul.h"
#include "kernels/cuda/libraries.h"

namespace headrace::cuda {
namespace {

// What the library may use for a product split along its inner dimension.
constexpr size_t kMostWorkspace = size_t{32} << 20;
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
  MatmulKernel(const Context& context, ProductPlan plan, const Types& types, Epilogue epilogue,
               bool accumulate)
      : queue_(context.queue),
        handle_(context.libraries->cublaslt),
        plan_(std::move(plan)),
        size_(types.data == CUDA_R_64F   ? 8
              : types.data == CUDA_R_32F ? 4
                                         : 2),
        double_(types.scale == CUDA_R_64F),
        accumulate_(accumulate),
        bias_(epilogue.bias),
        product_(cublasLtMatmulDescCreate, types.compute, types.scale),
        // Sides exchange: the library's first factor is b.
        b_(cublasLtMatrixLayoutCreate, types.data, plan_.b.columns, plan_.b.rows, plan_.b.columns),
        a_(cublasLtMatrixLayoutCreate, types.data, plan_.a.columns, plan_.a.rows, plan_.a.columns),
        y_(cublasLtMatrixLayoutCreate, types.data, plan_.n, plan_.m, plan_.n) {
    set_batch(b_, plan_.b.stride);
    set_batch(a_, plan_.a.stride);
    set_batch(y_, plan_.m * plan_.n);
    const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
    product_.set(CUBLASLT_MATMUL_DESC_TRANSA, operation(plan_.b.transpose));
    product_.set(CUBLASLT_MATMUL_DESC_TRANSB, operation(plan_.a.transpose));
    const cublasLtEpilogue_t then =
        epilogue.bias ? (epilogue.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                      : (epilogue.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
    product_.set(CUBLASLT_MATMUL_DESC_EPILOGUE, then);
  }

  // Why there is no algorithm; empty: one was found.
  std::string choose() {
    const Preference preference(cublasLtMatmulPreferenceCreate);
    preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kMostWorkspace});
    // Parts of a split sum are added in f32, in an order that never changes.
    preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                   static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    const uint32_t alignment = plan_.alignment(size_, kAlignment);
    for (const auto side :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      preference.set(side, alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const auto code =
        cublasLtMatmulAlgoGetHeuristic(handle_, product_.get(), b_.get(), a_.get(), y_.get(),
                                       y_.get(), preference.get(), 1, &result, &found);
    if (code != CUBLAS_STATUS_SUCCESS) return cublasLtGetStatusString(code);
    if (found == 0) return "no algorithm";
    algorithm_ = result.algo;
    workspace_bytes_ = result.workspaceSize;
    return {};
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }

  void run(const KernelArgs& args) const override {
    if (bias_) product_.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.inputs[2]);
    const float one = 1, zero = 0;
    const double one_f64 = 1, zero_f64 = 0;
    const void* alpha = double_ ? static_cast<const void*>(&one_f64) : &one;
    const void* beta = accumulate_ ? alpha : double_ ? static_cast<const void*>(&zero_f64) : &zero;
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

  Queue queue_;
  cublasLtHandle_t handle_;
  ProductPlan plan_;
  int64_t size_;
  bool double_, accumulate_, bias_;
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
  const Epilogue epilogue{.bias = has_input(request, 2),
                          .relu = attributes.get_string("activation", "") == "relu"};
  const bool accumulate = accumulates(request);
  if (accumulate && (epilogue.relu || epilogue.bias)) return refuse("a sum behind an epilogue");
  if (types->data == CUDA_R_64F && (epilogue.relu || epilogue.bias))
    return refuse("no epilogues of f64");
  auto kernel = std::make_unique<MatmulKernel>(
      context,
      plan_product(request.input_types[0], attributes.get_int("transpose_a", 0) != 0,
                   request.input_types[1], attributes.get_int("transpose_b", 0) != 0, out),
      *types, epilogue, accumulate);
  if (const std::string reason = kernel->choose(); !reason.empty()) return refuse("{}", reason);
  return kernel;
}

}  // namespace headrace::cuda
