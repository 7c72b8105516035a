#include "tests/kernels/operator_table.h"

namespace headrace {

void add_resampling_rows(Table& t) {
  // Tables of any indices and weights: what they stand for is the loader's affair.
  const auto row = [&t](Shape x, const Ints& axes, const Ints& lengths, const Ints& taps) {
    std::vector<InputSpec> inputs{f32(x)};
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto length = static_cast<double>(x[static_cast<size_t>(axes[i])]);
      InputSpec index = i32({lengths[i], taps[i]}, 0, length - 1);
      index.constant = true;
      inputs.push_back(index);
      inputs.push_back(constant(f32({lengths[i], taps[i]})));
    }
    t.push_back({"Resample", {{"axes", axes}}, std::move(inputs)});
  };
  row({2, 16, 7, 5}, {2, 3}, {14, 10}, {1, 1});
  row({2, 3, 7, 5}, {2, 3}, {14, 9}, {2, 2});
  row({2, 32, 6, 8}, {2, 3}, {3, 12}, {3, 2});  // one axis shrinks
  row({1, 16, 9, 9}, {2, 3}, {5, 20}, {4, 4});
  row({1, 16, 8, 33}, {3}, {70}, {4});
  row({1, 3, 4, 5, 6}, {2, 3, 4}, {8, 3, 9}, {2, 5, 1});
  row({2, 48, 6}, {2}, {4}, {2});
  row({3, 4, 6}, {0, 1}, {2, 5}, {2, 2});  // batch and channels as well
  row({2, 16, 5, 5}, {1, 2}, {16, 7}, {2, 2});
  row({17}, {0}, {40}, {3});
}

}  // namespace headrace
