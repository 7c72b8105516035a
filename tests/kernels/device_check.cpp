#include "tests/kernels/device_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace headrace {
namespace {

size_t bytes_of(const TensorType& type, const Layout& layout) {
  return static_cast<size_t>(layout.id == 0 ? type.bytes() : layout.bytes);
}

HostTensor filled(const TensorType& type, double value) {
  return draw({.type = type, .low = 0, .high = 0, .sprinkle_every = 1, .sprinkle = value}, 0);
}

HostTensor absolute(const HostTensor& tensor) {
  if (!tensor || !is_float(tensor.type.dtype)) return tensor;
  std::vector<double> values = to_doubles(tensor);
  for (double& x : values) x = std::fabs(x);
  return make_host_tensor<double>(tensor.type.shape, values);
}

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  return std::memcmp(a.data.get(), b.data.get(), static_cast<size_t>(a.type.bytes())) == 0;
}

bool is_drawable(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::i32 || dtype == DType::i64 ||
         dtype == DType::u8 || dtype == DType::boolean || is_narrow_float(dtype);
}

// The largest relative error of a number that is rounded to the dtype, doubled.
double unit_of(DType dtype) { return dtype == DType::bf16 ? 0x1p-8 : 0x1p-11; }

// As operator_table.h states them. `magnitude` is that of the element's own sum.
double bound(Tolerance tolerance, double value, double largest, double magnitude) {
  switch (tolerance) {
    case Tolerance::exact:
      return 0;
    case Tolerance::elementwise:
      return 1e-6 * std::fabs(value) + 1e-7 * largest;
    case Tolerance::accumulation:
      return 2e-6 * magnitude;
    case Tolerance::statistics:
      return 1e-5 * std::fabs(value) + 1e-6 * largest;
  }
  return 0;
}

}  // namespace

DeviceCheck::DeviceCheck(Device& device, const OperatorCase& c, Given given)
    : device_(device), case_(c), given_(given) {
  GraphEvaluator evaluator(c.graph(), {.in_f64 = true, .step = c.step});
  std::vector<ValueId> ids;
  for (size_t v = 0; v < c.graph().values().size(); ++v) ids.push_back(static_cast<ValueId>(v));
  const auto tensors = evaluator.run(c.feeds, ids);
  for (size_t v = 0; v < ids.size(); ++v)
    values_[ids[v]] = rounded_to(c.graph().values()[v].type, tensors[v]);
  for (ValueId id : ids) differs_ = given_layout(id).id != 0 || differs_;
}

Layout DeviceCheck::given_layout(ValueId id) {
  if (id == kNoValue || given_ == Given::row_major) return {};
  const auto [found, is_new] = given_layouts_.try_emplace(id);
  const TensorType& type = case_.graph().value(id).type;
  if (!is_new || type.dtype != DType::f32 || type.rank() != 4 || type.elements() == 0)
    return found->second;
  // What a convolution with a kernel of one element and as many channels leaves.
  Graph graph;
  const int64_t channels = type.shape[1];
  const ValueId x = graph.add_input("x", type);
  const ValueId w = graph.add_input("w", {DType::f32, {channels, channels, 1, 1}});
  graph.add("Conv", {x, w},
            {{"strides", Ints{1, 1}},
             {"pads", Ints{0, 0, 0, 0}},
             {"dilations", Ints{1, 1}},
             {"group", 1_i},
             {"activation", std::string("")}});
  const KernelRequest request = kernel_request(graph, graph.nodes().back());
  return found->second = device_.propose_layouts(request).outputs.at(0);
}

DeviceCheck::Stored DeviceCheck::store(const TensorType& type, const Layout& layout,
                                       const HostTensor* value) {
  Stored stored{device_.allocate(bytes_of(type, layout)), layout};
  if (value && type.elements() > 0)
    device_.upload(type, layout, value->data.get(), stored.buffer.data());
  return stored;
}

HostTensor DeviceCheck::load(const TensorType& type, const Stored& stored) {
  auto [tensor, bytes] = allocate_host_tensor(type);
  if (type.elements() > 0) device_.download(type, stored.layout, stored.buffer.data(), bytes);
  return tensor;
}

void DeviceCheck::run_kernel(const Kernel& kernel, const std::vector<const void*>& inputs,
                             const std::vector<void*>& outputs) {
  const Buffer workspace = device_.allocate(kernel.workspace_bytes());
  kernel.run({inputs, outputs, workspace.data(), &case_.step});
}

