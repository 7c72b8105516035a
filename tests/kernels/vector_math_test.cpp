#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/vector/table.h"

namespace headrace {
namespace {

using vector::Unary;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct InstructionSet {
  const char* name;
  const vector::Table* table;
};

// Those of the program's instruction sets that this processor has.
std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets{{"baseline", &baseline::table}};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    sets.push_back({"avx2", &avx2::table});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    sets.push_back({"avx512", &avx512::table});
  return sets;
}

double units_in_the_last_place(float value, double exact) {
  const auto nearest = static_cast<float>(exact);
  if (value == nearest || (std::isnan(value) && std::isnan(nearest))) return 0;
  if (!std::isfinite(value) || !std::isfinite(nearest)) return 1e9;
  const double unit = std::nextafter(std::fabs(nearest), kInfinity) - std::fabs(nearest);
  return std::fabs(value - exact) / unit;
}

struct Function {
  const char* name;
  Unary id;
  double (*exact)(double);
  float low, high;
  double allowed;  // units in the last place
};

constexpr Function kFunctions[] = {
    {"exp", Unary::exp, [](double x) { return std::exp(x); }, -104, 89, 2},
    {"log", Unary::log, [](double x) { return std::log(x); }, 1e-30F, 1e4F, 2},
    {"tanh", Unary::tanh, [](double x) { return std::tanh(x); }, -12, 12, 3},
    {"erf", Unary::erf, [](double x) { return std::erf(x); }, -5, 5, 4},
    {"sigmoid", Unary::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 30, 4},
    {"softplus", Unary::softplus, [](double x) { return std::log1p(std::exp(x)); }, -80, 30, 4},
};

class VectorMath : public testing::TestWithParam<InstructionSet> {
 protected:
  std::vector<float> map(Unary id, const std::vector<float>& x) const {
    std::vector<float> y(x.size());
    GetParam().table->elementwise->unary[vector::index(id)](x.data(), y.data(),
                                                            static_cast<int64_t>(x.size()), 0, 0);
    return y;
  }
};

TEST_P(VectorMath, FunctionsAreExactToAFewUnits) {
  constexpr int kPoints = 200003;
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.name);
    std::vector<float> x(kPoints);
    for (int i = 0; i < kPoints; ++i)
      x[static_cast<size_t>(i)] =
          f.low + (f.high - f.low) * static_cast<float>(i) / static_cast<float>(kPoints - 1);
    const std::vector<float> y = map(f.id, x);
    double worst = 0;
    float where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double units = units_in_the_last_place(y[i], f.exact(x[i]));
      if (units > worst) {
        worst = units;
        where = x[i];
      }
    }
    EXPECT_LE(worst, f.allowed) << "at " << where;
  }
}

TEST_P(VectorMath, EndsOfTheRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{-kInfinity, -200, -1, 0, 1e-41F, 200, kInfinity, nan};
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.name);
    const std::vector<float> y = map(f.id, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = f.id == Unary::softplus && x[i] > 100 ? x[i] : f.exact(x[i]);
      // A result below the normal numbers may be off by what the last normal step is.
      if (std::fabs(exact) < 1e-37) {
        EXPECT_NEAR(y[i], exact, 1e-37) << "at " << x[i];
      } else {
        EXPECT_LE(units_in_the_last_place(y[i], exact), f.allowed) << "at " << x[i];
      }
    }
  }
}

TEST_P(VectorMath, LogSumExpOfLargeAndOfExcludedScores) {
  const auto log_sum_exp = GetParam().table->softmax->log_sum_exp;
  const auto expect = [&](const std::vector<float>& x, float largest, float log_sum) {
    const auto found = log_sum_exp(x.data(), static_cast<int64_t>(x.size()));
    EXPECT_EQ(found.largest, largest);
    EXPECT_FLOAT_EQ(found.log_sum, log_sum);
  };
  std::vector<float> x(5000, 1e30F);
  expect(x, 1e30F, std::log(5000.0F));
  // The maximum only comes in the last block; excluded scores stand before it.
  x.assign(5000, -kInfinity);
  expect(x, -kInfinity, 0);
  x[4999] = -3;
  expect(x, -3, 0);
  x[0] = -3;
  expect(x, -3, std::log(2.0F));
  for (const size_t at : {0, 15, 1023, 1024, 4999}) {
    for (const float others : {1.0F, -kInfinity}) {
      x.assign(5000, others);
      x[at] = std::nanf("");
      EXPECT_TRUE(std::isnan(log_sum_exp(x.data(), 5000).log_sum)) << at << " among " << others;
    }
  }
}

TEST_P(VectorMath, TransposeOfEveryShapeUpToTwoTiles) {
  const auto transpose = GetParam().table->movement->transpose;
  for (int64_t rows = 1; rows <= 18; ++rows) {
    for (int64_t columns = 1; columns <= 18; ++columns) {
      std::vector<uint32_t> x(static_cast<size_t>(rows * columns)), y(x.size());
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint32_t>(i);
      transpose(x.data(), columns, y.data(), rows, rows, columns);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
          ASSERT_EQ(y[static_cast<size_t>(j * rows + i)], i * columns + j)
              << rows << " by " << columns;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, VectorMath, testing::ValuesIn(instruction_sets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace headrace
