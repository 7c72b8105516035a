#include "tests/kernels/operator_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace headrace {

std::string to_string(const OperatorRow& row) {
  std::string inputs;
  for (const InputSpec& input : row.inputs)
    inputs += fmt::format("{}{}", inputs.empty() ? "" : ", ",
                          input.present ? to_string(input.type) : "-");
  return fmt::format("{}({}) {{{}}}", row.op, inputs, to_string(row.attributes));
}

const std::vector<OperatorRow>& operator_table() {
  static const Table table = [] {
    Table rows;
    add_elementwise_rows(rows);
    add_reduction_rows(rows);
    add_normalization_rows(rows);
    add_product_rows(rows);
    add_attention_rows(rows);
    add_convolution_rows(rows);
    add_transposed_convolution_rows(rows);
    add_pooling_rows(rows);
    add_resampling_rows(rows);
    add_sampling_rows(rows);
    add_movement_rows(rows);
    add_indexing_rows(rows);
    add_recurrent_rows(rows);
    add_loss_rows(rows);
    add_update_rows(rows);
    return rows;
  }();
  return table;
}

std::vector<std::string> operators_of(const std::vector<OperatorRow>& table) {
  std::vector<std::string> ops;
  for (const OperatorRow& row : table)
    if (std::find(ops.begin(), ops.end(), row.op) == ops.end()) ops.push_back(row.op);
  return ops;
}

Tolerance tolerance_of(std::string_view op) {
  static const std::set<std::string_view> exact = {"Identity",
                                                   "Reshape",
                                                   "Transpose",
                                                   "Expand",
                                                   "Concat",
                                                   "Split",
                                                   "Slice",
                                                   "Pad",
                                                   "Gather",
                                                   "GatherElements",
                                                   "GatherND",
                                                   "TopK",
                                                   "ReverseSequence",
                                                   "Trilu",
                                                   "Reorder",
                                                   "SliceGrad",
                                                   "Relu",
                                                   "Neg",
                                                   "Abs",
                                                   "Sign",
                                                   "Floor",
                                                   "Ceil",
                                                   "Round",
                                                   "Clip",
                                                   "Min",
                                                   "Max",
                                                   "Where",
                                                   "ReluGrad",
                                                   "ClipGrad",
                                                   "MaxPool",
                                                   "ReduceMax",
                                                   "ReduceMin",
                                                   "CorrectCount"};
  static const std::set<std::string_view> accumulation = {"MatMul",
                                                          "Conv",
                                                          "ConvInputGrad",
                                                          "ConvWeightGrad",
                                                          "ReduceSum",
                                                          "ReduceMean",
                                                          "PadGrad",
                                                          "GatherGrad",
                                                          "GatherElementsGrad",
                                                          "GatherNDGrad",
                                                          "ScatterElements",
                                                          "ScatterND",
                                                          "CumSum",
                                                          "CumProd",
                                                          "CumProdGrad",
                                                          "AveragePool",
                                                          "AveragePoolGrad",
                                                          "MaxPoolGrad",
                                                          "SquaredNorm",
                                                          "Resample",
                                                          "ResampleGrad"};
  static const std::set<std::string_view> statistics = {"GridSample",
                                                        "GridSampleInputGrad",
                                                        "GridSampleGridGrad",
                                                        "DeformColumns",
                                                        "DeformColumnsInputGrad",
                                                        "DeformColumnsOffsetGrad",
                                                        "RoiAlign",
                                                        "RoiAlignGrad",
                                                        "Det",
                                                        "DetGrad",
                                                        "ReduceProd",
                                                        "Attention",
                                                        "AttentionGrad",
                                                        "Softmax",
                                                        "SoftmaxGrad",
                                                        "LogSoftmax",
                                                        "LogSoftmaxGrad",
                                                        "LayerNormalization",
                                                        "LayerNormalizationGrad",
                                                        "BatchNormalization",
                                                        "BatchNormalizationGrad",
                                                        "BatchNormalizationInference",
                                                        "BatchNormalizationInferenceGrad",
                                                        "LstmSequence",
                                                        "LstmSequenceGrad",
                                                        "GruSequence",
                                                        "GruSequenceGrad",
                                                        "RnnSequence",
                                                        "RnnSequenceGrad",
                                                        "SoftmaxCrossEntropy",
                                                        "SoftmaxCrossEntropyGrad",
                                                        "NegativeLogLikelihood",
                                                        "NegativeLogLikelihoodGrad",
                                                        "MeanSquaredError",
                                                        "BinaryCrossEntropy",
                                                        "BinaryCrossEntropyWithLogits"};
  if (exact.count(op)) return Tolerance::exact;
  if (accumulation.count(op)) return Tolerance::accumulation;
  if (statistics.count(op)) return Tolerance::statistics;
  return Tolerance::elementwise;
}

bool is_opaque(std::string_view op, size_t output) {
  return op == "BatchNormalization" && output == 5;
}

}  // namespace headrace
