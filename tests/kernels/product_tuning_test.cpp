#include "kernels/cuda/product_tuning.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace headrace::cuda {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Kept in memory.
class KeptChoices : public Choices {
 public:
  std::map<std::string, std::string> kept;
  bool is_writable = true;

  std::string find(const std::string& key) override { return kept.contains(key) ? kept[key] : ""; }
  bool keeps() const override { return is_writable; }
  std::string settle(const std::string& key, const std::string& choice) override {
    return kept.emplace(key, choice).first->second;
  }
};

Algorithm algorithm(uint64_t number) { return {number, 0xdeadbeef, 0, ~uint64_t{0}, 0, 0, 0, 7}; }

const std::vector<Algorithm> kThree = {algorithm(1), algorithm(2), algorithm(3)};

// settle_algorithm on a device where algorithm n takes seconds[n - 1] and those in `unknown` are
// not known; what was timed goes to `timed`.
struct Tuner {
  std::vector<double> seconds = {3, 1, 2};
  std::set<uint64_t> unknown = {};
  std::vector<uint64_t> timed = {};

  uint64_t operator()(Choices& choices, const std::string& key = "product") {
    return settle_algorithm(
        choices, key, kThree,
        [&](const Algorithm& each) {
          timed.push_back(each[0]);
          return seconds[each[0] - 1];
        },
        [&](const Algorithm& each) { return !unknown.contains(each[0]); })[0];
  }
};

TEST(ProductTuning, TheFastestIsTakenAndKept) {
  KeptChoices choices;
  Tuner tuner;
  EXPECT_EQ(tuner(choices), 2);
  EXPECT_THAT(tuner.timed, ElementsAre(1, 2, 3));
  EXPECT_EQ(choices.kept["product"], to_text(algorithm(2)));
}

TEST(ProductTuning, WhatIsKeptIsTakenUntimed) {
  KeptChoices choices;
  choices.kept["product"] = to_text(algorithm(3));
  Tuner tuner;
  EXPECT_EQ(tuner(choices), 3);
  EXPECT_THAT(tuner.timed, IsEmpty());
  EXPECT_EQ(tuner(choices, "another"), 2);
}

TEST(ProductTuning, WhoComesSecondTakesTheFirstOnesChoice) {
  struct Overtaken : KeptChoices {
    std::string settle(const std::string&, const std::string&) override {
      return to_text(algorithm(3));
    }
  } choices;
  EXPECT_EQ(Tuner()(choices), 3);
}

TEST(ProductTuning, WhatTheLibraryDoesNotKnowGivesWayToItsFirst) {
  KeptChoices choices;
  Tuner tuner{.unknown = {9}};
  for (const std::string& kept : {to_text(algorithm(9)), std::string("nonsense")}) {
    choices.kept["product"] = kept;
    EXPECT_EQ(tuner(choices), 1);
    EXPECT_EQ(choices.kept["product"], kept) << "others may know it";
  }
  EXPECT_THAT(tuner.timed, IsEmpty());
}

TEST(ProductTuning, WithoutAPlaceToKeepItNothingIsTimed) {
  KeptChoices choices;
  choices.is_writable = false;
  Tuner tuner;
  EXPECT_EQ(tuner(choices), 1);
  EXPECT_THAT(tuner.timed, IsEmpty());
  choices.kept["product"] = to_text(algorithm(2));
  EXPECT_EQ(tuner(choices), 2);
  struct Full : KeptChoices {
    std::string settle(const std::string&, const std::string&) override { return {}; }
  } full;
  EXPECT_EQ(tuner(full), 1);
}

TEST(ProductTuning, NearlyEqualTimesLeaveTheLibrarysOrder) {
  const auto of = [](std::vector<double> seconds) { return fastest(seconds); };
  EXPECT_EQ(of({1.01, 1.0, 1.0}), 0);
  EXPECT_EQ(of({1.2, 1.005, 1.0}), 1);
  EXPECT_EQ(of({1.2, 1.1, 1.0}), 2);
  EXPECT_EQ(of({kCannotRun, 5, 4}), 2);
  EXPECT_EQ(of({kCannotRun, kCannotRun}), 0);
}

TEST(ProductTuning, AlgorithmsAreWrittenDownAndReadBack) {
  const std::string text = to_text(algorithm(0x0123456789abcdef));
  EXPECT_EQ(text.size(), 128);
  EXPECT_EQ(algorithm_from(text), algorithm(0x0123456789abcdef));
  std::string wrong = text;
  wrong[17] = 'g';
  for (const std::string& no :
       {std::string(), wrong, text + "0", text.substr(1), "-" + text.substr(1)})
    EXPECT_EQ(algorithm_from(no), std::nullopt) << no;
}

TEST(ProductTuning, FormsTellApartWhateverDecidesAProduct) {
  const auto f32 = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
  const auto form = [&](Shape a, bool transpose_a, Shape b, bool transpose_b, Shape y) {
    return ProductForm{.plan = plan_product(f32(std::move(a)), transpose_a, f32(std::move(b)),
                                            transpose_b, f32(std::move(y))),
                       .alignment = 64,
                       .most_workspace = 1024};
  };
  const ProductForm plain = form({4, 4}, false, {4, 4}, false, {4, 4});
  std::vector<ProductForm> others = {form({4, 4}, true, {4, 4}, false, {4, 4}),
                                     form({4, 4}, false, {4, 4}, true, {4, 4}),
                                     form({4, 4}, true, {4, 4}, true, {4, 4}),
                                     form({8, 4}, false, {4, 4}, false, {8, 4}),
                                     form({4, 8}, false, {8, 4}, false, {4, 4}),
                                     form({4, 4}, false, {4, 8}, false, {4, 8}),
                                     form({3, 4, 4}, false, {3, 4, 4}, false, {3, 4, 4}),
                                     form({4, 4}, false, {3, 4, 4}, false, {3, 4, 4}),
                                     form({2, 1, 4, 4}, false, {1, 3, 4, 4}, false, {2, 3, 4, 4})};
  const auto change = [&](auto change_it) {
    others.push_back(plain);
    change_it(others.back());
  };
  change([](ProductForm& f) { f.dtype = DType::bf16; });
  change([](ProductForm& f) { f.dtype = DType::f16; });
  change([](ProductForm& f) { f.tf32 = true; });
  change([](ProductForm& f) { f.epilogue.bias = true; });
  change([](ProductForm& f) { f.epilogue.relu = true; });
  change([](ProductForm& f) { f.epilogue = {.bias = true, .relu = true}; });
  change([](ProductForm& f) { f.accumulate = true; });
  change([](ProductForm& f) { f.alignment = 16; });
  change([](ProductForm& f) { f.most_workspace = 2048; });
  std::set<std::string> lines = {to_string(plain)};
  for (const ProductForm& other : others)
    EXPECT_TRUE(lines.insert(to_string(other)).second) << to_string(other);
  EXPECT_EQ(to_string(plain), to_string(form({4, 4}, false, {4, 4}, false, {4, 4})));
}

}  // namespace
}  // namespace headrace::cuda
