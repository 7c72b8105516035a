#include <cmath>
#include <optional>

#include "kernels/cpu/broadcast.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_table.h"

namespace headrace::cpu {
namespace {

using vector::Operands;

constexpr Operands operands_of(bool left_moves, bool right_moves) {
  if (left_moves && right_moves) return Operands::both;
  return left_moves ? Operands::left : Operands::right;
}

// y = f(a, b) over rows of a Broadcast. One long row is cut between threads, many rows are dealt
// out.
template <typename T, typename R>
class BinaryKernel : public Kernel {
 public:
  using Loop = void (*)(const T*, const T*, R*, int64_t);
  BinaryKernel(Loop loop, Broadcast nest, int in_place)
      : loop_(loop), nest_(std::move(nest)), in_place_(in_place) {}

  int in_place_input(size_t) const override { return in_place_; }

  void run(const KernelArgs& args) const override {
    const auto* a = static_cast<const T*>(args.inputs[0]);
    const auto* b = static_cast<const T*>(args.inputs[1]);
    auto* y = static_cast<R*>(args.outputs[0]);
    const int64_t n = nest_.row_length(), a_step = nest_.row_stride(0),
                  b_step = nest_.row_stride(1);
    if (nest_.rows() == 1) {
      parallel_ranges(
          n, 1,
          [&](int64_t begin, int64_t end) {
            loop_(a + begin * a_step, b + begin * b_step, y + begin, end - begin);
          },
          16);
      return;
    }
    parallel_ranges(nest_.rows(), n, [&](int64_t begin, int64_t end) {
      nest_.for_rows(begin, end, [&](int64_t row, const auto& offsets) {
        loop_(a + offsets[0], b + offsets[1], y + row * n, n);
      });
    });
  }

 private:
  Loop loop_;
  Broadcast nest_;
  int in_place_;
};

class WhereKernel : public Kernel {
 public:
  WhereKernel(Broadcast nest, int in_place) : nest_(std::move(nest)), in_place_(in_place) {}
  int in_place_input(size_t) const override { return in_place_; }

  void run(const KernelArgs& args) const override {
    const auto* c = static_cast<const uint8_t*>(args.inputs[0]);
    const auto* a = static_cast<const float*>(args.inputs[1]);
    const auto* b = static_cast<const float*>(args.inputs[2]);
    auto* y = static_cast<float*>(args.outputs[0]);
    const int64_t n = nest_.row_length();
    const int steps[] = {int(nest_.row_stride(0)), int(nest_.row_stride(1)),
                         int(nest_.row_stride(2))};
    const auto where = vector_table().elementwise->where;
    parallel_ranges(nest_.rows(), n, [&](int64_t begin, int64_t end) {
      nest_.for_rows(begin, end, [&](int64_t row, const auto& offsets) {
        where(c + offsets[0], a + offsets[1], b + offsets[2], y + row * n, n, steps[0], steps[1],
              steps[2]);
      });
    });
  }

 private:
  Broadcast nest_;
  int in_place_;
};

// x to a constant power.
class PowerKernel : public Kernel {
 public:
  PowerKernel(vector::UnaryLoop loop, int64_t count) : loop_(loop), count_(count) {}
  int in_place_input(size_t) const override { return 0; }
  void run(const KernelArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    parallel_ranges(
        count_, 1,
        [&](int64_t begin, int64_t end) { loop_(x + begin, y + begin, end - begin, 0, 0); }, 16);
  }

