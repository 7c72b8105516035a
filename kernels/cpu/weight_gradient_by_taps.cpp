#include <algorithm>
#include <cstring>

#include "kernels/cpu/convolution.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/layouts.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/vector_table.h"

// The weight gradient of a convolution over a small image, as one matrix product per tap of the
// kernel.
//
// oneDNN's own loops are short there and multiply much padding. Here both images are first laid out
// [h][w][n][channel]; for a tap only the pixels are taken whose source is inside the image, and
// their (pixel, sample) pairs are the inner dimension of dw[tap] = source^T destination, I x O.
namespace headrace::cpu {
namespace {

using Desc = dnnl::memory::desc;

// The output pixels along one axis whose source pixel, at this tap, is inside the image.
struct Range {
  int64_t begin = 0, end = 0, source = 0;  // source: of `begin`
  int64_t size() const { return end - begin; }
};
Range valid_range(int64_t tap, int64_t stride, int64_t dilation, int64_t pad, int64_t source,
                  int64_t destination) {
  const int64_t shift = tap * (dilation + 1) - pad;
  Range range{0, 0, 0};
  while (range.begin < destination && range.begin * stride + shift < 0) ++range.begin;
  range.end = range.begin;
  while (range.end < destination && range.end * stride + shift < source) ++range.end;
  range.source = range.begin * stride + shift;
  return range;
}

struct Tap {
  Range rows, columns;
  dnnl::matmul product;              // of this many pixels
  dnnl::memory source, destination;  // memory objects of its shape
  bool empty() const { return rows.size() <= 0 || columns.size() <= 0; }
};

class WeightGradientByTaps : public Kernel {
 public:
  WeightGradientByTaps(const Context& context, const ConvolutionShape& shape,
                       const Desc& source_lies, const Desc& destination_lies, int64_t block,
                       bool bias, bool accumulate, bool accumulate_bias);

  size_t workspace_bytes() const override { return workspace_bytes_; }
  void run(const KernelArgs& args) const override;

 private:
  // An image that is brought into the form [h][w][n][channel].
  struct Image {
    int64_t height, width, channels;
    size_t packed, gathered;  // offsets in the workspace
    dnnl::memory lies, packed_memory;
    dnnl::reorder pack;
  };

  Image make_image(const TensorType& type, const Desc& lies);
  size_t reserve(int64_t floats);
  float* pack(const Image& image, const void* data, std::byte* workspace) const;
  const float* gather(const Image& image, const float* packed, const Range& rows,
                      const Range& columns, int64_t first_row, int64_t first_column,
                      int64_t stride_h, int64_t stride_w, std::byte* workspace) const;
  template <int64_t kBlock>
  void scatter(const float* product, int64_t tap, float* weights) const;
  void store(const float* product, size_t tap, float* weights) const {
    const auto t = static_cast<int64_t>(tap);
    return block_ == 16 ? scatter<16>(product, t, weights) : scatter<8>(product, t, weights);
  }
  void add_bias(const float* destination, std::byte* workspace, float* bias) const;

  dnnl::stream stream_;
  int64_t samples_, taps_, stride_h_, stride_w_;
  int64_t block_;  // of channels in the weights
  bool accumulate_, accumulate_bias_;
  size_t workspace_bytes_ = 0;
  Image source_, destination_;
  std::vector<Tap> tap_;
  size_t product_offset_ = 0, bias_offset_ = 0, scratchpad_offset_ = 0;
  dnnl::memory product_, scratchpad_;
};

size_t WeightGradientByTaps::reserve(int64_t floats) {
  const size_t offset = workspace_bytes_;
  workspace_bytes_ += static_cast<size_t>((floats + 15) / 16 * 16) * sizeof(float);
  return offset;
}

WeightGradientByTaps::Image WeightGradientByTaps::make_image(const TensorType& type,
                                                             const Desc& lies) {
  const Shape& dims = type.shape;
  const int64_t n = dims[0], c = dims[1], h = dims[2], w = dims[3];
  const Desc packed(dims, dnnl::memory::data_type::f32, Shape{c, 1, w * n * c, n * c});
  Image image{h,
              w,
              c,
              reserve(type.elements()),
              reserve(type.elements()),
              make_memory(lies),
              make_memory(packed),
              {}};
  image.pack = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), lies, engine(), packed));
  return image;
}

