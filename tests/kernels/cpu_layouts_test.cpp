#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "graph/graph.h"
#include "kernels/cpu/cpu_device.h"

namespace headrace {
namespace {

using Ints = std::vector<int64_t>;

// A graph of images on one device, each node given the layouts that the device proposed before.
class CpuLayouts : public testing::Test {
 protected:
  ValueId input(Shape shape, DType dtype = DType::f32) {
    return graph_.add_input("", {dtype, std::move(shape)});
  }

  // Adds a node and settles its values' layouts as proposed. Inputs that would be reordered are
  // counted; weights take the layout that is asked for.
  std::vector<ValueId> add(std::string op, std::vector<ValueId> inputs, Attributes attributes) {
    Node node;
    node.op = node.name = std::move(op);
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    const Node& added = graph_.node(graph_.add_node(std::move(node)));
    const LayoutProposal proposal = device_->propose_layouts(kernel_request(graph_, added));
    for (size_t i = 0; i < added.inputs.size(); ++i) {
      if (added.inputs[i] == kNoValue) continue;
      Value& value = graph_.value(added.inputs[i]);
      if (value.layout != proposal.inputs[i] && value.role == Role::computed) ++reorders_;
      if (value.role == Role::input) value.layout = proposal.inputs[i];
    }
    for (size_t i = 0; i < added.outputs.size(); ++i)
      if (added.outputs[i] != kNoValue) graph_.value(added.outputs[i]).layout = proposal.outputs[i];
    return added.outputs;
  }

  static Attributes convolution(int64_t pad) {
    return {{"strides", Ints{1, 1}},
            {"pads", Ints{pad, pad, pad, pad}},
            {"dilations", Ints{1, 1}},
            {"group", int64_t{1}},
            {"activation", std::string()}};
  }
  Layout layout(ValueId id) const { return graph_.value(id).layout; }

  std::unique_ptr<Device> device_ = make_cpu_device(0, 1);
  Graph graph_;
  int reorders_ = 0;
};

TEST_F(CpuLayouts, AResidualBlockNeedsNoReorder) {
  const ValueId weights = input({64, 64, 3, 3});
  const ValueId x =
      add("Conv", {input({2, 3, 16, 16}), input({64, 3, 3, 3})}, convolution(1)).at(0);
  ASSERT_NE(layout(x).id, 0) << "convolutions leave blocked images";
  const Attributes norm{{"epsilon", 1e-5}, {"momentum", 0.9}, {"activation", std::string("relu")}};
  const ValueId y =
      add("BatchNormalization", {x, input({64}), input({64}), input({64}), input({64})}, norm)
          .at(0);
  const ValueId z = add("Conv", {y, weights}, convolution(1)).at(0);
  const ValueId sum = add("Add", {z, x}, {}).at(0);
  const ValueId activated = add("Relu", {sum}, {}).at(0);
  const ValueId pooled = add("AveragePool", {activated},
                             {{"kernel_shape", Ints{16, 16}},
                              {"strides", Ints{1, 1}},
                              {"pads", Ints{0, 0, 0, 0}},
                              {"ceil_mode", int64_t{0}},
                              {"count_include_pad", int64_t{0}}})
                             .at(0);
  EXPECT_EQ(layout(pooled), Layout{}) << "one pixel lies blocked and row-major at once";

  const ValueId dpooled = add("Neg", {pooled}, {}).at(0);
  const ValueId dy = add("AveragePoolGrad", {dpooled},
                         {{"kernel_shape", Ints{16, 16}},
                          {"strides", Ints{1, 1}},
                          {"pads", Ints{0, 0, 0, 0}},
                          {"ceil_mode", int64_t{0}},
                          {"count_include_pad", int64_t{0}},
                          {"input_shape", Ints{2, 64, 16, 16}}})
                         .at(0);
  const ValueId dsum = add("ReluGrad", {dy, activated}, {}).at(0);
  Attributes input_gradient = convolution(1), weight_gradient = convolution(1);
  input_gradient.set("input_shape", Ints{2, 64, 16, 16});
  weight_gradient.set("weight_shape", Ints{64, 64, 3, 3});
  const Layout forward_weights = layout(weights);
  const ValueId dx = add("ConvInputGrad", {dsum, weights}, input_gradient).at(0);
  const ValueId dw = add("ConvWeightGrad", {dsum, y}, weight_gradient).at(0);
  EXPECT_EQ(layout(dx), layout(x));
  EXPECT_EQ(layout(dw), forward_weights) << "a gradient lies as its weights do";
  EXPECT_EQ(layout(weights), forward_weights);
  EXPECT_EQ(reorders_, 0);
}

TEST_F(CpuLayouts, ChannelsThatFillNoBlockStayRowMajor) {
  const ValueId y = add("Conv", {input({2, 3, 8, 8}), input({6, 3, 3, 3})}, convolution(1)).at(0);
  EXPECT_EQ(layout(y), Layout{});
}

TEST_F(CpuLayouts, UploadAndDownloadAreInverse) {
  const ValueId x = input({2, 64, 5, 7}), w = input({64, 64, 3, 3});
  const ValueId y = add("Conv", {x, w}, convolution(1)).at(0);
  for (ValueId id : {x, w, y}) {
    const Value& value = graph_.value(id);
    ASSERT_NE(value.layout.id, 0);
    std::vector<float> data(static_cast<size_t>(value.type.elements())), back(data.size());
    std::iota(data.begin(), data.end(), 1.0F);
    const Buffer buffer = device_->allocate(static_cast<size_t>(value.bytes()));
    device_->upload(value.type, value.layout, data.data(), buffer.data());
    EXPECT_NE(std::memcmp(buffer.data(), data.data(), buffer.bytes()), 0) << "nothing was moved";
    device_->download(value.type, value.layout, buffer.data(), back.data());
    EXPECT_EQ(data, back);
  }
}

}  // namespace
}  // namespace headrace
