#include "kernels/cpu/recurrent.h"

namespace headrace::cpu {
namespace {

// xw, r, h0, [lengths] -> y, h_last, previous
class RnnKernel : public Kernel {
 public:
  RnnKernel(const Context& context, const Sequence& s)
      : s_(s),
        product_(context, {s.rows, s.hidden, s.hidden}, {s.hidden, s.hidden, 1, s.hidden}, s.hidden,
                 true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }
  int in_place_input(size_t output) const override { return output == 0 ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden, state = s_.rows * n;
    const float* xw = floats_in(args, 0);
    float *y = floats_out(args, 0), *previous = floats_out(args, 2);
    const auto gate = vector_table().recurrent->gate;

    product_.pack(floats_in(args, 1), args.workspace);
    copy_floats(floats_in(args, 2), previous + s_.place(0) * n, state);
    for (int64_t i = 0; i < s_.steps; ++i) {
      const int64_t place = s_.place(i);
      const float* h = previous + place * n;
      float* next = i + 1 == s_.steps ? floats_out(args, 1) : previous + s_.place(i + 1) * n;
      float* sums = y + place * n;
      copy_floats(xw + place * n, sums, state);
      product_.run(h, sums);
      s_.for_rows(lengths_in(args, 3), s_.step(i), [&](int64_t row, bool within) {
        const int64_t at = row * n;
        if (within)
          gate(sums + at, sums + at, n, s_.cell);
        else
          clear_floats(sums + at, n);
        copy_floats(within ? sums + at : h + at, next + at, n);
      });
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct product_;
};

// r, y, [lengths], [dy], [dh_last] -> dxw, dh0
class RnnGradientKernel : public Kernel {
 public:
  RnnGradientKernel(const Context& context, const Sequence& s)
      : s_(s),
        product_(context, {s.rows, s.hidden, s.hidden}, {s.hidden, s.hidden, s.hidden}, s.hidden,
                 true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden;
    const float *y = floats_in(args, 1), *dy = floats_in(args, 3);
    float *dxw = floats_out(args, 0), *dh = floats_out(args, 1);
    const vector::Table& table = vector_table();

    product_.pack(floats_in(args, 0), args.workspace);
    copy_or_clear(floats_in(args, 4), dh, s_.rows * n);
    for (int64_t i = s_.steps; i-- > 0;) {
      const int64_t place = s_.place(i);
      s_.for_rows(lengths_in(args, 2), s_.step(i), [&](int64_t row, bool within) {
        const int64_t at = (place + row) * n;
        if (!within) {
          clear_floats(dxw + at, n);
          return;
        }
        float* dh_row = dh + row * n;
        if (dy != nullptr) table.elementwise->add_to(dy + at, dh_row, n);
        table.recurrent->gate_gradient(dh_row, y + at, dxw + at, n, s_.cell);
        clear_floats(dh_row, n);
      });
      product_.run(dxw + place * n, dh);
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct product_;
};

}  // namespace

Prepared prepare_rnn(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<RnnKernel>(context, sequence_of(request, 0, 1));
}

Prepared prepare_rnn_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  return std::make_unique<RnnGradientKernel>(context, sequence_of(request, 1, 0));
}

}  // namespace headrace::cpu
