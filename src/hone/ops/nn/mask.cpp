// y = x where the mask (u8) is not 0, else 0: a dropped number counts as zero even where it is NaN.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/mask.hpp"

namespace hone {
namespace {
namespace mask_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (t[0].dtype != DType::f32 || t[0].dims.empty() || t[1].dtype != DType::u8 ||
      t[0].dims != t[1].dims)
    fail_shapes("mask", "x f32[N,...], mask u8[N,...]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const auto* mask = call.in(1).as<std::uint8_t>();
  for (std::int64_t i = 0; i < call.in(0).size(); ++i)
    call.out(0).as<float>()[i] = mask[i] != 0 ? call.in(0).as<float>()[i] : 0.0f;
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {call.graph.apply("mask", {call.grad(), call.in(1)}), none};
}

Tensor every_third(Shape shape) {
  Tensor mask(DType::u8, std::move(shape));
  for (std::int64_t i = 0; i < mask.size(); ++i) mask.as<std::uint8_t>()[i] = i % 3 != 0;
  return mask;
}

}  // namespace mask_op
}  // namespace

Tensor apply_mask(const Tensor& x, const Tensor& mask) {
  if (x.shape() != mask.shape())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a mask of {} does not fit a tensor of {}", to_string(mask.shape()),
                            to_string(x.shape())));
  Tensor y(DType::f32, x.shape());
  const auto* keep = mask.as<std::uint8_t>();
  for (std::int64_t i = 0; i < x.size(); ++i)
    y.as<float>()[i] = keep[i] != 0 ? x.as<float>()[i] : 0.0f;
  return y;
}

Op op_mask() {
  using namespace mask_op;
  Op op{{"mask", "drops numbers: zero where a mask is"}, 2, 2, {"x", "mask"}, RowRule::rows, 3};
  op.cheap = true;
  op.stands_for = 0;
  op.elementwise = true;
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = [] {
    return std::vector<OpSample>{
        {"odd", {random_tensor({7, 19}, 1), every_third({7, 19})}, {}, {0}, 1e-12},
        {"vector", {random_tensor({130}, 2), every_third({130})}, {}, {0}, 1e-12},
        {"wide", {random_tensor({66, 300}, 3), every_third({66, 300})}, {}, {}, 1e-12},
        {"no rows", {random_tensor({0, 8}, 1), every_third({0, 8})}, {}, {}, 1e-12}};
  };
  return op;
}

}  // namespace hone
