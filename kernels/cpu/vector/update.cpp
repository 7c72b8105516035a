#include "kernels/cpu/vector/table.h"
#include "kernels/functors/updates.h"

namespace headrace::HEADRACE_ISA {
namespace {

void adam(const float* p, const float* g, const float* m, const float* v, float* p_out,
          float* m_out, float* v_out, int64_t n, const vector::AdamStep& step) {
  const vector::AdamStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const AdamResult next = adam_update(p[i], g[i], m[i], v[i], s);
    p_out[i] = next.parameter;
    m_out[i] = next.m;
    v_out[i] = next.v;
  }
}

void sgd(const float* p, const float* g, float* p_out, int64_t n, const vector::SgdStep& step) {
  const vector::SgdStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) p_out[i] = sgd_update(p[i], g[i], s);
}

void sgd_momentum(const float* p, const float* g, const float* momentum, float* p_out,
                  float* momentum_out, int64_t n, const vector::SgdStep& step) {
  const vector::SgdStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const SgdResult next = sgd_momentum_update(p[i], g[i], momentum[i], s);
    p_out[i] = next.parameter;
    momentum_out[i] = next.momentum;
  }
}

}  // namespace

extern const vector::UpdateTable update_table;
constinit const vector::UpdateTable update_table = {adam, sgd, sgd_momentum};

}  // namespace headrace::HEADRACE_ISA
