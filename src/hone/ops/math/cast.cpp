// The same numbers in another element type: reals are rounded to nearest, to integers they are cut,
// out of range they saturate; to bool is whether they are not 0; integers wrap.
#include "hone/core/error.hpp"
#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace cast_op {

std::vector<ValueType> infer(const OpTypes& t) {
  try {
    return {{dtype_from_name(t.attributes->text("to")), t[0].dims}};
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_argument, "[cast] " + error.message(), error.hint());
  }
}

void reference(const OpCall& call) {
  const bool real = is_real(call.in(0).dtype());
  for (std::int64_t i = 0; i < call.out(0).size(); ++i) {
    if (real)
      set_real(call.out(0), i, real_at(call.in(0), i));
    else
      set_integer(call.out(0), i, integer_at(call.in(0), i));
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  const DType from = call.graph.type(call.in(0)).dtype;
  if (!is_real(from)) return {none};
  return {call.graph.apply("cast", {call.grad()}, {{"to", std::string(name_of(from))}})};
}

std::vector<OpSample> samples() {
  std::vector<OpSample> all;
  for (const char* to :
       {"f32", "f64", "f16", "bf16", "i8", "u8", "i16", "i32", "u32", "i64", "bool"})
    all.push_back(
        {std::string("to ") + to, {random_tensor({5, 7}, 1, 3.0)}, {{"to", std::string(to)}}});
  all.front().differentiable = {0};
  return all;
}

}  // namespace cast_op
}  // namespace

Op op_cast() {
  using namespace cast_op;
  Op op{{"cast",
         "the same numbers in another element type",
         {{"to", OptionType::text, {}, "f32, f64, f16, bf16, i8, u8, i16, i32, u32, i64 or bool"}}},
        1,
        1,
        {"x"},
        RowRule::rows,
        1};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
