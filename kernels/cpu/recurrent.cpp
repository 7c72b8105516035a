#include "kernels/cpu/recurrent.h"

#include "graph/ops/recurrent.h"
#include "kernels/cpu/layouts.h"

namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;

// oneDNN takes a single row for a column when its stride says so.
Desc rows_of(int64_t rows, int64_t columns, int64_t stride) {
  return {{rows, columns},
          dnnl::memory::data_type::f32,
          dnnl::memory::dims{rows == 1 ? columns : stride, 1}};
}

vector::CellLoops activation_of(const CellFunction& f, double clip) {
  const auto& table = *vector_table().recurrent;
  const auto kind = static_cast<size_t>(f.kind);
  vector::CellLoops activation{.apply = table.activation[kind],
                               .gradient = table.activation_gradient[kind],
                               .alpha = static_cast<float>(f.alpha),
                               .beta = static_cast<float>(f.beta)};
  const auto at = [&](double x) {
    const auto bound = static_cast<float>(x);
    float value = 0;
    activation.apply(&bound, &value, 1, activation.alpha, activation.beta);
    return value;
  };
  activation.low = at(-clip);
  activation.high = at(clip);
  return activation;
}

}  // namespace

StepProduct::StepProduct(const Context& context, const Matrix& state, const Matrix& matrix,
                         int64_t result_stride, bool add, WorkspacePlan& workspace)
    : stream_(context.stream) {
  constexpr auto kFloat = dnnl::memory::data_type::f32;
  const Desc state_desc = rows_of(state.rows, state.columns, state.row_stride);
  const Desc result_desc = rows_of(state.rows, matrix.columns, result_stride);
  const Desc given({matrix.rows, matrix.columns}, kFloat,
                   dnnl::memory::dims{matrix.row_stride, matrix.column_stride});
  const Desc any({matrix.rows, matrix.columns}, kFloat, dnnl::memory::format_tag::any);
  dnnl::primitive_attr attributes = user_scratchpad();
  dnnl::post_ops post;
  if (add) post.append_sum();
  attributes.set_post_ops(post);
  const dnnl::matmul::primitive_desc product(engine(), state_desc, any, result_desc, attributes);
  product_ = dnnl::matmul(product);
  pack_ = dnnl::reorder(
      dnnl::reorder::primitive_desc(engine(), given, engine(), product.weights_desc()));
  state_ = make_memory(state_desc);
  given_ = make_memory(given);
  packed_ = make_memory(product.weights_desc());
  result_ = make_memory(result_desc);
  scratchpad_ = make_memory(product.scratchpad_desc());
  packed_offset_ = workspace.reserve(product.weights_desc().get_size());
  scratchpad_offset_ = workspace.reserve(product.scratchpad_desc().get_size());
}

void StepProduct::pack(const float* matrix, void* workspace) const {
  auto* base = static_cast<std::byte*>(workspace);
  point(given_, matrix);
  point(packed_, base + packed_offset_);
  point(scratchpad_, base + scratchpad_offset_);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, given_.get()}, {DNNL_ARG_TO, packed_.get()}};
  execute(pack_, stream_, arguments);
}

void StepProduct::run(const float* state, float* result) const {
  point(state_, state);
  point(result_, result);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, state_.get()},
                                       {DNNL_ARG_WEIGHTS, packed_.get()},
                                       {DNNL_ARG_DST, result_.get()},
                                       {DNNL_ARG_SCRATCHPAD, scratchpad_.get()}};
  execute(product_, stream_, arguments);
}

Sequence sequence_of(const KernelRequest& request, size_t sequence, size_t r) {
  const Attributes& a = request.node->attributes;
  const Shape& shape = request.input_types[sequence].shape;
  Sequence s{.steps = shape[0],
             .rows = shape[1],
             .hidden = request.input_types[r].shape[1],
             .gates = shape[2] / request.input_types[r].shape[1],
             .reverse = a.get_int("reverse", 0) != 0};
  const double clip = a.get_float("clip", 0);
  s.cell.clip = static_cast<float>(clip);
  s.cell.input_forget = a.get_int("input_forget", 0) != 0;
  const auto functions = cell_functions(a);
  for (size_t i = 0; i < functions.size(); ++i)
    s.cell.functions[i] = activation_of(functions[i], clip);
  return s;
}

std::string refusal_of_sequence(const KernelRequest& request) {
  if (!all_row_major(request)) return "takes row-major values";
  if (accumulates(request)) return "does not accumulate";
  for (size_t i = 0; i < request.output_types.size(); ++i) {
    if (request.output_types[i].dtype != DType::f32) return "not f32";
    if (request.output_types[i].elements() == 0) return "empty";
    if (!has_output(request, i)) return fmt::format("output {} left out", i);
  }
  return {};
}

}  // namespace headrace::cpu
