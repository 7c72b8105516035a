#include "kernels/cuda/cudnn_graphs.h"

#include <cudnn_frontend.h>
#include <fmt/ranges.h>

#include "graph/error.h"

namespace headrace::cuda {
namespace {

namespace frontend = cudnn_frontend;
using frontend::graph::Graph;
using frontend::graph::Tensor_attributes;
using Tensor = std::shared_ptr<Tensor_attributes>;

frontend::DataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return frontend::DataType_t::FLOAT;
    case DType::f16:
      return frontend::DataType_t::HALF;
    case DType::bf16:
      return frontend::DataType_t::BFLOAT16;
    case DType::boolean:
      return frontend::DataType_t::BOOLEAN;
    default:
      HEADRACE_CHECK(false, "{} is never asked of cuDNN", name_of(dtype));
  }
}

// With the channels' stride of one, which is how cuDNN's engines know their vectors.
CudnnTensor per_channel(DType dtype, int64_t channels, size_t rank) {
  CudnnTensor tensor{dtype, Shape(rank, 1), Shape(rank, channels)};
  tensor.dims[1] = channels;
  tensor.strides[1] = 1;
  return tensor;
}
// A matrix of rows as the [rows, length, 1, 1] that cuDNN's layer normalisation wants.
CudnnTensor matrix(DType dtype, int64_t rows, int64_t length) {
  return {dtype, {rows, length, 1, 1}, {length, 1, length, length}};
}

CudnnTensor row_major(DType dtype, const Shape& dims) {
  return {dtype, dims, row_major_strides(dims)};
}

// The tensors of an attention.
struct Heads {
  CudnnTensor q, k, v, y, log_sum_exp, bias;

  explicit Heads(const CudnnAttention& c)
      : q(row_major(c.dtype, c.q)),
        k(row_major(c.dtype, {c.v[0], c.v[1], c.v[2], c.q[3]})),
        v(row_major(c.dtype, c.v)),
        y(row_major(c.dtype, {c.q[0], c.q[1], c.q[2], c.v[3]})),
        log_sum_exp(row_major(DType::f32, {c.q[0], c.q[1], c.q[2], 1})),
        bias(row_major(DType::f32, c.bias)) {}
};

// One operation graph while it is put together. Tensors that the caller binds are numbered in the
// order in which they are read and made: that order is the plan's order of pointers.
class Sketch {
 public:
  Sketch() : graph_(std::make_shared<Graph>()) {
    graph_->set_intermediate_data_type(frontend::DataType_t::FLOAT)
        .set_compute_data_type(frontend::DataType_t::FLOAT);
  }

  std::shared_ptr<Graph> graph() const { return graph_; }
  // How many tensors the caller binds.
  size_t bound() const { return static_cast<size_t>(last_); }

  Tensor reads(const CudnnTensor& tensor) {
    return graph_->tensor(Tensor_attributes()
                              .set_uid(++last_)
                              .set_dim(tensor.dims)
                              .set_stride(tensor.strides)
                              .set_data_type(data_type(tensor.dtype)));
  }
  void makes(const Tensor& made, const CudnnTensor& tensor) {
    made->set_output(true)
        .set_uid(++last_)
        .set_dim(tensor.dims)
        .set_stride(tensor.strides)
        .set_data_type(data_type(tensor.dtype));
  }
  Tensor pointwise(frontend::PointwiseMode_t mode, const Tensor& a, const Tensor& b = nullptr) {
    const auto attributes = frontend::graph::Pointwise_attributes().set_mode(mode);
    return b ? graph_->pointwise(a, b, attributes) : graph_->pointwise(a, attributes);
  }

 private:
  std::shared_ptr<Graph> graph_;
  int64_t last_ = 0;
};

template <typename Window>
Window window_of(const CudnnConvolution& c) {
  return Window()
      .set_pre_padding(c.pads_begin)
      .set_post_padding(c.pads_end)
      .set_stride(c.strides)
      .set_dilation(c.dilations);
}

void draw(Sketch& sketch, const CudnnConvolution& c) {
  using Makes = CudnnConvolution::Makes;
  Graph& graph = *sketch.graph();
  if (c.makes == Makes::weights) {
    const Tensor dy = sketch.reads(c.destination), x = sketch.reads(c.source);
    sketch.makes(graph.conv_wgrad(dy, x, window_of<frontend::graph::Conv_wgrad_attributes>(c)),
                 c.weights);
    return;
  }
  const CudnnTensor& made = c.makes == Makes::source ? c.source : c.destination;
  const Tensor image = sketch.reads(c.makes == Makes::source ? c.destination : c.source);
  const Tensor weights = sketch.reads(c.weights);
  Tensor result =
      c.makes == Makes::source
          ? graph.conv_dgrad(image, weights, window_of<frontend::graph::Conv_dgrad_attributes>(c))
          : graph.conv_fprop(image, weights, window_of<frontend::graph::Conv_fprop_attributes>(c));
  if (c.bias || c.relu) result->set_dim(made.dims).set_stride(made.strides);
  if (c.bias) {
    const CudnnTensor bias = per_channel(c.weights.dtype, made.dims[1], made.dims.size());
    result = sketch.pointwise(frontend::PointwiseMode_t::ADD, result, sketch.reads(bias));
  }
  if (c.relu) result = sketch.pointwise(frontend::PointwiseMode_t::RELU_FWD, result);
  sketch.makes(result, made);
}

