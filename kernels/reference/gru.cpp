#include <utility>

#include "kernels/reference/cell.h"

namespace headrace::reference {
namespace {

// xw, r, h0, [recurrent bias], [lengths] -> y, h_last, gates, previous, hidden
template <typename T>
Loop gru(const KernelRequest& request) {
  const Cell cell = cell_of(request, 0, 1);
  const Gate<T> f(cell.functions[0], cell.clip), g(cell.functions[1], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    const auto size = static_cast<size_t>(n);
    const T* r = input<T>(args, 1);
    const T* bias = input<T>(args, 3);
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> state = read(row(input<T>(args, 2), b, n), n);
      for (int64_t i = 0; i < cell.steps; ++i) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        write(row(output<T>(args, 3), place, n), state);
        std::vector<double> y(size, 0.0), gates(3 * size, 0.0), hidden(size, 0.0);
        if (is_within(args, 4, b, t)) {
          const T* xw = input<T>(args, 0) + place * 3 * n;
          for (int64_t j = 0; j < 2 * n; ++j)
            gates[static_cast<size_t>(j)] = f(static_cast<double>(xw[j]) + product(r, j, state));
          const double* reset = gates.data() + size;
          std::vector<double> kept = state;
          if (!cell.linear_before_reset)
            for (size_t k = 0; k < size; ++k) hidden[k] = kept[k] = reset[k] * state[k];
          for (size_t k = 0; k < size; ++k) {
            double inner = product(r, 2 * n + static_cast<int64_t>(k), kept);
            if (cell.linear_before_reset) {
              hidden[k] = inner + (bias ? static_cast<double>(bias[k]) : 0.0);
              inner = reset[k] * hidden[k];
            }
            const double candidate = g(static_cast<double>(xw[2 * size + k]) + inner);
            gates[2 * size + k] = candidate;
            y[k] = (1 - gates[k]) * candidate + gates[k] * state[k];
          }
          state = y;
        }
        write(row(output<T>(args, 0), place, n), y);
        write(row(output<T>(args, 2), place, 3 * n), gates);
        write(row(output<T>(args, 4), place, n), hidden);
      }
      write(row(output<T>(args, 1), b, n), state);
    }
  };
}

// r, gates, previous, hidden, [lengths], [dy], [dh_last] -> dxw, dh0, [dproducts]
template <typename T>
Loop gru_gradient(const KernelRequest& request) {
  const Cell cell = cell_of(request, 1, 0);
  const Gate<T> f(cell.functions[0], cell.clip), g(cell.functions[1], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    const auto size = static_cast<size_t>(n);
    const T* r = input<T>(args, 0);
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> dh = read(row(input<T>(args, 6), b, n), n);
      for (int64_t i = cell.steps; i-- > 0;) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        std::vector<double> dgates(3 * size, 0.0), dproducts(3 * size, 0.0);
        if (is_within(args, 4, b, t)) {
          const T* gates = input<T>(args, 1) + place * 3 * n;
          const T* state = input<T>(args, 2) + place * n;
          const T* hidden = input<T>(args, 3) + place * n;
          const T* dy = row(input<T>(args, 5), place, n);
          std::vector<double> dcandidate(size), dreset(size, 0.0);
          for (size_t k = 0; k < size; ++k) {
            const double update = gates[k], candidate = gates[k + 2 * size];
            if (dy) dh[k] += static_cast<double>(dy[k]);
            dgates[k] = dh[k] * (static_cast<double>(state[k]) - candidate) * f.slope(gates[k]);
            dcandidate[k] = dh[k] * (1 - update) * g.slope(gates[k + 2 * size]);
            dgates[k + 2 * size] = dcandidate[k];
            dh[k] *= update;
          }
          if (!cell.linear_before_reset) add_transposed(r, 2 * n, dcandidate, dreset);
          for (size_t k = 0; k < size; ++k) {
            const double reset = gates[k + size];
            if (cell.linear_before_reset) {
              dproducts[k + 2 * size] = dcandidate[k] * reset;
              dreset[k] = dcandidate[k] * static_cast<double>(hidden[k]);
            } else {
              dh[k] += dreset[k] * reset;
              dreset[k] *= static_cast<double>(state[k]);
            }
            dgates[k + size] = dreset[k] * f.slope(gates[k + size]);
          }
          std::copy_n(dgates.begin(), 2 * size, dproducts.begin());
          add_transposed(r, 0, dproducts, dh);
        }
        write(row(output<T>(args, 0), place, 3 * n), dgates);
        write(row(output<T>(args, 2), place, 3 * n), dproducts);
      }
      write(row(output<T>(args, 1), b, n), dh);
    }
  };
}

// xw, r, h0, [lengths] -> y, h_last, previous
template <typename T>
Loop rnn(const KernelRequest& request) {
  const Cell cell = cell_of(request, 0, 1);
  const Gate<T> f(cell.functions[0], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> state = read(row(input<T>(args, 2), b, n), n);
      for (int64_t i = 0; i < cell.steps; ++i) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        write(row(output<T>(args, 2), place, n), state);
        std::vector<double> y(static_cast<size_t>(n), 0.0);
        if (is_within(args, 3, b, t)) {
          const T* xw = input<T>(args, 0) + place * n;
          for (int64_t j = 0; j < n; ++j)
            y[static_cast<size_t>(j)] =
                f(static_cast<double>(xw[j]) + product(input<T>(args, 1), j, state));
          state = y;
        }
        write(row(output<T>(args, 0), place, n), y);
      }
      write(row(output<T>(args, 1), b, n), state);
    }
  };
}

// r, y, [lengths], [dy], [dh_last] -> dxw, dh0
template <typename T>
Loop rnn_gradient(const KernelRequest& request) {
  const Cell cell = cell_of(request, 1, 0);
  const Gate<T> f(cell.functions[0], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> dh = read(row(input<T>(args, 4), b, n), n);
      for (int64_t i = cell.steps; i-- > 0;) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        std::vector<double> dxw(static_cast<size_t>(n), 0.0);
        if (is_within(args, 2, b, t)) {
          const T* y = input<T>(args, 1) + place * n;
          const T* dy = row(input<T>(args, 3), place, n);
          for (size_t k = 0; k < dxw.size(); ++k)
            dxw[k] = (dh[k] + (dy ? static_cast<double>(dy[k]) : 0.0)) * f.slope(y[k]);
          std::fill(dh.begin(), dh.end(), 0.0);
          add_transposed(input<T>(args, 0), 0, dxw, dh);
        }
        write(row(output<T>(args, 0), place, n), dxw);
      }
      write(row(output<T>(args, 1), b, n), dh);
    }
  };
}

}  // namespace

Loop gru_sequence(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"GruSequence", by_float<gru<float>, gru<double>>},
      {"GruSequenceGrad", by_float<gru_gradient<float>, gru_gradient<double>>},
      {"RnnSequence", by_float<rnn<float>, rnn<double>>},
      {"RnnSequenceGrad", by_float<rnn_gradient<float>, rnn_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