WeightGradientByTaps::WeightGradientByTaps(const Context& context, const ConvolutionShape& s,
                                           const Desc& source_lies, const Desc& destination_lies,
                                           int64_t block, bool bias, bool accumulate,
                                           bool accumulate_bias)
    : stream_(context.stream),
      samples_(s.source.shape[0]),
      taps_(s.weights.shape[2] * s.weights.shape[3]),
      stride_h_(s.strides[0]),
      stride_w_(s.strides[1]),
      block_(block),
      accumulate_(accumulate),
      accumulate_bias_(accumulate_bias),
      source_(make_image(s.source, source_lies)),
      destination_(make_image(s.destination, destination_lies)) {
  const int64_t in = source_.channels, out = destination_.channels;
  const auto f32 = dnnl::memory::data_type::f32;
  const Desc product_desc({in, out}, f32, Shape{out, 1});
  product_ = make_memory(product_desc);
  product_offset_ = reserve(in * out);
  if (bias) bias_offset_ = reserve(out);
  size_t scratchpad_bytes = 1;
  Desc scratchpad;
  for (int64_t kh = 0; kh < s.weights.shape[2]; ++kh) {
    for (int64_t kw = 0; kw < s.weights.shape[3]; ++kw) {
      Tap tap{valid_range(kh, stride_h_, s.dilations[0], s.pads_begin[0], source_.height,
                          destination_.height),
              valid_range(kw, stride_w_, s.dilations[1], s.pads_begin[1], source_.width,
                          destination_.width),
              {},
              {},
              {}};
      if (!tap.empty()) {
        const int64_t pixels = tap.rows.size() * tap.columns.size() * samples_;
        const Desc a({in, pixels}, f32, Shape{1, in}), b({pixels, out}, f32, Shape{out, 1});
        const dnnl::matmul::primitive_desc product(engine(), a, b, product_desc, user_scratchpad());
        tap.product = dnnl::matmul(product);
        tap.source = make_memory(a);
        tap.destination = make_memory(b);
        if (product.scratchpad_desc().get_size() >= scratchpad_bytes) {
          scratchpad = product.scratchpad_desc();
          scratchpad_bytes = scratchpad.get_size();
        }
      }
      tap_.push_back(std::move(tap));
    }
  }
  scratchpad_ = make_memory(scratchpad);
  scratchpad_offset_ = reserve(static_cast<int64_t>(scratchpad_bytes / sizeof(float)) + 1);
}

float* WeightGradientByTaps::pack(const Image& image, const void* data,
                                  std::byte* workspace) const {
  point(image.lies, data);
  point(image.packed_memory, workspace + image.packed);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, image.lies.get()},
                                       {DNNL_ARG_TO, image.packed_memory.get()}};
  execute(image.pack, stream_, arguments);
  return reinterpret_cast<float*>(workspace + image.packed);
}

// The pixels of a tap one behind the other: where they lie if they do so already, else a copy.
const float* WeightGradientByTaps::gather(const Image& image, const float* packed,
                                          const Range& rows, const Range& columns,
                                          int64_t first_row, int64_t first_column, int64_t stride_h,
                                          int64_t stride_w, std::byte* workspace) const {
  const int64_t pixel = samples_ * image.channels;
  const auto at = [&](int64_t row, int64_t column) {
    return packed + (row * image.width + column) * pixel;
  };
  const bool whole_rows = columns.size() == image.width && stride_w == 1 && stride_h == 1;
  if (whole_rows || (rows.size() == 1 && (stride_w == 1 || columns.size() == 1))) {
    return at(first_row, first_column);
  }
  auto* gathered = reinterpret_cast<float*>(workspace + image.gathered);
  const int64_t run = stride_w == 1 ? columns.size() : 1, runs = columns.size() / run;
  parallel_ranges(rows.size() * runs, run * pixel, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const float* from = at(first_row + k / runs * stride_h, first_column + k % runs * stride_w);
      std::memcpy(gathered + k * run * pixel, from,
                  static_cast<size_t>(run * pixel) * sizeof(float));
    }
  });
  return gathered;
}

// product [I][O] to its place in weights [O/b][I/b][tap][b i][b o]; null: zeros.
template <int64_t kBlock>
void WeightGradientByTaps::scatter(const float* product, int64_t tap, float* weights) const {
  const int64_t in = source_.channels, out = destination_.channels;
  constexpr int64_t kTile = kBlock * kBlock;
  parallel_ranges(out / kBlock, in * kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t ob = begin; ob < end; ++ob) {
      for (int64_t ib = 0; ib < in / kBlock; ++ib) {
        float* tile = weights + ((ob * (in / kBlock) + ib) * taps_ + tap) * kTile;
        if (product == nullptr) {
          std::fill_n(tile, kTile, 0.0f);
          continue;
        }
        for (int64_t i = 0; i < kBlock; ++i) {
          const float* row = product + (ib * kBlock + i) * out + ob * kBlock;
          float* place = tile + i * kBlock;
          if (accumulate_) {
            for (int64_t o = 0; o < kBlock; ++o) place[o] += row[o];
          } else {
            std::copy_n(row, kBlock, place);
          }
        }
      }
    }
  });
}

