#include "loader/import/rules.h"

namespace headrace {
namespace {

// numpy.matmul: a vector counts as a row on the left, as a column on the right.
void matmul(ImportContext& c) {
  Shape a_shape = c.shape(0), b_shape = c.shape(1);
  if (a_shape.empty() || b_shape.empty()) throw Unsupported("a scalar operand");
  ValueId a = c.value(0), b = c.value(1);
  if (a_shape.size() > 1 && b_shape.size() > 1) {
    c.result(c.add("MatMul", {a, b}));
    return;
  }
  const bool row = a_shape.size() == 1, column = b_shape.size() == 1;
  if (row) a = c.reshape(a, {1, a_shape[0]});
  if (column) b = c.reshape(b, {b_shape[0], 1});
  const ValueId product = c.add("MatMul", {a, b});
  Shape shape = c.type_of(product).shape;
  if (column) shape.pop_back();
  if (row) shape.erase(shape.end() - (column ? 1 : 2));
  c.result(c.reshape(product, shape));
}

// alpha op(a) op(b) + beta c, where c broadcasts to the product. A bias of one row joins the
// product.
void gemm(ImportContext& c) {
  const double alpha = c.get_float("alpha", 1), beta = c.get_float("beta", 1);
  const bool has_addend = c.has(2) && beta != 0;
  const DType dtype = c.type(0).dtype;
  const auto flag = [&](const char* name) { return int64_t{c.get_int(name, 0) != 0}; };
  const Attributes attributes = {{"transpose_a", flag("transA")}, {"transpose_b", flag("transB")}};
  const Shape b_shape = c.shape(1);
  if (c.rank(0) != 2 || b_shape.size() != 2) throw Unsupported("operands that are not matrices");
  const int64_t columns = b_shape[flag("transB") != 0 ? 0 : 1];

  std::vector<ValueId> inputs = {c.value(0), c.value(1)};
  const bool one_row =
      has_addend && (c.shape(2) == Shape{columns} || c.shape(2) == Shape{1, columns});
  if (one_row && alpha == 1 && beta == 1) {
    inputs.push_back(c.reshape(c.value(2), {columns}));
    c.result(c.add("MatMul", inputs, attributes));
    return;
  }
  ValueId product = c.add("MatMul", inputs, attributes);
  if (alpha != 1) product = c.add("Mul", {product, c.scalar(alpha, dtype)});
  if (has_addend) {
    ValueId addend = c.value(2);
    if (beta != 1) addend = c.add("Mul", {addend, c.scalar(beta, dtype)});
    product = c.add("Add", {product, addend});
  }
  c.result(product);
}

void determinant(ImportContext& c) { c.result(c.add("Det", {c.value(0)})); }

}  // namespace

std::span<const ImportRule> product_rules() {
  static constexpr ImportRule kRules[] = {{"MatMul", matmul}, {"Gemm", gemm}, {"Det", determinant}};
  return kRules;
}

}  // namespace headrace
