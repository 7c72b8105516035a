#include "kernels/cuda/chain.h"

#include "kernels/cuda/launch.h"
#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/types.h"

// A chain is a short program over one number per element, which stays in a register: what each node
// makes is rounded to the dtype that it would be stored in, so bits do not depend on what is a
// chain and what is not. Threads take four elements at a time.
namespace headrace::cuda {
namespace {

constexpr int kMostLinks = 8, kMostOperands = 9, kElements = 4;

enum class Kind : uint8_t { unary, gradient, arithmetic, cast };

// What one node does with the number. `operand` is its other input: one of the chain's, or -1 for
// the number itself.
struct LinkStep {
  Kind kind = Kind::cast;
  bool number_is_second = false;
  int8_t operand = -1;
  DType made = DType::f32;
  int function = 0;
  Scalars scalars = {};
};

struct Operand {
  const void* data = nullptr;
  DType dtype = DType::f32;
  bool single = false;  // one number for all elements
};

template <typename T>
struct alignas(sizeof(T) * kElements) Pack {
  T of[kElements];
};

// Elements [at, at + count) of x, which begin at a multiple of kElements.
template <typename T>
HEADRACE_HOST_DEVICE void read(const void* x, int64_t at, int count, float (&to)[kElements]) {
  const T* from = static_cast<const T*>(x) + at;
  if (count == kElements) {
    const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(from);
    HEADRACE_UNROLL
    for (int k = 0; k < kElements; ++k) to[k] = to_f32(pack.of[k]);
  } else {
    HEADRACE_UNROLL
    for (int k = 0; k < kElements; ++k)
      if (k < count) to[k] = to_f32(from[k]);
  }
}
template <typename T>
HEADRACE_HOST_DEVICE void write(void* y, int64_t at, int count, const float (&from)[kElements]) {
  T* to = static_cast<T*>(y) + at;
  Pack<T> pack;
  HEADRACE_UNROLL
  for (int k = 0; k < kElements; ++k) pack.of[k] = from_f32<T>(from[k]);
  if (count == kElements) {
    *reinterpret_cast<Pack<T>*>(to) = pack;
  } else {
    HEADRACE_UNROLL
    for (int k = 0; k < kElements; ++k)
      if (k < count) to[k] = pack.of[k];
  }
}

HEADRACE_HOST_DEVICE inline void read(const Operand& x, int64_t at, int count,
                                      float (&to)[kElements]) {
  if (x.single) {
    const float number = FloatReader{x.data, x.dtype}[0];
    HEADRACE_UNROLL
    for (int k = 0; k < kElements; ++k) to[k] = number;
  } else if (x.dtype == DType::f16) {
    read<Float16>(x.data, at, count, to);
  } else if (x.dtype == DType::bf16) {
    read<BFloat16>(x.data, at, count, to);
  } else {
    read<float>(x.data, at, count, to);
  }
}

HEADRACE_HOST_DEVICE inline float rounded(float x, DType dtype) {
  if (dtype == DType::f16) return to_f32(from_f32<Float16>(x));
  if (dtype == DType::bf16) return to_f32(from_f32<BFloat16>(x));
  return x;
}

// Once for all elements of a thread: these are many functions.
HEADRACE_HOST_DEVICE HEADRACE_CALLED inline float apply(Kind kind, int function, Scalars scalars,
                                                        float a, float b) {
  switch (kind) {
    case Kind::unary:
      return apply_unary(function, a, scalars);
    case Kind::gradient:
      return apply_gradient(function, a, b, scalars);
    case Kind::arithmetic:
      return apply_arithmetic(static_cast<Arithmetic>(function), a, b);
    default:
      return a;
  }
}

struct RunChain {
  int links = 0, operands = 0;
  int start = 0;  // the operand that is the number before the first link
  LinkStep step[kMostLinks];
  Operand operand[kMostOperands];
  void* y = nullptr;
  int64_t elements = 0;

