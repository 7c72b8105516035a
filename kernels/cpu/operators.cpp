#include "kernels/cpu/families.h"

namespace headrace::cpu {
namespace {

OperatorEntry vectorised(std::string_view op, PrepareFunction prepare,
                         ProposeFunction propose = propose_row_major) {
  return {op, {{"vector", prepare}}, propose};
}
OperatorEntry onednn(std::string_view op, PrepareFunction prepare,
                     ProposeFunction propose = propose_row_major) {
  return {op, {{"oneDNN", prepare}}, propose};
}

std::vector<OperatorEntry> entries() {
  std::vector<OperatorEntry> list;
  for (std::string_view op :
       {"Neg",   "Abs",     "Exp",   "Log",      "Sqrt",        "Reciprocal", "Erf",
        "Tanh",  "Sigmoid", "Relu",  "Softplus", "Sin",         "Cos",        "Sinh",
        "Cosh",  "Asin",    "Acos",  "Atan",     "Asinh",       "Acosh",      "Atanh",
        "Floor", "Ceil",    "Round", "Sign",     "HardSigmoid", "HardSwish",  "LeakyRelu",
        "Elu",   "Clip",    "Gelu",  "Swish",    "Mish"}) {
    list.push_back(vectorised(op, prepare_unary, propose_same));
  }
  for (std::string_view op : {"ReluGrad", "TanhGrad", "SigmoidGrad", "GeluGrad", "LeakyReluGrad",
                              "EluGrad", "HardSigmoidGrad", "HardSwishGrad", "SwishGrad",
                              "MishGrad", "SoftplusGrad", "ErfGrad", "ClipGrad"}) {
    list.push_back(vectorised(op, prepare_unary_gradient, propose_same));
  }
  for (std::string_view op : {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Mod", "Equal",
                              "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}) {
    list.push_back(vectorised(op, prepare_binary, propose_same));
  }
  for (std::string_view op : {"And", "Or", "Xor"}) {
    list.push_back(vectorised(op, prepare_logical));
  }
  list.push_back(vectorised("Where", prepare_where));
  list.push_back(vectorised("Cast", prepare_cast));
  list.push_back(onednn("MatMul", prepare_matmul));
  list.push_back(onednn("Conv", prepare_convolution, propose_convolution));
  list.push_back(onednn("ConvInputGrad", prepare_convolution_input_gradient,
                        propose_convolution_input_gradient));
  list.push_back({"ConvWeightGrad",
                  {{"products by tap", prepare_weight_gradient_by_taps},
                   {"oneDNN", prepare_convolution_weight_gradient}},
                  propose_convolution_weight_gradient});
  for (std::string_view op : {"MaxPool", "AveragePool"}) {
    list.push_back(onednn(op, prepare_pooling, propose_pooling));
  }
  for (std::string_view op : {"MaxPoolGrad", "AveragePoolGrad"}) {
    list.push_back(onednn(op, prepare_pooling_gradient, propose_pooling_gradient));
  }
  for (std::string_view op : {"Resample", "ResampleGrad"}) {
    list.push_back(vectorised(op, prepare_resampling, propose_resampling));
  }
  for (std::string_view op : {"GridSample", "DeformColumns"}) {
    list.push_back({op, {{"parallel", prepare_point_sampling}}, propose_row_major});
  }
  for (std::string_view op : {"GridSampleInputGrad", "DeformColumnsInputGrad"}) {
    list.push_back({op, {{"parallel", prepare_point_sampling_input_gradient}}, propose_row_major});
  }
  for (std::string_view op : {"GridSampleGridGrad", "DeformColumnsOffsetGrad"}) {
    list.push_back({op, {{"parallel", prepare_point_sampling_point_gradient}}, propose_row_major});
  }
  list.push_back(
      onednn("BatchNormalization", prepare_batch_normalization, propose_batch_normalization));
  list.push_back(onednn("BatchNormalizationGrad", prepare_batch_normalization_gradient,
                        propose_batch_normalization_gradient));
  list.push_back(onednn("BatchNormalizationInference", prepare_batch_normalization_inference,
                        propose_batch_normalization));
  list.push_back(onednn("BatchNormalizationInferenceGrad",
                        prepare_batch_normalization_inference_gradient,
                        propose_batch_normalization_gradient));
  list.push_back(onednn("Reorder", prepare_reorder, propose_as_given));
  for (std::string_view op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"}) {
    list.push_back(vectorised(op, prepare_reduction));
  }
  for (std::string_view op : {"Softmax", "LogSoftmax"}) {
    list.push_back(
        {op, {{"vector", prepare_softmax_rows}, {"oneDNN", prepare_softmax}}, propose_row_major});
  }
  for (std::string_view op : {"SoftmaxGrad", "LogSoftmaxGrad"}) {
    list.push_back(
        {op,
         {{"vector", prepare_softmax_gradient_rows}, {"oneDNN", prepare_softmax_gradient}},
         propose_row_major});
  }
  list.push_back(vectorised("LayerNormalization", prepare_layer_normalization));
  list.push_back(vectorised("LayerNormalizationGrad", prepare_layer_normalization_gradient));
  for (std::string_view op : {"SoftmaxCrossEntropy", "NegativeLogLikelihood"}) {
    list.push_back(vectorised(op, prepare_class_loss));
  }
  for (std::string_view op : {"SoftmaxCrossEntropyGrad", "NegativeLogLikelihoodGrad"}) {
    list.push_back(vectorised(op, prepare_class_loss_gradient));
  }
  list.push_back(vectorised("CorrectCount", prepare_correct_count));
  for (std::string_view op :
       {"MeanSquaredError", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits"}) {
    list.push_back(vectorised(op, prepare_pair_loss));
  }
  for (std::string_view op :
       {"MeanSquaredErrorGrad", "BinaryCrossEntropyGrad", "BinaryCrossEntropyWithLogitsGrad"}) {
    list.push_back(vectorised(op, prepare_pair_loss_gradient));
  }
  list.push_back(vectorised("Transpose", prepare_transpose));
  list.push_back(vectorised("Expand", prepare_expand));
  list.push_back(vectorised("Slice", prepare_slice));
  list.push_back(vectorised("SliceGrad", prepare_slice_gradient));
  list.push_back(vectorised("Concat", prepare_concat));
  list.push_back(vectorised("Split", prepare_split));
  list.push_back(vectorised("Pad", prepare_pad));
  list.push_back(vectorised("PadGrad", prepare_pad_gradient));
  list.push_back(vectorised("Gather", prepare_gather));
  list.push_back(vectorised("GatherGrad", prepare_gather_gradient));
  for (std::string_view op : {"GatherElements", "GatherND"}) {
    list.push_back(vectorised(op, prepare_gather_places));
  }
  for (std::string_view op : {"GatherElementsGrad", "GatherNDGrad"}) {
    list.push_back(vectorised(op, prepare_gather_places_gradient));
  }
  for (std::string_view op : {"ScatterElements", "ScatterND"}) {
    list.push_back(vectorised(op, prepare_scatter));
  }
  for (std::string_view op : {"CumSum", "CumProd"}) {
    list.push_back(vectorised(op, prepare_scan));
  }
  list.push_back(vectorised("TopK", prepare_top_k));
  list.push_back(vectorised("Dropout", prepare_dropout));
  list.push_back(vectorised("RandomUniform", prepare_random_uniform));
  list.push_back(vectorised("DropoutGrad", prepare_dropout_gradient));
  list.push_back(onednn("LstmSequence", prepare_lstm));
  list.push_back(onednn("LstmSequenceGrad", prepare_lstm_gradient));
  list.push_back(onednn("GruSequence", prepare_gru));
  list.push_back(onednn("GruSequenceGrad", prepare_gru_gradient));
  list.push_back(onednn("RnnSequence", prepare_rnn));
  list.push_back(onednn("RnnSequenceGrad", prepare_rnn_gradient));
  list.push_back(vectorised("AdamUpdate", prepare_adam, propose_update));
  list.push_back(vectorised("SgdUpdate", prepare_sgd, propose_update));
  list.push_back(vectorised("LambUpdate", prepare_lamb, propose_update));
  list.push_back(vectorised("LionUpdate", prepare_lion, propose_update));
  list.push_back(vectorised("RmspropUpdate", prepare_rmsprop, propose_update));
  list.push_back(vectorised("AdagradUpdate", prepare_adagrad, propose_update));
  list.push_back(vectorised("SquaredNorm", prepare_squared_norm, propose_squared_norm));
  return list;
}

}  // namespace

const OperatorEntry* find_operator(std::string_view op) {
  static const OperatorTable<Context> table(entries());
  return table.find(op);
}

}  // namespace headrace::cpu
