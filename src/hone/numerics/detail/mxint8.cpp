#include "hone/numerics/detail/mxint8.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

std::int64_t group_count(std::size_t count, std::int64_t group) {
  if (group < 1)
    throw Error(ErrorCode::invalid_argument, fmt::format("group size {} is not positive", group));
  const auto n = static_cast<std::int64_t>(count);
  if (n % group != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("group size {} does not divide {} numbers", group, n));
  return n / group;
}

// What the encoder sees of a number.
float prepared(float x, MxInt8Encoder encoder) {
  if (encoder != MxInt8Encoder::mase) return x;
  const float rounded = bf16_to_f32(f32_to_bf16(x));
  return std::fpclassify(rounded) == FP_SUBNORMAL ? 0.0f : rounded;
}

float decode_mase(std::int8_t code, std::uint8_t scale) {
  // The number with an implied one, less the one where the code has none.
  const auto magnitude = static_cast<std::uint32_t>(code < 0 ? -code : code) & 0xFFu;
  const std::uint32_t power = (code < 0 ? 0x8000u : 0u) | std::uint32_t{scale} << 7;
  const float full = bf16_to_f32(static_cast<std::uint16_t>(power | (magnitude & 63u) << 1));
  if ((magnitude & 64u) != 0) return full;
  return full - bf16_to_f32(static_cast<std::uint16_t>(power));
}

float decode_ocp(std::int8_t code, std::uint8_t scale) {
  if (scale == 255) return std::nanf("");
  return static_cast<float>(std::ldexp(static_cast<double>(code), scale - 133));
}

// float32 numbers from f32 or from the bits of bfloat16, kept as 16-bit integers.
std::vector<float> numbers(const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.dtype() == DType::f32 ? tensor.as<float>()[i]
                                             : bf16_to_f32(tensor.as<std::uint16_t>()[i]);
  return values;
}

template <typename T>
Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<T>& values) {
  return Tensor::from<T>(dtype, shape, values);
}

const Tensor& find(const std::map<std::string, Tensor>& inputs, const std::string& name) {
  const auto found = inputs.find(name);
  if (found == inputs.end())
    throw Error(ErrorCode::bad_format, fmt::format("there is no tensor '{}'", name));
  return found->second;
}

void put_codes(std::map<std::string, Tensor>& out, const std::string& prefix,
               const MxInt8& packed) {
  out[prefix + "codes"] =
      tensor_of(DType::i8, {static_cast<std::int64_t>(packed.codes.size())}, packed.codes);
  out[prefix + "scales"] =
      tensor_of(DType::u8, {static_cast<std::int64_t>(packed.scales.size())}, packed.scales);
}

std::map<std::string, Tensor> run_encode(std::int64_t group, const Tensor& x) {
  std::map<std::string, Tensor> out;
  const std::vector<float> values = numbers(x);
  const MxInt8 mase = encode_mxint8(values, group, MxInt8Encoder::mase);
  put_codes(out, "mase_", mase);
  out["mase_bf16"] = tensor_of(DType::bf16, x.shape(),
                               decode_mxint8(mase.codes, mase.scales, group, MxInt8Decoder::mase));
  put_codes(out, "ocp_rne_", encode_mxint8(values, group, MxInt8Encoder::ocp));
  put_codes(out, "ocp_rhaz_", encode_mxint8(values, group, MxInt8Encoder::microxcaling));
  return out;
}

std::map<std::string, Tensor> run_decode(std::int64_t group,
                                         const std::map<std::string, Tensor>& inputs) {
  const Tensor& scales = find(inputs, "scales");
  std::vector<std::int8_t> codes;
  Shape shape;
  if (inputs.count("codes") != 0) {
    const Tensor& stored = find(inputs, "codes");
    codes.assign(stored.as<std::int8_t>(), stored.as<std::int8_t>() + stored.size());
    shape = stored.shape();
  } else {
    // A table: every code for each scale.
    shape = {scales.size(), 256};
    for (std::int64_t s = 0; s < scales.size(); ++s)
      for (int code = 0; code < 256; ++code) codes.push_back(static_cast<std::int8_t>(code));
  }
  const std::span<const std::uint8_t> exponents(scales.as<std::uint8_t>(),
                                                static_cast<std::size_t>(scales.size()));
  return {{"mase_bf16", tensor_of(DType::bf16, shape,
                                  decode_mxint8(codes, exponents, group, MxInt8Decoder::mase))},
          {"ocp_bf16", tensor_of(DType::bf16, shape,
                                 decode_mxint8(codes, exponents, group, MxInt8Decoder::ocp))}};
}