void draw(Sketch& sketch, const CudnnBatchNormalization& c) {
  const CudnnTensor channels = per_channel(DType::f32, c.image.dims[1], c.image.dims.size());
  const Tensor x = sketch.reads(c.image);
  const Tensor scale = sketch.reads(channels), bias = sketch.reads(channels);
  auto epsilon = sketch.graph()->tensor(Tensor_attributes(static_cast<float>(c.epsilon)));
  auto [y, mean, deviation, next_mean, next_variance] = sketch.graph()->batchnorm(
      x, scale, bias, frontend::graph::Batchnorm_attributes().set_epsilon(epsilon));
  Tensor result = y;
  if (c.relu) {
    y->set_dim(c.image.dims).set_stride(c.image.strides);
    result = sketch.pointwise(frontend::PointwiseMode_t::RELU_FWD, y);
  }
  sketch.makes(result, c.image);
  sketch.makes(mean, channels);
  sketch.makes(deviation, channels);
  if (!c.relu) return;
  const Tensor zero = sketch.graph()->tensor(Tensor_attributes(0.0f));
  sketch.makes(sketch.pointwise(frontend::PointwiseMode_t::CMP_GT, result, zero),
               {DType::boolean, c.image.dims, c.image.strides});
}

void draw(Sketch& sketch, const CudnnBatchNormalizationGradient& c) {
  const CudnnTensor channels = per_channel(DType::f32, c.image.dims[1], c.image.dims.size());
  Tensor dy = sketch.reads(c.image);
  const Tensor x = sketch.reads(c.image), scale = sketch.reads(channels);
  Tensor mean = sketch.reads(channels), deviation = sketch.reads(channels);
  if (c.relu) {
    const Tensor mask = sketch.reads({DType::boolean, c.image.dims, c.image.strides});
    dy = sketch.pointwise(frontend::PointwiseMode_t::MUL, dy, mask);
    dy->set_dim(c.image.dims).set_stride(c.image.strides).set_data_type(data_type(c.image.dtype));
  }
  const auto [dx, dscale, dbias] = sketch.graph()->batchnorm_backward(
      dy, x, scale,
      frontend::graph::Batchnorm_backward_attributes().set_saved_mean_and_inv_variance(mean,
                                                                                       deviation));
  sketch.makes(dx, c.image);
  sketch.makes(dscale, channels);
  sketch.makes(dbias, channels);
}

void draw(Sketch& sketch, const CudnnLayerNormalization& c) {
  const CudnnTensor vector = matrix(c.dtype, 1, c.length), column = matrix(DType::f32, c.rows, 1);
  const Tensor x = sketch.reads(matrix(c.dtype, c.rows, c.length)), scale = sketch.reads(vector);
  const Tensor bias = c.bias ? sketch.reads(vector) : nullptr;
  const auto [y, mean, deviation] =
      sketch.graph()->layernorm(x, scale, bias,
                                frontend::graph::Layernorm_attributes()
                                    .set_forward_phase(frontend::NormFwdPhase_t::TRAINING)
                                    .set_epsilon(static_cast<float>(c.epsilon)));
  sketch.makes(y, matrix(c.dtype, c.rows, c.length));
  sketch.makes(mean, column);
  sketch.makes(deviation, column);
}

void draw(Sketch& sketch, const CudnnLayerNormalizationGradient& c) {
  const CudnnTensor image = matrix(c.dtype, c.rows, c.length);
  const CudnnTensor vector = matrix(c.dtype, 1, c.length), column = matrix(DType::f32, c.rows, 1);
  const Tensor dy = sketch.reads(image), x = sketch.reads(image), scale = sketch.reads(vector);
  const Tensor mean = sketch.reads(column), deviation = sketch.reads(column);
  const auto [dx, dscale, dbias] = sketch.graph()->layernorm_backward(
      dy, x, scale,
      frontend::graph::Layernorm_backward_attributes().set_saved_mean_and_inv_variance(mean,
                                                                                       deviation));
  sketch.makes(dx, image);
  sketch.makes(dscale, vector);
  sketch.makes(dbias, vector);
}

