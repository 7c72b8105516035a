#include "kernels/reference/cell.h"

#include <cmath>

namespace headrace::reference {

double value_of(const CellFunction& f, double x) {
  switch (f.kind) {
    case CellActivation::affine:
      return f.alpha * x + f.beta;
    case CellActivation::elu:
      return x < 0 ? f.alpha * std::expm1(x) : x;
    case CellActivation::hard_sigmoid:
      return std::clamp(f.alpha * x + f.beta, 0.0, 1.0);
    case CellActivation::leaky_relu:
      return x < 0 ? f.alpha * x : x;
    case CellActivation::relu:
      return std::max(x, 0.0);
    case CellActivation::scaled_tanh:
      return f.alpha * std::tanh(f.beta * x);
    case CellActivation::sigmoid:
      return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
    case CellActivation::softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
    case CellActivation::softsign:
      return x / (1 + std::fabs(x));
    case CellActivation::tanh:
      return std::tanh(x);
    default:
      return x > f.alpha ? x : 0;
  }
}

double slope_at(const CellFunction& f, double y) {
  switch (f.kind) {
    case CellActivation::affine:
      return f.alpha;
    case CellActivation::elu:
      return y < 0 ? y + f.alpha : 1;
    case CellActivation::hard_sigmoid:
      return y > 0 && y < 1 ? f.alpha : 0;
    case CellActivation::leaky_relu:
      return y > 0 ? 1 : f.alpha;
    case CellActivation::relu:
      return y > 0 ? 1 : 0;
    case CellActivation::scaled_tanh:
      return f.beta * (f.alpha - y * y / f.alpha);
    case CellActivation::sigmoid:
      return y * (1 - y);
    case CellActivation::softplus:
      return -std::expm1(-y);
    case CellActivation::softsign:
      return (1 - std::fabs(y)) * (1 - std::fabs(y));
    case CellActivation::tanh:
      return 1 - y * y;
    default:
      return y != 0 ? 1 : 0;
  }
}

Cell cell_of(const KernelRequest& request, size_t sequence, size_t r) {
  const Attributes& a = request.node->attributes;
  const Shape& s = request.input_types[sequence].shape;
  const int64_t hidden = request.input_types[r].shape[1];
  return {cell_functions(a),
          a.get_float("clip", 0),
          a.get_int("reverse", 0) != 0,
          a.get_int("input_forget", 0) != 0,
          a.get_int("linear_before_reset", 0) != 0,
          s[0],
          s[1],
          hidden,
          s[2] / hidden};
}

}  // namespace headrace::reference
