#include <cmath>

#include "kernels/reference/loop.h"

namespace headrace::reference {
namespace {

StepContext step_of(const KernelArgs& args) { return args.step ? *args.step : StepContext{}; }

// parameter, gradient, [momentum] -> parameter, [momentum]. In step 0 the buffer becomes the
// gradient itself, without dampening, as in PyTorch and in ONNX's Momentum.
template <typename T>
Loop sgd(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double momentum = a.get_float("momentum", 0), dampening = a.get_float("dampening", 0);
  const double weight_decay = a.get_float("weight_decay", 0);
  const bool nesterov = a.get_int("nesterov", 0) != 0;
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    const T* old_buffer = input<T>(args, 2);
    T* buffer = output<T>(args, 1);
    for (int64_t i = 0; i < count; ++i) {
      const double p = input<T>(args, 0)[i];
      double g = input<T>(args, 1)[i] * step.gradient_scale + weight_decay * p;
      if (old_buffer) {
        const double b = step.step == 0 ? g : momentum * old_buffer[i] + (1 - dampening) * g;
        g = nesterov ? g + momentum * b : b;
        if (buffer) buffer[i] = static_cast<T>(b);
      }
      output<T>(args, 0)[i] = static_cast<T>(p - step.learning_rate * g);
    }
  };
}

// parameter, gradient, m, v -> parameter, m, v: Kingma and Ba, arXiv:1412.6980, algorithm 1;
// decoupled weight decay after Loshchilov and Hutter, arXiv:1711.05101.
template <typename T>
Loop adam(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double beta1 = a.get_float("beta1", 0.9), beta2 = a.get_float("beta2", 0.999);
  const double epsilon = a.get_float("epsilon", 1e-8);
  const double weight_decay = a.get_float("weight_decay", 0);
  const bool decoupled = a.get_int("decoupled", 0) != 0;
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    const auto t = static_cast<double>(step.step + 1);
    const double correction1 = 1 - std::pow(beta1, t), correction2 = 1 - std::pow(beta2, t);
    for (int64_t i = 0; i < count; ++i) {
      const double p = input<T>(args, 0)[i];
      const double g =
          input<T>(args, 1)[i] * step.gradient_scale + (decoupled ? 0 : weight_decay * p);
      const double m = beta1 * input<T>(args, 2)[i] + (1 - beta1) * g;
      const double v = beta2 * input<T>(args, 3)[i] + (1 - beta2) * g * g;
      const double decayed = decoupled ? p * (1 - step.learning_rate * weight_decay) : p;
      output<T>(args, 0)[i] = static_cast<T>(decayed - step.learning_rate * (m / correction1) /
                                                           (std::sqrt(v / correction2) + epsilon));
      output<T>(args, 1)[i] = static_cast<T>(m);
      output<T>(args, 2)[i] = static_cast<T>(v);
    }
  };
}

// parameter, gradient, m, v -> parameter, m, v: You et al., arXiv:1904.00962, algorithm 2: Adam's
// step with its decay is scaled to the norm of the whole parameter (by 1 where one norm is 0).
template <typename T>
Loop lamb(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double beta1 = a.get_float("beta1"), beta2 = a.get_float("beta2");
  const double epsilon = a.get_float("epsilon"), weight_decay = a.get_float("weight_decay");
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    const auto t = static_cast<double>(step.step + 1);
    const double correction1 = 1 - std::pow(beta1, t), correction2 = 1 - std::pow(beta2, t);
    const T* p = input<T>(args, 0);
    T* m = output<T>(args, 1);
    T* v = output<T>(args, 2);
    const auto direction = [&](int64_t i) {
      return m[i] / correction1 / (std::sqrt(v[i] / correction2) + epsilon) + weight_decay * p[i];
    };
    double of_parameter = 0, of_direction = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double g = input<T>(args, 1)[i] * step.gradient_scale;
      m[i] = static_cast<T>(beta1 * input<T>(args, 2)[i] + (1 - beta1) * g);
      v[i] = static_cast<T>(beta2 * input<T>(args, 3)[i] + (1 - beta2) * g * g);
      of_parameter += double{p[i]} * p[i];
      of_direction += direction(i) * direction(i);
    }
    const bool scaled = of_parameter > 0 && of_direction > 0;
    const double ratio = scaled ? std::sqrt(of_parameter / of_direction) : 1;
    for (int64_t i = 0; i < count; ++i)
      output<T>(args, 0)[i] = static_cast<T>(p[i] - step.learning_rate * ratio * direction(i));
  };
}

