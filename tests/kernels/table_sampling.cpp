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

void add_sampling_rows(Table& t) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int64_t align_corners : {0, 1}) {
        const Attributes a{{"mode", std::string(mode)},
                           {"padding_mode", std::string(padding)},
                           {"align_corners", align_corners}};
        t.push_back({"GridSample", a, {f32({2, 3, 5, 7}), f32({2, 4, 3, 2}, -2.9, 2.9)}});
      }
  const Attributes linear{{"mode", std::string("linear")},
                          {"padding_mode", std::string("zeros")},
                          {"align_corners", 0_i}};
  t.push_back({"GridSample", linear, {f32({1, 17, 6, 6}), f32({1, 9, 9, 2}, -1.2, 1.2)}});
  t.push_back({"GridSample", linear, {f32({2, 3, 7}), f32({2, 5, 1}, -1.2, 1.2)}});
  for (const char* mode : {"linear", "cubic"})
    t.push_back({"GridSample",
                 {{"mode", std::string(mode)},
                  {"padding_mode", std::string("reflection")},
                  {"align_corners", 1_i}},
                 {f32({1, 2, 4, 3, 5}), f32({1, 2, 3, 2, 3}, -1.5, 1.5)}});

  // Offsets between whole numbers, where the gradient has its kinks.
  const auto deform = [&t](Shape x, Ints kernel, Ints strides, Ints pads, Ints dilations,
                           int64_t groups, const Shape& made, double low, bool mask) {
    const int64_t cells = kernel[0] * kernel[1], n = x[0];
    std::vector<InputSpec> inputs{f32(x),
                                  f32({n, groups * cells * 2, made[0], made[1]}, low, low + 0.9)};
    if (mask) inputs.push_back(f32({n, groups * cells, made[0], made[1]}));
    t.push_back({"DeformColumns",
                 {{"kernel_shape", kernel},
                  {"strides", strides},
                  {"pads", pads},
                  {"dilations", dilations},
                  {"offset_group", groups}},
                 std::move(inputs)});
  };
  deform({2, 4, 5, 6}, {3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1, {5, 6}, 0.05, false);
  deform({1, 6, 7, 6}, {2, 3}, {2, 1}, {0, 1, 1, 0}, {2, 1}, 3, {3, 5}, -1.95, true);

  for (int64_t sampling_ratio : {0, 2})
    for (int64_t half_pixel : {0, 1}) {
      const Attributes a{{"output_shape", Ints{3, 2}},
                         {"sampling_ratio", sampling_ratio},
                         {"spatial_scale", 0.5},
                         {"half_pixel", half_pixel}};
      const std::vector<InputSpec> inputs{f32({2, 3, 8, 9}), fixed(f32({4, 4}, -2, 20)),
                                          i64({4}, 0, 1)};
      t.push_back({"RoiAlign", a, inputs});
      t.push_back({"RoiAlignMaximum", a, {fixed(inputs[0]), inputs[1], inputs[2]}});
    }
  t.push_back({"RoiPoolMaximum",
               {{"output_shape", Ints{2, 3}}, {"spatial_scale", 0.7}},
               {fixed(f32({1, 3, 8, 9})), fixed(f32({5, 5}, 0, 0.9))}});
  t.push_back({"RoiPoolMaximum",
               {{"output_shape", Ints{2, 2}}, {"spatial_scale", 9.0}},
               {fixed(f32({1, 3, 8, 9})), fixed(f32({6, 5}, 0, 0.9))}});
}

}  // namespace headrace
