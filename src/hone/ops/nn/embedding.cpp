// y[r] = table[ids[r]].
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace embedding_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32))
    fail_shapes("embedding", "table f32[V,N], ids i32[R]", t);
  return {{DType::f32, {t[1].dims[0], t[0].dims[1]}}};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  for (std::int64_t r = 0; r < call.in(1).size(); ++r) {
    const std::int32_t id = call.in(1).as<std::int32_t>()[r];
    if (id < 0 || id >= call.in(0).shape()[0])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[embedding] id {} at row {} is outside the table of {} rows", id, r,
                              call.in(0).shape()[0]));
    for (std::int64_t j = 0; j < n; ++j)
      call.out(0).as<float>()[r * n + j] = call.in(0).as<float>()[id * n + j];
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  return {
      call.graph.apply("embedding_grad", {call.in(0), call.in(1), call.grad()}, call.attributes()),
      none};
}

std::vector<OpSample> samples() {
  return {{"odd",
           {random_tensor({9, 5}, 1), int_tensor({6}, {3, 0, 8, 3, 3, 1})},
           {{"padding", std::int64_t{-1}}},
           {0}},
          {"one row",
           {random_tensor({2, 128}, 1), int_tensor({1}, {1})},
           {{"padding", std::int64_t{-1}}},
           {0}},
          {"no rows", {random_tensor({4, 8}, 1), int_tensor({0}, {})}, {}, {}}};
}

}  // namespace embedding_op
}  // namespace

Op op_embedding() {
  using namespace embedding_op;
  Op op{{"embedding", "looks rows up in a table", {padding_option()}},
        2,
        2,
        {"table", "ids"},
        RowRule::rows,
        2};
  op.slots = {{}, 0, -1};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
