#pragma once

#include "kernels/cpu/implementation.h"

// The implementations, by the file that holds them.
namespace headrace::cpu {

// elementwise.cpp
Prepared prepare_unary(const Context&, const KernelRequest&);
Prepared prepare_unary_gradient(const Context&, const KernelRequest&);
// binary.cpp
Prepared prepare_binary(const Context&, const KernelRequest&);
Prepared prepare_logical(const Context&, const KernelRequest&);
Prepared prepare_where(const Context&, const KernelRequest&);
// matmul.cpp
Prepared prepare_matmul(const Context&, const KernelRequest&);

// convolution.cpp
LayoutProposal propose_convolution(const Context&, const KernelRequest&);
LayoutProposal propose_convolution_input_gradient(const Context&, const KernelRequest&);
LayoutProposal propose_convolution_weight_gradient(const Context&, const KernelRequest&);
Prepared prepare_convolution(const Context&, const KernelRequest&);
Prepared prepare_convolution_input_gradient(const Context&, const KernelRequest&);
Prepared prepare_convolution_weight_gradient(const Context&, const KernelRequest&);
// weight_gradient_by_taps.cpp
Prepared prepare_weight_gradient_by_taps(const Context&, const KernelRequest&);
// pooling.cpp
LayoutProposal propose_pooling(const Context&, const KernelRequest&);
LayoutProposal propose_pooling_gradient(const Context&, const KernelRequest&);
Prepared prepare_pooling(const Context&, const KernelRequest&);
Prepared prepare_pooling_gradient(const Context&, const KernelRequest&);
// resampling.cpp
LayoutProposal propose_resampling(const Context&, const KernelRequest&);
Prepared prepare_resampling(const Context&, const KernelRequest&);
// sampling.cpp
Prepared prepare_point_sampling(const Context&, const KernelRequest&);
Prepared prepare_point_sampling_input_gradient(const Context&, const KernelRequest&);
Prepared prepare_point_sampling_point_gradient(const Context&, const KernelRequest&);
// batch_normalization.cpp
LayoutProposal propose_batch_normalization(const Context&, const KernelRequest&);
LayoutProposal propose_batch_normalization_gradient(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_inference(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_gradient(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_inference_gradient(const Context&, const KernelRequest&);
// reorder.cpp
LayoutProposal propose_as_given(const Context&, const KernelRequest&);
Prepared prepare_reorder(const Context&, const KernelRequest&);

// reduction.cpp
Prepared prepare_reduction(const Context&, const KernelRequest&);
Prepared prepare_squared_norm(const Context&, const KernelRequest&);
// softmax.cpp
Prepared prepare_softmax_rows(const Context&, const KernelRequest&);
Prepared prepare_softmax_gradient_rows(const Context&, const KernelRequest&);
Prepared prepare_softmax(const Context&, const KernelRequest&);
Prepared prepare_softmax_gradient(const Context&, const KernelRequest&);
// layer_normalization.cpp
Prepared prepare_layer_normalization(const Context&, const KernelRequest&);
Prepared prepare_layer_normalization_gradient(const Context&, const KernelRequest&);
// class_loss.cpp
Prepared prepare_class_loss(const Context&, const KernelRequest&);
Prepared prepare_class_loss_gradient(const Context&, const KernelRequest&);
Prepared prepare_correct_count(const Context&, const KernelRequest&);
// cast.cpp
Prepared prepare_cast(const Context&, const KernelRequest&);
// pair_loss.cpp
Prepared prepare_pair_loss(const Context&, const KernelRequest&);
Prepared prepare_pair_loss_gradient(const Context&, const KernelRequest&);
// movement.cpp
Prepared prepare_transpose(const Context&, const KernelRequest&);
Prepared prepare_expand(const Context&, const KernelRequest&);
Prepared prepare_slice(const Context&, const KernelRequest&);
Prepared prepare_slice_gradient(const Context&, const KernelRequest&);
Prepared prepare_concat(const Context&, const KernelRequest&);
Prepared prepare_split(const Context&, const KernelRequest&);
// padding.cpp
Prepared prepare_pad(const Context&, const KernelRequest&);
Prepared prepare_pad_gradient(const Context&, const KernelRequest&);
// gather.cpp
Prepared prepare_gather(const Context&, const KernelRequest&);
Prepared prepare_gather_gradient(const Context&, const KernelRequest&);
// indexing.cpp
Prepared prepare_gather_places(const Context&, const KernelRequest&);
Prepared prepare_gather_places_gradient(const Context&, const KernelRequest&);
Prepared prepare_scatter(const Context&, const KernelRequest&);
// scan.cpp
Prepared prepare_scan(const Context&, const KernelRequest&);
// top_k.cpp
Prepared prepare_top_k(const Context&, const KernelRequest&);
// dropout.cpp
Prepared prepare_dropout(const Context&, const KernelRequest&);
Prepared prepare_random_uniform(const Context&, const KernelRequest&);
Prepared prepare_dropout_gradient(const Context&, const KernelRequest&);
// lstm.cpp, gru.cpp, rnn.cpp
Prepared prepare_lstm(const Context&, const KernelRequest&);
Prepared prepare_lstm_gradient(const Context&, const KernelRequest&);
Prepared prepare_gru(const Context&, const KernelRequest&);
Prepared prepare_gru_gradient(const Context&, const KernelRequest&);
Prepared prepare_rnn(const Context&, const KernelRequest&);
Prepared prepare_rnn_gradient(const Context&, const KernelRequest&);
// update.cpp
LayoutProposal propose_update(const Context&, const KernelRequest&);
LayoutProposal propose_squared_norm(const Context&, const KernelRequest&);
Prepared prepare_adam(const Context&, const KernelRequest&);
Prepared prepare_sgd(const Context&, const KernelRequest&);
// Why the loops cannot update this; empty: they can.
std::string refusal_of_update(const KernelRequest&);
// adaptive_update.cpp
Prepared prepare_lion(const Context&, const KernelRequest&);
Prepared prepare_rmsprop(const Context&, const KernelRequest&);
Prepared prepare_adagrad(const Context&, const KernelRequest&);
// lamb.cpp
Prepared prepare_lamb(const Context&, const KernelRequest&);

// proposals.cpp
// Everything row-major.
LayoutProposal propose_row_major(const Context&, const KernelRequest&);
// Values of the output's shape lie as the first of them that is blocked, the others row-major.
LayoutProposal propose_same(const Context&, const KernelRequest&);

}  // namespace headrace::cpu
