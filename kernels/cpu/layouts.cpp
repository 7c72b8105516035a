#include "kernels/cpu/layouts.h"

#include <array>

namespace headrace::cpu {
namespace {

using Tag = dnnl::memory::format_tag;

// The id of a layout is its place here plus one: append, never reorder. `grouped` is the same bytes
// for a weight whose first dimension is split into groups (undef where there is none).
struct Form {
  int rank;
  Tag tag;
  Tag grouped = Tag::undef;
  int first_dim_block = 1;  // grouped: output channels of a group must be a multiple of it
};

constexpr std::array kForms = {
    // Activations: channels in blocks of 16 or 8, channels last.
    Form{3, Tag::aBc16b},
    Form{4, Tag::aBcd16b},
    Form{5, Tag::aBcde16b},
    Form{3, Tag::aBc8b},
    Form{4, Tag::aBcd8b},
    Form{5, Tag::aBcde8b},
    Form{3, Tag::acb},
    Form{4, Tag::acdb},
    Form{5, Tag::acdeb},
    // Weights of convolutions.
    Form{3, Tag::ABc16b16a, Tag::aBCd16c16b, 16},
    Form{4, Tag::ABcd16b16a, Tag::aBCde16c16b, 16},
    Form{5, Tag::ABcde16b16a, Tag::aBCdef16c16b, 16},
    Form{3, Tag::ABc16a16b, Tag::aBCd16b16c, 16},
    Form{4, Tag::ABcd16a16b, Tag::aBCde16b16c, 16},
    Form{5, Tag::ABcde16a16b, Tag::aBCdef16b16c, 16},
    Form{3, Tag::ABc8b8a, Tag::aBCd8c8b, 8},
    Form{4, Tag::ABcd8b8a, Tag::aBCde8c8b, 8},
    Form{5, Tag::ABcde8b8a, Tag::aBCdef8c8b, 8},
    Form{3, Tag::ABc8a8b, Tag::aBCd8b8c, 8},
    Form{4, Tag::ABcd8a8b, Tag::aBCde8b8c, 8},
    Form{5, Tag::ABcde8a8b, Tag::aBCdef8b8c, 8},
    Form{3, Tag::Acb16a, Tag::aBdc16b, 16},
    Form{4, Tag::Acdb16a, Tag::aBdec16b, 16},
    Form{5, Tag::Acdeb16a, Tag::aBdefc16b, 16},
    Form{3, Tag::Acb8a, Tag::aBdc8b, 8},
    Form{4, Tag::Acdb8a, Tag::aBdec8b, 8},
    Form{5, Tag::Acdeb8a, Tag::aBdefc8b, 8},
    // Weights of depthwise convolutions: one channel per group, groups in blocks.
    Form{3, Tag::Abc16a, Tag::Abcd16a},
    Form{4, Tag::Abcd16a, Tag::Abcde16a},
    Form{4, Tag::Abcd8a, Tag::Abcde8a},
};

bool is_activation(const Form& form) { return form.grouped == Tag::undef; }

Shape dnnl_shape(const Shape& shape) { return shape.empty() ? Shape{1} : shape; }

}  // namespace

bool has_dnnl_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::i32:
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return true;
    default:
      return false;
  }
}

dnnl::memory::data_type dnnl_type(DType dtype) {
  using Type = dnnl::memory::data_type;
  switch (dtype) {
    case DType::f32:
      return Type::f32;
    case DType::f16:
      return Type::f16;
    case DType::bf16:
      return Type::bf16;
    case DType::i32:
      return Type::s32;
    case DType::i8:
      return Type::s8;
    case DType::u8:
    case DType::boolean:
      return Type::u8;
    default:
      throw InternalError(__FILE__, __LINE__, "dtype is one of oneDNN's",
                          std::string(name_of(dtype)));
  }
}

dnnl::memory::desc row_major_desc(DType dtype, const Shape& shape) {
  const Shape dims = dnnl_shape(shape);
  return {dims, dnnl_type(dtype), row_major_strides(dims)};
}

dnnl::memory::desc any_desc(DType dtype, const Shape& shape) {
  return {dnnl_shape(shape), dnnl_type(dtype), Tag::any};
}

dnnl::memory::desc memory_desc(const TensorType& type, const Layout& layout) {
  if (layout.id == 0) return row_major_desc(type.dtype, type.shape);
  HEADRACE_CHECK(layout.id <= kForms.size(), "layout {}", layout.id);
  const Form& form = kForms[layout.id - 1];
  HEADRACE_CHECK(form.rank == type.rank(), "layout {} for {}", layout.id, to_string(type));
  return {type.shape, dnnl_type(type.dtype), form.tag};
}

