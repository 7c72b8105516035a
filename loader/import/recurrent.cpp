#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <utility>

#include "loader/import/rules.h"

namespace headrace {
namespace {

using Values = std::vector<ValueId>;

// What RNN, GRU and LSTM have in common, after the two layouts and the directions are settled.
struct Recurrence {
  int64_t directions = 1;
  std::vector<int64_t> reversed;  // 0 or 1, of each direction
  bool batch_first = false;
  int64_t steps = 0, rows = 0, hidden = 0;
  ValueId x = kNoValue;  // [steps, rows, inputs]
  ValueId lengths = kNoValue;
};

Recurrence recurrence_of(ImportContext& c) {
  Recurrence r;
  const std::string direction = c.get_string("direction", "forward");
  if (direction == "bidirectional") {
    r.reversed = {0, 1};
  } else if (direction == "forward" || direction == "reverse") {
    r.reversed = {direction == "reverse" ? 1 : 0};
  } else {
    throw Unsupported("the direction '{}'", direction);
  }
  r.directions = static_cast<int64_t>(r.reversed.size());
  r.batch_first = c.get_int("layout", 0) != 0;
  const Shape matrix = c.shape(2);
  if (c.rank(0) != 3 || c.rank(1) != 3 || matrix.size() != 3 || matrix[0] != r.directions ||
      c.shape(1)[0] != r.directions)
    throw Unsupported("inputs {}, {} and {} in {} direction{}", to_string(c.type(0)),
                      to_string(c.type(1)), to_string(c.type(2)), r.directions,
                      r.directions == 1 ? "" : "s");
  r.hidden = matrix[2];
  r.x = c.value(0);
  if (r.batch_first) r.x = c.transpose(r.x, {1, 0, 2});
  const Shape x = c.type_of(r.x).shape;
  r.steps = x[0];
  r.rows = x[1];
  if (!c.has(4)) return r;
  if (c.operand(4).has_data()) {
    const auto lengths = c.ints(4, "lengths");
    if (std::all_of(lengths.begin(), lengths.end(), [&](int64_t l) { return l == r.steps; }))
      return r;
  }
  r.lengths = c.value(4);
  return r;
}

// One value for each entry of the leading axis.
Values entries(ImportContext& c, ValueId value) {
  const Shape shape = c.type_of(value).shape;
  const Shape entry(shape.begin() + 1, shape.end());
  Values parts = {value};
  if (shape[0] > 1)
    parts = c.add_all(
        "Split", {value},
        {{"axis", int64_t{0}}, {"split", std::vector<int64_t>(static_cast<size_t>(shape[0]), 1)}});
  for (ValueId& part : parts) part = c.reshape(part, entry);
  return parts;
}

// Of an input with a leading axis of the directions; kNoValue in each where it is left out.
Values of_directions(ImportContext& c, const Recurrence& r, size_t input) {
  if (!c.has(input)) return Values(static_cast<size_t>(r.directions), kNoValue);
  if (c.rank(input) < 1 || c.shape(input)[0] != r.directions)
    throw Unsupported("input {} is {} for {} directions", input, to_string(c.type(input)),
                      r.directions);
  return entries(c, c.value(input));
}

// Initial states, zeros where they are left out.
Values states_of(ImportContext& c, const Recurrence& r, size_t input) {
  if (c.has(input)) {
    ValueId states = c.value(input);
    if (c.rank(input) != 3) throw Unsupported("initial states {}", to_string(c.type(input)));
    if (r.batch_first) states = c.transpose(states, {1, 0, 2});
    return entries(c, states);
  }
  auto [zeros, bytes] = allocate_constant({c.type(0).dtype, {r.rows, r.hidden}});
  std::memset(bytes, 0, static_cast<size_t>(zeros.type.bytes()));
  return Values(static_cast<size_t>(r.directions), c.add_constant(zeros));
}

Values parts_of(ImportContext& c, ValueId bias, std::vector<int64_t> sizes) {
  return c.add_all("Split", {bias}, {{"axis", int64_t{0}}, {"split", std::move(sizes)}});
}

// The product of all steps' inputs with the input matrix, which no step waits for.
ValueId input_product(ImportContext& c, const Recurrence& r, ValueId w, ValueId bias) {
  Values inputs = {r.x, w};
  if (bias != kNoValue) inputs.push_back(bias);
  return c.add("MatMul", inputs, {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{1}}});
}

// B holds the biases of the input product, then those of the recurrent one.
ValueId joint_bias(ImportContext& c, ValueId b, int64_t size) {
  if (b == kNoValue) return kNoValue;
  const Values parts = parts_of(c, b, {size, size});
  return c.add("Add", {parts[0], parts[1]});
}

struct ActivationForm {
  std::string_view name;  // ONNX's, in small letters
  std::string_view canonical;
  bool takes_alpha = false, takes_beta = false;
  double alpha = 0, beta = 0;
};
constexpr std::array<ActivationForm, 11> kActivations = {{
    {"affine", "affine", true, true, 1, 0},
    {"elu", "elu", true, false, 1, 0},
    {"hardsigmoid", "hard_sigmoid", true, true, 0.2, 0.5},
    {"leakyrelu", "leaky_relu", true, false, 0.01, 0},
    {"relu", "relu"},
    {"scaledtanh", "scaled_tanh", true, true, 1, 1},
    {"sigmoid", "sigmoid"},
    {"softplus", "softplus"},
    {"softsign", "softsign"},
    {"tanh", "tanh"},
    {"thresholdedrelu", "thresholded_relu", true, false, 1, 0},
}};

// The attributes of each direction's operator. Constants are handed out in order to the activations
// that take one; the last ones may go without.
std::vector<Attributes> cells_of(ImportContext& c, const Recurrence& r,
                                 std::vector<std::string> defaults) {
  const size_t count = defaults.size();
  std::vector<std::string> names;
  if (const auto* given = c.find("activations"))
    names.assign(given->strings().begin(), given->strings().end());
  if (names.empty())
    for (int64_t d = 0; d < r.directions; ++d)
      names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != count * r.reversed.size())
    throw Unsupported("{} activations, {} wanted", names.size(), count * r.reversed.size());
  const auto constants = [&](const char* name) {
    const auto* list = c.find(name);
    return list == nullptr ? std::vector<double>()
                           : std::vector<double>(list->floats().begin(), list->floats().end());
  };
  const auto alphas = constants("activation_alpha"), betas = constants("activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  std::vector<Attributes> cells;
  for (size_t d = 0; d < r.reversed.size(); ++d) {
    std::string activations;
    std::vector<double> alpha, beta;
    for (size_t i = 0; i < count; ++i) {
      std::string name = names[d * count + i];
      for (char& letter : name)
        letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
      const auto form = std::find_if(kActivations.begin(), kActivations.end(),
                                     [&](const auto& known) { return known.name == name; });
      if (form == kActivations.end())
        throw Unsupported("the activation '{}'", names[d * count + i]);
      activations += fmt::format("{}{}", i == 0 ? "" : " ", form->canonical);
      alpha.push_back(form->takes_alpha && next_alpha < alphas.size() ? alphas[next_alpha++]
                                                                      : form->alpha);
      beta.push_back(form->takes_beta && next_beta < betas.size() ? betas[next_beta++]
                                                                  : form->beta);
    }
    cells.push_back({{"activations", activations},
                     {"alphas", alpha},
                     {"betas", beta},
                     {"reverse", r.reversed[d]},
                     {"clip", c.get_float("clip", 0)}});
  }
  return cells;
}

// Directions next to each other: sequences [T, D, N, H], states [D, N, H].
void sequence_result(ImportContext& c, const Recurrence& r, Values directions) {
  if (!c.wants(0)) return;
  for (ValueId& y : directions) y = c.reshape(y, {r.steps, 1, r.rows, r.hidden});
  ValueId y = directions[0];
  if (directions.size() > 1) y = c.add("Concat", directions, {{"axis", int64_t{1}}});
  if (r.batch_first) y = c.transpose(y, {2, 0, 1, 3});
  c.result(y, 0);
}
void state_result(ImportContext& c, const Recurrence& r, Values directions, size_t output) {
  if (!c.wants(output)) return;
  for (ValueId& h : directions) h = c.reshape(h, {1, r.rows, r.hidden});
  ValueId h = directions[0];
  if (directions.size() > 1) h = c.add("Concat", directions, {{"axis", int64_t{0}}});
  if (r.batch_first) h = c.transpose(h, {1, 0, 2});
  c.result(h, output);
}

void lstm(ImportContext& c) {
  const Recurrence r = recurrence_of(c);
  const auto cells = cells_of(c, r, {"Sigmoid", "Tanh", "Tanh"});
  const Values w = of_directions(c, r, 1), matrices = of_directions(c, r, 2),
               b = of_directions(c, r, 3), peepholes = of_directions(c, r, 7);
  const Values h0 = states_of(c, r, 5), c0 = states_of(c, r, 6);
  Values y, h, cell_states;
  for (size_t d = 0; d < cells.size(); ++d) {
    Attributes cell = cells[d];
    cell.set("input_forget", c.get_int("input_forget", 0));
    const ValueId xw = input_product(c, r, w[d], joint_bias(c, b[d], 4 * r.hidden));
    const Values made =
        c.add_all("LstmSequence", {xw, matrices[d], h0[d], c0[d], peepholes[d], r.lengths}, cell);
    y.push_back(made[0]);
    h.push_back(made[1]);
    cell_states.push_back(made[2]);
  }
  sequence_result(c, r, y);
  state_result(c, r, h, 1);
  state_result(c, r, cell_states, 2);
}

// With linear_before_reset the candidate's recurrent bias is scaled by the reset gate and stays
// apart.
void gru(ImportContext& c) {
  const Recurrence r = recurrence_of(c);
  const auto cells = cells_of(c, r, {"Sigmoid", "Tanh"});
  const int64_t linear = c.get_int("linear_before_reset", 0) != 0 ? 1 : 0;
  const Values w = of_directions(c, r, 1), matrices = of_directions(c, r, 2),
               b = of_directions(c, r, 3);
  const Values h0 = states_of(c, r, 5);
  Values y, h;
  for (size_t d = 0; d < cells.size(); ++d) {
    Attributes cell = cells[d];
    cell.set("linear_before_reset", linear);
    ValueId bias = kNoValue, candidate_bias = kNoValue;
    if (b[d] != kNoValue && linear != 0) {
      const int64_t n = r.hidden;
      const Values parts = parts_of(c, b[d], {2 * n, n, 2 * n, n});
      const ValueId gates = c.add("Add", {parts[0], parts[2]});
      bias = c.add("Concat", {gates, parts[1]}, {{"axis", int64_t{0}}});
      candidate_bias = parts[3];
    } else {
      bias = joint_bias(c, b[d], 3 * r.hidden);
    }
    const ValueId xw = input_product(c, r, w[d], bias);
    const Values made =
        c.add_all("GruSequence", {xw, matrices[d], h0[d], candidate_bias, r.lengths}, cell);
    y.push_back(made[0]);
    h.push_back(made[1]);
  }
  sequence_result(c, r, y);
  state_result(c, r, h, 1);
}

void rnn(ImportContext& c) {
  const Recurrence r = recurrence_of(c);
  const auto cells = cells_of(c, r, {"Tanh"});
  const Values w = of_directions(c, r, 1), matrices = of_directions(c, r, 2),
               b = of_directions(c, r, 3);
  const Values h0 = states_of(c, r, 5);
  Values y, h;
  for (size_t d = 0; d < cells.size(); ++d) {
    const ValueId xw = input_product(c, r, w[d], joint_bias(c, b[d], r.hidden));
    const Values made = c.add_all("RnnSequence", {xw, matrices[d], h0[d], r.lengths}, cells[d]);
    y.push_back(made[0]);
    h.push_back(made[1]);
  }
  sequence_result(c, r, y);
  state_result(c, r, h, 1);
}

}  // namespace

std::span<const ImportRule> recurrent_rules() {
  static constexpr ImportRule kRules[] = {{"LSTM", lstm}, {"GRU", gru}, {"RNN", rnn}};
  return kRules;
}

}  // namespace headrace