KernelRequest DeviceCheck::request_for(const Node& node) {
  KernelRequest request = kernel_request(case_.graph(), node);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const auto opaque = opaque_.find(node.inputs[i]);
    request.input_layouts[i] =
        opaque != opaque_.end() ? opaque->second.layout : given_layout(node.inputs[i]);
  }
  return request;
}

DeviceCheck::Expected DeviceCheck::expect(const Node& node, size_t output) {
  GraphEvaluator evaluator(case_.graph(), {.in_f64 = true, .step = case_.step});
  Feeds feeds, magnitudes;
  for (ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    feeds[id] = values_.at(id);
    magnitudes[id] = absolute(values_.at(id));
  }
  const std::vector<ValueId> wanted{node.outputs[output]};
  Expected expected{evaluator.run(feeds, wanted).at(0), {}};
  if (tolerance_of(node.op) == Tolerance::accumulation &&
      is_float(case_.graph().value(wanted[0]).type.dtype))
    expected.magnitude = to_doubles(evaluator.run(magnitudes, wanted).at(0));
  return expected;
}

void DeviceCheck::compare(const Node& node, size_t output, const Expected& expected,
                          const HostTensor& got, const HostTensor* added_to) {
  if (!is_float(got.type.dtype)) {
    EXPECT_TRUE(same_bytes(expected.value, got)) << "output " << output << " differs";
    return;
  }
  const auto wanted = to_doubles(expected.value);
  const auto is = to_doubles(got);
  const auto before = added_to ? to_doubles(*added_to) : std::vector<double>(wanted.size());
  double largest = 0;
  for (double x : wanted)
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  size_t wrong = 0;
  std::string first;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double value = wanted[i] + before[i];
    const bool as_f32 = static_cast<float>(value) == static_cast<float>(is[i]);
    if (as_f32 || (std::isnan(value) && std::isnan(is[i]))) continue;
    double allowed = bound(tolerance_of(node.op), wanted[i], largest,
                           expected.magnitude.empty() ? 0 : expected.magnitude[i]);
    if (is_narrow_float(got.type.dtype)) allowed += 4 * unit_of(got.type.dtype) * largest;
    // The rounding of the sum itself.
    if (added_to) allowed += 0x1p-23 * (std::fabs(wanted[i]) + std::fabs(before[i]));
    if (std::fabs(value - is[i]) <= allowed) continue;
    if (wrong++ == 0)
      first = fmt::format("[{}] is {}, {} wanted, {:.2g} away, {:.2g} allowed", i, is[i], value,
                          std::fabs(value - is[i]), allowed);
  }
  EXPECT_EQ(wrong, 0u) << "output " << output << ": " << first;
}

void DeviceCheck::check_reorder(const TensorType& type, const Layout& from, const Layout& to,
                                const HostTensor& value) {
  Graph graph;
  const ValueId x = graph.add_input("x", type);
  graph.value(x).layout = from;
  const ValueId y = graph.add("Reorder", {x});
  graph.value(y).layout = to;
  const auto kernel = device_.prepare(kernel_request(graph, graph.nodes().back()));
  ASSERT_NE(kernel, nullptr);
  const Stored source = store(type, from, &value), target = store(type, to, nullptr);
  run_kernel(*kernel, {source.buffer.data()}, {target.buffer.data()});
  EXPECT_TRUE(same_bytes(load(type, target), value)) << "Reorder changes " << to_string(type);
}

