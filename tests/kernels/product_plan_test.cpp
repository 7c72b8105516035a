#include "kernels/cuda/product_plan.h"

#include <gtest/gtest.h>

#include <numeric>

namespace headrace::cuda {
namespace {

TensorType f32(Shape shape) { return {DType::f32, std::move(shape)}; }

struct Case {
  Shape a, b;
  bool transpose_a = false, transpose_b = false;
};

Shape result_of(const Case& c) {
  const auto batch = [](const Shape& s) { return std::span(s).first(s.size() - 2); };
  Shape y = broadcast(batch(c.a), batch(c.b));
  y.push_back(c.transpose_a ? c.a.back() : c.a[c.a.size() - 2]);
  y.push_back(c.transpose_b ? c.b[c.b.size() - 2] : c.b.back());
  return y;
}

// Small whole numbers, so that sums are exact in any order.
std::vector<double> filled(const Shape& shape, int step) {
  std::vector<double> values(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>((static_cast<int>(i) * step) % 17 - 8);
  return values;
}

// What the calls of the plan compute.
std::vector<double> by_plan(const ProductPlan& plan, const std::vector<double>& a,
                            const std::vector<double>& b, int64_t results) {
  std::vector<double> y(static_cast<size_t>(results), -1e9);
  const auto element = [](const std::vector<double>& x, int64_t base,
                          const ProductPlan::Factor& factor, int64_t row, int64_t column) {
    if (factor.transpose) std::swap(row, column);
    return x.at(static_cast<size_t>(base + row * factor.columns + column));
  };
  for (const auto& at : plan.places)
    for (int64_t i = 0; i < plan.batch; ++i)
      for (int64_t m = 0; m < plan.m; ++m)
        for (int64_t n = 0; n < plan.n; ++n) {
          double sum = 0;
          for (int64_t k = 0; k < plan.k; ++k)
            sum += element(a, at.a + i * plan.a.stride, plan.a, m, k) *
                   element(b, at.b + i * plan.b.stride, plan.b, k, n);
          y.at(static_cast<size_t>(at.y + i * plan.m * plan.n + m * plan.n + n)) = sum;
        }
  return y;
}

// The definition, one element of y at a time.
std::vector<double> directly(const Case& c, const Shape& shape, const std::vector<double>& a,
                             const std::vector<double>& b) {
  std::vector<double> y;
  Shape at(shape.size(), 0);
  const auto place = [&](const Shape& of, int64_t row, int64_t column) {
    int64_t offset = 0;
    for (size_t d = 0; d + 2 < of.size(); ++d) {
      const int64_t i = at[shape.size() - of.size() + d];
      offset = offset * of[d] + (of[d] == 1 ? 0 : i);
    }
    return static_cast<size_t>((offset * of[of.size() - 2] + row) * of.back() + column);
  };
  const int64_t inner = c.transpose_a ? c.a[c.a.size() - 2] : c.a.back();
  for (int64_t left = element_count(shape); left > 0; --left) {
    const int64_t m = at[shape.size() - 2], n = at.back();
    double sum = 0;
    for (int64_t k = 0; k < inner; ++k)
      sum += a[c.transpose_a ? place(c.a, k, m) : place(c.a, m, k)] *
             b[c.transpose_b ? place(c.b, n, k) : place(c.b, k, n)];
    y.push_back(sum);
    for (size_t d = at.size(); d-- > 0 && ++at[d] == shape[d];) at[d] = 0;
  }
  return y;
}

TEST(ProductPlan, ComputesTheDefinition) {
  const Case cases[] = {{{3, 4}, {4, 5}},
                        {{4, 3}, {4, 5}, true, false},
                        {{3, 4}, {5, 4}, false, true},
                        {{2, 3, 4}, {4, 5}},
                        {{2, 4, 3}, {4, 5}, true, false},
                        {{3, 4}, {2, 4, 5}},
                        {{2, 3, 4}, {2, 4, 5}},
                        {{2, 6, 3, 4}, {2, 6, 4, 5}},
                        {{2, 6, 3, 4}, {1, 6, 4, 5}},
                        {{2, 6, 3, 4}, {2, 1, 4, 5}},
                        {{2, 1, 3, 4}, {1, 6, 5, 4}, false, true},
                        {{2, 3, 1, 3, 4}, {2, 1, 2, 4, 5}}};
  for (const Case& c : cases) {
    const Shape y = result_of(c);
    SCOPED_TRACE(to_string(std::span(c.a)) + " times " + to_string(std::span(c.b)));
    const ProductPlan plan = plan_product(f32(c.a), c.transpose_a, f32(c.b), c.transpose_b, f32(y));
    const auto a = filled(c.a, 5), b = filled(c.b, 7);
    EXPECT_EQ(by_plan(plan, a, b, element_count(y)), directly(c, y, a, b));
  }
}

TEST(ProductPlan, OneCallWhereStridesSuffice) {
  EXPECT_EQ(plan_product(f32({8, 3, 4}), false, f32({4, 5}), false, f32({8, 3, 5})).m, 24);
  const ProductPlan heads =
      plan_product(f32({2, 6, 3, 4}), false, f32({2, 6, 4, 5}), false, f32({2, 6, 3, 5}));
  EXPECT_EQ(heads.batch, 12);
  EXPECT_EQ(heads.places.size(), 1u);
}

TEST(ProductPlan, SaysHowItsPlacesAreAligned) {
  const ProductPlan plan =
      plan_product(f32({2, 6, 3, 4}), false, f32({2, 1, 4, 5}), false, f32({2, 6, 3, 5}));
  EXPECT_EQ(plan.places.size(), 2u);
  EXPECT_EQ(plan.alignment(4, 64), 8u);  // y's second place is 90 elements on
}

}  // namespace
}  // namespace headrace::cuda
