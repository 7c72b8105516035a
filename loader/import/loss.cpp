#include "loader/import/rules.h"

namespace headrace {
namespace {

Attributes loss_attributes(ImportContext& c) {
  Attributes attributes = {{"axis", int64_t{1}}, {"reduction", c.get_string("reduction", "mean")}};
  if (c.has_attribute("ignore_index")) attributes.set("ignore_index", c.get_int("ignore_index", 0));
  return attributes;
}

void softmax_cross_entropy(ImportContext& c) {
  c.result(c.add("SoftmaxCrossEntropy", c.values(), loss_attributes(c)));
  if (c.wants(1)) c.result(c.add("LogSoftmax", {c.value(0)}, {{"axis", int64_t{1}}}), 1);
}

void negative_log_likelihood(ImportContext& c) {
  c.result(c.add("NegativeLogLikelihood", c.values(), loss_attributes(c)));
}

}  // namespace

std::span<const ImportRule> loss_rules() {
  static constexpr ImportRule kRules[] = {
      {"SoftmaxCrossEntropyLoss", softmax_cross_entropy},
      {"NegativeLogLikelihoodLoss", negative_log_likelihood},
  };
  return kRules;
}

}  // namespace headrace