void draw(Sketch& sketch, const CudnnAttention& c) {
  const Heads heads(c);
  const Tensor q = sketch.reads(heads.q), k = sketch.reads(heads.k), v = sketch.reads(heads.v);
  auto attributes = frontend::graph::SDPA_attributes()
                        .set_name("attention")
                        .set_generate_stats(true)
                        .set_attn_scale(static_cast<float>(c.scale))
                        .set_causal_mask(c.causal);
  if (!c.bias.empty()) attributes.set_bias(sketch.reads(heads.bias));
  const auto [y, log_sum_exp] = sketch.graph()->sdpa(q, k, v, attributes);
  sketch.makes(y, heads.y);
  sketch.makes(log_sum_exp, heads.log_sum_exp);
}

void draw(Sketch& sketch, const CudnnAttentionGradient& c) {
  const Heads heads(c.of);
  const Tensor q = sketch.reads(heads.q), k = sketch.reads(heads.k), v = sketch.reads(heads.v);
  const Tensor y = sketch.reads(heads.y), dy = sketch.reads(heads.y);
  const Tensor log_sum_exp = sketch.reads(heads.log_sum_exp);
  auto attributes = frontend::graph::SDPA_backward_attributes()
                        .set_name("attention's gradient")
                        .set_attn_scale(static_cast<float>(c.of.scale))
                        .set_causal_mask(c.of.causal)
                        .set_deterministic_algorithm(true);
  if (!c.of.bias.empty()) attributes.set_bias(sketch.reads(heads.bias));
  const auto [dq, dk, dv] = sketch.graph()->sdpa_backward(q, k, v, y, dy, log_sum_exp, attributes);
  sketch.makes(dq, heads.q);
  sketch.makes(dk, heads.k);
  sketch.makes(dv, heads.v);
}

// What an engine must not do. Convolutions of f32 keep to f32's own arithmetic unless TF32 was
// asked for; whatever else is f32 has no factors to round.
std::vector<frontend::NumericalNote_t> barred_notes(const CudnnGraph& graph) {
  using Note = frontend::NumericalNote_t;
  std::vector<Note> notes{Note::NONDETERMINISTIC, Note::REDUCED_PRECISION_REDUCTION};
  const auto* c = std::get_if<CudnnConvolution>(&graph);
  if (c != nullptr && c->source.dtype == DType::f32 && !c->tf32)
    notes.insert(notes.end(), {Note::TENSOR_CORE, Note::DOWN_CONVERT_INPUTS});
  return notes;
}

// A step that did not go well ends the building with cuDNN's words for it.
struct Refusal {
  std::string why;
};
void step(const char* name, frontend::error_t status) {
  if (status.is_good()) return;
  std::string why = status.get_message();
  std::ranges::replace(why, '\n', ' ');
  throw Refusal{fmt::format("{}: {}", name, why)};
}

void aim(Graph& graph, const CudnnTarget& target) {
  if (target.handle != nullptr) return;
  auto properties = std::make_shared<frontend::DeviceProperties>();
  step("device properties",
       properties->deserialize({target.properties.begin(), target.properties.end()}));
  graph.set_device_properties(properties).set_sm_version(target.sm_version);
}

// Builds plans in the heuristics' order until one keeps to the limit. That one, or the one with the
// least workspace, is the graph's own from then on.
void build(Graph& graph, size_t most_workspace) {
  int64_t best = -1, least = 0;
  for (int64_t p = 0; p < graph.get_execution_plan_count(); ++p) {
    if (graph.build_plan_at_index(p).is_bad()) continue;
    int64_t bytes = 0;
    step("workspace", graph.get_workspace_size_plan_at_index(p, bytes));
    if (best >= 0 && bytes >= least) continue;
    best = p;
    least = bytes;
    if (static_cast<size_t>(bytes) <= most_workspace) break;
  }
  if (best >= 0) step("plan", graph.build_plan_at_index(best));
  // Settles what is left of that plan; without one it says what kept each from being built.
  step("plan", graph.build_plans());
}

class FrontendPlan : public CudnnPlan {
 public:
  FrontendPlan(std::shared_ptr<Graph> graph, std::string engine)
      : graph_(std::move(graph)), engine_(std::move(engine)) {
    int64_t bytes = 0;
    step("workspace", graph_->get_workspace_size(bytes));
    workspace_bytes_ = static_cast<size_t>(bytes);
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }
  const std::string& engine() const override { return engine_; }

