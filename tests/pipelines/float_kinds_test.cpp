#include <gmock/gmock.h>

#include <cstring>

#include "executor/forward.h"
#include "graph/error.h"
#include "loader/onnx/float_kinds.h"
#include "plugins/host/registry.h"
#include "tests/loader/onnx_text.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::ThrowsMessage;
using ::testing::UnorderedElementsAre;

// Numbers that all float kinds have.
const std::vector<float> kInput{1, -2, 0.5, 4, 0.25, -1, 3, 2};

std::map<std::string, std::vector<double>> gradients(const std::string& model,
                                                     const HostTensor& input,
                                                     const HostTensor& target) {
  const PluginRegistry registry({std::string(HEADRACE_BINARY_DIR) + "/plugins"});
  RunConfig config;
  config.model = model;
  config.threads_per_device = 1;
  config.losses = {"mse"};
  std::map<std::string, std::vector<double>> result;
  for (const auto& [name, tensor] :
       batch_gradients(config, {{"x", input}, {"target", target}},
                       *registry.load_scheduler("gpipe"), *registry.load_partitioner("uniform")))
    result[name] = to_doubles(tensor);
  return result;
}

TEST(FloatKinds, ABatchIsTakenInTheModelsDtypeAndInSinglePrecision) {
  const TemporaryFolder folder;
  const HostTensor input = floats({2, 4}, kInput), target = floats({2, 1}, {1, -1});
  // y = x w = [0, 11.5]; of the mean of (y - target)^2 the gradient is x^T (y - target).
  const auto expected =
      UnorderedElementsAre(Pair("loss", std::vector<double>{78.625}),
                           Pair("grad:w", std::vector<double>{2.125, -10.5, 37, 21}));
  for (const auto& [kind, to, dtype] :
       {std::tuple{"float", 1, DType::f32}, std::tuple{"float16", 10, DType::f16},
        std::tuple{"bfloat16", 16, DType::bf16}, std::tuple{"double", 11, DType::f64}}) {
    SCOPED_TRACE(kind);
    write_onnx(parse_onnx(fmt::format(R"(g ({}[N,4] x) => ({}[N,1] y)
<float[4,1] w = {{-2, 1, 4, 0.5}}> {{ wide = Cast<to = {}>(w) y = MatMul(x, wide) }})",
                                      kind, kind, to)),
               folder / "model.onnx");
    EXPECT_THAT(gradients(folder / "model.onnx", converted(input, dtype), converted(target, dtype)),
                expected);
    EXPECT_THAT(gradients(folder / "model.onnx", input, target), expected);
  }
  EXPECT_THAT(
      [&] {
        gradients(folder / "model.onnx", floats({2, 3}, std::vector<float>(6)), target);
      },
      ThrowsMessage<Error>(HasSubstr("but the tensor given is f32[2, 3]")));
}

}  // namespace
}  // namespace headrace