std::optional<Layout> layout_of(const dnnl::memory::desc& desc) {
  const Shape dims = desc.get_dims();
  const auto type = desc.get_data_type();
  if (desc == dnnl::memory::desc(dims, type, row_major_strides(dims))) return Layout{};
  int64_t image = 1;
  for (size_t i = 2; i < dims.size(); ++i) image *= dims[i];
  for (size_t i = 0; i < kForms.size(); ++i) {
    const Form& form = kForms[i];
    if (form.rank != static_cast<int>(dims.size())) continue;
    if (desc != dnnl::memory::desc(dims, type, form.tag)) continue;
    if (is_activation(form) && image == 1 && desc.get_padded_dims() == dims) return Layout{};
    return Layout{static_cast<uint16_t>(i + 1), static_cast<int64_t>(desc.get_size())};
  }
  return std::nullopt;
}

Layout graph_layout(const dnnl::memory::desc& desc) {
  if (desc.get_padded_dims() != desc.get_dims()) return {};
  return layout_of(desc).value_or(Layout{});
}

dnnl::memory::desc lies_as(const TensorType& type, const Layout& layout,
                           const dnnl::memory::desc& wanted) {
  return layout_of(wanted) == layout ? wanted : memory_desc(type, layout);
}

dnnl::memory::desc grouped_weights_desc(const TensorType& type, const Layout& layout,
                                        int64_t groups) {
  Shape dims = type.shape;
  dims[0] /= groups;
  dims.insert(dims.begin(), groups);
  if (layout.id == 0) return row_major_desc(type.dtype, dims);
  HEADRACE_CHECK(layout.id <= kForms.size() && !is_activation(kForms[layout.id - 1]));
  return {dims, dnnl_type(type.dtype), kForms[layout.id - 1].grouped};
}

std::optional<Layout> grouped_weights_layout_of(const dnnl::memory::desc& desc) {
  const Shape dims = desc.get_dims();
  const auto type = desc.get_data_type();
  if (desc == dnnl::memory::desc(dims, type, row_major_strides(dims))) return Layout{};
  for (size_t i = 0; i < kForms.size(); ++i) {
    const Form& form = kForms[i];
    if (is_activation(form) || form.rank + 1 != static_cast<int>(dims.size())) continue;
    if (form.first_dim_block == 1 && (dims[1] != 1 || dims[2] != 1)) continue;
    if (dims[1] % form.first_dim_block != 0) continue;
    if (desc != dnnl::memory::desc(dims, type, form.grouped)) continue;
    return Layout{static_cast<uint16_t>(i + 1), static_cast<int64_t>(desc.get_size())};
  }
  return std::nullopt;
}

Layout layout_like(const Layout& layout, const TensorType& type) {
  if (layout.id == 0) return {};
  return {layout.id, static_cast<int64_t>(memory_desc(type, layout).get_size())};
}

Layout blocked_activation(const TensorType& type) {
  static const bool wide = (static_cast<int>(dnnl::get_effective_cpu_isa()) &
                            static_cast<int>(dnnl::cpu_isa::avx512_core)) ==
                           static_cast<int>(dnnl::cpu_isa::avx512_core);
  const int64_t rank = type.rank(), block = wide ? 16 : 8;
  if (rank < 3 || rank > 5 || type.shape[1] % block != 0) return {};
  int64_t image = 1;
  for (int64_t i = 2; i < rank; ++i) image *= type.shape[static_cast<size_t>(i)];
  if (image == 1) return {};
  constexpr int64_t kRanks = 3;  // forms of one block, from rank 3 on
  return {static_cast<uint16_t>(rank - 2 + (wide ? 0 : kRanks)), type.bytes()};
}

int64_t channels_side_by_side(const TensorType& type, const Layout& layout) {
  if (layout.id == 0) return 1;
  HEADRACE_CHECK(layout.id <= kForms.size(), "layout {}", layout.id);
  const dnnl::memory::desc desc = memory_desc(type, layout);
  if (!is_activation(kForms[layout.id - 1]) || desc.get_padded_dims() != desc.get_dims()) return 0;
  return desc.get_inner_nblks() > 0 ? desc.get_inner_blks()[0] : type.shape[1];
}

int64_t stored_elements(const TensorType& type, const Layout& layout) {
  return layout.id == 0 ? type.elements()
                        : layout.bytes / static_cast<int64_t>(size_of(type.dtype));
}

}  // namespace headrace::cpu
