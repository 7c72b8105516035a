// Chains of the CUDA backend, compiled for the host: what they make is what their nodes make one
// after the other, bit for bit.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "kernels/functors/floats.h"
#include "tests/kernels/twin_device.h"

namespace headrace {
namespace {

// One node of a chain. What the one before makes goes in where `taken` says; the other operands are
// tensors, or single numbers.
struct Link {
  std::string op;
  Attributes attributes = {};
  size_t operands = 1, taken = 0;
  bool single = false;
  DType made = DType::f32;
};

struct ChainCase {
  std::string name;
  DType begins = DType::f32;
  std::vector<Link> links;
  Shape shape = {3, 5, 7};  // no multiple of what a thread takes at once
};

Attributes to(DType dtype) { return {{"to", std::string(name_of(dtype))}}; }

class Chained {
 public:
  explicit Chained(const ChainCase& c) : device_(make_twin_device()), nodes_(c.links.size()) {
    device_->bind_thread();
    DType dtype = c.begins;
    for (size_t l = 0; l < c.links.size(); ++l) {
      const Link& link = c.links[l];
      Node& node = nodes_[l];
      node.op = node.name = link.op;
      node.attributes = link.attributes;
      ChainLink made;
      made.taken = link.taken;
      KernelRequest& request = made.request;
      request.node = &node;
      std::vector<size_t> from;
      for (size_t i = 0; i < link.operands; ++i) {
        node.inputs.push_back(static_cast<ValueId>(i));
        const bool number = i == link.taken;
        const TensorType type{dtype, !number && link.single ? Shape{1} : c.shape};
        request.input_types.push_back(type);
        if (number && l > 0) {
          from.push_back(kNumber);
        } else {
          from.push_back(operands_.size());
          operands_.push_back(random(type));
        }
      }
      node.outputs = {static_cast<ValueId>(link.operands)};
      dtype = link.op == "Cast" ? link.made : dtype;
      request.output_types = {{dtype, c.shape}};
      request.input_layouts.resize(link.operands);
      request.output_layouts.resize(1);
      request.constants.resize(link.operands);
      links_.push_back(std::move(made));
      from_.push_back(std::move(from));
    }
  }

  std::vector<std::byte> one_by_one() {
    Buffer number;
    for (size_t l = 0; l < links_.size(); ++l) {
      const KernelRequest& request = links_[l].request;
      Buffer made = device_->allocate(bytes_of(l));
      std::vector<const void*> inputs;
      for (const size_t from : from_[l])
        inputs.push_back(from == kNumber ? number.data() : operands_[from].data());
      void* const outputs[] = {made.data()};
      run(*device_->prepare(request), inputs, outputs);
      number = std::move(made);
    }
    return contents(number.data());
  }

  std::vector<std::byte> as_one() {
    for (const ChainLink& link : links_) EXPECT_TRUE(device_->chains(link.request));
    const auto kernel = device_->prepare_chain(links_);
    if (kernel == nullptr) return {};
    std::vector<const void*> inputs;
    for (const Buffer& operand : operands_) inputs.push_back(operand.data());
    Buffer made = device_->allocate(bytes_of(links_.size() - 1));
    void* outputs[] = {made.data()};
    run(*kernel, inputs, outputs);
    std::vector<std::byte> apart = contents(made.data());
    if (const int in_place = kernel->in_place_input(0); in_place >= 0) {
      outputs[0] = operands_[static_cast<size_t>(in_place)].data();
      run(*kernel, inputs, outputs);
      EXPECT_EQ(contents(outputs[0]), apart) << "in place";
    }
    return apart;
  }

  Device& device() { return *device_; }
  std::vector<ChainLink>& links() { return links_; }

 private:
  static constexpr size_t kNumber = static_cast<size_t>(-1);

  Buffer random(const TensorType& type) {
    std::uniform_real_distribution<float> distribution(-3, 3);
    Buffer buffer = device_->allocate(static_cast<size_t>(type.bytes()));
    for (int64_t i = 0; i < type.elements(); ++i) {
      const float x = distribution(random_);
      if (type.dtype == DType::f16)
        static_cast<portable::Float16*>(buffer.data())[i] =
            portable::from_f32<portable::Float16>(x);
      else if (type.dtype == DType::bf16)
        static_cast<portable::BFloat16*>(buffer.data())[i] =
            portable::from_f32<portable::BFloat16>(x);
      else
        static_cast<float*>(buffer.data())[i] = x;
    }
    return buffer;
  }
  static void run(const Kernel& kernel, std::span<const void* const> inputs,
                  std::span<void* const> outputs) {
    kernel.run({.inputs = inputs, .outputs = outputs});
  }
  size_t bytes_of(size_t link) const {
    return static_cast<size_t>(links_[link].request.output_types[0].bytes());
  }
  std::vector<std::byte> contents(const void* data) const {
    const auto* bytes = static_cast<const std::byte*>(data);
    return {bytes, bytes + bytes_of(links_.size() - 1)};
  }

