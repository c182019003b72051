// y = x w^T + b, w stored by its nonzero numbers: compressed sparse rows, for one chunk of inputs
// after the other. In chunk c output n has the numbers values[rows[c N + n] .. rows[c N + n + 1]),
// of the inputs that `columns` names, all of them c chunk to (c + 1) chunk - 1.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {

std::int64_t chunks_of(std::int64_t inputs, const Options& attributes) {
  const std::int64_t chunk = attributes.integer("chunk");
  return (inputs + chunk - 1) / chunk;
}

std::vector<ValueType> infer(const OpTypes& t) {
  bool good = is_matrix(t[0]) && t[0].dims[1].is_fixed() && is_vector(t[1]) &&
              is_vector(t[2], DType::i32) && is_vector(t[3], DType::i32) &&
              t[1].dims == t[2].dims && t[3].dims[0].is_fixed();
  std::int64_t outputs = 0;
  if (good) {
    const std::int64_t chunks = chunks_of(t[0].dims[1].offset, *t.attributes);
    const std::int64_t rows = t[3].dims[0].offset - 1;
    outputs = chunks == 0 ? 0 : rows / chunks;
    good = rows >= 0 && outputs * chunks == rows &&
           (!t.has(4) || (is_vector(t[4]) && t[4].dims[0] == Dim(outputs)));
  }
  if (!good)
    fail_shapes("linear_sparse",
                "x f32[R,K], values f32[Z], columns i32[Z], rows i32[chunks N + 1], b f32[N]", t);
  return {{DType::f32, {t[0].dims[0], Dim(outputs)}}};
}

void reference(const OpCall& call) {
  const std::int64_t k = row_size(call.in(0));
  const std::int64_t n = row_size(call.out(0));
  const std::int64_t chunks = chunks_of(k, *call.attributes);
  const float* values = call.in(1).as<float>();
  const auto* columns = call.in(2).as<std::int32_t>();
  const auto* rows = call.in(3).as<std::int32_t>();
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(0).as<float>() + r * k;
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = call.has(4) ? call.in(4).as<float>()[j] : 0.0;
      for (std::int64_t c = 0; c < chunks; ++c)
        for (std::int32_t i = rows[c * n + j]; i < rows[c * n + j + 1]; ++i)
          sum += static_cast<double>(x[columns[i]]) * values[i];
      call.out(0).as<float>()[r * n + j] = static_cast<float>(sum);
    }
  }
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  return 2.0 * static_cast<double>(inputs[0][0]) * static_cast<double>(inputs[1][0]);
}

// One number of `every` is kept; every fifth output has none.
OpSample make(const char* name, std::int64_t r, std::int64_t k, std::int64_t n, std::uint32_t every,
              bool bias) {
  constexpr std::int64_t chunk = 16;
  RandomStream random(7, every);
  std::vector<float> values;
  std::vector<std::int32_t> columns, rows{0};
  for (std::int64_t begin = 0; begin < k; begin += chunk)
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t i = begin; i < std::min(k, begin + chunk); ++i) {
        if (j % 5 == 4 || random.below(every) != 0) continue;
        values.push_back(static_cast<float>(random.below(2000)) / 1000.0f - 1.0f);
        columns.push_back(static_cast<std::int32_t>(i));
      }
      rows.push_back(static_cast<std::int32_t>(values.size()));
    }
  const auto count = static_cast<std::int64_t>(values.size());
  return {name,
          {random_tensor({r, k}, 1), Tensor::from<float>(DType::f32, {count}, values),
           Tensor::from<std::int32_t>(DType::i32, {count}, columns),
           Tensor::from<std::int32_t>(DType::i32, {static_cast<std::int64_t>(rows.size())}, rows),
           bias ? random_tensor({n}, 3) : Tensor()},
          {{"chunk", chunk}},
          {}};
}

}  // namespace

Op op_linear_sparse() {
  Op op{{"linear_sparse",
         "product with a weight of which few numbers are not zero",
         {{"chunk", OptionType::integer, std::int64_t{64}, "inputs of a chunk", 1, 1e9}}},
        4,
        5,
        {"x", "values", "columns", "rows", "b"},
        RowRule::rows};
  op.infer = infer;
  op.reference = reference;
  op.flop = flop;
  op.samples = [] {
    return std::vector<OpSample>{
        make("one row", 1, 4, 3, 2, true),         make("odd", 7, 19, 5, 3, true),
        make("no bias", 33, 67, 21, 4, false),     make("tiles", 200, 128, 70, 10, true),
        make("nothing kept", 9, 8, 6, 1000, true), make("no rows", 0, 8, 8, 2, true)};
  };
  return op;
}

}  // namespace hone