void WeightGradientByTaps::add_bias(const float* destination, std::byte* workspace,
                                    float* bias) const {
  const int64_t out = destination_.channels;
  float* made = accumulate_bias_ ? reinterpret_cast<float*>(workspace + bias_offset_) : bias;
  vector_table().reduction->column[vector::index(vector::Reduction::sum)](
      destination, destination_.height * destination_.width * samples_, out, made, out);
  if (accumulate_bias_) vector_table().elementwise->add_to(made, bias, out);
}

void WeightGradientByTaps::run(const KernelArgs& args) const {
  auto* workspace = static_cast<std::byte*>(args.workspace);
  auto* weights = static_cast<float*>(args.outputs[0]);
  const float* destination = pack(destination_, args.inputs[0], workspace);
  const float* source = pack(source_, args.inputs[1], workspace);
  auto* product = reinterpret_cast<float*>(workspace + product_offset_);
  point(product_, product);
  point(scratchpad_, workspace + scratchpad_offset_);
  for (size_t t = 0; t < tap_.size(); ++t) {
    const Tap& tap = tap_[t];
    if (tap.empty()) {
      if (!accumulate_) store(nullptr, t, weights);
      continue;
    }
    point(tap.source, gather(source_, source, tap.rows, tap.columns, tap.rows.source,
                             tap.columns.source, stride_h_, stride_w_, workspace));
    point(tap.destination, gather(destination_, destination, tap.rows, tap.columns, tap.rows.begin,
                                  tap.columns.begin, 1, 1, workspace));
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, tap.source.get()},
                                         {DNNL_ARG_WEIGHTS, tap.destination.get()},
                                         {DNNL_ARG_DST, product_.get()},
                                         {DNNL_ARG_SCRATCHPAD, scratchpad_.get()}};
    execute(tap.product, stream_, arguments);
    store(product, t, weights);
  }
  if (args.outputs.size() > 1 && args.outputs[1] != nullptr) {
    add_bias(destination, workspace, static_cast<float*>(args.outputs[1]));
  }
}

}  // namespace

Prepared prepare_weight_gradient_by_taps(const Context& context, const KernelRequest& request) {
  constexpr int64_t kLargestImage = 49;  // output pixels
  constexpr int64_t kFewestChannels = 48;
  if (request.input_types[0].dtype != DType::f32 || request.input_types[0].rank() != 4) {
    return refuse("takes f32 images of two dimensions");
  }
  const ConvolutionShape shape = weight_gradient_shape(request);
  const int64_t in = shape.source.shape[1], out = shape.destination.shape[1];
  const int64_t pixels = shape.destination.shape[2] * shape.destination.shape[3];
  if (shape.source.elements() == 0 || shape.destination.elements() == 0) return refuse("empty");
  if (shape.groups != 1) return refuse("groups");
  if (pixels > kLargestImage) return refuse("{} pixels: a large image", pixels);
  if (shape.weights.shape[2] * shape.weights.shape[3] == 1) return refuse("a kernel of one tap");
  if (in < kFewestChannels || out < kFewestChannels) return refuse("few channels");
  const Desc weights = weights_desc(shape, request.output_layouts[0]);
  const auto is_form = [&](int64_t block, dnnl::memory::format_tag tag) {
    return in % block == 0 && out % block == 0 &&
           weights == Desc(shape.weights.shape, dnnl::memory::data_type::f32, tag);
  };
  const int64_t block = is_form(16, dnnl::memory::format_tag::OIhw16i16o) ? 16
                        : is_form(8, dnnl::memory::format_tag::OIhw8i8o)  ? 8
                                                                          : 0;
  if (block == 0) return refuse("weights in another form");
  return std::make_unique<WeightGradientByTaps>(
      context, shape, memory_desc(shape.source, request.input_layouts[1]),
      memory_desc(shape.destination, request.input_layouts[0]), block, has_output(request, 1),
      accumulates(request, 0), accumulates(request, 1));
}

}  // namespace headrace::cpu
