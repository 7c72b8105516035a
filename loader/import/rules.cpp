#include "loader/import/rules.h"

#include <map>

namespace headrace {
namespace {

std::map<std::string_view, const ImportRule*> all_rules() {
  std::map<std::string_view, const ImportRule*> rules;
  for (const auto family : {
           elementwise_rules(),
           activation_rules(),
           reduction_rules(),
           normalization_rules(),
           product_rules(),
           recurrent_rules(),
           einsum_rules(),
           convolution_rules(),
           pooling_rules(),
           resize_rules(),
           sampling_rules(),
           attention_rules(),
           rotary_embedding_rules(),
           linear_attention_rules(),
           signal_rules(),
           selection_rules(),
           shape_rules(),
           movement_rules(),
           indexing_rules(),
           constant_rules(),
           sequence_rules(),
           control_flow_rules(),
           loss_rules(),
           tabular_rules(),
           optimizer_rules(),
           random_rules(),
       }) {
    for (const ImportRule& rule : family) {
      const bool fresh = rules.emplace(rule.op, &rule).second;
      HEADRACE_CHECK(fresh, "two import rules for {}", rule.op);
    }
  }
  return rules;
}

}  // namespace

const ImportRule* find_rule(std::string_view op) {
  static const auto rules = all_rules();
  const auto it = rules.find(op);
  return it == rules.end() ? nullptr : it->second;
}

}  // namespace headrace
