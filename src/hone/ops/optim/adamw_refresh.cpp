// Brings the rows of a table that `ids` names up to the step before this one, as if AdamW had run
// on them with zero gradients in every step they missed; `last[row]` is the step a row stands at. A
// table of 30,000 rows of which a batch reads 900 is thus updated exactly, without touching the
// others.
#include "hone/ops/detail/adamw.hpp"

namespace hone {
namespace {
namespace adamw_refresh_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !(t[1] == t[0]) || !(t[2] == t[0]) || !is_vector(t[3], DType::i32) ||
      t[3].dims[0] != t[0].dims[0] || !is_vector(t[4], DType::i32) || !is_vector(t[5]) ||
      !is_vector(t[6], DType::i32))
    fail_shapes("adamw_refresh",
                "p, m, v f32[V,N], last i32[V], ids i32[R], schedule f32[S], step i32[1]", t);
  return {t[0], t[0], t[0], t[3]};
}

void reference(const OpCall& call) {
  const AdamwSettings settings = adamw_settings(*call.attributes);
  const std::int64_t n = row_size(call.in(0));
  const std::int32_t until = call.in(6).as<std::int32_t>()[0] - 1;
  for (std::int32_t id : call.in(4).span<std::int32_t>()) {
    check_table_row("adamw_refresh", id, call.in(0).shape()[0]);
    std::int32_t& last = call.out(3).as<std::int32_t>()[id];
    if (last >= until) continue;
    adamw_catch_up(call.out(0).as<float>() + id * n, call.out(1).as<float>() + id * n,
                   call.out(2).as<float>() + id * n, n, last, until, call.in(5).as<float>(),
                   settings);
    last = until;
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t rows, std::int64_t width, std::int32_t step,
                       double decay, double deviation) {
    Tensor v = random_tensor({rows, width}, 4, deviation);
    for (float& value : v.span<float>()) value *= value;
    Tensor m = random_tensor({rows, width}, 3, deviation);
    Tensor last(DType::i32, {rows});
    for (std::int64_t r = 0; r < rows; ++r)
      last.as<std::int32_t>()[r] = static_cast<std::int32_t>(r * 7 % step);
    // A row that never had a gradient, and one that is up to date.
    for (std::int64_t j = 0; j < width; ++j) m.as<float>()[j] = v.as<float>()[j] = 0;
    last.as<std::int32_t>()[rows - 1] = step - 1;
    Tensor schedule(DType::f32, {1200});
    for (int s = 0; s < 1200; ++s)
      schedule.as<float>()[s] = 1e-3f * (1.0f - static_cast<float>(s) / 1200.0f);
    return OpSample{name,
                    {random_tensor({rows, width}, 1, 0.05), m, v, last,
                     int_tensor({6}, {0, 2, 1, 2, 4, 5}), schedule, int_tensor({1}, {step})},
                    {{"weight_decay", decay}},
                    {},
                    1e-6};
  };
  return {make("few steps", 6, 5, 4, 0.0, 0.01), make("decay", 6, 37, 40, 0.1, 0.01),
          make("tiny moments", 6, 128, 900, 0.01, 1e-7), make("long", 6, 128, 1150, 0.01, 0.02)};
}

}  // namespace adamw_refresh_op
}  // namespace

Op op_adamw_refresh() {
  using namespace adamw_refresh_op;
  Op op{{"adamw_refresh", "brings rows of a table to the step before this one", adamw_options()},
        7,
        7,
        {"p", "m", "v", "last", "ids", "schedule", "step"}};
  op.in_place = {0, 1, 2, 3};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
