#include "kernels/cpu/recurrent.h"

namespace headrace::cpu {
namespace {

// xw, r, h0, [recurrent bias], [lengths] -> y, h_last, gates, previous, hidden. `hidden` is what
// the candidate's rows of r multiply or, with linear_before_reset, what they give.
class GruKernel : public Kernel {
 public:
  GruKernel(const Context& context, const Sequence& s, bool linear)
      : s_(s),
        linear_(linear),
        gates_product_(context, {s.rows, s.hidden, s.hidden}, {s.hidden, 2 * s.hidden, 1, s.hidden},
                       3 * s.hidden, true, workspace_),
        candidate_product_(context, {s.rows, s.hidden, s.hidden}, {s.hidden, s.hidden, 1, s.hidden},
                           linear ? s.hidden : 3 * s.hidden, true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }
  int in_place_input(size_t output) const override { return output == 2 ? 0 : -1; }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden, state = s_.rows * n;
    const float *xw = floats_in(args, 0), *r = floats_in(args, 1), *bias = floats_in(args, 3);
    const int32_t* lengths = lengths_in(args, 4);
    float *y = floats_out(args, 0), *gates = floats_out(args, 2);
    float *previous = floats_out(args, 3), *hidden = floats_out(args, 4);
    const vector::RecurrentTable& loops = *vector_table().recurrent;

    gates_product_.pack(r, args.workspace);
    candidate_product_.pack(r + 2 * n * n, args.workspace);
    copy_floats(floats_in(args, 2), previous + s_.place(0) * n, state);
    for (int64_t i = 0; i < s_.steps; ++i) {
      const int64_t place = s_.place(i), t = s_.step(i);
      const float* h = previous + place * n;
      float* next = i + 1 == s_.steps ? floats_out(args, 1) : previous + s_.place(i + 1) * n;
      float *sums = gates + place * 3 * n, *inner = hidden + place * n;
      copy_floats(xw + place * 3 * n, sums, 3 * state);
      gates_product_.run(h, sums);
      s_.for_rows(lengths, t, [&](int64_t row, bool) {
        const int64_t at = row * n;
        loops.gru_gates(sums + 3 * at, h + at, linear_ ? nullptr : inner + at, n, s_.cell);
        if (linear_) copy_or_clear(bias, inner + at, n);
      });
      if (linear_)
        candidate_product_.run(h, inner);
      else
        candidate_product_.run(inner, sums + 2 * n);
      s_.for_rows(lengths, t, [&](int64_t row, bool within) {
        const int64_t at = row * n;
        float* y_row = y + place * n + at;
        if (within) {
          loops.gru_state(sums + 3 * at, linear_ ? inner + at : nullptr, h + at, next + at, n,
                          s_.cell);
          copy_floats(next + at, y_row, n);
          return;
        }
        clear_floats(sums + 3 * at, 3 * n);
        clear_floats(inner + at, n);
        clear_floats(y_row, n);
        copy_floats(h + at, next + at, n);
      });
    }
  }

 private:
  Sequence s_;
  bool linear_;
  WorkspacePlan workspace_;
  StepProduct gates_product_, candidate_product_;
};

// r, gates, previous, hidden, [lengths], [dy], [dh_last] -> dxw, dh0. The candidate's gradient goes
// through its rows of r to the reset gate first, the others after it.
class GruGradientKernel : public Kernel {
 public:
  GruGradientKernel(const Context& context, const Sequence& s)
      : s_(s),
        candidate_product_(context, {s.rows, s.hidden, 3 * s.hidden},
                           {s.hidden, s.hidden, s.hidden}, s.hidden, false, workspace_),
        gates_product_(context, {s.rows, 2 * s.hidden, 3 * s.hidden},
                       {2 * s.hidden, s.hidden, s.hidden}, s.hidden, true, workspace_),
        dreset_(workspace_.reserve(static_cast<size_t>(s.rows * s.hidden) * sizeof(float))) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden;
    const float *r = floats_in(args, 0), *gates = floats_in(args, 1), *dy = floats_in(args, 5);
    const float* previous = floats_in(args, 2);
    const int32_t* lengths = lengths_in(args, 4);
    float *dxw = floats_out(args, 0), *dh = floats_out(args, 1);
    auto* dreset = reinterpret_cast<float*>(static_cast<std::byte*>(args.workspace) + dreset_);
    const vector::Table& table = vector_table();