// y = x w' + b with decoded weights and bias.
std::map<std::string, Tensor> run_linear(std::int64_t group,
                                         const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> out;
  const Tensor& w = find(inputs, "w");
  const Tensor& x = find(inputs, "x_bf16");
  const auto decoded = [&](const Tensor& tensor, const std::string& name) {
    const MxInt8 packed = encode_mxint8(numbers(tensor), group, MxInt8Encoder::mase);
    put_codes(out, name + "_", packed);
    std::vector<float> values;
    for (const std::uint16_t bits :
         decode_mxint8(packed.codes, packed.scales, group, MxInt8Decoder::mase))
      values.push_back(bf16_to_f32(bits));
    return values;
  };
  if (w.shape().size() != 2 || x.shape().size() != 2 || w.shape()[1] != x.shape()[1])
    throw Error(ErrorCode::bad_format, "w and x_bf16 do not fit together");
  const std::vector<float> weights = decoded(w, "w");
  const std::int64_t rows = x.shape()[0], inner = w.shape()[1], outer = w.shape()[0];
  std::vector<float> bias(static_cast<std::size_t>(outer), 0.0f);
  if (inputs.count("b") != 0) bias = decoded(find(inputs, "b"), "b");
  const std::vector<float> values = numbers(x);
  Tensor y(DType::f32, {rows, outer});
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < outer; ++o) {
      float sum = 0;
      for (std::int64_t i = 0; i < inner; ++i)
        sum += values[static_cast<std::size_t>(r * inner + i)] *
               weights[static_cast<std::size_t>(o * inner + i)];
      y.as<float>()[r * outer + o] = sum + bias[static_cast<std::size_t>(o)];
    }
  out["y"] = y;
  return out;
}

}  // namespace

MxInt8 encode_mxint8(std::span<const float> x, std::int64_t group, MxInt8Encoder encoder) {
  const std::int64_t groups = group_count(x.size(), group);
  MxInt8 packed{std::vector<std::int8_t>(x.size(), 0),
                std::vector<std::uint8_t>(static_cast<std::size_t>(groups), 0)};
  for (std::int64_t g = 0; g < groups; ++g) {
    const auto first = static_cast<std::size_t>(g * group);
    std::uint32_t scale = 0;
    for (std::size_t i = first; i < first + static_cast<std::size_t>(group); ++i)
      scale = std::max(scale, std::bit_cast<std::uint32_t>(prepared(x[i], encoder)) >> 23 & 0xFFu);
    packed.scales[static_cast<std::size_t>(g)] = static_cast<std::uint8_t>(scale);
    if (scale == 255) continue;
    for (std::size_t i = first; i < first + static_cast<std::size_t>(group); ++i) {
      const double scaled =
          std::ldexp(static_cast<double>(prepared(x[i], encoder)), 133 - static_cast<int>(scale));
      const double k =
          encoder == MxInt8Encoder::microxcaling ? std::round(scaled) : std::nearbyint(scaled);
      packed.codes[i] = static_cast<std::int8_t>(std::clamp(k, -127.0, 127.0));
    }
  }
  return packed;
}

std::vector<std::uint16_t> decode_mxint8(std::span<const std::int8_t> codes,
                                         std::span<const std::uint8_t> scales, std::int64_t group,
                                         MxInt8Decoder decoder) {
  const std::int64_t groups = group_count(codes.size(), group);
  if (static_cast<std::int64_t>(scales.size()) != groups)
    throw Error(ErrorCode::bad_format,
                fmt::format("{} scales for {} groups", scales.size(), groups));
  std::vector<std::uint16_t> out(codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::uint8_t scale = scales[i / static_cast<std::size_t>(group)];
    out[i] = f32_to_bf16(decoder == MxInt8Decoder::mase ? decode_mase(codes[i], scale)
                                                        : decode_ocp(codes[i], scale));
  }
  return out;
}

std::map<std::string, Tensor> run_mxint8_case(const std::string& kind, std::int64_t group,
                                              const std::map<std::string, Tensor>& inputs) {
  if (kind == "encode") return run_encode(group, find(inputs, "x"));
  if (kind == "decode") return run_decode(group, inputs);
  if (kind == "linear") return run_linear(group, inputs);
  throw Error(ErrorCode::unsupported, fmt::format("MXINT8 vectors of kind '{}'", kind));
}

}  // namespace hone