  std::unique_ptr<Device> device_;
  std::mt19937_64 random_{20261130};
  std::vector<Node> nodes_;
  std::vector<ChainLink> links_;
  std::vector<std::vector<size_t>> from_;  // per link what each input is
  std::vector<Buffer> operands_;
};

std::vector<ChainCase> chain_cases() {
  std::vector<ChainCase> cases;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const std::string in = fmt::format("In{}", name_of(dtype));
    cases.push_back({"Activations" + in,
                     dtype,
                     {{"Neg"}, {"Elu", {{"alpha", 0.7}}}, {"Tanh"}, {"Gelu"}, {"Abs"}, {"Sqrt"}}});
    cases.push_back({"Arithmetic" + in,
                     dtype,
                     {{"Add", {}, 2},
                      {"Sub", {}, 2, 1},
                      {"Mul", {}, 2, 0, true},
                      {"Div", {}, 2, 1},
                      {"Max", {}, 2, 0, true},
                      {"Min", {}, 2}}});
    cases.push_back({"Gradients" + in,
                     dtype,
                     {{"ReluGrad", {}, 2},
                      {"GeluGrad", {}, 2, 1},
                      {"ClipGrad", {{"min", -1.0}, {"max", 1.0}}, 2},
                      {"TanhGrad", {}, 2}}});
    cases.push_back({"MostLinks" + in,
                     dtype,
                     {{"Add", {}, 2},
                      {"Mul", {}, 2},
                      {"Add", {}, 2},
                      {"Mul", {}, 2},
                      {"Add", {}, 2},
                      {"Mul", {}, 2},
                      {"Add", {}, 2},
                      {"Sub", {}, 2, 1}}});
    cases.push_back({"OneElement" + in, dtype, {{"Exp"}, {"Add", {}, 2}}, {}});
    cases.push_back({"WholeThreads" + in, dtype, {{"Exp"}, {"Add", {}, 2}}, {4, 16}});
  }
  for (const DType narrow : {DType::f16, DType::bf16}) {
    const std::string in = fmt::format("In{}", name_of(narrow));
    cases.push_back({"WidenedResidual" + in,
                     narrow,
                     {{.op = "Cast", .attributes = to(DType::f32)}, {"Add", {}, 2, 1}}});
    cases.push_back({"NarrowedAndBack" + in,
                     DType::f32,
                     {{"Exp"},
                      {.op = "Cast", .attributes = to(narrow), .made = narrow},
                      {"Mul", {}, 2},
                      {.op = "Cast", .attributes = to(DType::f32)},
                      {"Add", {}, 2}}});
  }
  return cases;
}

class Chains : public testing::TestWithParam<ChainCase> {};

TEST_P(Chains, MakeWhatTheirNodesMake) {
  Chained chained(GetParam());
  const auto expected = chained.one_by_one();
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(chained.as_one(), expected);
}

INSTANTIATE_TEST_SUITE_P(Twin, Chains, testing::ValuesIn(chain_cases()),
                         [](const auto& info) { return info.param.name; });

// A chain may begin with a number that stands for all elements, but for the first operand.
TEST(ChainsOfTheTwin, BeginWithWhicheverOperandIsATensor) {
  Chained chained({"", DType::f32, {{"Sub", {}, 2, 1, true}, {"Neg"}}});
  EXPECT_EQ(chained.as_one(), chained.one_by_one());
}

TEST(ChainsOfTheTwin, AreRefusedWhereTheyAreTooLong) {
  const ChainCase nine{"", DType::f32, std::vector<Link>(9, Link{"Neg"})};
  Chained chained(nine);
  EXPECT_EQ(chained.device().prepare_chain(chained.links()), nullptr);
}

TEST(ChainsOfTheTwin, TakeNothingThatBroadcastsOrLiesOtherwise) {
  Chained chained({"", DType::f32, {{"Add", {}, 2}, {"Neg"}}});
  KernelRequest& add = chained.links()[0].request;
  ASSERT_TRUE(chained.device().chains(add));
  add.input_types[1].shape = {7};
  EXPECT_FALSE(chained.device().chains(add));
  add.input_types[1].shape = {3, 5, 7};
  add.input_layouts[1].id = 1;
  EXPECT_FALSE(chained.device().chains(add));
  add.input_layouts[1].id = 0;
  add.input_types[0].dtype = add.input_types[1].dtype = add.output_types[0].dtype = DType::f64;
  EXPECT_FALSE(chained.device().chains(add));
}

}  // namespace
}  // namespace headrace