  HEADRACE_HOST_DEVICE void operator()(int64_t pack) const {
    const int64_t at = pack * kElements, left = elements - at;
    const int count = left < kElements ? static_cast<int>(left) : kElements;
    float number[kElements] = {}, other[kElements] = {};
    read(operand[start], at, count, number);
    for (int l = 0; l < links; ++l) {
      const LinkStep& link = step[l];
      if (link.operand >= 0) read(operand[link.operand], at, count, other);
      HEADRACE_UNROLL
      for (int k = 0; k < kElements; ++k) {
        const float beside = link.operand < 0 ? number[k] : other[k];
        const float a = link.number_is_second ? beside : number[k];
        const float b = link.number_is_second ? number[k] : beside;
        number[k] = rounded(apply(link.kind, link.function, link.scalars, a, b), link.made);
      }
    }
    const DType made = step[links - 1].made;
    if (made == DType::f16)
      write<Float16>(y, at, count, number);
    else if (made == DType::bf16)
      write<BFloat16>(y, at, count, number);
    else
      write<float>(y, at, count, number);
  }
};

// The node's function; nothing where it is none of those that chains know.
bool find_function(const Node& node, LinkStep& step) {
  if (node.op == "Cast") {
    step.kind = Kind::cast;
    return true;
  }
  if (const int unary = function_of(kUnary, node); unary >= 0) {
    step.kind = Kind::unary;
    step.function = unary;
  } else if (const int gradient = function_of(kGradients, node); gradient >= 0) {
    step.kind = Kind::gradient;
    step.function = gradient;
  } else {
    const Arithmetic arithmetic = arithmetic_of(node);
    // A constant power is worked out in its own kernel.
    if (arithmetic == Arithmetic::none || arithmetic == Arithmetic::pow) return false;
    step.kind = Kind::arithmetic;
    step.function = static_cast<int>(arithmetic);
  }
  step.scalars = scalars_of(node);
  return true;
}

bool is_single(const KernelRequest& request, size_t input) {
  return request.input_types[input].elements() == 1 && request.output_types[0].elements() != 1;
}

bool lies_as_made(const KernelRequest& request, size_t input) {
  return request.input_types[input].shape == request.output_types[0].shape &&
         request.input_layouts[input].id == request.output_layouts[0].id;
}

}  // namespace

bool chains(const KernelRequest& request) {
  LinkStep step;
  if (accumulates(request) || request.output_types.size() != 1) return false;
  if (!is_stored_float(request.output_types[0].dtype)) return false;
  if (!find_function(*request.node, step)) return false;
  for (size_t i = 0; i < request.input_types.size(); ++i)
    if (!is_stored_float(request.input_types[i].dtype) ||
        !(lies_as_made(request, i) || is_single(request, i)))
      return false;
  return true;
}

std::unique_ptr<Kernel> prepare_chain(const Context& context, std::span<const ChainLink> links) {
  if (links.size() > kMostLinks) return nullptr;
  const TensorType& made = links.back().request.output_types[0];
  RunChain chain;
  chain.elements = made.elements();
  int in_place = -1;
  for (const auto& [request, taken] : links) {
    LinkStep& step = chain.step[chain.links];
    find_function(*request.node, step);
    step.made = request.output_types[0].dtype;
    const bool first = chain.links == 0;
    const size_t number = !first ? taken : lies_as_made(request, 0) ? 0 : 1;
    if (number >= request.input_types.size() || !lies_as_made(request, number)) return nullptr;
    step.number_is_second = number == 1;
    if (first) chain.start = static_cast<int>(number);
    for (size_t i = 0; i < request.input_types.size(); ++i) {
      if (i == number && !first) continue;
      if (chain.operands == kMostOperands) return nullptr;
      if (i != number) step.operand = static_cast<int8_t>(chain.operands);
      const Operand operand{nullptr, request.input_types[i].dtype, is_single(request, i)};
      if (in_place < 0 && !operand.single && size_of(operand.dtype) == size_of(made.dtype))
        in_place = chain.operands;
      chain.operand[chain.operands++] = operand;
    }
    ++chain.links;
  }
  return make_kernel(
      [queue = context.queue, chain](const KernelArgs& args) {
        RunChain run = chain;
        for (int i = 0; i < run.operands; ++i) run.operand[i].data = args.inputs[i];
        run.y = args.outputs[0];
        for_each(queue, (run.elements + kElements - 1) / kElements, run);
      },
      in_place);
}

}  // namespace headrace::cuda
