#include "loader/import/context.h"

#include <algorithm>
#include <numeric>

#include "loader/onnx/size_limit.h"
#include "loader/onnx/tensor_proto.h"

namespace headrace {

Operand constant_operand(HostTensor data, std::string name) {
  return {.kind = Operand::Kind::constant,
          .data = std::move(data),
          .name = std::move(name),
          .in_graph = std::make_shared<ValueId>(kNoValue)};
}

std::pair<HostTensor, std::byte*> allocate_constant(TensorType type) {
  if (type.bytes() > kLargestConstant)
    throw Unsupported("a constant of type {} would take {} bytes", to_string(type), type.bytes());
  return allocate_host_tensor(std::move(type));
}

ImportContext::ImportContext(ImportTarget& target, ImportedNode node, std::vector<Operand> inputs)
    : target_(target),
      node_(std::move(node)),
      inputs_(std::move(inputs)),
      values_(inputs_.size(), kNoValue),
      outputs_(static_cast<size_t>(node_.proto.output_size())) {}

SubgraphImporter& ImportContext::subgraphs() const {
  HEADRACE_CHECK(node_.subgraphs != nullptr, "{} among constants", op());
  return *node_.subgraphs;
}

DType ImportContext::computed_dtype(int64_t onnx_type) const {
  const auto element_type = static_cast<int32_t>(onnx_type);
  const auto dtype = dtype_of_onnx(element_type);
  if (!dtype) throw Unsupported("elements of type {}", onnx_type_name(element_type));
  return target_.types.of(*dtype);
}

bool ImportContext::has(size_t input) const {
  return input < inputs_.size() && inputs_[input].kind != Operand::Kind::absent;
}

bool ImportContext::wants(size_t output) const {
  return output < outputs_.size() && !node().output(static_cast<int>(output)).empty();
}

WeightTable::Reader ImportContext::reader(size_t input) const {
  return {.node = &node(),
          .input = static_cast<int>(input),
          .graph = node_.path,
          .alias = inputs_.at(input).alias,
          .in_file = node_.in_file && !inputs_.at(input).tied};
}

ValueId ImportContext::value(size_t input) {
  if (!has(input)) return kNoValue;
  if (values_[input] == kNoValue) values_[input] = make_value(inputs_[input], reader(input));
  return values_[input];
}

ValueId ImportContext::value_of(const Operand& operand) {
  return make_value(operand, {.node = &node(), .graph = node_.path, .in_file = false});
}

ValueId ImportContext::make_value(const Operand& operand, const WeightTable::Reader& reader) {
  switch (operand.kind) {
    case Operand::Kind::computed:
      return operand.value;
    case Operand::Kind::weight:
      HEADRACE_CHECK(target_.weights != nullptr);
      return target_.weights->parameter(operand.weight, reader);
    case Operand::Kind::constant: {
      if (target_.weights == nullptr) return add_constant(operand.data);
      ValueId& known = *operand.in_graph;
      if (known == kNoValue)
        known = operand.name.empty() ? add_constant(operand.data)
                                     : target_.graph->add_constant(operand.name, operand.data);
      return known;
    }
    default:
      throw Unsupported("a sequence stands where a tensor is wanted");
  }
}

std::vector<ValueId> ImportContext::values() {
  std::vector<ValueId> result;
  for (size_t i = 0; i < inputs_.size(); ++i) result.push_back(value(i));
  return result;
}

ValueId ImportContext::state(size_t input) {
  const Operand& operand = inputs_.at(input);
  if (operand.kind == Operand::Kind::computed) return operand.value;
  if (operand.weight < 0 || target_.weights == nullptr)
    throw Unsupported("running statistics that are not stored in the model");
  return target_.weights->state(operand.weight, reader(input));
}

void ImportContext::set_state(ValueId read, ValueId replacement) {
  if (target_.weights != nullptr) target_.weights->set_state(read, replacement);
}

bool ImportContext::frozen(size_t input) const {
  const int weight = inputs_.at(input).weight;
  return weight >= 0 && target_.weights != nullptr &&
         target_.weights->frozen(weight, reader(input));
}

bool ImportContext::stands_for_none(size_t input, double number) const {
  const Operand& operand = inputs_.at(input);
  if (!operand.has_data() || !is_float(operand.data.type.dtype)) return false;
  if (operand.weight >= 0 && target_.weights != nullptr &&
      !target_.weights->has_generated_name(operand.weight))
    return false;
  const auto values = to_doubles(operand.data);
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == number; });
}

TensorType ImportContext::type(size_t input) const {
  const Operand& operand = inputs_.at(input);
  if (operand.kind == Operand::Kind::computed) return target_.graph->value(operand.value).type;
  if (operand.has_data()) return operand.data.type;
  throw Unsupported("input {} is {}", input,
                    operand.kind == Operand::Kind::absent ? "left out" : "not a tensor");
}

int64_t ImportContext::axis(int64_t fallback, int64_t rank) const {
  return normalize_axis(get_int("axis", fallback), rank);
}

const HostTensor* ImportContext::contents(const Operand& operand) const {
  if (operand.has_data()) return &operand.data;
  if (operand.kind != Operand::Kind::computed || target_.known == nullptr) return nullptr;
  return target_.known->find(operand.value);
}

