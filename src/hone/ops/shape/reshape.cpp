// The same elements under another shape; sizes as graph text writes them: "T,2,64".
#include <algorithm>
#include <charconv>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {

Dim parse_dim(std::string_view text) {
  std::int64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error == std::errc() && end == text.data() + text.size()) return size;
  return std::string(text);
}

std::string shape_text(const ValueType& type) {
  const std::string text = to_string(type);
  const std::size_t open = text.find('[');
  return text.substr(open + 1, text.size() - open - 2);
}

std::vector<ValueType> infer(const OpTypes& t) {
  ValueType result{t[0].dtype, {}};
  for (const std::string& part : split(t.attributes->text("shape"), ','))
    result.dims.push_back(parse_dim(trim(part)));
  // Named sizes must be the same ones; the numbers must have the same product.
  const auto parts = [](const ValueType& type) {
    std::pair<std::vector<std::string>, std::int64_t> found{{}, 1};
    for (const Dim& dim : type.dims) {
      if (dim.is_fixed())
        found.second *= dim.offset;
      else
        found.first.push_back(to_string(dim));
    }
    std::sort(found.first.begin(), found.first.end());
    return found;
  };
  if (parts(t[0]) != parts(result))
    fail_shapes("reshape", "as many elements as in " + to_string(result), t);
  return {result};
}

void reference(const OpCall& call) {
  const auto* from = static_cast<const std::byte*>(call.in(0).data());
  std::copy(from, from + call.in(0).bytes(), static_cast<std::byte*>(call.out(0).data()));
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("reshape", {call.grad()},
                           {{"shape", shape_text(call.graph.type(call.in(0)))}})};
}

std::vector<OpSample> samples() {
  return {{"split", {random_tensor({3, 8}, 1)}, {{"shape", std::string("3,2,4")}}, {0}},
          {"flat", {random_tensor({3, 4, 5}, 1)}, {{"shape", std::string("60")}}, {0}}};
}

}  // namespace

Op op_reshape() {
  Op op{{"reshape",
         "the same elements under another shape",
         {{"shape", OptionType::text, {}, "sizes, e.g. T,2,64"}}},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
