#include <cmath>
#include <string>

#include "loader/import/rules.h"

namespace headrace {
namespace {

// The arithmetic operators of ai.onnx.ml that converters put in front of a network. Their numbers
// are attributes: constants, never trained.

std::vector<double> floats_of(const ImportContext& c, std::string_view name) {
  const auto* attribute = c.find(name);
  if (attribute == nullptr) return {};
  return {attribute->floats().begin(), attribute->floats().end()};
}

// One number for all features or one for each, on the last axis of x.
ValueId feature_row(ImportContext& c, std::string_view name, const std::vector<double>& numbers,
                    DType dtype) {
  const Shape& shape = c.shape(0);
  const auto count = static_cast<int64_t>(numbers.size());
  if (count != 1 && (shape.empty() || count != shape.back()))
    throw Unsupported("its {} has {} numbers for {}", name, count, to_string(c.type(0)));
  if (count == 1) return c.scalar(numbers[0], dtype);
  if (!is_float(dtype)) {
    const std::vector<int64_t> row(numbers.begin(), numbers.end());
    return c.cast(c.add_constant(make_host_tensor<int64_t>({count}, row)), dtype);
  }
  return c.cast(c.add_constant(make_host_tensor<double>({count}, numbers)), dtype);
}

ValueId as_f32(ImportContext& c) { return c.cast(c.value(0), DType::f32); }

void scaler(ImportContext& c) {
  ValueId y = as_f32(c);
  if (const auto offset = floats_of(c, "offset"); !offset.empty())
    y = c.add("Sub", {y, feature_row(c, "offset", offset, DType::f32)});
  if (const auto scale = floats_of(c, "scale"); !scale.empty())
    y = c.add("Mul", {y, feature_row(c, "scale", scale, DType::f32)});
  c.result(y);
}

// Rows divided by their norm; a row of zeros stays as it is.
void normalizer(ImportContext& c) {
  const std::string norm = c.get_string("norm", "MAX");
  const ValueId x = as_f32(c);
  const Attributes last = {{"axes", std::vector<int64_t>{c.rank(0) - 1}}, {"keepdims", int64_t{1}}};
  ValueId size = kNoValue;
  if (norm == "MAX")
    size = c.add("ReduceMax", {c.add("Abs", {x})}, last);
  else if (norm == "L1")
    size = c.add("ReduceSum", {c.add("Abs", {x})}, last);
  else if (norm == "L2")
    size = c.add("Sqrt", {c.add("ReduceSum", {c.add("Mul", {x, x})}, last)});
  else
    throw Unsupported("the norm '{}'", norm);
  c.result(c.add("Div", {x, c.add("Max", {size, c.scalar(1e-30, DType::f32)})}));
}

void binarizer(ImportContext& c) {
  const DType dtype = c.type(0).dtype;
  const ValueId threshold = c.scalar(c.get_float("threshold", 0), dtype);
  c.result(c.cast(c.add("Greater", {c.value(0), threshold}), dtype));
}

void imputer(ImportContext& c) {
  const ValueId x = c.value(0);
  const DType dtype = c.type(0).dtype;
  std::vector<double> values = floats_of(c, "imputed_value_floats");
  double replaced = c.get_float("replaced_value_float", 0);
  if (!is_float(dtype)) {
    const auto integers = c.get_ints("imputed_value_int64s");
    values.assign(integers.begin(), integers.end());
    replaced = static_cast<double>(c.get_int("replaced_value_int64", 0));
  }
  if (values.empty()) throw Unsupported("it says no values to put in");
  const ValueId missing =
      std::isnan(replaced) ? c.add("IsNaN", {x}) : c.add("Equal", {x, c.scalar(replaced, dtype)});
  c.result(c.add("Where", {missing, feature_row(c, "imputed values", values, dtype), x}));
}

void array_feature_extractor(ImportContext& c) {
  const auto columns = c.ints(1, "columns");
  const auto count = static_cast<int64_t>(columns.size());
  const int64_t rank = c.rank(0);
  const ValueId indices = c.add_constant(make_host_tensor<int64_t>({count}, columns));
  const ValueId picked = c.add("Gather", {c.value(0), indices}, {{"axis", rank - 1}});
  c.result(rank == 1 ? c.reshape(picked, {1, count}) : picked);
}

// Columns of several inputs side by side, each cut to its width or filled up with zeros.
void feature_vectorizer(ImportContext& c) {
  const auto widths = c.get_ints("inputdimensions");
  if (widths.size() != c.input_count())
    throw Unsupported("{} widths for {} inputs", widths.size(), c.input_count());
  std::vector<ValueId> parts;
  for (size_t i = 0; i < widths.size(); ++i) {
    ValueId part = c.cast(c.value(i), DType::f32);
    Shape shape = c.shape(i);
    if (shape.size() == 1) shape.push_back(1);
    if (shape.size() != 2 || widths[i] < 0)
      throw Unsupported("input {} is {}", i, to_string(c.type(i)));
    part = c.reshape(part, shape);
    if (widths[i] != shape[1])
      part = c.add("Pad", {part},
                   {{"pads", std::vector<int64_t>{0, 0, 0, widths[i] - shape[1]}},
                    {"mode", std::string("constant")},
                    {"value", 0.0}});
    parts.push_back(part);
  }
  c.result(c.add("Concat", parts, {{"axis", int64_t{1}}}));
}

}  // namespace

std::span<const ImportRule> tabular_rules() {
  static constexpr ImportRule kRules[] = {
      {"ai.onnx.ml::Scaler", scaler},
      {"ai.onnx.ml::Normalizer", normalizer},
      {"ai.onnx.ml::Binarizer", binarizer},
      {"ai.onnx.ml::Imputer", imputer},
      {"ai.onnx.ml::ArrayFeatureExtractor", array_feature_extractor},
      {"ai.onnx.ml::FeatureVectorizer", feature_vectorizer},
  };
  return kRules;
}

}  // namespace headrace
