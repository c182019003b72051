// The gradient of embedding for its table[V,N], of ids[R] and dy[R,N]: row v is the sum of dy over
// the rows whose id is v.
//   embedding_grad       the whole table
//   embedding_grad_rows  without the zeros: the rows that occur, ascending, how many they are, and
//                        their gradients. rows and values have room for R rows; what follows the
//                        first `count` is undefined (zero in the reference).
#include <algorithm>
#include <map>

#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace embedding_grad_family {

void check_types(const char* op, const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::i32) || !is_matrix(t[2]) ||
      t[1].dims[0] != t[2].dims[0] || t[0].dims[1] != t[2].dims[1])
    fail_shapes(op, "table f32[V,N], ids i32[R], dy f32[R,N]", t);
}

// By row of the table that occurs, without the one of padding.
std::map<std::int32_t, std::vector<double>> sums_of(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0)), padding = call.attributes->integer("padding");
  std::map<std::int32_t, std::vector<double>> sums;
  for (std::int64_t r = 0; r < call.in(1).size(); ++r) {
    const std::int32_t row = call.in(1).as<std::int32_t>()[r];
    if (row == padding) continue;
    std::vector<double>& sum = sums[row];
    sum.resize(static_cast<std::size_t>(n), 0.0);
    for (std::int64_t j = 0; j < n; ++j)
      sum[static_cast<std::size_t>(j)] += call.in(2).as<float>()[r * n + j];
  }
  return sums;
}

void store(const std::vector<double>& sum, float* to) {
  for (const double number : sum) *to++ = static_cast<float>(number);
}

std::vector<OpSample> samples() {
  const Tensor ids = int_tensor({6}, {3, 0, 8, 3, 3, 1});
  const Options none{{"padding", std::int64_t{-1}}}, third{{"padding", std::int64_t{3}}};
  return {{"odd", {random_tensor({9, 5}, 1), ids, random_tensor({6, 5}, 2)}, none, {}},
          {"padding", {random_tensor({9, 5}, 1), ids, random_tensor({6, 5}, 2)}, third, {}},
          {"one row",
           {random_tensor({2, 128}, 1), int_tensor({1}, {1}), random_tensor({1, 128}, 2)},
           none,
           {}},
          {"no rows",
           {random_tensor({4, 8}, 1), int_tensor({0}, {}), random_tensor({0, 8}, 2)},
           none,
           {}}};
}

Op gradient_op(const char* name, const char* summary) {
  Op op{{name, summary, {padding_option()}}, 3, 3, {"table", "ids", "dy"}};
  op.samples = samples;
  return op;
}

Op whole_table() {
  Op op = gradient_op("embedding_grad", "gradient of embedding for its table");
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types("embedding_grad", t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    float* to = call.out(0).as<float>();
    std::fill(to, to + call.out(0).size(), 0.0f);
    for (const auto& [row, sum] : sums_of(call)) store(sum, to + row * row_size(call.in(0)));
  };
  return op;
}

Op rows_that_occur() {
  Op op = gradient_op("embedding_grad_rows", "gradient of embedding for the rows that occur");
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_types("embedding_grad_rows", t);
    return {t[1], {DType::i32, {1}}, t[2]};
  };
  op.reference = [](const OpCall& call) {
    std::int32_t count = 0;
    for (const auto& [row, sum] : sums_of(call)) {
      call.out(0).as<std::int32_t>()[count] = row;
      store(sum, call.out(2).as<float>() + count * row_size(call.in(0)));
      ++count;
    }
    call.out(1).as<std::int32_t>()[0] = count;
  };
  return op;
}

}  // namespace embedding_grad_family
}  // namespace

std::vector<Op> op_embedding_grad_family() {
  using namespace embedding_grad_family;
  return {whole_table(), rows_that_occur()};
}

}  // namespace hone
