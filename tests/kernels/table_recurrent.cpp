#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

using Floats = std::vector<double>;

struct RecurrentForm {
  int64_t steps, rows, hidden;
};

Attributes cell(std::string activations, Floats alphas, Floats betas, int64_t reverse,
                double clip = 0) {
  return {{"activations", std::move(activations)},
          {"alphas", std::move(alphas)},
          {"betas", std::move(betas)},
          {"reverse", reverse},
          {"clip", clip}};
}

Attributes lstm_cell(int64_t reverse = 0, double clip = 0) {
  return cell("sigmoid tanh tanh", {0, 0, 0}, {0, 0, 0}, reverse, clip);
}
Attributes gru_cell(int64_t linear_before_reset, int64_t reverse = 0, double clip = 0) {
  Attributes a = cell("sigmoid tanh", {0, 0}, {0, 0}, reverse, clip);
  a.set("linear_before_reset", linear_before_reset);
  return a;
}

InputSpec matrix(int64_t gates, const RecurrentForm& f) {
  return f32({gates * f.hidden, f.hidden}, -0.5, 0.5);
}
InputSpec sequence(int64_t gates, const RecurrentForm& f) {
  return f32({f.steps, f.rows, gates * f.hidden});
}
InputSpec state(const RecurrentForm& f) { return f32({f.rows, f.hidden}); }
InputSpec lengths(const RecurrentForm& f) { return i32({f.rows}, 0, static_cast<double>(f.steps)); }

// Small, of a vector's length, beyond a loop's block; one step of one row.
constexpr RecurrentForm kForms[] = {{4, 3, 5}, {3, 2, 16}, {2, 2, 130}, {1, 1, 8}};
constexpr RecurrentForm kSmall = {4, 3, 5};

void add_lstm_rows(Table& t) {
  const auto row = [&](const RecurrentForm& f, Attributes a, InputSpec peepholes, InputSpec lengths,
                       std::vector<size_t> outputs) {
    t.push_back({"LstmSequence",
                 std::move(a),
                 {sequence(4, f), matrix(4, f), state(f), state(f), std::move(peepholes),
                  std::move(lengths)},
                 std::move(outputs)});
  };
  const InputSpec peepholes = f32({3 * kSmall.hidden});
  for (const RecurrentForm& f : kForms) row(f, lstm_cell(), absent(), absent(), {0, 1, 2});
  for (int64_t reverse : {0, 1}) {
    row(kSmall, lstm_cell(reverse), absent(), lengths(kSmall), {0, 1, 2});
    row(kSmall, lstm_cell(reverse), peepholes, lengths(kSmall), {0, 1, 2});
    row(kSmall, lstm_cell(reverse, 0.4), peepholes, absent(), {0, 1, 2});
  }
  for (size_t output : {0, 1, 2}) row(kSmall, lstm_cell(), absent(), absent(), {output});
  Attributes coupled = lstm_cell();
  coupled.set("input_forget", 1_i);
  row(kSmall, coupled, peepholes, absent(), {0, 1, 2});
  row(kSmall, cell("hard_sigmoid softsign affine", {0.2, 0, 1.5}, {0.5, 0, 0.1}, 0), absent(),
      absent(), {0, 1, 2});
  row(kSmall, cell("sigmoid scaled_tanh elu", {0, 1.7, 0.8}, {0, 0.6, 0}, 0), absent(), absent(),
      {0, 1, 2});
}

void add_gru_rows(Table& t) {
  const auto row = [&](const RecurrentForm& f, Attributes a, InputSpec bias, InputSpec lengths,
                       std::vector<size_t> outputs) {
    t.push_back({"GruSequence",
                 std::move(a),
                 {sequence(3, f), matrix(3, f), state(f), std::move(bias), std::move(lengths)},
                 std::move(outputs)});
  };
  for (int64_t linear : {0, 1}) {
    for (const RecurrentForm& f : kForms) row(f, gru_cell(linear), absent(), absent(), {0, 1});
    for (int64_t reverse : {0, 1})
      row(kSmall, gru_cell(linear, reverse), absent(), lengths(kSmall), {0, 1});
    row(kSmall, gru_cell(linear, 0, 0.4), absent(), absent(), {0, 1});
    row(kSmall, gru_cell(linear), absent(), absent(), {1});
  }
  row(kSmall, gru_cell(1), f32({kSmall.hidden}), absent(), {0, 1});
  row(kSmall, gru_cell(1, 1), f32({kSmall.hidden}), lengths(kSmall), {0});
  Attributes other = cell("hard_sigmoid softplus", {0.2, 0}, {0.5, 0}, 0);
  other.set("linear_before_reset", 0_i);
  row(kSmall, other, absent(), absent(), {0, 1});
}

void add_rnn_rows(Table& t) {
  const auto row = [&](const RecurrentForm& f, Attributes a, InputSpec lengths,
                       std::vector<size_t> outputs) {
    t.push_back({"RnnSequence",
                 std::move(a),
                 {sequence(1, f), matrix(1, f), state(f), std::move(lengths)},
                 std::move(outputs)});
  };
  for (const RecurrentForm& f : kForms) row(f, cell("tanh", {0}, {0}, 0), absent(), {0, 1});
  for (int64_t reverse : {0, 1})
    row(kSmall, cell("tanh", {0}, {0}, reverse), lengths(kSmall), {0, 1});
  row(kSmall, cell("tanh", {0}, {0}, 0, 0.5), absent(), {1});
  for (const char* activation : {"sigmoid", "relu", "softplus", "softsign"})
    row(kSmall, cell(activation, {0}, {0}, 0), absent(), {0, 1});
  row(kSmall, cell("affine", {0.6}, {0.2}, 0), absent(), {0, 1});
  row(kSmall, cell("elu", {0.7}, {0}, 0), absent(), {0, 1});
  row(kSmall, cell("leaky_relu", {0.1}, {0}, 0), absent(), {0, 1});
  row(kSmall, cell("hard_sigmoid", {0.3}, {0.5}, 0), absent(), {0, 1});
  row(kSmall, cell("scaled_tanh", {1.2}, {0.7}, 0), absent(), {0, 1});
  row(kSmall, cell("thresholded_relu", {0.2}, {0}, 0), absent(), {0});
}

}  // namespace

void add_recurrent_rows(Table& t) {
  add_lstm_rows(t);
  add_gru_rows(t);
  add_rnn_rows(t);
}

}  // namespace headrace
