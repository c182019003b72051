// attention on the codes of q, k and v (encode_int8, one format with one scale for all three):
// attention(quantize(q), quantize(k), quantize(v), offsets) with sums of whole numbers. Without
// dropout; gives no logarithms, so it has no gradient.
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/ops/detail/attention.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace attention_int8_op {

std::vector<OptionSpec> attributes() {
  std::vector<OptionSpec> specs = format_attributes();
  specs.push_back(
      {"heads", OptionType::integer, {}, "number of heads; divides the width", 1, 65536});
  for (OptionSpec& spec : probabilities_attributes()) specs.push_back(std::move(spec));
  return specs;
}

std::vector<ValueType> infer(const OpTypes& t) {
  const bool fits = t[0].dtype == DType::u8 && t[0].dims.size() == 2 && t[0].dims[1].is_fixed() &&
                    t[1] == t[0] && t[2] == t[0] && is_vector(t[3], DType::i32) &&
                    t[0].dims[1].offset % t.attributes->integer("heads") == 0;
  if (!fits)
    fail_shapes("attention_int8", "q, k, v u8[T,H], H divisible by heads, offsets i32[B+1]", t);
  const std::string reason =
      refuse_attention_int8(*bind_quantizer(*t.attributes), t[0].dims[1].offset);
  if (!reason.empty()) throw Error(ErrorCode::invalid_argument, "[attention_int8] " + reason);
  bind_probabilities(*t.attributes);
  return {{DType::f32, t[0].dims}};
}

void reference(const OpCall& call) {
  const Int8Layout layout = *bind_quantizer(*call.attributes)->int8_layout(row_size(call.in(0)));
  std::vector<Tensor> values;
  for (std::size_t i = 0; i < 3; ++i) {
    values.emplace_back(DType::f32, call.in(i).shape());
    for (std::int64_t e = 0; e < values[i].size(); ++e)
      values[i].as<float>()[e] =
          layout.scale * static_cast<float>(call.in(i).as<std::uint8_t>()[e] - 128);
  }
  Options options = *call.attributes;
  options.set("dropout", 0.0);
  options.set("stream", std::int64_t{0});
  const std::vector<Tensor> results = evaluate_reference(
      find_op("attention"), {&values[0], &values[1], &values[2], &call.in(3)}, options);
  std::copy_n(results[0].as<float>(), results[0].size(), call.out(0).as<float>());
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::vector<std::int32_t> offsets, std::int64_t heads,
                       std::int64_t head_size, const char* format, const char* format_text,
                       const char* probabilities, const char* probabilities_text) {
    const std::int64_t tokens = offsets.back();
    Options options = format_options(format, format_text);
    OpSample sample{name, {}, options, {}, 2e-5};
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      const Tensor x = random_tensor({tokens, heads * head_size}, seed);
      sample.inputs.push_back(evaluate_reference(find_op("encode_int8"), {&x}, options)[0]);
    }
    sample.inputs.push_back(Tensor::from<std::int32_t>(
        DType::i32, {static_cast<std::int64_t>(offsets.size())}, offsets));
    sample.attributes.set("heads", heads);
    const Options rounding = probabilities_options(probabilities, probabilities_text);
    for (const auto& [key, value] : rounding.values()) sample.attributes.set(key, value);
    return sample;
  };
  const char* fixed = "width=8 frac_width=5";
  const char* unit = "frac_width=8 is_signed=false width=8";
  return {make("float probabilities", {0, 3, 8}, 2, 4, "integer", fixed, "", ""),
          make("fixed point", {0, 3, 8}, 2, 4, "integer", fixed, "integer", unit),
          make("one token", {0, 1}, 1, 8, "integer", fixed, "integer", unit),
          make("no tokens", {0}, 2, 4, "integer", fixed, "integer", unit),
          make("long", {0, 130, 131, 290}, 2, 64, "integer", fixed, "integer", "width=4"),
          make("long, float probabilities", {0, 65, 130}, 2, 64, "integer", "width=6", "", ""),
          make("odd heads", {0, 33, 81}, 4, 21, "integer", fixed, "affine", "symmetric=false"),
          make("one scale", {0, 40, 57}, 2, 32, "affine", "scale=0.03 width=7", "affine", ""),
          make("blocks of probabilities", {0, 37}, 1, 16, "integer", fixed, "mxint", "")};
}

}  // namespace attention_int8_op
}  // namespace

Op op_attention_int8() {
  using namespace attention_int8_op;
  Op op{{"attention_int8", "attention on 8-bit codes", attributes()},
        4,
        4,
        {"q", "k", "v", "offsets"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
