// dtable of embedding: row v is the sum of dy over the rows whose id is v.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace embedding_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || !is_matrix(t[2]) ||
      t[1].dims[0] != t[2].dims[0] || t[0].dims[1] != t[2].dims[1])
    fail_shapes("embedding_grad", "table f32[V,N], ids i32[R], dy f32[R,N]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()), 0.0);
  const std::int64_t padding = call.attributes->integer("padding");
  for (std::int64_t r = 0; r < call.in(1).size(); ++r)
    for (std::int64_t j = 0; j < n && call.in(1).as<std::int32_t>()[r] != padding; ++j)
      sums[static_cast<std::size_t>(call.in(1).as<std::int32_t>()[r] * n + j)] +=
          call.in(2).as<float>()[r * n + j];
  for (std::size_t i = 0; i < sums.size(); ++i)
    call.out(0).as<float>()[i] = static_cast<float>(sums[i]);
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

}  // namespace embedding_grad_op
}  // namespace

Op op_embedding_grad() {
  using namespace embedding_grad_op;
  Op op{{"embedding_grad", "gradient of embedding for its table", {padding_option()}},
        3,
        3,
        {"table", "ids", "dy"},
        RowRule::whole};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
