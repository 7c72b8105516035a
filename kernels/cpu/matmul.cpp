#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/primitive_kernel.h"

namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;

struct Operand {
  Shape dims;     // batch.., rows, columns of the product's view
  Shape strides;  // in elements
};

// A row-major tensor seen as matrices, the last two axes exchanged where asked.
Operand view(const TensorType& type, bool transpose) {
  Operand operand{type.shape, row_major_strides(type.shape)};
  if (transpose) {
    const size_t rank = operand.dims.size();
    std::swap(operand.dims[rank - 2], operand.dims[rank - 1]);
    std::swap(operand.strides[rank - 2], operand.strides[rank - 1]);
  }
  return operand;
}

// Leading axes of 1 up to `rank`; oneDNN broadcasts them.
void pad_rank(Operand& operand, size_t rank) {
  while (operand.dims.size() < rank) {
    operand.strides.insert(operand.strides.begin(), operand.dims[0] * operand.strides[0]);
    operand.dims.insert(operand.dims.begin(), 1);
  }
}

int64_t batch_of(const Operand& operand) {
  int64_t batch = 1;
  for (size_t d = 0; d + 2 < operand.dims.size(); ++d) batch *= operand.dims[d];
  return batch;
}

// Batch axes in one where they lie in row-major order.
void merge_batch(Operand& operand) {
  const size_t rank = operand.dims.size();
  const int64_t rows = operand.dims[rank - 2], columns = operand.dims[rank - 1];
  const int64_t batch = batch_of(operand);
  operand.strides = {rows * columns, operand.strides[rank - 2], operand.strides[rank - 1]};
  operand.dims = {batch, rows, columns};
}

// All rows of all batches as one matrix.
void fold_batch_into_rows(Operand& operand) {
  const int64_t columns = operand.dims.back();
  const int64_t rows = batch_of(operand) * operand.dims[operand.dims.size() - 2];
  operand = {{rows, columns}, {columns, 1}};
}

Desc desc_of(const Operand& operand, DType dtype) {
  Shape strides = operand.strides;
  // oneDNN takes a matrix of one row or column as transposed when the stride of its only row or
  // column says so; give the row-major one.
  const size_t rank = operand.dims.size();
  if (operand.dims[rank - 2] == 1 && strides[rank - 1] == 1)
    strides[rank - 2] = operand.dims[rank - 1];
  return {operand.dims, dnnl_type(dtype), strides};
}

}  // namespace

Prepared prepare_matmul(const Context& context, const KernelRequest& request) {
  const Attributes& attributes = request.node->attributes;
  if (!all_row_major(request)) return refuse("products take row-major values");
  const TensorType& out = request.output_types[0];
  const DType dtype = out.dtype;
  if (dtype != DType::f32 && dtype != DType::bf16)
    return refuse("no product of {}", name_of(dtype));
  if (out.elements() == 0 || request.input_types[0].elements() == 0) return refuse("empty");
  const bool relu = attributes.get_string("activation", "") == "relu";
  const bool accumulate = accumulates(request);
  if (relu && accumulate) return refuse("a sum behind an activation");

  const bool transpose_a = attributes.get_int("transpose_a", 0) != 0;
  Operand a = view(request.input_types[0], transpose_a);
  Operand b = view(request.input_types[1], attributes.get_int("transpose_b", 0) != 0);
  Operand y = view(out, false);
  if (batch_of(b) == 1 && !transpose_a) {
    const size_t rank = b.dims.size();
    b = {{b.dims[rank - 2], b.dims[rank - 1]}, {b.strides[rank - 2], b.strides[rank - 1]}};
    fold_batch_into_rows(a);
    fold_batch_into_rows(y);
  } else if (batch_of(a) == batch_of(b) && batch_of(a) == batch_of(y)) {
    for (Operand* operand : {&a, &b, &y}) {
      if (batch_of(y) == 1) {
        const size_t rank = operand->dims.size();
        *operand = {{operand->dims[rank - 2], operand->dims[rank - 1]},
                    {operand->strides[rank - 2], operand->strides[rank - 1]}};
      } else {
        merge_batch(*operand);
      }
    }
  } else {
    for (Operand* operand : {&a, &b}) pad_rank(*operand, y.dims.size());
  }

  dnnl::primitive_attr attr = user_scratchpad();
  dnnl::post_ops post;
  if (accumulate) post.append_sum();
  if (relu) post.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
  attr.set_post_ops(post);
  const Desc a_desc = desc_of(a, dtype), b_desc = desc_of(b, dtype), y_desc = desc_of(y, dtype);
  const bool has_bias = has_input(request, 2);
  Desc bias_desc;
  if (has_bias) {
    Shape dims(y.dims.size(), 1);
    dims.back() = y.dims.back();
    bias_desc = row_major_desc(dtype, dims);
  }
  using Product = dnnl::matmul;
  const Product::primitive_desc product =
      has_bias ? Product::primitive_desc(engine(), a_desc, b_desc, bias_desc, y_desc, attr)
               : Product::primitive_desc(engine(), a_desc, b_desc, y_desc, attr);
  auto kernel =
      std::make_unique<PrimitiveKernel>(context, Product(product), product.scratchpad_desc());
  kernel->bind_input(0, DNNL_ARG_SRC, a_desc);
  kernel->bind_input(1, DNNL_ARG_WEIGHTS, b_desc);
  if (has_bias) kernel->bind_input(2, DNNL_ARG_BIAS, bias_desc);
  kernel->bind_output(0, DNNL_ARG_DST, y_desc);
  return kernel;
}

}  // namespace headrace::cpu
