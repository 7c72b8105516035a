#include <cmath>
#include <numbers>

#include "loader/import/rules.h"
#include "loader/onnx/size_limit.h"

namespace headrace {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int64_t kLargestElements = kLargestConstant / static_cast<int64_t>(sizeof(double));

int64_t count_of(ImportContext& c, size_t input, std::string_view what, int64_t least = 1) {
  const double number = c.number(input, what);
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(kLargestElements)))
    throw Unsupported("its {} is {}", what, number);
  return static_cast<int64_t>(number);
}

std::vector<double> zeros(int64_t rows, int64_t columns) {
  if (rows > kLargestElements / std::max<int64_t>(columns, 1))
    throw Unsupported("a constant of {} by {} elements", rows, columns);
  return std::vector<double>(static_cast<size_t>(rows * columns), 0.0);
}

ValueId known_tensor(ImportContext& c, Shape shape, const std::vector<double>& values,
                     DType dtype) {
  return c.cast(c.add_constant(make_host_tensor<double>(std::move(shape), values)), dtype);
}

DType output_dtype(ImportContext& c) {
  return c.computed_dtype(c.get_int("output_datatype", onnx::TensorProto::FLOAT));
}

// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), with N = size or, where the window is symmetric
// instead of periodic, size - 1.
void window(ImportContext& c) {
  struct Terms {
    double a0, a1, a2;
  };
  const Terms a = c.op() == "HannWindow"      ? Terms{0.5, 0.5, 0}
                  : c.op() == "HammingWindow" ? Terms{25.0 / 46, 21.0 / 46, 0}
                                              : Terms{0.42, 0.5, 0.08};
  const int64_t size = count_of(c, 0, "size");
  const int64_t period = c.get_int("periodic", 1) != 0 ? size : std::max<int64_t>(size - 1, 1);
  std::vector<double> values = zeros(size, 1);
  for (int64_t n = 0; n < size; ++n) {
    const double phase = 2 * kPi * static_cast<double>(n) / static_cast<double>(period);
    values[static_cast<size_t>(n)] = a.a0 - a.a1 * std::cos(phase) + a.a2 * std::cos(2 * phase);
  }
  c.result(known_tensor(c, {size}, values, output_dtype(c)));
}

// Triangular bands of equal width on the mel scale, over the bins of a one-sided spectrum.
void mel_weight_matrix(ImportContext& c) {
  const int64_t bands = count_of(c, 0, "num_mel_bins"), length = count_of(c, 1, "dft_length");
  const double rate = c.number(2, "sample_rate");
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(c.number(3, "lower_edge_hertz"));
  const double high = mel(c.number(4, "upper_edge_hertz"));
  const int64_t bins = length / 2 + 1;
  const auto bin_of_edge = [&](int64_t edge) {
    const double at =
        low + (high - low) * static_cast<double>(edge) / static_cast<double>(bands + 2);
    const double hertz = 700 * (std::pow(10, at / 2595) - 1);
    const double bin = std::floor(static_cast<double>(length + 1) * hertz / rate);
    if (!(bin >= 0 && bin < static_cast<double>(bins)))
      throw Unsupported("a band edge of {} Hz at {} samples per second", hertz, rate);
    return static_cast<int64_t>(bin);
  };
  std::vector<double> values = zeros(bins, bands);
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t from = bin_of_edge(band), top = bin_of_edge(band + 1), to = bin_of_edge(band + 2);
    const auto weight = [&](int64_t bin) -> double& {
      return values[static_cast<size_t>(bin * bands + band)];
    };
    for (int64_t bin = from; bin < top; ++bin)
      weight(bin) = static_cast<double>(bin - from) / static_cast<double>(top - from);
    weight(top) = 1;
    for (int64_t bin = top + 1; bin < to; ++bin)
      weight(bin) = static_cast<double>(to - bin) / static_cast<double>(to - top);
  }
  c.result(known_tensor(c, {bins, bands}, values, output_dtype(c)));
}

// A discrete Fourier transform as the matrix of a linear map on (element, part) pairs, part 0 the
// real one and 1 the imaginary.
struct Transform {
  int64_t given = 0, parts_in = 1;  // rows: elements of the line, their parts
  int64_t length = 0;               // of the transform: the line is cropped or padded with zeros
  bool inverse = false, onesided = false;

  bool real_result() const { return inverse && onesided; }
  int64_t elements_out() const { return onesided && !inverse ? length / 2 + 1 : length; }
  int64_t parts_out() const { return real_result() ? 1 : 2; }

