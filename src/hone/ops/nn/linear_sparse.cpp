// y = x w^T + b, w stored by its nonzero numbers: compressed sparse rows, of `group` outputs
// together. Outputs g group .. (g + 1) group - 1 read the inputs columns[i], i from rows[g] to
// rows[g + 1] - 1, output g group + j with the number values[i group + j].
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace linear_sparse_op {

std::vector<ValueType> infer(const OpTypes& t) {
  bool good = is_matrix(t[0]) && t[0].dims[1].is_fixed() && is_vector(t[1]) &&
              is_vector(t[2], DType::i32) && is_vector(t[3], DType::i32) &&
              t[1].dims[0].is_fixed() && t[2].dims[0].is_fixed() && t[3].dims[0].is_fixed();
  const std::int64_t group = t.attributes->integer("group");
  const std::int64_t outputs = good ? (t[3].dims[0].offset - 1) * group : 0;
  good = good && outputs >= 0 && t[1].dims[0].offset == t[2].dims[0].offset * group &&
         (!t.has(4) || (is_vector(t[4]) && t[4].dims[0] == Dim(outputs)));
  if (!good)
    fail_shapes(
        "linear_sparse",
        "x f32[R,K], values f32[Z group], columns i32[Z], rows i32[N / group + 1], b f32[N]", t);
  return {{DType::f32, {t[0].dims[0], Dim(outputs)}}};
}

void reference(const OpCall& call) {
  const std::int64_t k = row_size(call.in(0));
  const std::int64_t n = row_size(call.out(0));
  const std::int64_t group = call.attributes->integer("group");
  const float* values = call.in(1).as<float>();
  const auto* columns = call.in(2).as<std::int32_t>();
  const auto* rows = call.in(3).as<std::int32_t>();
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(0).as<float>() + r * k;
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = call.has(4) ? call.in(4).as<float>()[j] : 0.0;
      for (std::int32_t i = rows[j / group]; i < rows[j / group + 1]; ++i)
        sum += static_cast<double>(x[columns[i]]) * values[i * group + j % group];
      call.out(0).as<float>()[r * n + j] = static_cast<float>(sum);
    }
  }
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(inputs[1][0]);
}

// One input of `every` is kept; every fifth group has none.
OpSample make(const char* name, std::int64_t r, std::int64_t k, std::int64_t n, std::int64_t group,
              std::uint32_t every, bool bias) {
  RandomStream random(7, every);
  std::vector<float> values;
  std::vector<std::int32_t> columns, rows{0};
  for (std::int64_t j = 0; j < n / group; ++j) {
    for (std::int64_t i = 0; i < k; ++i) {
      if (j % 5 == 4 || random.below(every) != 0) continue;
      for (std::int64_t g = 0; g < group; ++g)
        values.push_back(static_cast<float>(random.below(2000)) / 1000.0f - 1.0f);
      columns.push_back(static_cast<std::int32_t>(i));
    }
    rows.push_back(static_cast<std::int32_t>(columns.size()));
  }
  const auto count = static_cast<std::int64_t>(columns.size());
  return {name,
          {random_tensor({r, k}, 1), Tensor::from<float>(DType::f32, {count * group}, values),
           Tensor::from<std::int32_t>(DType::i32, {count}, columns),
           Tensor::from<std::int32_t>(DType::i32, {static_cast<std::int64_t>(rows.size())}, rows),
           bias ? random_tensor({n}, 3) : Tensor()},
          {{"group", group}},
          {}};
}

}  // namespace linear_sparse_op
}  // namespace

Op op_linear_sparse() {
  using namespace linear_sparse_op;
  Op op{{"linear_sparse",
         "product with a weight of which few numbers are not zero",
         {{"group", OptionType::integer, std::int64_t{1}, "outputs that share their inputs", 1,
           1e9}}},
        4,
        5,
        {"x", "values", "columns", "rows", "b"},
        RowRule::rows};
  op.infer = infer;
  op.reference = reference;
  op.flop = flop;
  op.samples = [] {
    return std::vector<OpSample>{make("one row", 1, 4, 3, 1, 2, true),
                                 make("odd", 7, 19, 5, 1, 3, true),
                                 make("no bias", 33, 67, 21, 1, 4, false),
                                 make("tiles", 200, 128, 70, 1, 10, true),
                                 make("nothing kept", 9, 8, 6, 1, 1000, true),
                                 make("no rows", 0, 8, 8, 1, 2, true),
                                 make("groups, one row", 1, 5, 4, 4, 2, true),
                                 make("groups, odd", 13, 19, 20, 4, 3, false),
                                 make("groups, tiles", 200, 128, 72, 4, 10, true),
                                 make("groups, nothing kept", 9, 8, 8, 4, 1000, true),
                                 make("groups of three", 21, 30, 6, 3, 2, true)};
  };
  return op;
}

}  // namespace hone