    candidate_product_.pack(r + 2 * n * n, args.workspace);
    gates_product_.pack(r, args.workspace);
    copy_or_clear(floats_in(args, 6), dh, s_.rows * n);
    for (int64_t i = s_.steps; i-- > 0;) {
      const int64_t place = s_.place(i), t = s_.step(i);
      s_.for_rows(lengths, t, [&](int64_t row, bool within) {
        const int64_t at = (place + row) * n;
        if (!within) {
          clear_floats(dxw + 3 * at, 3 * n);
          return;
        }
        if (dy != nullptr) table.elementwise->add_to(dy + at, dh + row * n, n);
        table.recurrent->gru_state_gradient(gates + 3 * at, previous + at, dh + row * n,
                                            dxw + 3 * at, n, s_.cell);
      });
      candidate_product_.run(dxw + place * 3 * n + 2 * n, dreset);
      s_.for_rows(lengths, t, [&](int64_t row, bool within) {
        const int64_t at = (place + row) * n;
        if (within)
          table.recurrent->gru_reset_before_gradient(gates + 3 * at, previous + at,
                                                     dreset + row * n, dh + row * n, dxw + 3 * at,
                                                     n, s_.cell);
      });
      gates_product_.run(dxw + place * 3 * n, dh);
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct candidate_product_, gates_product_;
  size_t dreset_;
};

// The same with linear_before_reset, and -> dproducts: the gradients of all products with r.
class LinearGruGradientKernel : public Kernel {
 public:
  LinearGruGradientKernel(const Context& context, const Sequence& s)
      : s_(s),
        product_(context, {s.rows, 3 * s.hidden, 3 * s.hidden}, {3 * s.hidden, s.hidden, s.hidden},
                 s.hidden, true, workspace_) {}

  size_t workspace_bytes() const override { return workspace_.bytes(); }

  void run(const KernelArgs& args) const override {
    const int64_t n = s_.hidden;
    const float *gates = floats_in(args, 1), *dy = floats_in(args, 5);
    const float *previous = floats_in(args, 2), *hidden = floats_in(args, 3);
    float *dxw = floats_out(args, 0), *dh = floats_out(args, 1), *dproducts = floats_out(args, 2);
    const vector::Table& table = vector_table();

    product_.pack(floats_in(args, 0), args.workspace);
    copy_or_clear(floats_in(args, 6), dh, s_.rows * n);
    for (int64_t i = s_.steps; i-- > 0;) {
      const int64_t place = s_.place(i);
      s_.for_rows(lengths_in(args, 4), s_.step(i), [&](int64_t row, bool within) {
        const int64_t at = (place + row) * n;
        if (!within) {
          clear_floats(dxw + 3 * at, 3 * n);
          clear_floats(dproducts + 3 * at, 3 * n);
          return;
        }
        if (dy != nullptr) table.elementwise->add_to(dy + at, dh + row * n, n);
        table.recurrent->gru_state_gradient(gates + 3 * at, previous + at, dh + row * n,
                                            dxw + 3 * at, n, s_.cell);
        table.recurrent->gru_reset_after_gradient(gates + 3 * at, hidden + at, dxw + 3 * at,
                                                  dproducts + 3 * at + 2 * n, n, s_.cell);
        copy_floats(dxw + 3 * at, dproducts + 3 * at, 2 * n);
      });
      product_.run(dproducts + place * 3 * n, dh);
    }
  }

 private:
  Sequence s_;
  WorkspacePlan workspace_;
  StepProduct product_;
};

}  // namespace

Prepared prepare_gru(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  const bool linear = request.node->attributes.get_int("linear_before_reset", 0) != 0;
  return std::make_unique<GruKernel>(context, sequence_of(request, 0, 1), linear);
}

Prepared prepare_gru_gradient(const Context& context, const KernelRequest& request) {
  if (std::string why = refusal_of_sequence(request); !why.empty()) return refuse("{}", why);
  const Sequence s = sequence_of(request, 1, 0);
  if (request.node->attributes.get_int("linear_before_reset", 0) != 0)
    return std::make_unique<LinearGruGradientKernel>(context, s);
  return std::make_unique<GruGradientKernel>(context, s);
}

}  // namespace headrace::cpu
