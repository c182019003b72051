// Formats whose channels or groups have real scales, computed from their numbers.
#pragma once

#include <array>

#include "hone/numerics/detail/quantizers.hpp"

namespace hone {

// Which numbers share scales: the whole tensor, a channel (a row; of a weight [out, in] one
// output), or `group` consecutive numbers of a row.
enum class Granularity { tensor, channel, group };

OptionSpec granularity_option(const std::string& default_value);
OptionSpec group_size_option();
Granularity parse_granularity(const std::string& text);

template <std::size_t count>
bool no_nan(const std::array<float, count>& scales) {
  return std::none_of(scales.begin(), scales.end(), [](float scale) { return std::isnan(scale); });
}

// A Codec has: scale_count, how many floats a group keeps; fit(x, n), those floats for n numbers;
// apply(scales, x, y, n, stores), the quantized numbers; encode(x, scales) and decode(code,
// scales); accepts(scales), whether scales read from a file can be; bits(), values(),
// gradient_range() and depends_on_data() (whether fit looks at x). With has_int8 also
// int8_layout(), encode_int8(scales, x, codes, n) and zero(scales).
template <typename Codec>
class GroupQuantizer : public Quantizer {
public:
  using Scales = std::array<float, static_cast<std::size_t>(Codec::scale_count)>;

  GroupQuantizer(Codec codec, Granularity granularity, std::int64_t group)
      : codec_(codec), granularity_(granularity), group_(group) {}

  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    const bool stream = stores_past_caches(x, y, rows * columns);
    const Stores stores = stream ? Stores::past_caches_in_turn : Stores::cached;
    for_groups(rows, columns, [&](std::int64_t first, std::int64_t count, std::int64_t) {
      codec_.apply(codec_.fit(x + first, count), x + first, y + first, count, stores);
    });
    if (stream) finish_stream();
  }
  bool by_rows(std::int64_t) const override {
    return granularity_ != Granularity::tensor || !codec_.depends_on_data();
  }

  PackedTensor pack(const Tensor& x) const override {
    refuse_nan(x);
    const MatrixView view = matrix_view(x.shape());
    PackedTensor packed{x.shape(), codec_.bits(), {}, {}};
    const std::int64_t groups = group_count(view);
    if (groups > 0 && Codec::scale_count > 0)
      packed.scales = Tensor(DType::f32, {groups, Codec::scale_count});
    BitWriter writer(x.size(), codec_.bits());
    for_groups(view.rows, view.columns,
               [&](std::int64_t first, std::int64_t count, std::int64_t g) {
                 const Scales scales = codec_.fit(x.as<float>() + first, count);
                 if (!codec_.accepts(scales))
                   throw Error(ErrorCode::numeric,
                               fmt::format("group {}: its numbers are too large for a scale", g),
                               "infinities cannot be packed in this format");
                 std::copy(scales.begin(), scales.end(),
                           packed.scales.as<float>() + g * Codec::scale_count);
                 for (std::int64_t i = first; i < first + count; ++i)
                   writer.put(codec_.encode(x.as<float>()[i], scales));
               });
    packed.codes = code_tensor(writer.finish());
    return packed;
  }

  Tensor unpack(const PackedTensor& packed) const override {
    check(packed);
    Tensor y(DType::f32, packed.shape);
    unpack_rows(packed, 0, matrix_view(packed.shape).rows, y.as<float>());
    return y;
  }
  void unpack_rows(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   float* y) const override {
    const std::int64_t columns = matrix_view(packed.shape).columns;
    if (rows * columns == 0) return;
    BitReader reader(packed.codes.as<std::byte>(), codec_.bits(), first * columns);
    for (std::int64_t r = first; r < first + rows; ++r)
      for (std::int64_t c = 0; c < columns;) {
        const Scales scales = stored_scales(packed, group_at(r, c, columns));
        for (const std::int64_t end = std::min(columns, c + width(columns)); c < end; ++c)
          *y++ = codec_.decode(reader.get(), scales);
      }
  }
  void check(const PackedTensor& packed) const override {
    const std::int64_t groups = group_count(packed_view(packed));
    check_packed(packed, codec_.bits(), groups * Codec::scale_count, DType::f32);
    for (std::int64_t g = 0; g < groups; ++g)
      if (!codec_.accepts(stored_scales(packed, g)))
        throw Error(ErrorCode::bad_format,
                    fmt::format("group {}: its scales are none that numbers could have", g));
    if constexpr (requires { codec_.is_number(0u); })
      check_codes(packed, [this](std::uint32_t code) { return codec_.is_number(code); });
  }

