#include "hone/numerics/detail/rule_quantizer.hpp"

#include <charconv>
#include <cstring>

#include "hone/numerics/detail/format_options.hpp"

namespace hone {

void RuleQuantizer::refuse_packing() const {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("[{}] rule {} leaves numbers that the format cannot hold: it is not packed",
                  format_, rule_),
      "use rule exact");
}
void RuleQuantizer::refuse(const std::string& message, const std::string& hint) const {
  fail_format(format_, message, hint);
}
PackedTensor RuleQuantizer::pack(const Tensor&) const { refuse_packing(); }
Tensor RuleQuantizer::unpack(const PackedTensor&) const { refuse_packing(); }
void RuleQuantizer::check(const PackedTensor&) const { refuse_packing(); }

void TensorRule::quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const {
  Tensor in(DType::f32, {rows, columns});
  if (in.size() == 0) return;
  std::memcpy(in.data(), x, in.bytes());
  const Tensor out = function_(in);
  std::memcpy(y, out.data(), out.bytes());
}

std::vector<std::int64_t> parse_size_list(const std::string& format, const std::string& text) {
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    std::int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size == 0 || size < -1 || (next != end && *next != ','))
      fail_format(format, fmt::format("block_size = '{}' is not a list of sizes", text),
                  "give positive numbers or -1 (the whole axis), such as 16 or 1,16");
    sizes.push_back(size);
    if (next == end) return sizes;
    at = next + 1;
  }
}

Tensor along_axis(
    const Tensor& x, std::int64_t axis,
    const std::function<void(float* numbers, std::int64_t count, std::int64_t length)>& f) {
  const auto rank = static_cast<std::int64_t>(x.shape().size());
  if (axis < 0) axis += std::max<std::int64_t>(rank, 1);
  if (axis < 0 || axis >= std::max<std::int64_t>(rank, 1))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a tensor {} has no axis {}", to_string(x.shape()), axis));
  std::int64_t outer = 1, inner = 1;
  const std::int64_t length = rank == 0 ? 1 : x.shape()[static_cast<std::size_t>(axis)];
  for (std::int64_t i = 0; i < axis; ++i) outer *= x.shape()[static_cast<std::size_t>(i)];
  for (std::int64_t i = axis + 1; i < rank; ++i) inner *= x.shape()[static_cast<std::size_t>(i)];
  std::vector<float> moved(static_cast<std::size_t>(x.size()));
  Tensor y(DType::f32, x.shape());
  const auto each = [&](const auto& body) {
    std::size_t to = 0;
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i)
        for (std::int64_t l = 0; l < length; ++l) body(to++, (o * length + l) * inner + i);
  };
  each([&](std::size_t to, std::int64_t from) { moved[to] = x.as<float>()[from]; });
  f(moved.data(), x.size(), length);
  each([&](std::size_t to, std::int64_t from) { y.as<float>()[from] = moved[to]; });
  return y;
}

}  // namespace hone
