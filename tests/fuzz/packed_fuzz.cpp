// Any bytes as a packed tensor: an error, or numbers; nothing else. The first bytes choose format,
// options, shape and sizes, the rest are codes and scales.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/numerics/format.hpp"

namespace {

class Bytes {
public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint8_t next() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  hone::Tensor take(hone::DType dtype, std::int64_t count) {
    hone::Tensor tensor(dtype, {count});
    auto* to = tensor.as<std::uint8_t>();
    for (std::size_t i = 0; i < tensor.bytes(); ++i) to[i] = next();
    return tensor;
  }

private:
  std::span<const std::uint8_t> bytes_;
};

hone::Options options_of(const hone::Format& format, Bytes& bytes) {
  hone::Options options;
  for (const hone::OptionSpec& spec : format.options) {
    const std::uint8_t choice = bytes.next();
    if (choice < 128) continue;
    if (spec.type == hone::OptionType::boolean) options.set(spec.name, choice % 2 == 0);
    if (spec.type == hone::OptionType::integer)
      options.set(spec.name, std::int64_t{bytes.next()} - 64);
    if (spec.type == hone::OptionType::real) options.set(spec.name, bytes.next() / 16.0);
    if (spec.name == "block_size")
      options.set(spec.name, (choice % 2 == 0 ? "" : "2,") + std::to_string(bytes.next()));
    else if (!spec.choices.empty())
      options.set(spec.name, spec.choices[choice % spec.choices.size()]);
  }
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes({data, size});
  const auto& formats = hone::format_table();
  const hone::Format& format = formats[bytes.next() % formats.size()];
  try {
    const auto quantizer = hone::bind_format(format.name, "exact", options_of(format, bytes));
    hone::PackedTensor packed;
    for (int rank = bytes.next() % 4; rank > 0; --rank) {
      const std::uint8_t length = bytes.next();
      // Sizes that cannot be, now and then.
      packed.shape.push_back(length == 255   ? std::int64_t{1} << 62
                             : length == 254 ? -1
                                             : length % 32);
    }
    packed.code_bits = bytes.next() % 36;
    const std::uint8_t scale_type = bytes.next();
    const std::int64_t scales = std::int64_t{bytes.next()} * 4;
    if (scales > 0)
      packed.scales = bytes.take(scale_type % 8 == 0   ? hone::DType::i32
                                 : scale_type % 2 == 0 ? hone::DType::u8
                                                       : hone::DType::f32,
                                 scales / (scale_type < 64 ? 4 : 1));
    const std::int64_t whole = bytes.next();
    packed.codes = bytes.take(hone::DType::u8, whole * 256 + bytes.next());
    quantizer->check(packed);
    const hone::Tensor numbers = quantizer->unpack(packed);
    const std::int64_t columns = packed.shape.empty() ? 1 : packed.shape.back();
    if (columns == 0 || numbers.size() == 0) return 0;
    const std::int64_t rows = numbers.size() / columns;
    std::vector<float> row(static_cast<std::size_t>(columns));
    quantizer->unpack_rows(packed, rows - 1, 1, row.data());
    const auto layout = quantizer->int8_layout(columns);
    if (!layout) return 0;
    std::vector<std::int8_t> codes(static_cast<std::size_t>(columns));
    std::vector<float> block_scales(static_cast<std::size_t>(columns));
    std::int32_t zero = 0;
    quantizer->unpack_int8(packed, rows - 1, 1, codes.data(), columns, block_scales.data(), &zero);
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