  double bits_per_value(const Shape& shape) const override {
    const MatrixView view = matrix_view(shape);
    const double count = static_cast<double>(view.rows * view.columns);
    const double scales = static_cast<double>(group_count(view) * Codec::scale_count);
    return count == 0 ? codec_.bits() : codec_.bits() + 32.0 * scales / count;
  }
  std::vector<float> values(std::size_t limit) const override {
    if (codec_.bits() > 16) return {};
    std::vector<float> values = codec_.values();
    return values.size() > limit ? std::vector<float>() : values;
  }
  const Range* gradient_range() const override { return codec_.gradient_range(); }

  std::optional<Int8Layout> int8_layout(std::int64_t columns) const override {
    if constexpr (Codec::has_int8) {
      if (codec_.bits() > 8) return std::nullopt;
      Int8Layout layout = codec_.int8_layout();
      const bool grouped = granularity_ == Granularity::group && group_ < columns;
      if (layout.fixed || !grouped) return layout;
      layout.block = group_;
      if (!layout.has_zero) return layout;  // a row has one zero
    }
    return std::nullopt;
  }
  void encode_int8(const float* x, std::int64_t rows, std::int64_t columns, std::int8_t* codes,
                   std::int64_t stride, float* scales, std::int32_t* zeros) const override {
    if constexpr (Codec::has_int8) {
      Scales fitted{};
      if (granularity_ == Granularity::tensor) fitted = codec_.fit(x, rows * columns);
      const std::int64_t step = codec_.depends_on_data() ? width(columns) : columns;
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; c += step) {
          const std::int64_t count = std::min(step, columns - c);
          const float* from = x + r * columns + c;
          if (granularity_ != Granularity::tensor) fitted = codec_.fit(from, count);
          codec_.encode_int8(fitted, from, codes + r * stride + c, count);
          if (scales != nullptr) *scales++ = fitted[0];
        }
        if (zeros != nullptr) zeros[r] = codec_.zero(fitted);
      }
    }
  }
  void unpack_int8(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                   std::int8_t* codes, std::int64_t stride, float* scales,
                   std::int32_t* zeros) const override {
    if constexpr (Codec::has_int8) {
      const std::int64_t columns = matrix_view(packed.shape).columns;
      const std::int64_t step = codec_.depends_on_data() ? width(columns) : columns;
      for (std::int64_t r = first; r < first + rows; ++r, codes += stride) {
        unpack_bytes(packed, !codec_.int8_layout().has_zero, r * columns, columns, codes);
        Scales stored{};
        for (std::int64_t c = 0; c < columns; c += step) {
          stored = stored_scales(packed, group_at(r, c, columns));
          if (scales != nullptr) *scales++ = stored[0];
        }
        if (zeros != nullptr) *zeros++ = codec_.zero(stored);
      }
    }
  }

private:
  std::int64_t group_at(std::int64_t row, std::int64_t column, std::int64_t columns) const {
    if (granularity_ == Granularity::tensor) return 0;
    const std::int64_t across = (columns + width(columns) - 1) / width(columns);
    return row * across + column / width(columns);
  }
  static Scales stored_scales(const PackedTensor& packed, std::int64_t group) {
    Scales scales{};
    if constexpr (Codec::scale_count > 0)
      std::copy_n(packed.scales.as<float>() + group * Codec::scale_count, scales.size(),
                  scales.begin());
    return scales;
  }
  std::int64_t width(std::int64_t columns) const {
    return granularity_ == Granularity::group ? std::max<std::int64_t>(1, std::min(group_, columns))
                                              : columns;
  }
  std::int64_t group_count(const MatrixView& view) const {
    if (view.rows * view.columns == 0) return 0;
    if (granularity_ == Granularity::tensor) return 1;
    return view.rows * ((view.columns + width(view.columns) - 1) / width(view.columns));
  }
  // Calls body(first element, count, group) in order.
  template <typename Body>
  void for_groups(std::int64_t rows, std::int64_t columns, const Body& body) const {
    if (rows * columns == 0) return;
    if (granularity_ == Granularity::tensor) {
      body(std::int64_t{0}, rows * columns, std::int64_t{0});
      return;
    }
    std::int64_t g = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; c += width(columns))
        body(r * columns + c, std::min(width(columns), columns - c), g++);
  }

  Codec codec_;
  Granularity granularity_;
  std::int64_t group_;
};

}  // namespace hone
