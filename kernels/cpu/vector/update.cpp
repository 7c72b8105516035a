#include "kernels/cpu/vector/table.h"
#include "kernels/functors/updates.h"

namespace headrace::HEADRACE_ISA {
namespace {

void adam(const float* p, const float* g, const float* m, const float* v, float* p_out,
          float* m_out, float* v_out, int64_t n, const AdamStep& step) {
  const AdamStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const AdamResult next = adam_update(p[i], g[i], m[i], v[i], s);
    p_out[i] = next.parameter;
    m_out[i] = next.m;
    v_out[i] = next.v;
  }
}

void sgd(const float* p, const float* g, float* p_out, int64_t n, const SgdStep& step) {
  const SgdStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) p_out[i] = sgd_update(p[i], g[i], s);
}

void sgd_momentum(const float* p, const float* g, const float* momentum, float* p_out,
                  float* momentum_out, int64_t n, const SgdStep& step) {
  const SgdStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const SgdResult next = sgd_momentum_update(p[i], g[i], momentum[i], s);
    p_out[i] = next.parameter;
    momentum_out[i] = next.momentum;
  }
}

void lamb_moments(const float* p, const float* g, const float* m, const float* v, float* m_out,
                  float* v_out, int64_t n, const LambStep& step, double* of_parameter,
                  double* of_direction) {
  const LambStep s = step;
  double parameter = 0, direction = 0;
#pragma omp simd reduction(+ : parameter, direction)
  for (int64_t i = 0; i < n; ++i) {
    const LambMoments next = headrace::HEADRACE_ISA::lamb_moments(g[i], m[i], v[i], s);
    const double u = lamb_direction(p[i], next.m, next.v, s), x = p[i];
    m_out[i] = next.m;
    v_out[i] = next.v;
    parameter += x * x;
    direction += u * u;
  }
  *of_parameter = parameter;
  *of_direction = direction;
}

void lamb_parameter(const float* p, const float* m, const float* v, float* p_out, int64_t n,
                    const LambStep& step, float length) {
  const LambStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) p_out[i] = p[i] - length * lamb_direction(p[i], m[i], v[i], s);
}

void lion(const float* p, const float* g, const float* m, float* p_out, float* m_out, int64_t n,
          const LionStep& step) {
  const LionStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const OneStateResult next = lion_update(p[i], g[i], m[i], s);
    p_out[i] = next.parameter;
    m_out[i] = next.state;
  }
}

void rmsprop(const float* p, const float* g, const float* v, const float* momentum, float* p_out,
             float* v_out, float* momentum_out, int64_t n, const RmspropStep& step) {
  const RmspropStep s = step;
  if (momentum == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const RmspropResult next = rmsprop_direction(p[i], g[i], v[i], s);
      p_out[i] = p[i] - s.rate * next.direction;
      v_out[i] = next.v;
    }
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const RmspropResult next = rmsprop_direction(p[i], g[i], v[i], s);
    const float direction = s.momentum * momentum[i] + next.direction;
    p_out[i] = p[i] - s.rate * direction;
    v_out[i] = next.v;
    momentum_out[i] = direction;
  }
}

void adagrad(const float* p, const float* g, const float* sum, float* p_out, float* sum_out,
             int64_t n, const AdagradStep& step) {
  const AdagradStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const OneStateResult next = adagrad_update(p[i], g[i], sum[i], s);
    p_out[i] = next.parameter;
    sum_out[i] = next.state;
  }
}

}  // namespace

extern const vector::UpdateTable update_table;
constinit const vector::UpdateTable update_table = {
    adam, sgd, sgd_momentum, lamb_moments, lamb_parameter, lion, rmsprop, adagrad};

}  // namespace headrace::HEADRACE_ISA
