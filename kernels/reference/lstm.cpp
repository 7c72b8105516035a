#include <utility>

#include "kernels/reference/cell.h"

namespace headrace::reference {
namespace {

// xw, r, h0, c0, [peepholes], [lengths] -> y, h_last, c_last, gates, previous, previous_cells
template <typename T>
Loop lstm(const KernelRequest& request) {
  const Cell cell = cell_of(request, 0, 1);
  const Gate<T> f(cell.functions[0], cell.clip), g(cell.functions[1], cell.clip),
      h(cell.functions[2], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    const T* r = input<T>(args, 1);
    const T* peepholes = input<T>(args, 4);
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> state = read(row(input<T>(args, 2), b, n), n);
      std::vector<double> cells = read(row(input<T>(args, 3), b, n), n);
      for (int64_t i = 0; i < cell.steps; ++i) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        write(row(output<T>(args, 4), place, n), state);
        write(row(output<T>(args, 5), place, n), cells);
        std::vector<double> y(static_cast<size_t>(n), 0.0), gates(static_cast<size_t>(4 * n), 0.0);
        if (is_within(args, 5, b, t)) {
          const T* xw = input<T>(args, 0) + place * 4 * n;
          for (int64_t j = 0; j < n; ++j) {
            const auto k = static_cast<size_t>(j);
            const auto sum = [&](int64_t gate) {
              return static_cast<double>(xw[gate * n + j]) + product(r, gate * n + j, state);
            };
            const auto peep = [&](int64_t gate, double c) {
              return peepholes ? static_cast<double>(peepholes[gate * n + j]) * c : 0.0;
            };
            const double in = f(sum(0) + peep(0, cells[k]));
            const double forget = cell.input_forget ? 1 - in : f(sum(2) + peep(2, cells[k]));
            const double candidate = g(sum(3));
            cells[k] = forget * cells[k] + in * candidate;
            const double out = f(sum(1) + peep(1, cells[k]));
            y[k] = out * h(cells[k]);
            gates[k] = in;
            gates[k + static_cast<size_t>(n)] = out;
            gates[k + static_cast<size_t>(2 * n)] = forget;
            gates[k + static_cast<size_t>(3 * n)] = candidate;
          }
          state = y;
        }
        write(row(output<T>(args, 0), place, n), y);
        write(row(output<T>(args, 3), place, 4 * n), gates);
      }
      write(row(output<T>(args, 1), b, n), state);
      write(row(output<T>(args, 2), b, n), cells);
    }
  };
}

// r, gates, previous_cells, [peepholes], [lengths], [dy], [dh_last], [dc_last] -> dxw, dh0, dc0,
// [dpeepholes]
template <typename T>
Loop lstm_gradient(const KernelRequest& request) {
  const Cell cell = cell_of(request, 1, 0);
  const Gate<T> f(cell.functions[0], cell.clip), g(cell.functions[1], cell.clip),
      h(cell.functions[2], cell.clip);
  return [=](const KernelArgs& args) {
    const int64_t n = cell.hidden;
    const auto size = static_cast<size_t>(n);
    const T* r = input<T>(args, 0);
    const T* peepholes = input<T>(args, 3);
    std::vector<double> dpeepholes(3 * size, 0.0);
    for (int64_t b = 0; b < cell.rows; ++b) {
      std::vector<double> dh = read(row(input<T>(args, 6), b, n), n);
      std::vector<double> dc = read(row(input<T>(args, 7), b, n), n);
      for (int64_t i = cell.steps; i-- > 0;) {
        const int64_t t = cell.step(i), place = t * cell.rows + b;
        std::vector<double> dgates(4 * size, 0.0);
        if (is_within(args, 4, b, t)) {
          const T* gates = input<T>(args, 1) + place * 4 * n;
          const T* cells = input<T>(args, 2) + place * n;
          const T* dy = row(input<T>(args, 5), place, n);
          for (size_t k = 0; k < size; ++k) {
            const double in = gates[k], out = gates[k + size], forget = gates[k + 2 * size],
                         candidate = gates[k + 3 * size], before = cells[k];
            const double after = forget * before + in * candidate;
            const T squashed = h(after);
            const double dy_k = dh[k] + (dy ? static_cast<double>(dy[k]) : 0.0);
            const double dout = dy_k * static_cast<double>(squashed) * f.slope(gates[k + size]);
            double dcell = dc[k] + dy_k * out * h.slope(squashed);
            if (peepholes) dcell += dout * static_cast<double>(peepholes[k + size]);
            double din = dcell * candidate, dforget = dcell * before;
            if (cell.input_forget) din -= std::exchange(dforget, 0.0);
            din *= f.slope(gates[k]);
            dforget *= f.slope(gates[k + 2 * size]);
            dc[k] = dcell * forget;
            if (peepholes) {
              dc[k] += din * static_cast<double>(peepholes[k]) +
                       dforget * static_cast<double>(peepholes[k + 2 * size]);
              dpeepholes[k] += din * before;
              dpeepholes[k + size] += dout * after;
              dpeepholes[k + 2 * size] += dforget * before;
            }
            dgates[k] = din;
            dgates[k + size] = dout;
            dgates[k + 2 * size] = dforget;
            dgates[k + 3 * size] = dcell * in * g.slope(gates[k + 3 * size]);
          }
          std::fill(dh.begin(), dh.end(), 0.0);
          add_transposed(r, 0, dgates, dh);
        }
        write(row(output<T>(args, 0), place, 4 * n), dgates);
      }
      write(row(output<T>(args, 1), b, n), dh);
      write(row(output<T>(args, 2), b, n), dc);
    }
    write(output<T>(args, 3), dpeepholes);
  };
}

}  // namespace

Loop lstm_sequence(const KernelRequest& request) {
  static constexpr Row rows[] = {
      {"LstmSequence", by_float<lstm<float>, lstm<double>>},
      {"LstmSequenceGrad", by_float<lstm_gradient<float>, lstm_gradient<double>>},
  };
  return make_from(rows, request);
}

}  // namespace headrace::reference