void DeviceCheck::check_node(const Node& node) {
  SCOPED_TRACE(describe(case_.graph(), node));
  KernelRequest request = request_for(node);
  const LayoutProposal proposal = device_.propose_layouts(request);
  ASSERT_EQ(proposal.inputs.size(), node.inputs.size());
  ASSERT_EQ(proposal.outputs.size(), node.outputs.size());

  std::vector<Stored> inputs(node.inputs.size()), outputs(node.outputs.size());
  std::vector<const void*> input_pointers(inputs.size());
  std::vector<void*> output_pointers(outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id == kNoValue) continue;
    if (const auto opaque = opaque_.find(id); opaque != opaque_.end()) {
      ASSERT_EQ(proposal.inputs[i], opaque->second.layout) << "an opaque value keeps its layout";
      input_pointers[i] = opaque->second.buffer.data();
      continue;
    }
    const HostTensor& value = values_.at(id);
    if (proposal.inputs[i] != request.input_layouts[i])
      check_reorder(request.input_types[i], request.input_layouts[i], proposal.inputs[i], value);
    inputs[i] = store(request.input_types[i], proposal.inputs[i], &value);
    input_pointers[i] = inputs[i].buffer.data();
  }
  request.input_layouts = proposal.inputs;
  request.output_layouts = proposal.outputs;
  const auto kernel = device_.prepare(request);
  ASSERT_NE(kernel, nullptr);

  // Outputs start as NaN, so that what is left unwritten shows.
  const auto clear_outputs = [&] {
    for (size_t i = 0; i < outputs.size(); ++i) {
      const TensorType& type = request.output_types[i];
      if (node.outputs[i] == kNoValue) continue;
      const bool real = is_float(type.dtype);
      const HostTensor junk =
          is_drawable(type.dtype) ? filled(type, real ? std::nan("") : 1) : HostTensor{};
      const bool upload = junk && !is_opaque(node.op, i);
      outputs[i] = store(type, proposal.outputs[i], upload ? &junk : nullptr);
      output_pointers[i] = outputs[i].buffer.data();
    }
  };
  clear_outputs();
  run_kernel(*kernel, input_pointers, output_pointers);
  std::vector<HostTensor> got(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue || is_opaque(node.op, i)) continue;
    got[i] = load(request.output_types[i], outputs[i]);
    compare(node, i, expect(node, i), got[i], nullptr);
  }

  const auto expect_same = [&](size_t i, const Stored& stored, const char* what) {
    if (!got[i]) return;
    EXPECT_TRUE(same_bytes(got[i], load(request.output_types[i], stored)))
        << "output " << i << " differs " << what;
  };
  clear_outputs();
  run_kernel(*kernel, input_pointers, output_pointers);
  for (size_t i = 0; i < outputs.size(); ++i) expect_same(i, outputs[i], "in a second run");
  for (size_t i = 0; i < outputs.size(); ++i)
    if (node.outputs[i] != kNoValue && is_opaque(node.op, i))
      opaque_[node.outputs[i]] = std::move(outputs[i]);

  check_accumulation(node, request, input_pointers);

  // Last, since it overwrites inputs.
  bool in_place = false;
  clear_outputs();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int from = kernel->in_place_input(i);
    if (!got[i] || from < 0 || !inputs[static_cast<size_t>(from)].buffer.data()) continue;
    output_pointers[i] = inputs[static_cast<size_t>(from)].buffer.data();
    in_place = true;
  }
  if (!in_place) return;
  run_kernel(*kernel, input_pointers, output_pointers);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int from = kernel->in_place_input(i);
    if (!got[i] || from < 0 || !inputs[static_cast<size_t>(from)].buffer.data()) continue;
    Stored& shared = inputs[static_cast<size_t>(from)];
    EXPECT_EQ(bytes_of(request.output_types[i], proposal.outputs[i]),
              bytes_of(request.input_types[static_cast<size_t>(from)], shared.layout));
    shared.layout = proposal.outputs[i];
    expect_same(i, shared, "in place");
  }
}

void DeviceCheck::check_accumulation(const Node& node, KernelRequest request,
                                     const std::vector<const void*>& inputs) {
  bool any = false;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    request.accumulate[i] =
        node.outputs[i] != kNoValue && request.output_types[i].dtype == DType::f32;
    any = any || request.accumulate[i];
  }
  if (!any) return;
  const auto kernel = device_.prepare(request);
  if (!kernel) return;  // the executor adds in a second kernel
  std::vector<Stored> outputs(node.outputs.size());
  std::vector<HostTensor> before(node.outputs.size());
  std::vector<void*> pointers(node.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    if (request.accumulate[i]) before[i] = draw({.type = request.output_types[i]}, 50 + i);
    outputs[i] = store(request.output_types[i], request.output_layouts[i],
                       request.accumulate[i] ? &before[i] : nullptr);
    pointers[i] = outputs[i].buffer.data();
  }
  run_kernel(*kernel, inputs, pointers);
  SCOPED_TRACE("accumulating");
  for (size_t i = 0; i < outputs.size(); ++i)
    if (request.accumulate[i])
      compare(node, i, expect(node, i), load(request.output_types[i], outputs[i]), &before[i]);
}

void DeviceCheck::run() {
  for (const Node* node : case_.nodes()) check_node(*node);
}

}  // namespace headrace
