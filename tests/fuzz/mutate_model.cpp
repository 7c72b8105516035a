#include "tests/fuzz/mutate_model.h"

#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace headrace {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Mutation {
 public:
  Mutation(onnx::ModelProto& model, uint32_t seed, MutateBytes mutate_bytes)
      : random_(seed), mutate_bytes_(mutate_bytes) {
    gather(model);
  }

  // True when something was changed.
  bool apply() {
    Message& message = *pick(messages_);
    const auto* descriptor = message.GetDescriptor();
    if (descriptor->field_count() == 0) return false;
    // A field that is there tells more than one that is not.
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    const FieldDescriptor* field = fields.empty() || one_in(6)
                                       ? descriptor->field(below(descriptor->field_count()))
                                       : pick(fields);
    return field->is_repeated() ? change_list(message, field) : change_value(message, field);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(below(static_cast<int>(from.size())))];
  }

  void gather(Message& message) {
    messages_.push_back(&message);
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
          gather(field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                      : *reflection.MutableMessage(&message, field));
        else if (field->type() == FieldDescriptor::TYPE_STRING)
          names_.push_back(field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                : reflection.GetString(message, field));
      }
    }
  }

  int64_t number(int64_t old) {
    static const std::vector<int64_t> telling{
        0,    1,    -1,  2,       3,         5,          7,
        16,   28,   255, 1 << 16, 1LL << 31, 1LL << 40,  std::numeric_limits<int64_t>::max(),
        -128, -100, -2,  1000,    100000,    -1LL << 31, std::numeric_limits<int64_t>::min()};
    switch (below(4)) {
      case 0:
        return static_cast<int64_t>(static_cast<uint64_t>(old) + 1);
      case 1:
        return static_cast<int64_t>(static_cast<uint64_t>(old) - 1);
      default:
        return pick(telling);
    }
  }

  double real(double old) {
    static const std::vector<double> telling{0,
                                             -0.0,
                                             1,
                                             -1,
                                             0.5,
                                             2,
                                             1e-8,
                                             3e38,
                                             -3e38,
                                             1e300,
                                             std::numeric_limits<double>::infinity(),
                                             std::numeric_limits<double>::quiet_NaN()};
    return one_in(3) ? -old : pick(telling);
  }

  std::string bytes(const std::string& old) {
    std::string changed = old;
    changed.resize(old.size() + 16);
    changed.resize(
        mutate_bytes_(reinterpret_cast<uint8_t*>(changed.data()), old.size(), changed.size()));
    return changed;
  }

  std::string text(const FieldDescriptor* field, const std::string& old) {
    if (field->type() == FieldDescriptor::TYPE_BYTES) return bytes(old);
    if (field->name() == "op_type" && !one_in(8)) return pick(operators());
    if (field->name() == "name" && one_in(3)) return pick(attributes());
    return names_.empty() || one_in(12) ? bytes(old) : pick(names_);
  }

  static const std::vector<std::string>& operators() {
    static const auto names = [] {
      std::vector<std::string> list;
      for (const auto& schema : onnx::OpSchemaRegistry::get_all_schemas())
        list.push_back(schema.Name());
      return list;
    }();
    return names;
  }
  static const std::vector<std::string>& attributes() {
    static const auto names = [] {
      std::vector<std::string> list;
      for (const auto& schema : onnx::OpSchemaRegistry::get_all_schemas())
        for (const auto& [name, attribute] : schema.attributes()) list.push_back(name);
      return list;
    }();
    return names;
  }

  static const Message* prototype_of(const FieldDescriptor* field) {
    return google::protobuf::MessageFactory::generated_factory()->GetPrototype(
        field->message_type());
  }

  bool change_value(Message& message, const FieldDescriptor* field) {
    const Reflection& r = *message.GetReflection();
    if (r.HasField(message, field) && one_in(8)) {
      r.ClearField(&message, field);
      return true;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        r.SetInt64(&message, field, number(r.GetInt64(message, field)));
        return true;
      case FieldDescriptor::CPPTYPE_INT32:
        r.SetInt32(&message, field, static_cast<int32_t>(number(r.GetInt32(message, field))));
        return true;
      case FieldDescriptor::CPPTYPE_FLOAT:
        r.SetFloat(&message, field, static_cast<float>(real(r.GetFloat(message, field))));
        return true;
      case FieldDescriptor::CPPTYPE_ENUM:
        r.SetEnumValue(
            &message, field,
            field->enum_type()->value(below(field->enum_type()->value_count()))->number());
        return true;
      case FieldDescriptor::CPPTYPE_STRING:
        r.SetString(&message, field, text(field, r.GetString(message, field)));
        return true;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        r.SetAllocatedMessage(&message, one_like(r.GetMessage(message, field)).release(), field);
        return true;
      default:
        return false;
    }
  }

  bool change_list(Message& message, const FieldDescriptor* field) {
    const Reflection& r = *message.GetReflection();
    const int size = r.FieldSize(message, field);
    const int action = size == 0 ? 0 : below(5);
    const int at = size == 0 ? 0 : below(size);
    if (size > 0 && action == 1) {
      r.RemoveLast(&message, field);
      return true;
    }
    if (size > 1 && action == 2) {
      r.SwapElements(&message, field, at, below(size));
      return true;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        if (action == 0)
          r.AddInt64(&message, field, number(1));
        else
          r.SetRepeatedInt64(&message, field, at, number(r.GetRepeatedInt64(message, field, at)));
        return true;
      case FieldDescriptor::CPPTYPE_INT32:
        if (action == 0)
          r.AddInt32(&message, field, static_cast<int32_t>(number(1)));
        else
          r.SetRepeatedInt32(&message, field, at, static_cast<int32_t>(number(0)));
        return true;
      case FieldDescriptor::CPPTYPE_FLOAT:
        if (action == 0)
          r.AddFloat(&message, field, static_cast<float>(real(1)));
        else
          r.SetRepeatedFloat(&message, field, at, static_cast<float>(real(1)));
        return true;
      case FieldDescriptor::CPPTYPE_STRING:
        if (action == 0)
          r.AddString(&message, field, text(field, ""));
        else
          r.SetRepeatedString(&message, field, at,
                              text(field, r.GetRepeatedString(message, field, at)));
        return true;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (action == 0 || action == 3)
          r.AddAllocatedMessage(&message, field, one_like(*prototype_of(field)).release());
        else
          r.MutableRepeatedMessage(&message, field, at)
              ->CopyFrom(*one_like(r.GetRepeatedMessage(message, field, at)));
        return true;
      default:
        return false;
    }
  }

  // A copy of some message of the model, or an empty one. It is taken before anything is changed,
  // since setting a member of a oneof frees another.
  std::unique_ptr<Message> one_like(const Message& sample) {
    std::vector<const Message*> alike;
    for (const Message* message : messages_)
      if (message->GetDescriptor() == sample.GetDescriptor() && message != &sample)
        alike.push_back(message);
    std::unique_ptr<Message> copy(sample.New());
    if (!alike.empty()) copy->CopyFrom(*pick(alike));
    return copy;
  }

  std::mt19937 random_;
  MutateBytes mutate_bytes_;
  std::vector<Message*> messages_;
  std::vector<std::string> names_;
};

}  // namespace

void mutate_model(onnx::ModelProto& model, uint32_t seed, MutateBytes mutate_bytes) {
  for (uint32_t round = 0; round < 8; ++round)
    if (Mutation(model, seed + round, mutate_bytes).apply()) return;
}

void cross_models(onnx::ModelProto& model, const onnx::ModelProto& other, uint32_t seed) {
  std::mt19937 random(seed);
  const auto& from = other.graph();
  auto& to = *model.mutable_graph();
  for (const auto& tensor : from.initializer())
    if (random() % 2 == 0) *to.add_initializer() = tensor;
  for (const auto& input : from.input())
    if (random() % 2 == 0) *to.add_input() = input;
  for (const auto& node : from.node())
    if (random() % 2 == 0) *to.add_node() = node;
  for (const auto& function : other.functions())
    if (random() % 2 == 0) *model.add_functions() = function;
  for (const auto& step : other.training_info())
    if (random() % 4 == 0) *model.add_training_info() = step;
}

}  // namespace headrace
