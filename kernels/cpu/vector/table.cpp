#include "kernels/cpu/vector/table.h"

#include "kernels/functors/isa.h"

namespace headrace::HEADRACE_ISA {

extern const vector::ElementwiseTable elementwise_table;
extern const vector::ReductionTable reduction_table;
extern const vector::SoftmaxTable softmax_table;
extern const vector::NormalizationTable normalization_table;
extern const vector::LossTable loss_table;
extern const vector::UpdateTable update_table;
extern const vector::MovementTable movement_table;
extern const vector::ResamplingTable resampling_table;
extern const vector::RecurrentTable recurrent_table;

const vector::Table table = {&elementwise_table,   &reduction_table,  &softmax_table,
                             &normalization_table, &loss_table,       &update_table,
                             &movement_table,      &resampling_table, &recurrent_table};

}  // namespace headrace::HEADRACE_ISA
