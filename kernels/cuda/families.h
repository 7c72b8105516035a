#pragma once

#include "kernels/cuda/implementation.h"

// This backend's own kernels, by the file that holds them.
namespace headrace::cuda {

// elementwise.cu
Prepared prepare_unary(const Context&, const KernelRequest&);
Prepared prepare_unary_gradient(const Context&, const KernelRequest&);
// binary.cu
Prepared prepare_arithmetic(const Context&, const KernelRequest&);
Prepared prepare_comparison(const Context&, const KernelRequest&);
Prepared prepare_logical(const Context&, const KernelRequest&);
Prepared prepare_predicate(const Context&, const KernelRequest&);
Prepared prepare_where(const Context&, const KernelRequest&);
// cast.cu
Prepared prepare_cast(const Context&, const KernelRequest&);
// movement.cu
Prepared prepare_reorder(const Context&, const KernelRequest&);
Prepared prepare_reshape(const Context&, const KernelRequest&);
Prepared prepare_transpose(const Context&, const KernelRequest&);
Prepared prepare_expand(const Context&, const KernelRequest&);
Prepared prepare_slice(const Context&, const KernelRequest&);
Prepared prepare_slice_gradient(const Context&, const KernelRequest&);
Prepared prepare_concat(const Context&, const KernelRequest&);
Prepared prepare_split(const Context&, const KernelRequest&);
Prepared prepare_pad(const Context&, const KernelRequest&);
Prepared prepare_pad_gradient(const Context&, const KernelRequest&);
Prepared prepare_trilu(const Context&, const KernelRequest&);
// reduction.cu
Prepared prepare_reduction(const Context&, const KernelRequest&);
Prepared prepare_squared_norm(const Context&, const KernelRequest&);
// softmax.cu
Prepared prepare_softmax(const Context&, const KernelRequest&);
Prepared prepare_softmax_gradient(const Context&, const KernelRequest&);
// layer_normalization.cu
Prepared prepare_layer_normalization(const Context&, const KernelRequest&);
Prepared prepare_layer_normalization_gradient(const Context&, const KernelRequest&);
// batch_normalization.cu
Prepared prepare_batch_normalization(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_inference(const Context&, const KernelRequest&);
Prepared prepare_batch_normalization_gradient(const Context&, const KernelRequest&);
// class_loss.cu
Prepared prepare_class_loss(const Context&, const KernelRequest&);
Prepared prepare_class_loss_gradient(const Context&, const KernelRequest&);
Prepared prepare_correct_count(const Context&, const KernelRequest&);
// pair_loss.cu
Prepared prepare_pair_loss(const Context&, const KernelRequest&);
Prepared prepare_pair_loss_gradient(const Context&, const KernelRequest&);
// update.cu
LayoutProposal propose_update(const Context&, const KernelRequest&);
Prepared prepare_adam(const Context&, const KernelRequest&);
Prepared prepare_sgd(const Context&, const KernelRequest&);
Prepared prepare_lion(const Context&, const KernelRequest&);
Prepared prepare_rmsprop(const Context&, const KernelRequest&);
Prepared prepare_adagrad(const Context&, const KernelRequest&);
Prepared prepare_lamb(const Context&, const KernelRequest&);
// indexing.cu
Prepared prepare_gather(const Context&, const KernelRequest&);
Prepared prepare_gather_gradient(const Context&, const KernelRequest&);
Prepared prepare_scatter(const Context&, const KernelRequest&);
// lines.cu
Prepared prepare_scan(const Context&, const KernelRequest&);
Prepared prepare_top_k(const Context&, const KernelRequest&);
// random.cu
Prepared prepare_dropout(const Context&, const KernelRequest&);
Prepared prepare_dropout_gradient(const Context&, const KernelRequest&);
Prepared prepare_random_uniform(const Context&, const KernelRequest&);
// pooling.cu
Prepared prepare_pooling(const Context&, const KernelRequest&);
Prepared prepare_pooling_gradient(const Context&, const KernelRequest&);
// resampling.cu
Prepared prepare_resampling(const Context&, const KernelRequest&);
Prepared prepare_resampling_gradient(const Context&, const KernelRequest&);

// proposals.cpp
LayoutProposal propose_row_major(const Context&, const KernelRequest&);
// Values of the output's shape lie as the first of them that has its channels last; those that
// broadcast are row-major.
LayoutProposal propose_same(const Context&, const KernelRequest&);
// Every value as the first input that has its channels last.
LayoutProposal propose_alike(const Context&, const KernelRequest&);
// Images and their filters with channels last, whatever else there is row-major.
LayoutProposal propose_channels_last(const Context&, const KernelRequest&);
// As the values lie already, on both sides.
LayoutProposal propose_as_given(const Context&, const KernelRequest&);
// Inputs as they lie, outputs row-major.
LayoutProposal propose_inputs_as_given(const Context&, const KernelRequest&);

}  // namespace headrace::cuda
