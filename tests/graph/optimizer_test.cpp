#include "graph/optimizer.h"

#include <gmock/gmock.h>

#include "graph/error.h"
#include "tests/graph/build.h"

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

TEST(Optimizer, StateFollowsTheSpec) {
  EXPECT_THAT(optimizer_state_names({}), IsEmpty());
  EXPECT_THAT(optimizer_state_names({.momentum = 0.9}), ElementsAre("momentum"));
  EXPECT_THAT(optimizer_state_names({.name = "adamw"}), ElementsAre("m", "v"));
  EXPECT_THAT(optimizer_state_names({.name = "rmsprop"}), ElementsAre("v"));
  EXPECT_THAT(optimizer_state_names({.name = "rmsprop", .momentum = 0.9}),
              ElementsAre("v", "momentum"));
}

// The update node takes parameter, gradient and the named state, and gives all but the gradient
// back.
TEST(Optimizer, UpdateNodeFitsItsState) {
  for (const OptimizerSpec& spec :
       {OptimizerSpec{}, OptimizerSpec{.momentum = 0.9}, OptimizerSpec{.name = "adam"},
        OptimizerSpec{.name = "adamw"}, OptimizerSpec{.name = "lamb"},
        OptimizerSpec{.name = "lion"}, OptimizerSpec{.name = "rmsprop"},
        OptimizerSpec{.name = "rmsprop", .momentum = 0.9}, OptimizerSpec{.name = "adagrad"}}) {
    Build b;
    std::vector<ValueId> inputs{b.parameter("w", {3}), b.input("g", {3})};
    for (const auto& name : optimizer_state_names(spec)) inputs.push_back(b.state(name, {3}));
    EXPECT_EQ(b.all(update_op(spec), inputs, update_attributes(spec)).size(), inputs.size() - 1);
  }
  EXPECT_EQ(update_attributes({.name = "adamw"}).get_int("decoupled"), 1);
  EXPECT_EQ(update_attributes({.name = "adam"}).get_int("decoupled"), 0);
  EXPECT_EQ(update_attributes({.name = "adam"}).get_float("beta2"), 0.999);
  EXPECT_EQ(update_attributes({.name = "rmsprop"}).get_float("beta2"), 0.99);
  EXPECT_EQ(update_attributes({.name = "lion", .beta2 = 0.95}).get_float("beta2"), 0.95);
}

TEST(Optimizer, RefusesWhatMakesNoSense) {
  EXPECT_THAT([] { update_op({.name = "adamww"}); }, ThrowsMessage<Error>(HasSubstr("adamw")));
  EXPECT_THAT([] { update_op({.name = "adam", .beta2 = 1}); },
              ThrowsMessage<Error>(HasSubstr("beta2")));
  EXPECT_THAT([] { update_op({.nesterov = true}); }, ThrowsMessage<Error>(HasSubstr("momentum")));
  EXPECT_THAT([] { update_op({.name = "adam", .momentum = 0.9}); },
              ThrowsMessage<Error>(HasSubstr("adam has no momentum")));
  EXPECT_THAT([] { update_op({.name = "adagrad", .beta1 = 0.9}); },
              ThrowsMessage<Error>(HasSubstr("adagrad has no beta1")));
}

}  // namespace
}  // namespace headrace
