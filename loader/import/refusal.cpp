#include "loader/import/refusal.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "graph/error.h"
#include "loader/import/function_body.h"
#include "loader/import/reach.h"
#include "loader/import/rules.h"
#include "loader/onnx/model_source.h"

namespace headrace {
namespace {

struct Reason {
  std::string_view op, why;
};

constexpr std::string_view kQuantized =
    "quantised arithmetic has no gradient; give the model as it was before quantisation";
constexpr std::string_view kTrees =
    "trees and support vectors have no gradient and nothing in them is trained by it";
constexpr std::string_view kLinear =
    "its weights are attributes, which are not trained; convert it to a Gemm";
constexpr std::string_view kStrings = "strings and categories are not numbers to differentiate";
constexpr std::string_view kSequences =
    "sequences, maps and optionals that are known only in the run are not supported";

constexpr auto kReasons = std::to_array<Reason>({
    {"QuantizeLinear", kQuantized},
    {"DequantizeLinear", kQuantized},
    {"DynamicQuantizeLinear", kQuantized},
    {"QLinearConv", kQuantized},
    {"QLinearMatMul", kQuantized},
    {"ConvInteger", kQuantized},
    {"MatMulInteger", kQuantized},
    {"ai.onnx.ml::TreeEnsemble", kTrees},
    {"ai.onnx.ml::TreeEnsembleClassifier", kTrees},
    {"ai.onnx.ml::TreeEnsembleRegressor", kTrees},
    {"ai.onnx.ml::SVMClassifier", kTrees},
    {"ai.onnx.ml::SVMRegressor", kTrees},
    {"ai.onnx.ml::LinearClassifier", kLinear},
    {"ai.onnx.ml::LinearRegressor", kLinear},
    {"ai.onnx.ml::CategoryMapper", kStrings},
    {"ai.onnx.ml::LabelEncoder", kStrings},
    {"ai.onnx.ml::OneHotEncoder", kStrings},
    {"ai.onnx.ml::CastMap", kSequences},
    {"ai.onnx.ml::DictVectorizer", kSequences},
    {"ai.onnx.ml::ZipMap", kSequences},
    {"RegexFullMatch", kStrings},
    {"StringConcat", kStrings},
    {"StringNormalizer", kStrings},
    {"StringSplit", kStrings},
    {"TfIdfVectorizer", kStrings},
    {"ImageDecoder", kStrings},
    {"SequenceErase", kSequences},
    {"SequenceInsert", kSequences},
    {"SequenceMap", kSequences},
});

bool is_of_onnx(const std::string& domain) {
  return is_default_domain(domain) || domain.starts_with("ai.onnx.");
}

}  // namespace

std::string operator_name(const onnx::NodeProto& node) {
  return is_default_domain(node.domain()) ? node.op_type() : node.domain() + "::" + node.op_type();
}

std::string refusal_by_name(const onnx::NodeProto& node) {
  const std::string name = operator_name(node);
  if (name == kGradientOperator || find_rule(name) != nullptr) return {};
  const auto known = std::find_if(kReasons.begin(), kReasons.end(),
                                  [&](const Reason& reason) { return reason.op == name; });
  if (known != kReasons.end()) return std::string(known->why);
  if (is_defined_by_others(node)) return {};
  if (is_of_onnx(node.domain())) return "the operator is not supported";
  return fmt::format("'{}' is not a domain of ONNX, and the model defines no function of this name",
                     node.domain());
}

}  // namespace headrace
