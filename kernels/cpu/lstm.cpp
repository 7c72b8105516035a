#include "kernels/cpu/recurrent.h"

namespace headrace::cpu {
namespace {

// xw, r, h0, c0, [peepholes], [lengths] -> y, h_last, c_last, gates, previous, previous_cells
class LstmKernel : public Kernel {
 public:
  LstmKernel(const Context& context, const Sequence& s)
      : s_(s),
        product_(context, {s.rows, s.hidden, s.hidden}, {s.hidden, 4 * s.hidden, 1, s.hidden},
                 4 * s.hidden, true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }
  int in_place_input(size_t output) const override { return output == 3 ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden, state = s_.rows * n;
    const float* xw = floats_in(args, 0);
    const int32_t* lengths = lengths_in(args, 5);
    float *y = floats_out(args, 0), *gates = floats_out(args, 3);
    float *previous = floats_out(args, 4), *cells = floats_out(args, 5);
    vector::RecurrentCell cell = s_.cell;
    cell.peepholes = floats_in(args, 4);
    const auto step = vector_table().recurrent->lstm;

    product_.pack(floats_in(args, 1), args.workspace);
    copy_floats(floats_in(args, 2), previous + s_.place(0) * n, state);
    copy_floats(floats_in(args, 3), cells + s_.place(0) * n, state);
    for (int64_t i = 0; i < s_.steps; ++i) {
      const int64_t place = s_.place(i);
      const bool last = i + 1 == s_.steps;
      const float *h = previous + place * n, *c = cells + place * n;
      float* next_h = last ? floats_out(args, 1) : previous + s_.place(i + 1) * n;
      float* next_c = last ? floats_out(args, 2) : cells + s_.place(i + 1) * n;
      float* sums = gates + place * 4 * n;
      copy_floats(xw + place * 4 * n, sums, 4 * state);
      product_.run(h, sums);
      s_.for_rows(lengths, s_.step(i), [&](int64_t row, bool within) {
        const int64_t at = row * n;
        float* y_row = y + place * n + at;
        if (within) {
          step(sums + 4 * at, c + at, next_c + at, next_h + at, n, cell);
          copy_floats(next_h + at, y_row, n);
          return;
        }
        clear_floats(sums + 4 * at, 4 * n);
        clear_floats(y_row, n);
        copy_floats(h + at, next_h + at, n);
        copy_floats(c + at, next_c + at, n);
      });
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct product_;
};

// r, gates, previous_cells, [peepholes], [lengths], [dy], [dh_last], [dc_last] -> dxw, dh0, dc0,
// [dpeepholes]
class LstmGradientKernel : public Kernel {
 public:
  LstmGradientKernel(const Context& context, const Sequence& s)
      : s_(s),
        product_(context, {s.rows, 4 * s.hidden, 4 * s.hidden}, {4 * s.hidden, s.hidden, s.hidden},
                 s.hidden, true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden, state = s_.rows * n;
    const float *gates = floats_in(args, 1), *cells = floats_in(args, 2);
    const int32_t* lengths = lengths_in(args, 4);
    const float* dy = floats_in(args, 5);
    float *dxw = floats_out(args, 0), *dh = floats_out(args, 1), *dc = floats_out(args, 2);
    vector::RecurrentCell cell = s_.cell;
    cell.peepholes = floats_in(args, 3);
    float* dpeepholes = cell.peepholes == nullptr ? nullptr : floats_out(args, 3);
    if (dpeepholes != nullptr) clear_floats(dpeepholes, 3 * n);
    const vector::Table& table = vector_table();

    product_.pack(floats_in(args, 0), args.workspace);
    copy_or_clear(floats_in(args, 6), dh, state);
    copy_or_clear(floats_in(args, 7), dc, state);
    for (int64_t i = s_.steps; i-- > 0;) {
      const int64_t place = s_.place(i);
      const auto one_row = [&](int64_t row, bool within) {
        const int64_t at = place * n + row * n;
        if (!within) {
          clear_floats(dxw + 4 * at, 4 * n);
          return;
        }
        float* dh_row = dh + row * n;
        if (dy != nullptr) table.elementwise->add_to(dy + at, dh_row, n);
        table.recurrent->lstm_gradient(gates + 4 * at, cells + at, dh_row, dc + row * n,
                                       dxw + 4 * at, dpeepholes, n, cell);
      };
      if (dpeepholes == nullptr) {
        s_.for_rows(lengths, s_.step(i), one_row);
      } else {  // all rows add to one sum
        for (int64_t row = 0; row < s_.rows; ++row)
          one_row(row, lengths == nullptr || s_.step(i) < lengths[row]);
      }
      product_.run(dxw + place * 4 * n, dh);
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct product_;
};

}  // namespace

Prepared prepare_lstm(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<LstmKernel>(context, sequence_of(request, 0, 1));
}

Prepared prepare_lstm_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<LstmGradientKernel>(context, sequence_of(request, 1, 0));
}

}  // namespace headrace::cpu