 private:
  vector::UnaryLoop loop_;
  int64_t count_;
};

std::optional<vector::Binary> arithmetic_of(const Node& node) {
  using vector::Binary;
  if (node.op == "Add") return Binary::add;
  if (node.op == "Sub") return Binary::sub;
  if (node.op == "Mul") return Binary::mul;
  if (node.op == "Div") return Binary::div;
  if (node.op == "Min") return Binary::min;
  if (node.op == "Max") return Binary::max;
  if (node.op == "Pow") return Binary::pow;
  if (node.op == "Mod" && node.attributes.get_int("fmod", 0) != 0) return Binary::fmod;
  return std::nullopt;
}

std::optional<vector::Comparison> comparison_of(std::string_view op) {
  using vector::Comparison;
  if (op == "Equal") return Comparison::equal;
  if (op == "Less") return Comparison::less;
  if (op == "LessOrEqual") return Comparison::less_or_equal;
  if (op == "Greater") return Comparison::greater;
  if (op == "GreaterOrEqual") return Comparison::greater_or_equal;
  return std::nullopt;
}

// x^p as a loop of its own for the few exponents that models use.
std::optional<vector::Unary> constant_power(const KernelRequest& request) {
  if (request.node->op != "Pow" || !request.constants[1]) return std::nullopt;
  if (request.input_types[1].elements() != 1) return std::nullopt;
  if (request.input_types[0].shape != request.output_types[0].shape) return std::nullopt;
  const HostTensor& constant = request.constants[1];
  const double p = is_float(constant.type.dtype) ? to_doubles(constant)[0]
                                                 : static_cast<double>(to_int64s(constant)[0]);
  if (p == 2) return vector::Unary::square;
  if (p == 3) return vector::Unary::cube;
  if (p == 0.5) return vector::Unary::sqrt;
  if (p == -1) return vector::Unary::reciprocal;
  return std::nullopt;
}

// The first operand of the output's shape and element size.
int in_place_operand(const KernelRequest& request, size_t first = 0) {
  for (size_t i = first; i < request.input_types.size(); ++i) {
    if (request.input_types[i].shape == request.output_types[0].shape &&
        size_of(request.input_types[i].dtype) == size_of(request.output_types[0].dtype)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// The loop nest of an elementwise request: one row where every operand has the output's layout (its
// stored elements may lie in any order), else broadcasting over row-major values, else a refusal.
struct Nest {
  std::optional<Broadcast> loops;
  std::string refusal;
};
Nest nest_of(const KernelRequest& request) {
  const TensorType& out = request.output_types[0];
  const Layout& layout = request.output_layouts[0];
  const int64_t stored = stored_elements(out, layout);
  Shape shape = out.shape;
  std::vector<Shape> operands;
  if (layout.id != 0) {
    shape = {stored};
    for (size_t i = 0; i < request.input_types.size(); ++i) {
      const TensorType& type = request.input_types[i];
      if (type.elements() == 1) {
        operands.push_back({1});
      } else if (type.shape == out.shape && request.input_layouts[i].id == layout.id) {
        operands.push_back({stored});
      } else {
        return {{}, "broadcasting needs row-major values"};
      }
    }
  } else {
    if (!all_row_major(request)) return {{}, "layouts differ"};
    for (const TensorType& type : request.input_types) operands.push_back(type.shape);
  }
  return {Broadcast(shape, operands), {}};
}

}  // namespace

Prepared prepare_binary(const Context&, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.input_types[0].dtype != DType::f32) return refuse("not f32");
  const vector::ElementwiseTable& loops = *vector_table().elementwise;
  if (auto id = constant_power(request);
      id && request.input_layouts[0] == request.output_layouts[0]) {
    return std::make_unique<PowerKernel>(
        loops.unary[vector::index(*id)],
        stored_elements(request.output_types[0], request.output_layouts[0]));
  }
  if (request.input_types[1].dtype != DType::f32) return refuse("not f32");
  Nest nest = nest_of(request);
  if (!nest.loops) return refuse("{}", nest.refusal);
  const size_t operands =
      vector::index(operands_of(nest.loops->row_stride(0) != 0, nest.loops->row_stride(1) != 0));
  if (auto id = arithmetic_of(*request.node)) {
    return std::make_unique<BinaryKernel<float, float>>(loops.binary[vector::index(*id)][operands],
                                                        std::move(*nest.loops),
                                                        in_place_operand(request));
  }
  if (auto id = comparison_of(request.node->op)) {
    return std::make_unique<BinaryKernel<float, uint8_t>>(
        loops.comparison[vector::index(*id)][operands], std::move(*nest.loops), -1);
  }
  return refuse("no loop for {}", request.node->op);
}

Prepared prepare_logical(const Context&, const KernelRequest& request) {
  using vector::Logical;
  if (accumulates(request)) return refuse("does not accumulate");
  Nest nest = nest_of(request);
  if (!nest.loops) return refuse("{}", nest.refusal);
  const Logical id = request.node->op == "And"  ? Logical::logical_and
                     : request.node->op == "Or" ? Logical::logical_or
                                                : Logical::logical_xor;
  const size_t operands =
      vector::index(operands_of(nest.loops->row_stride(0) != 0, nest.loops->row_stride(1) != 0));
  return std::make_unique<BinaryKernel<uint8_t, uint8_t>>(
      vector_table().elementwise->logical[vector::index(id)][operands], std::move(*nest.loops),
      in_place_operand(request));
}

Prepared prepare_where(const Context&, const KernelRequest& request) {
  if (accumulates(request)) return refuse("does not accumulate");
  if (request.output_types[0].dtype != DType::f32) return refuse("not f32");
  Nest nest = nest_of(request);
  if (!nest.loops) return refuse("{}", nest.refusal);
  return std::make_unique<WhereKernel>(std::move(*nest.loops), in_place_operand(request, 1));
}

}  // namespace headrace::cpu