  std::vector<double> matrix() const {
    const int64_t rows = given * parts_in, columns = elements_out() * parts_out();
    std::vector<double> values = zeros(rows, columns);
    // Of the spectrum of a real signal only one half is given: the other repeats it, conjugated.
    const int64_t used = std::min(given, real_result() ? length / 2 + 1 : length);
    for (int64_t n = 0; n < used; ++n) {
      const bool twice = real_result() && n > 0 && 2 * n != length;
      const double scale = (inverse ? 1 / static_cast<double>(length) : 1) * (twice ? 2 : 1);
      for (int64_t k = 0; k < elements_out(); ++k) {
        const double turn = static_cast<double>(n * k % length) / static_cast<double>(length);
        const double re = scale * std::cos(2 * kPi * turn);
        const double im = scale * std::sin(2 * kPi * turn) * (inverse ? 1 : -1);
        double* real_row = &values[static_cast<size_t>(n * parts_in * columns + k * parts_out())];
        double* imaginary_row = parts_in == 2 ? real_row + columns : nullptr;
        real_row[0] = re;
        if (imaginary_row) imaginary_row[0] = -im;
        if (parts_out() == 1) continue;
        real_row[1] = im;
        if (imaginary_row) imaginary_row[1] = re;
      }
    }
    return values;
  }

  // [.., given, parts] -> [.., elements, parts]
  ValueId apply(ImportContext& c, ValueId x) const {
    Shape shape = c.type_of(x).shape;
    const int64_t rows = given * parts_in, columns = elements_out() * parts_out();
    const ValueId lines = c.reshape(x, {rows == 0 ? 0 : element_count(shape) / rows, rows});
    const ValueId map = known_tensor(c, {rows, columns}, matrix(), c.type_of(x).dtype);
    shape[shape.size() - 2] = elements_out();
    shape.back() = parts_out();
    return c.reshape(c.add("MatMul", {lines, map}), shape);
  }
};

// The axis is an attribute before opset 20, an input after.
void dft(ImportContext& c) {
  const Shape shape = c.shape(0);
  const int64_t rank = c.rank(0);
  if (rank < 2 || shape.back() < 1 || shape.back() > 2)
    throw Unsupported("input {}, whose last dimension is not 1 or 2", to_string(c.type(0)));
  int64_t axis = c.opset() < 20 ? c.get_int("axis", 1) : -2;
  if (c.opset() >= 20 && c.has(2)) axis = static_cast<int64_t>(c.number(2, "axis"));
  axis = normalize_axis(axis, rank);
  if (axis == rank - 1) throw Unsupported("the axis of real and imaginary parts");
  Transform transform{.given = shape[static_cast<size_t>(axis)],
                      .parts_in = shape.back(),
                      .inverse = c.get_int("inverse", 0) != 0,
                      .onesided = c.get_int("onesided", 0) != 0};
  transform.length = transform.real_result() ? 2 * (transform.given - 1) : transform.given;
  if (c.has(1)) transform.length = count_of(c, 1, "dft_length");
  if (transform.length < 1) throw Unsupported("a transform of length {}", transform.length);
  std::vector<int64_t> perm;
  for (int64_t d = 0; d < rank; ++d)
    if (d != axis && d != rank - 1) perm.push_back(d);
  perm.push_back(axis);
  perm.push_back(rank - 1);
  std::vector<int64_t> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  c.result(c.transpose(transform.apply(c, c.transpose(c.value(0), perm)), back));
}

// Frames of the signal, [batch, frames, frame length, parts], times the window and transformed.
void stft(ImportContext& c) {
  Shape shape = c.shape(0);
  if (shape.size() == 2) shape.push_back(1);
  if (shape.size() != 3 || shape[2] < 1 || shape[2] > 2)
    throw Unsupported("input {} is no batch of signals", to_string(c.type(0)));
  const int64_t step = count_of(c, 1, "frame_step");
  int64_t length = c.has(2) ? c.shape(2).at(0) : shape[1];
  if (c.has(3)) length = count_of(c, 3, "frame_length");
  if (length < 1 || length > shape[1])
    throw Unsupported("frames of {} in a signal of {}", length, shape[1]);
  const int64_t frames = (shape[1] - length) / step + 1;
  std::vector<int64_t> places;
  zeros(frames, length);
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t i = 0; i < length; ++i) places.push_back(frame * step + i);
  const ValueId indices = c.add_constant(make_host_tensor<int64_t>({frames, length}, places));
  ValueId x = c.add("Gather", {c.reshape(c.value(0), shape), indices}, {{"axis", int64_t{1}}});
  if (c.has(2)) x = c.add("Mul", {x, c.reshape(c.value(2), {length, 1})});
  const Transform transform{.given = length,
                            .parts_in = shape[2],
                            .length = length,
                            .onesided = c.get_int("onesided", 1) != 0};
  c.result(transform.apply(c, x));
}

}  // namespace

std::span<const ImportRule> signal_rules() {
  static constexpr ImportRule kRules[] = {
      {"HannWindow", window},
      {"HammingWindow", window},
      {"BlackmanWindow", window},
      {"MelWeightMatrix", mel_weight_matrix},
      {"DFT", dft},
      {"STFT", stft},
  };
  return kRules;
}

}  // namespace headrace
