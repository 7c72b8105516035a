#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Operands hold 1, 2, 3, ...; declared as "float[2,3] a, float[3] b".
std::vector<double> einsum(const std::string& equation, const std::vector<Shape>& shapes) {
  std::string declared, named;
  std::vector<HostTensor> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    const std::string dims = fmt::format("[{}]", fmt::join(shapes[i], ","));
    declared +=
        fmt::format("{}float{} {}", i == 0 ? "" : ", ", shapes[i].empty() ? "" : dims, name);
    named += (i == 0 ? "" : ", ") + name;
    std::vector<float> values(static_cast<size_t>(element_count(shapes[i])));
    for (size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k + 1);
    inputs.push_back(floats(shapes[i], values));
  }
  return run(load_text("g (" + declared + ") => (float y) { y = Einsum<equation = \"" + equation +
                       "\">(" + named + ") }"),
             inputs)
      .at(0);
}

TEST(Einsum, OneOperand) {
  EXPECT_THAT(einsum("ij->ji", {{2, 3}}), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(einsum("ij->i", {{2, 3}}), ElementsAre(6, 15));
  EXPECT_THAT(einsum("ij->", {{2, 3}}), ElementsAre(21));
  EXPECT_THAT(einsum("ba", {{2, 3}}), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(einsum("...i->...", {{2, 3}}), ElementsAre(6, 15));
}

TEST(Einsum, RepeatedIndicesAreDiagonals) {
  EXPECT_THAT(einsum("ii->i", {{3, 3}}), ElementsAre(1, 5, 9));
  EXPECT_THAT(einsum("ii", {{3, 3}}), ElementsAre(15));
  EXPECT_THAT(einsum("iji->ji", {{2, 2, 2}}), ElementsAre(1, 6, 3, 8));
  EXPECT_THAT(einsum("iii->i", {{2, 2, 2}}), ElementsAre(1, 8));
  EXPECT_THAT(einsum("...ii->...i", {{2, 2, 2}}), ElementsAre(1, 4, 5, 8));
}

TEST(Einsum, Products) {
  EXPECT_THAT(einsum("ij,jk->ik", {{1, 2}, {2, 2}}), ElementsAre(7, 10));
  EXPECT_THAT(einsum("ij,jk->ki", {{1, 2}, {2, 2}}), ElementsAre(7, 10));
  EXPECT_THAT(einsum("ji,kj->ik", {{2, 1}, {2, 2}}), ElementsAre(5, 11));
  EXPECT_THAT(einsum("i,i", {{3}, {3}}), ElementsAre(14));
  EXPECT_THAT(einsum("i,j->ij", {{2}, {2}}), ElementsAre(1, 2, 2, 4));
  EXPECT_THAT(einsum("i,j->ji", {{2}, {3}}), ElementsAre(1, 2, 2, 4, 3, 6));
  EXPECT_THAT(einsum("ij,ij->ij", {{1, 2}, {1, 2}}), ElementsAre(1, 4));
  EXPECT_THAT(einsum("bij,bjk->bik", {{2, 1, 2}, {2, 2, 1}}), ElementsAre(5, 25));
  EXPECT_THAT(einsum("ik,jkl->ij", {{1, 2}, {1, 2, 2}}), ElementsAre(1 * 3 + 2 * 7));
  EXPECT_THAT(einsum(",i->i", {{}, {2}}), ElementsAre(1, 2));
}

TEST(Einsum, EllipsesBroadcast) {
  EXPECT_THAT(einsum("...ij,...jk->...ik", {{2, 1, 2}, {2, 1}}), ElementsAre(5, 11));
  EXPECT_THAT(einsum("...i,...i", {{2, 2}, {1, 2}}), ElementsAre(5, 11));
  EXPECT_THAT(einsum("i...,i->...", {{2, 2}, {2}}), ElementsAre(7, 10));
}

TEST(Einsum, MoreThanTwoOperands) {
  EXPECT_THAT(einsum("ij,jk,kl->il", {{1, 2}, {2, 2}, {2, 1}}), ElementsAre(27));
  EXPECT_THAT(einsum("i,i,i->i", {{2}, {2}, {2}}), ElementsAre(1, 8));
}

TEST(Einsum, EquationsThatDoNotFitAreRefused) {
  const auto refusal = [](const std::string& equation, const std::vector<Shape>& shapes) {
    try {
      einsum(equation, shapes);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(refusal("ijk->i", {{2, 2}}), HasSubstr("for an operand of rank 2"));
  EXPECT_THAT(refusal("ij->k", {{2, 2}}), HasSubstr("the result of 'ij->k'"));
  EXPECT_THAT(refusal("ij,jk->ik", {{2, 2}, {3, 2}}), HasSubstr("an index of 2 and of 3"));
  EXPECT_THAT(refusal("i,j->ij", {{2}}), HasSubstr("2 terms for 1 operands"));
  EXPECT_THAT(refusal("i;", {{2}}), HasSubstr("';' in its equation"));
}

}  // namespace
}  // namespace headrace
