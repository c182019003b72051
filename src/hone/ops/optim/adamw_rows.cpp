// One AdamW step on the rows of a table that have a gradient: `rows`, `count`, `values` as
// embedding_grad_rows gives them. The rows stand at the step before (adamw_refresh saw to it).
#include "hone/ops/detail/adamw.hpp"

namespace hone {
namespace {
namespace adamw_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !(t[1] == t[0]) || !(t[2] == t[0]) || !is_vector(t[3], DType::i32) ||
      t[3].dims[0] != t[0].dims[0] || !is_vector(t[4], DType::i32) ||
      !is_vector(t[5], DType::i32) || !is_matrix(t[6]) || t[6].dims[1] != t[0].dims[1] ||
      !is_vector(t[7]) || !is_vector(t[8]) || !is_vector(t[9], DType::i32))
    fail_shapes(
        "adamw_rows",
        "p, m, v f32[V,N], last i32[V], rows i32[R], count i32[1], values f32[R,N], clip f32[1], "
        "schedule f32[S], step i32[1]",
        t);
  return {t[0], t[0], t[0], t[3]};
}

void reference(const OpCall& call) {
  const AdamwSettings settings = adamw_settings(*call.attributes);
  const std::int64_t n = row_size(call.in(0));
  const std::int32_t step = call.in(9).as<std::int32_t>()[0];
  const double lr = call.in(8).as<float>()[step - 1];
  const double clip = call.in(7).as<float>()[0];
  for (std::int32_t i = 0; i < call.in(5).as<std::int32_t>()[0]; ++i) {
    const std::int64_t row = call.in(4).as<std::int32_t>()[i];
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = row * n + j;
      double p = call.out(0).as<float>()[at];
      double m = call.out(1).as<float>()[at];
      double v = call.out(2).as<float>()[at];
      adamw_element(p, m, v, clip * call.in(6).as<float>()[i * n + j], lr, step, settings);
      call.out(0).as<float>()[at] = static_cast<float>(p);
      call.out(1).as<float>()[at] = static_cast<float>(m);
      call.out(2).as<float>()[at] = static_cast<float>(v);
    }
    call.out(3).as<std::int32_t>()[row] = step;
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t width) {
    Tensor v = random_tensor({9, width}, 4, 0.01);
    for (float& value : v.span<float>()) value *= value;
    return OpSample{
        name,
        {random_tensor({9, width}, 1, 0.05), random_tensor({9, width}, 3, 0.01), v,
         int_tensor({9}, {2, 2, 2, 0, 1, 2, 2, 2, 2}), int_tensor({4}, {7, 1, 5, 0}),
         int_tensor({1}, {3}), random_tensor({4, width}, 6, 0.1), f32_tensor({1}, {0.7}),
         f32_tensor({5}, {1e-3, 2e-3, 3e-3, 1e-3, 1e-3}), int_tensor({1}, {3})},
        {{"weight_decay", 0.01}},
        {}};
  };
  return {make("odd", 5), make("wide", 128)};
}

}  // namespace adamw_rows_op
}  // namespace

Op op_adamw_rows() {
  using namespace adamw_rows_op;
  Op op{{"adamw_rows", "one AdamW step on some rows of a table", adamw_options()},
        10,
        10,
        {"p", "m", "v", "last", "rows", "count", "values", "clip", "schedule", "step"}};
  op.in_place = {0, 1, 2, 3};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
