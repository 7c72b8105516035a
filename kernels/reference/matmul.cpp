#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

// One operand: where its matrices lie for each matrix of the result, and its element (i, k).
struct Operand {
  StridedView batch;
  int64_t row_stride, column_stride;
};
Operand operand_of(const Shape& shape, bool transposed, const Shape& batch) {
  const int64_t rows = shape[shape.size() - 2], columns = shape.back();
  Operand operand{broadcast_view(Shape(shape.begin(), shape.end() - 2), batch), columns, 1};
  for (int64_t& stride : operand.batch.strides) stride *= rows * columns;
  if (transposed) std::swap(operand.row_stride, operand.column_stride);
  return operand;
}

// a, b, [bias] -> y
template <typename T>
Loop multiply(const KernelRequest& request) {
  const Attributes& attributes = request.node->attributes;
  const Shape& y_shape = request.output_types[0].shape;
  const Shape& a_shape = request.input_types[0].shape;
  const Shape batch(y_shape.begin(), y_shape.end() - 2);
  const bool transpose_a = attributes.get_int("transpose_a", 0) != 0;
  const bool transpose_b = attributes.get_int("transpose_b", 0) != 0;
  const bool relu = attributes.get_string("activation", "") == "relu";
  const Operand left = operand_of(a_shape, transpose_a, batch);
  const Operand right = operand_of(request.input_types[1].shape, transpose_b, batch);
  const int64_t m = y_shape[y_shape.size() - 2], n = y_shape.back();
  const int64_t k = a_shape[a_shape.size() - (transpose_a ? 2 : 1)];
  return [=, matrices = element_count(batch)](const KernelArgs& args) {
    const T* bias = input<T>(args, 2);
    for (int64_t g = 0; g < matrices; ++g) {
      const T* a = input<T>(args, 0) + left.batch.offset(g);
      const T* b = input<T>(args, 1) + right.batch.offset(g);
      T* y = output<T>(args, 0) + g * m * n;
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          Sum<T> sum = bias ? static_cast<Sum<T>>(bias[j]) : 0;
          for (int64_t l = 0; l < k; ++l)
            sum += static_cast<Sum<T>>(a[i * left.row_stride + l * left.column_stride]) *
                   static_cast<Sum<T>>(b[l * right.row_stride + j * right.column_stride]);
          y[i * n + j] = static_cast<T>(relu && sum < 0 ? 0 : sum);
        }
    }
  };
}

}  // namespace

Loop matmul(const KernelRequest& request) {
  if (request.node->op != "MatMul") return {};
  return for_number(request.input_types[0].dtype,
                    [&]<typename T>() { return multiply<T>(request); });
}

}  // namespace headrace::reference
