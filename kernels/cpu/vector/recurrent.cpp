#include "kernels/functors/recurrent.h"

#include "kernels/cpu/vector/table.h"

namespace headrace::HEADRACE_ISA {
namespace {

using Activation = vector::CellLoops;
using Cell = vector::RecurrentCell;

constexpr int64_t kBlock = 128;  // values that a loop keeps beside the arrays it is given

template <typename F>
void apply(const float* x, float* y, int64_t n, float alpha, float beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F{}(x[i], Scalars{alpha, beta});
}
template <typename F>
void gradient(const float* dy, const float* v, float* dx, int64_t n, float alpha, float beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = F{}(dy[i], v[i], Scalars{alpha, beta});
}

// y = f(x) behind the cell's clip; x may be y.
void activate(const Activation& f, float clip, const float* x, float* y, int64_t n) {
  if (clip > 0) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = Clip{}(x[i], Scalars{-clip, clip});
    x = y;
  }
  f.apply(x, y, n, f.alpha, f.beta);
}

// dx = dy times the slope where f has the value y; dx may be dy.
void activate_gradient(const Activation& f, float clip, const float* dy, const float* y, float* dx,
                       int64_t n) {
  f.gradient(dy, y, dx, n, f.alpha, f.beta);
  if (clip <= 0) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] == f.low || y[i] == f.high ? 0.0f : dx[i];
}

void add_scaled(const float* scale, const float* x, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += scale[i] * x[i];
}

void lstm(float* gates, const float* cells, float* new_cells, float* h, int64_t n,
          const Cell& cell) {
  const Activation &f = cell.functions[0], &g = cell.functions[1];
  float *in = gates, *out = gates + n, *forget = gates + 2 * n, *candidate = gates + 3 * n;
  if (cell.peepholes == nullptr) {
    activate(f, cell.clip, gates, gates, 3 * n);
  } else {
    add_scaled(cell.peepholes, cells, in, n);
    add_scaled(cell.peepholes + 2 * n, cells, forget, n);
    activate(f, cell.clip, in, in, n);
    activate(f, cell.clip, forget, forget, n);
  }
  activate(g, cell.clip, candidate, candidate, n);
  if (cell.input_forget) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) forget[i] = 1.0f - in[i];
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) new_cells[i] = forget[i] * cells[i] + in[i] * candidate[i];
  if (cell.peepholes != nullptr) {
    add_scaled(cell.peepholes + n, new_cells, out, n);
    activate(f, cell.clip, out, out, n);
  }
  activate(cell.functions[2], cell.clip, new_cells, h, n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) h[i] *= out[i];
}

// A block of at most kBlock values whose gates lie n apart.
void lstm_gradient_block(const float* gates, const float* cells, float* dh, float* dcells,
                         float* dgates, const float* peepholes, float* dpeepholes, int64_t count,
                         int64_t n, const Cell& cell) {
  const Activation& f = cell.functions[0];
  const float *in = gates, *out = gates + n, *forget = gates + 2 * n, *candidate = gates + 3 * n;
  float *din = dgates, *dout = dgates + n, *dforget = dgates + 2 * n, *dcandidate = dgates + 3 * n;
  float now[kBlock], squashed[kBlock], through[kBlock];
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) now[i] = forget[i] * cells[i] + in[i] * candidate[i];
  activate(cell.functions[2], cell.clip, now, squashed, count);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    dout[i] = dh[i] * squashed[i];
    through[i] = dh[i] * out[i];
    dh[i] = 0.0f;
  }
  activate_gradient(f, cell.clip, dout, out, dout, count);
  activate_gradient(cell.functions[2], cell.clip, through, squashed, through, count);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) dcells[i] += through[i];
  if (peepholes != nullptr) add_scaled(peepholes + n, dout, dcells, count);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float d = dcells[i];
    din[i] = d * candidate[i];
    dforget[i] = d * cells[i];
    dcandidate[i] = d * in[i];
    dcells[i] = d * forget[i];
  }
  if (cell.input_forget) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      din[i] -= dforget[i];
      dforget[i] = 0.0f;
    }
  }
  activate_gradient(f, cell.clip, din, in, din, count);
  activate_gradient(f, cell.clip, dforget, forget, dforget, count);
  activate_gradient(cell.functions[1], cell.clip, dcandidate, candidate, dcandidate, count);
  if (peepholes == nullptr) return;
  add_scaled(peepholes, din, dcells, count);
  add_scaled(peepholes + 2 * n, dforget, dcells, count);
  if (dpeepholes == nullptr) return;
  add_scaled(din, cells, dpeepholes, count);
  add_scaled(dout, now, dpeepholes + n, count);
  add_scaled(dforget, cells, dpeepholes + 2 * n, count);
}

