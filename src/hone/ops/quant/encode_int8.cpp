// codes[r, c], scales[r, b] of x: x[r, c] rounds to scales[r, b] (codes[r, c] - zero[r]), b = c /
// block. Codes lie in 0 .. 255; the last column of the scales is the zero. Signed codes are moved
// up by 128.
#include "hone/core/error.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace encode_int8_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !t[0].dims[1].is_fixed())
    fail_shapes("encode_int8", "x f32[R,C] with C fixed", t);
  const std::int64_t columns = t[0].dims[1].offset;
  const auto layout = bind_quantizer(*t.attributes)->int8_layout(columns);
  if (!layout)
    throw Error(ErrorCode::invalid_argument, "[encode_int8] the format has no codes of 8 bits");
  return {{DType::u8, {t[0].dims[0], Dim(code_columns(columns))}},
          {DType::f32, {t[0].dims[0], Dim(scale_count(*layout, columns) + 1)}}};
}

void reference(const OpCall& call) {
  const auto quantizer = bind_quantizer(*call.attributes);
  const std::int64_t columns = row_size(call.in(0));
  const Int8Layout layout = *quantizer->int8_layout(columns);
  const std::int64_t padded = code_columns(columns);
  const std::int64_t scales = scale_count(layout, columns);
  std::vector<std::int8_t> codes(static_cast<std::size_t>(padded));
  std::vector<float> row_scales(static_cast<std::size_t>(scales) + 1);
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    std::int32_t zero = 0;
    quantizer->encode_int8(call.in(0).as<float>() + r * columns, 1, columns, codes.data(), padded,
                           row_scales.data(), &zero);
    if (layout.fixed) {
      row_scales[0] = layout.scale;
      zero = layout.zero;
    }
    const int shift = layout.has_zero ? 0 : 128;
    for (std::int64_t c = 0; c < padded; ++c)
      call.out(0).as<std::uint8_t>()[r * padded + c] =
          c < columns ? static_cast<std::uint8_t>(codes[static_cast<std::size_t>(c)] + shift)
                      : static_cast<std::uint8_t>(zero + shift);
    for (std::int64_t b = 0; b < scales; ++b)
      call.out(1).as<float>()[r * (scales + 1) + b] = row_scales[static_cast<std::size_t>(b)];
    call.out(1).as<float>()[r * (scales + 1) + scales] = static_cast<float>(zero + shift);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, const char* format, const char* options) {
    return OpSample{
        name, {random_tensor(std::move(shape), 1)}, format_options(format, options), {}, 1e-12};
  };
  return {make("integer", {7, 19}, "integer", "width=8 frac_width=4"),
          make("unsigned", {7, 21}, "integer", "is_signed=false width=8"),
          make("one row", {1, 128}, "integer", "width=4"),
          make("no rows", {0, 8}, "integer", ""),
          make("blocks", {5, 96}, "mxint", ""),
          make("odd blocks", {70, 100}, "block_fp", "width=6"),
          make("rows", {5, 70}, "affine", ""),
          make("rows with zeros", {5, 70}, "affine", "symmetric=false")};
}

}  // namespace encode_int8_op
}  // namespace

Op op_encode_int8() {
  using namespace encode_int8_op;
  Op op{{"encode_int8", "8-bit codes and scales of rows", format_attributes()},
        1,
        1,
        {"x"},
        RowRule::rows};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
