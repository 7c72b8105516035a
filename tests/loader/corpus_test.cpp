#include <gmock/gmock.h>

#include <filesystem>

#include "graph/error.h"
#include "tests/loader/onnx_text.h"

namespace headrace {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// Any file is a model that loads or one Error; what tests/fuzz found is kept in its corpus.
TEST(Corpus, EveryFileLoadsOrIsRefused) {
  const std::filesystem::path folder =
      std::filesystem::path(HEADRACE_SOURCE_DIR) / "tests/fuzz/corpus";
  int files = 0, loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
    for (const bool training : {true, false}) {
      LoadOptions options = folding();
      options.batch = 2;
      options.training = options.training_step = training;
      try {
        load_model(entry.path(), options);
        ++loaded;
      } catch (const Error&) {
      } catch (const std::exception& other) {
        ADD_FAILURE() << entry.path() << ": " << other.what();
      }
    }
  }
  EXPECT_GE(files, 24);
  EXPECT_GE(loaded, 24);
}

// What the fuzzer found, by cause.
TEST(Refusal, RanksThatARuleDoesNotExpect) {
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[2,1,4,5] past, float[1] update, int64[2] at) => (float[2,1,4,5] y)
{ y = TensorScatter(past, update, at) })",
                  24);
      },
      ThrowsMessage<Error>(HasSubstr("that it needs is not there")));
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[4] q, float[4] k, float[4] v) => (float[4] y)
{ y = Attention<q_num_heads = 1, kv_num_heads = 1>(q, k, v) })",
                  23);
      },
      ThrowsMessage<Error>(HasSubstr("Attention")));
}

TEST(Refusal, FloatsWhereIntegersAreWanted) {
  EXPECT_THAT(
      [] {
        load_text(
            R"(g (float[2] x) => (float[2] y) <float[1] shape = {2}> { y = Reshape(x, shape) })");
      },
      ThrowsMessage<Error>(HasSubstr("its shape is f32[1]")));
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[2] x) => (float[2] y) <float yes = {1}>
{ y = If(yes) <then_branch = a () => (float[2] t) { t = Neg(x) },
               else_branch = b () => (float[2] e) { e = Abs(x) }> })");
      },
      ThrowsMessage<Error>(HasSubstr("is a float")));
}

TEST(Refusal, SizesWhoseSumsOverflow) {
  EXPECT_THAT(
      [] {
        load_text(
            R"(g (float[9223372036854775807] x, float[0,9223372036854775807] z) => (float[1] y)
{ y = Concat<axis = 0>(x, x) })");
      },
      ThrowsMessage<Error>(HasSubstr("9223372036854775807")));
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[8] x) => (float[N] y)
{ y = Pad<pads = [1, 9223372036854775806]>(x) })",
                  7);
      },
      ThrowsMessage<Error>(HasSubstr("beyond all measure")));
}

TEST(Refusal, SequencesAreLimited) {
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[1099511627776] x) => (float y)
{ s = SplitToSequence<keepdims = 0>(x) zero = Constant<value_int = 0>() y = SequenceAt(s, zero) })");
      },
      ThrowsMessage<Error>(HasSubstr("a sequence of more than 10000 tensors")));
}

TEST(Refusal, MasksAreLimitedBeforeMemoryIsTaken) {
  EXPECT_THAT(
      [] {
        load_text(R"(g (float[1,1,4194304,8] q, float[1,1,4194304,8] k, float[1,1,4194304,8] v) =>
(float[1,1,4194304,8] y) { y = Attention<is_causal = 1>(q, k, v) })",
                  23);
      },
      ThrowsMessage<Error>(HasSubstr("would take 70368744177664 bytes")));
}

}  // namespace
}  // namespace headrace
