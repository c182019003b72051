// embedding_grad without the zeros: the rows that occur in `ids`, ascending, how many they are, and
// their gradients. rows and values have room for R rows; what follows the first `count` is
// undefined (zero in the reference).
#include <map>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace embedding_grad_rows_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || !is_matrix(t[2]) ||
      t[1].dims[0] != t[2].dims[0] || t[0].dims[1] != t[2].dims[1])
    fail_shapes("embedding_grad_rows", "table f32[V,N], ids i32[R], dy f32[R,N]", t);
  return {t[1], {DType::i32, {1}}, t[2]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  std::map<std::int32_t, std::vector<double>> sums;
  for (std::int64_t r = 0; r < call.in(1).size(); ++r) {
    if (call.in(1).as<std::int32_t>()[r] == call.attributes->integer("padding")) continue;
    std::vector<double>& sum = sums[call.in(1).as<std::int32_t>()[r]];
    sum.resize(static_cast<std::size_t>(n), 0.0);
    for (std::int64_t j = 0; j < n; ++j)
      sum[static_cast<std::size_t>(j)] += call.in(2).as<float>()[r * n + j];
  }
  std::int32_t i = 0;
  for (const auto& [row, sum] : sums) {
    call.out(0).as<std::int32_t>()[i] = row;
    for (std::int64_t j = 0; j < n; ++j)
      call.out(2).as<float>()[i * n + j] = static_cast<float>(sum[static_cast<std::size_t>(j)]);
    ++i;
  }
  call.out(1).as<std::int32_t>()[0] = i;
}

std::vector<OpSample> samples() {
  return {
      {"odd",
       {random_tensor({9, 5}, 1), int_tensor({6}, {3, 0, 8, 3, 3, 1}), random_tensor({6, 5}, 2)},
       {{"padding", std::int64_t{-1}}},
       {}},
      {"padding",
       {random_tensor({9, 5}, 1), int_tensor({6}, {3, 0, 8, 3, 3, 1}), random_tensor({6, 5}, 2)},
       {{"padding", std::int64_t{3}}},
       {}},
      {"one row",
       {random_tensor({2, 128}, 1), int_tensor({1}, {1}), random_tensor({1, 128}, 2)},
       {{"padding", std::int64_t{-1}}},
       {}},
      {"no rows",
       {random_tensor({4, 8}, 1), int_tensor({0}, {}), random_tensor({0, 8}, 2)},
       {{"padding", std::int64_t{-1}}},
       {}}};
}

}  // namespace embedding_grad_rows_op
}  // namespace

Op op_embedding_grad_rows() {
  using namespace embedding_grad_rows_op;
  Op op{
      {"embedding_grad_rows", "gradient of embedding for the rows that occur", {padding_option()}},
      3,
      3,
      {"table", "ids", "dy"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
