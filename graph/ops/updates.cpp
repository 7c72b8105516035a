#include "graph/ops/families.h"
#include "graph/ops/rules.h"

namespace headrace {
namespace {

Types infer_update(const Node& node, TypeSpan in, size_t least, size_t most) {
  require_inputs(node, least, most);
  require_float(in[0]);
  for (size_t i = 1; i < in.size(); ++i)
    if (has_input(node, i)) require_type(i == 1 ? "gradient" : "state", in[i], in[0]);
  // Everything but the gradient comes back.
  Types out{in[0]};
  for (size_t i = 2; i < in.size(); ++i)
    if (has_input(node, i)) out.push_back(in[0]);
  return out;
}

Types infer_sgd(const Node& node, TypeSpan in) { return infer_update(node, in, 2, 3); }
Types infer_with_one_state(const Node& node, TypeSpan in) { return infer_update(node, in, 3, 3); }
Types infer_with_two_states(const Node& node, TypeSpan in) { return infer_update(node, in, 4, 4); }
Types infer_rmsprop(const Node& node, TypeSpan in) { return infer_update(node, in, 3, 4); }

Types infer_squared_norm(const Node& node, TypeSpan in) {
  require_inputs(node, 1);
  require_float(in[0]);
  return {{DType::f64, {}}};
}

}  // namespace

std::span<const OpDef> update_ops() {
  static constexpr OpDef kOps[] = {
      {"SgdUpdate", infer_sgd, nullptr, cost_per_element<6>},
      {"AdamUpdate", infer_with_two_states, nullptr, cost_per_element<10 + 2 * kDivision>},
      {"LambUpdate", infer_with_two_states, nullptr, cost_per_element<18 + 3 * kDivision>},
      {"LionUpdate", infer_with_one_state, nullptr, cost_per_element<10>},
      {"RmspropUpdate", infer_rmsprop, nullptr, cost_per_element<9 + 2 * kDivision>},
      {"AdagradUpdate", infer_with_one_state, nullptr, cost_per_element<7 + 2 * kDivision>},
      {"SquaredNorm", infer_squared_norm, nullptr, cost_per_element<2>},
  };
  return kOps;
}

}  // namespace headrace
