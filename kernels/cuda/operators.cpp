#include "kernels/cuda/families.h"

namespace headrace::cuda {
namespace {

OperatorEntry own(std::string_view op, PrepareFunction prepare,
                  ProposeFunction propose = propose_row_major) {
  return {op, {{"own", prepare}}, propose};
}
// Of libraries alone: this backend has no kernel of its own beside theirs.
OperatorEntry libraries_only(std::string_view op, ProposeFunction propose) {
  return {op, {}, propose};
}

std::vector<OperatorEntry> entries() {
  std::vector<OperatorEntry> list;
  for (std::string_view op :
       {"Neg",   "Abs",     "Exp",   "Log",      "Sqrt",        "Reciprocal", "Erf",
        "Tanh",  "Sigmoid", "Relu",  "Softplus", "Sin",         "Cos",        "Sinh",
        "Cosh",  "Asin",    "Acos",  "Atan",     "Asinh",       "Acosh",      "Atanh",
        "Floor", "Ceil",    "Round", "Sign",     "HardSigmoid", "HardSwish",  "LeakyRelu",
        "Elu",   "Clip",    "Gelu",  "Swish",    "Mish"})
    list.push_back(own(op, prepare_unary, propose_same));
  for (std::string_view op : {"ReluGrad", "TanhGrad", "SigmoidGrad", "GeluGrad", "LeakyReluGrad",
                              "EluGrad", "HardSigmoidGrad", "HardSwishGrad", "SwishGrad",
                              "MishGrad", "SoftplusGrad", "ErfGrad", "ClipGrad"})
    list.push_back(own(op, prepare_unary_gradient, propose_same));
  for (std::string_view op : {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Mod"})
    list.push_back(own(op, prepare_arithmetic, propose_same));
  for (std::string_view op : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
    list.push_back(own(op, prepare_comparison, propose_same));
  for (std::string_view op : {"And", "Or", "Xor", "Not"})
    list.push_back(own(op, prepare_logical, propose_same));
  for (std::string_view op : {"IsNaN", "IsInf"})
    list.push_back(own(op, prepare_predicate, propose_same));
  list.push_back(own("Where", prepare_where, propose_same));
  list.push_back(own("Cast", prepare_cast, propose_same));
  list.push_back(own("Reorder", prepare_reorder, propose_as_given));
  list.push_back(own("Reshape", prepare_reshape));
  list.push_back(own("Transpose", prepare_transpose, propose_inputs_as_given));
  list.push_back(own("Expand", prepare_expand, propose_inputs_as_given));
  list.push_back(own("Slice", prepare_slice, propose_alike));
  list.push_back(own("SliceGrad", prepare_slice_gradient, propose_alike));
  list.push_back(own("Concat", prepare_concat, propose_alike));
  list.push_back(own("Split", prepare_split, propose_alike));
  list.push_back(own("Pad", prepare_pad, propose_alike));
  list.push_back(own("PadGrad", prepare_pad_gradient, propose_alike));
  list.push_back(own("Trilu", prepare_trilu));
  for (std::string_view op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"})
    list.push_back(own(op, prepare_reduction, propose_inputs_as_given));
  list.push_back(own("SquaredNorm", prepare_squared_norm, propose_inputs_as_given));
  for (std::string_view op : {"Softmax", "LogSoftmax"}) list.push_back(own(op, prepare_softmax));
  for (std::string_view op : {"SoftmaxGrad", "LogSoftmaxGrad"})
    list.push_back(own(op, prepare_softmax_gradient));
  list.push_back(own("LayerNormalization", prepare_layer_normalization));
  list.push_back(own("LayerNormalizationGrad", prepare_layer_normalization_gradient));
  list.push_back(own("BatchNormalization", prepare_batch_normalization, propose_channels_last));
  list.push_back(own("BatchNormalizationInference", prepare_batch_normalization_inference,
                     propose_channels_last));
  for (std::string_view op : {"BatchNormalizationGrad", "BatchNormalizationInferenceGrad"})
    list.push_back(own(op, prepare_batch_normalization_gradient, propose_channels_last));
  for (std::string_view op : {"SoftmaxCrossEntropy", "NegativeLogLikelihood"})
    list.push_back(own(op, prepare_class_loss));
  for (std::string_view op : {"SoftmaxCrossEntropyGrad", "NegativeLogLikelihoodGrad"})
    list.push_back(own(op, prepare_class_loss_gradient));
  list.push_back(own("CorrectCount", prepare_correct_count));
  for (std::string_view op :
       {"MeanSquaredError", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits"})
    list.push_back(own(op, prepare_pair_loss));
  for (std::string_view op :
       {"MeanSquaredErrorGrad", "BinaryCrossEntropyGrad", "BinaryCrossEntropyWithLogitsGrad"})
    list.push_back(own(op, prepare_pair_loss_gradient));
  list.push_back(own("AdamUpdate", prepare_adam, propose_update));
  list.push_back(own("SgdUpdate", prepare_sgd, propose_update));
  list.push_back(own("LambUpdate", prepare_lamb, propose_update));
  list.push_back(own("LionUpdate", prepare_lion, propose_update));
  list.push_back(own("RmspropUpdate", prepare_rmsprop, propose_update));
  list.push_back(own("AdagradUpdate", prepare_adagrad, propose_update));
  for (std::string_view op : {"Gather", "GatherElements", "GatherND"})
    list.push_back(own(op, prepare_gather));
  for (std::string_view op : {"GatherGrad", "GatherElementsGrad", "GatherNDGrad"})
    list.push_back(own(op, prepare_gather_gradient));
  for (std::string_view op : {"ScatterElements", "ScatterND"})
    list.push_back(own(op, prepare_scatter));
  for (std::string_view op : {"CumSum", "CumProd"}) list.push_back(own(op, prepare_scan));
  list.push_back(own("TopK", prepare_top_k));
  list.push_back(own("Dropout", prepare_dropout, propose_same));
  list.push_back(own("DropoutGrad", prepare_dropout_gradient, propose_same));
  list.push_back(own("RandomUniform", prepare_random_uniform));
  for (std::string_view op : {"MaxPool", "AveragePool"})
    list.push_back(own(op, prepare_pooling, propose_channels_last));
  for (std::string_view op : {"MaxPoolGrad", "AveragePoolGrad"})
    list.push_back(own(op, prepare_pooling_gradient, propose_channels_last));
  list.push_back(own("Resample", prepare_resampling, propose_alike));
  list.push_back(own("ResampleGrad", prepare_resampling_gradient, propose_alike));
  for (std::string_view op : {"Conv", "ConvInputGrad", "ConvWeightGrad"})
    list.push_back(libraries_only(op, propose_channels_last));
  return list;
}

}  // namespace

const OperatorEntry* find_operator(std::string_view op) {
  static const OperatorTable<Context> table(entries());
  return table.find(op);
}

}  // namespace headrace::cuda