  void run(cudnnHandle_t handle, std::initializer_list<const void*> pointers,
           void* workspace) const override {
    auto status = graph_->execute(handle, const_cast<void**>(std::data(pointers)),
                                  static_cast<int>(pointers.size()), workspace);
    if (status.is_bad()) throw RunError("cuDNN: {}: {}", engine_, status.get_message());
  }

  std::vector<uint8_t> serialize() const override {
    std::vector<uint8_t> bytes;
    auto status = graph_->serialize(bytes);
    if (status.is_bad()) throw RunError("cuDNN: {}: {}", engine_, status.get_message());
    return bytes;
  }

 private:
  std::shared_ptr<Graph> graph_;
  size_t workspace_bytes_ = 0;
  std::string engine_;
};

// The frontend reports most by its status and some by exceptions of its own.
template <typename Make>
CudnnAnswer answer(Make make) {
  try {
    return {make(), {}};
  } catch (const Refusal& refusal) {
    return {nullptr, refusal.why};
  } catch (const frontend::cudnnException& error) {
    return {nullptr, error.what()};
  }
}

std::string text(const CudnnTensor& tensor) {
  return fmt::format("{}{}/{}", name_of(tensor.dtype), tensor.dims, tensor.strides);
}
std::string text(const CudnnConvolution& c) {
  const char* makes[] = {"convolution", "convolution's input gradient",
                         "convolution's weight gradient"};
  return fmt::format("{} {} * {} -> {} strides {} pads {} {} dilations {}{}{}{}",
                     makes[static_cast<int>(c.makes)], text(c.source), text(c.weights),
                     text(c.destination), c.strides, c.pads_begin, c.pads_end, c.dilations,
                     c.bias ? " + bias" : "", c.relu ? ", relu" : "", c.tf32 ? ", TF32" : "");
}
std::string text(const CudnnBatchNormalization& c) {
  return fmt::format("batch normalisation {} epsilon {}{}", text(c.image), c.epsilon,
                     c.relu ? ", relu" : "");
}
std::string text(const CudnnBatchNormalizationGradient& c) {
  return fmt::format("batch normalisation's gradient {}{}", text(c.image), c.relu ? ", relu" : "");
}
std::string text(const CudnnLayerNormalization& c) {
  return fmt::format("layer normalisation {}[{}, {}] epsilon {}{}", name_of(c.dtype), c.rows,
                     c.length, c.epsilon, c.bias ? " + bias" : "");
}
std::string text(const CudnnLayerNormalizationGradient& c) {
  return fmt::format("layer normalisation's gradient {}[{}, {}]", name_of(c.dtype), c.rows,
                     c.length);
}
std::string text(const CudnnAttention& c) {
  return fmt::format("attention {} q {} v {} scale {}{}{}", name_of(c.dtype), c.q, c.v, c.scale,
                     c.causal ? ", causal" : "",
                     c.bias.empty() ? "" : fmt::format(" + bias {}", c.bias));
}
std::string text(const CudnnAttentionGradient& c) { return "gradient of " + text(c.of); }

}  // namespace

std::string to_string(const CudnnGraph& graph) {
  return std::visit([](const auto& kind) { return text(kind); }, graph);
}

CudnnAnswer plan(const CudnnGraph& graph, const CudnnTarget& target) {
  return answer([&] {
    Sketch sketch;
    const std::shared_ptr<Graph> made = sketch.graph();
    aim(*made, target);  // first: a node keeps the device that its graph had when it was drawn
    std::visit([&](const auto& kind) { draw(sketch, kind); }, graph);
    step("graph", made->validate());
    step("graph", made->build_operation_graph(target.handle));
    step("heuristics",
         made->create_execution_plans({frontend::HeurMode_t::A, frontend::HeurMode_t::FALLBACK}));
    made->deselect_numeric_notes(barred_notes(graph));
    step("support", made->check_support());
    build(*made, target.most_workspace);
    HEADRACE_CHECK(made->get_variant_pack_uids_sorted().size() == sketch.bound());
    std::string engine;
    step("name", made->get_plan_name(engine));
    return std::make_shared<FrontendPlan>(made, std::move(engine));
  });
}

CudnnAnswer load_plan(const std::vector<uint8_t>& serialized, const CudnnTarget& target) {
  return answer([&] {
    auto graph = std::make_shared<Graph>();
    aim(*graph, target);
    step("load", target.handle != nullptr ? graph->deserialize(target.handle, serialized)
                                          : graph->deserialize(serialized));
    return std::make_shared<FrontendPlan>(graph, "a loaded plan");
  });
}

const CudnnAnswer& CudnnPlans::ask(const CudnnGraph& graph) {
  const auto [place, is_new] = answers_.try_emplace(to_string(graph));
  if (is_new) place->second = plan(graph, target_);
  return place->second;
}

}  // namespace headrace::cuda