// parameter, gradient, m -> parameter, m: Chen et al., arXiv:2302.06675, algorithm 2.
template <typename T>
Loop lion(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double beta1 = a.get_float("beta1"), beta2 = a.get_float("beta2");
  const double weight_decay = a.get_float("weight_decay");
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    for (int64_t i = 0; i < count; ++i) {
      const double p = input<T>(args, 0)[i], m = input<T>(args, 2)[i];
      const double g = input<T>(args, 1)[i] * step.gradient_scale;
      const double c = beta1 * m + (1 - beta1) * g;
      const double sign = c > 0 ? 1 : c < 0 ? -1 : 0;
      output<T>(args, 0)[i] = static_cast<T>(p - step.learning_rate * (sign + weight_decay * p));
      output<T>(args, 1)[i] = static_cast<T>(beta2 * m + (1 - beta2) * g);
    }
  };
}

// parameter, gradient, v, [momentum] -> parameter, v, [momentum]: Hinton's, as torch.optim.RMSprop
// has it (not centred).
template <typename T>
Loop rmsprop(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double beta2 = a.get_float("beta2"), epsilon = a.get_float("epsilon");
  const double momentum = a.get_float("momentum"), weight_decay = a.get_float("weight_decay");
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    const T* old_buffer = input<T>(args, 3);
    for (int64_t i = 0; i < count; ++i) {
      const double p = input<T>(args, 0)[i];
      const double g = input<T>(args, 1)[i] * step.gradient_scale + weight_decay * p;
      const double v = beta2 * input<T>(args, 2)[i] + (1 - beta2) * g * g;
      double direction = g / (std::sqrt(v) + epsilon);
      if (old_buffer) {
        direction += momentum * old_buffer[i];
        output<T>(args, 2)[i] = static_cast<T>(direction);
      }
      output<T>(args, 0)[i] = static_cast<T>(p - step.learning_rate * direction);
      output<T>(args, 1)[i] = static_cast<T>(v);
    }
  };
}

// parameter, gradient, sum -> parameter, sum: Duchi et al., JMLR 12 (2011), the diagonal form.
template <typename T>
Loop adagrad(const KernelRequest& request) {
  const Attributes& a = request.node->attributes;
  const double epsilon = a.get_float("epsilon"), weight_decay = a.get_float("weight_decay");
  return [=, count = request.output_types[0].elements()](const KernelArgs& args) {
    const StepContext step = step_of(args);
    for (int64_t i = 0; i < count; ++i) {
      const double p = input<T>(args, 0)[i];
      const double g = input<T>(args, 1)[i] * step.gradient_scale + weight_decay * p;
      const double sum = input<T>(args, 2)[i] + g * g;
      output<T>(args, 0)[i] =
          static_cast<T>(p - step.learning_rate * g / (std::sqrt(sum) + epsilon));
      output<T>(args, 1)[i] = static_cast<T>(sum);
    }
  };
}

template <typename T>
Loop squared_norm(const KernelRequest& request) {
  return [count = request.input_types[0].elements()](const KernelArgs& args) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += double{input<T>(args, 0)[i]} * input<T>(args, 0)[i];
    *output<double>(args, 0) = sum;
  };
}

}  // namespace

Loop update(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"SgdUpdate", by_float<sgd<float>, sgd<double>>},
      {"AdamUpdate", by_float<adam<float>, adam<double>>},
      {"LambUpdate", by_float<lamb<float>, lamb<double>>},
      {"LionUpdate", by_float<lion<float>, lion<double>>},
      {"RmspropUpdate", by_float<rmsprop<float>, rmsprop<double>>},
      {"AdagradUpdate", by_float<adagrad<float>, adagrad<double>>},
      {"SquaredNorm", by_float<squared_norm<float>, squared_norm<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