void lstm_gradient(const float* gates, const float* cells, float* dh, float* dcells, float* dgates,
                   float* dpeepholes, int64_t n, const Cell& cell) {
  for (int64_t j = 0; j < n; j += kBlock)
    lstm_gradient_block(gates + j, cells + j, dh + j, dcells + j, dgates + j,
                        cell.peepholes == nullptr ? nullptr : cell.peepholes + j,
                        dpeepholes == nullptr ? nullptr : dpeepholes + j,
                        n - j < kBlock ? n - j : kBlock, n, cell);
}

void gru_gates(float* gates, const float* h, float* reset, int64_t n, const Cell& cell) {
  activate(cell.functions[0], cell.clip, gates, gates, 2 * n);
  if (reset == nullptr) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) reset[i] = gates[n + i] * h[i];
}

void gru_state(float* gates, const float* hidden, const float* h, float* new_h, int64_t n,
               const Cell& cell) {
  float* candidate = gates + 2 * n;
  if (hidden != nullptr) add_scaled(gates + n, hidden, candidate, n);
  activate(cell.functions[1], cell.clip, candidate, candidate, n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) new_h[i] = (1.0f - gates[i]) * candidate[i] + gates[i] * h[i];
}

void gru_state_gradient(const float* gates, const float* h, float* dh, float* dgates, int64_t n,
                        const Cell& cell) {
  const float* candidate = gates + 2 * n;
  float* dcandidate = dgates + 2 * n;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dgates[i] = dh[i] * (h[i] - candidate[i]);
    dcandidate[i] = dh[i] * (1.0f - gates[i]);
    dh[i] *= gates[i];
  }
  activate_gradient(cell.functions[0], cell.clip, dgates, gates, dgates, n);
  activate_gradient(cell.functions[1], cell.clip, dcandidate, candidate, dcandidate, n);
}

void gru_reset_before_gradient(const float* gates, const float* h, const float* dreset, float* dh,
                               float* dgates, int64_t n, const Cell& cell) {
  const float* reset = gates + n;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dh[i] += dreset[i] * reset[i];
    dgates[n + i] = dreset[i] * h[i];
  }
  activate_gradient(cell.functions[0], cell.clip, dgates + n, reset, dgates + n, n);
}

void gru_reset_after_gradient(const float* gates, const float* hidden, float* dgates,
                              float* dhidden, int64_t n, const Cell& cell) {
  const float *reset = gates + n, *dcandidate = dgates + 2 * n;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dhidden[i] = dcandidate[i] * reset[i];
    dgates[n + i] = dcandidate[i] * hidden[i];
  }
  activate_gradient(cell.functions[0], cell.clip, dgates + n, reset, dgates + n, n);
}

void gate(const float* sum, float* y, int64_t n, const Cell& cell) {
  activate(cell.functions[0], cell.clip, sum, y, n);
}

void gate_gradient(const float* dy, const float* y, float* dsum, int64_t n, const Cell& cell) {
  activate_gradient(cell.functions[0], cell.clip, dy, y, dsum, n);
}

template <typename F, typename G>
constexpr void set(vector::RecurrentTable& t, CellActivation kind) {
  t.activation[vector::index(kind)] = apply<F>;
  t.activation_gradient[vector::index(kind)] = gradient<G>;
}

constexpr vector::RecurrentTable make() {
  using Kind = CellActivation;
  vector::RecurrentTable t{};
  set<Affine, AffineGradFromValue>(t, Kind::affine);
  set<Elu, EluGradFromValue>(t, Kind::elu);
  set<HardSigmoid, HardSigmoidGradFromValue>(t, Kind::hard_sigmoid);
  set<LeakyRelu, LeakyReluGrad>(t, Kind::leaky_relu);
  set<Relu, ReluGrad>(t, Kind::relu);
  set<ScaledTanh, ScaledTanhGradFromValue>(t, Kind::scaled_tanh);
  set<Sigmoid, SigmoidGrad>(t, Kind::sigmoid);
  set<Softplus, SoftplusGradFromValue>(t, Kind::softplus);
  set<Softsign, SoftsignGradFromValue>(t, Kind::softsign);
  set<Tanh, TanhGrad>(t, Kind::tanh);
  set<ThresholdedRelu, ThresholdedReluGradFromValue>(t, Kind::thresholded_relu);
  t.lstm = lstm;
  t.lstm_gradient = lstm_gradient;
  t.gru_gates = gru_gates;
  t.gru_state = gru_state;
  t.gru_state_gradient = gru_state_gradient;
  t.gru_reset_before_gradient = gru_reset_before_gradient;
  t.gru_reset_after_gradient = gru_reset_after_gradient;
  t.gate = gate;
  t.gate_gradient = gate_gradient;
  return t;
}

}  // namespace

extern const vector::RecurrentTable recurrent_table;
constinit const vector::RecurrentTable recurrent_table = make();

}  // namespace headrace::HEADRACE_ISA