const HostTensor& ImportContext::constant(size_t input, std::string_view what) const {
  const HostTensor* known = contents(inputs_.at(input));
  if (known == nullptr)
    throw Unsupported(
        "its {} (input {}, '{}') is computed from data; it must be known before the run", what,
        input, node().input(static_cast<int>(input)));
  return *known;
}

std::vector<int64_t> ImportContext::ints(size_t input, std::string_view what) const {
  const HostTensor& data = constant(input, what);
  if (is_float(data.type.dtype)) throw Unsupported("its {} is {}", what, to_string(data.type));
  return to_int64s(data);
}

double ImportContext::number(size_t input, std::string_view what) const {
  const HostTensor& data = constant(input, what);
  if (data.type.elements() != 1)
    throw Unsupported("its {} has {} elements instead of one", what, data.type.elements());
  if (!is_float(data.type.dtype)) return static_cast<double>(to_int64s(data)[0]);
  return to_doubles(data)[0];
}

const onnx::AttributeProto* ImportContext::find(std::string_view name) const {
  for (const auto& attribute : node().attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t ImportContext::get_int(std::string_view name, int64_t fallback) const {
  const auto* attribute = find(name);
  return attribute == nullptr ? fallback : attribute->i();
}

double ImportContext::get_float(std::string_view name, double fallback) const {
  const auto* attribute = find(name);
  return attribute == nullptr ? fallback : attribute->f();
}

std::string ImportContext::get_string(std::string_view name, std::string_view fallback) const {
  const auto* attribute = find(name);
  return attribute == nullptr ? std::string(fallback) : attribute->s();
}

std::vector<int64_t> ImportContext::get_ints(std::string_view name) const {
  const auto* attribute = find(name);
  if (attribute == nullptr) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<ValueId> ImportContext::add_all(std::string op, std::vector<ValueId> inputs,
                                            Attributes attributes) {
  const NodeId id = target_.graph->add_node({.op = std::move(op),
                                             .name = {},
                                             .inputs = std::move(inputs),
                                             .outputs = {},
                                             .attributes = std::move(attributes)});
  return target_.graph->node(id).outputs;
}

ValueId ImportContext::add(std::string op, std::vector<ValueId> inputs, Attributes attributes) {
  return add_all(std::move(op), std::move(inputs), std::move(attributes)).at(0);
}

ValueId ImportContext::reshape(ValueId x, Shape shape) {
  if (type_of(x).shape == shape) return x;
  return add("Reshape", {x}, {{"shape", std::move(shape)}});
}

ValueId ImportContext::transpose(ValueId x, std::vector<int64_t> perm) {
  std::vector<int64_t> same(perm.size());
  std::iota(same.begin(), same.end(), 0);
  if (perm == same) return x;
  return add("Transpose", {x}, {{"perm", std::move(perm)}});
}

ValueId ImportContext::part(ValueId x, size_t axis, int64_t begin, int64_t end) {
  Shape ends = type_of(x).shape, starts(ends.size(), 0);
  if (begin == 0 && end == ends[axis]) return x;
  starts[axis] = begin;
  ends[axis] = end;
  const Shape steps(ends.size(), 1);
  return add("Slice", {x}, {{"starts", starts}, {"ends", ends}, {"steps", steps}});
}

ValueId ImportContext::cast(ValueId x, DType dtype) {
  if (type_of(x).dtype == dtype) return x;
  return add("Cast", {x}, {{"to", std::string(name_of(dtype))}});
}

ValueId ImportContext::positions(int64_t n, int64_t axis, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), 1);
  shape[static_cast<size_t>(axis)] = n;
  auto [numbers, bytes] = allocate_constant({DType::i64, std::move(shape)});
  std::iota(reinterpret_cast<int64_t*>(bytes), reinterpret_cast<int64_t*>(bytes) + n, 0);
  return add_constant(numbers);
}

ValueId ImportContext::scalar(double value, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return add_constant(scalar_tensor(static_cast<float>(value)));
    case DType::f64:
      return add_constant(scalar_tensor(value));
    case DType::i32:
      return add_constant(scalar_tensor(static_cast<int32_t>(value)));
    case DType::i64:
      return add_constant(scalar_tensor(static_cast<int64_t>(value)));
    default:
      throw Unsupported("elements of type {}", name_of(dtype));
  }
}

ValueId ImportContext::add_constant(HostTensor data) {
  target_.constant_bytes += data.type.bytes();
  if (target_.constant_bytes > kLargestConstants)
    throw Unsupported("the constants before it and it take {} bytes", target_.constant_bytes);
  const size_t number = target_.graph->values().size();
  return target_.graph->add_constant(fmt::format("constant_{}", number), std::move(data));
}

void ImportContext::result(ValueId value, size_t output) {
  result(Operand{.kind = Operand::Kind::computed, .value = value}, output);
}

void ImportContext::result(HostTensor data, size_t output) {
  result(constant_operand(std::move(data)), output);
}

void ImportContext::result(Operand operand, size_t output) {
  if (output < outputs_.size()) outputs_[output] = std::move(operand);
}

}  // namespace headrace
