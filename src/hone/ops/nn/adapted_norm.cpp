// The length of each row of w + factor b a, with w[N,K], a[r,K], b[N,r]: what DoRA divides by (Liu
// et al., arXiv 2402.09353). Their section 4.3 takes it as a constant: it has no gradient. A row of
// zeros has no direction: its length counts as infinite, and what it gives times magnitude / length
// stays zero (pruned heads and neurons).
#include <limits>

#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/lora.hpp"

namespace hone {
namespace {
namespace adapted_norm_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_matrix(t[1]) || !is_matrix(t[2]) || t[0].dims[1] != t[1].dims[1] ||
      t[2].dims[0] != t[0].dims[0] || t[2].dims[1] != t[1].dims[0])
    fail_shapes("adapted_norm", "w f32[N,K], a f32[r,K], b f32[N,r]", t);
  return {{DType::f32, {t[0].dims[0]}}};
}

void reference(const OpCall& call) {
  const std::int64_t k = call.in(1).shape()[1];
  const std::int64_t rank = call.in(1).shape()[0];
  const double factor = lora_factor(*call.attributes, rank);
  const float* a = call.in(1).as<float>();
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* b = call.in(2).as<float>() + r * rank;
    double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) {
      double path = 0;
      for (std::int64_t j = 0; j < rank; ++j) path += static_cast<double>(b[j]) * a[j * k + i];
      const double value = call.in(0).as<float>()[r * k + i] + factor * path;
      sum += value * value;
    }
    call.out(0).as<float>()[r] =
        sum == 0 ? std::numeric_limits<float>::infinity() : static_cast<float>(std::sqrt(sum));
  }
}

}  // namespace adapted_norm_op
}  // namespace

Op op_adapted_norm() {
  using namespace adapted_norm_op;
  Op op{{"adapted_norm",
         "length of each row of an adapted weight",
         {{"alpha", OptionType::real, {}, "as of lora"},
          {"rank_stabilized", OptionType::boolean, false, "as of lora"}}},
        3,
        3,
        {"w", "a", "b"},
        RowRule::rows,
        1 | 4};
  op.straight_through = true;
  op.non_negative = true;
  op.infer = infer;
  op.reference = reference;
  op.gradient = [](const GradientCall&) { return std::vector<ValueId>{none, none, none}; };
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    return 2.0 * static_cast<double>(inputs[0][0] * inputs[0][1]) *
           static_cast<double>(inputs[1][0] + 1);
  };
  op.samples = [] {
    const auto make = [](const char* name, std::int64_t n, std::int64_t k, std::int64_t rank) {
      return OpSample{name,
                      {random_tensor({n, k}, 1), random_tensor({rank, k}, 2, 0.3),
                       random_tensor({n, rank}, 3, 0.3)},
                      {{"alpha", 2.5}, {"rank_stabilized", rank == 3}},
                      {}};
    };
    return std::vector<OpSample>{make("one row", 1, 5, 1), make("odd", 7, 19, 3),
                                 make("no rows", 0, 8, 2), make("wide", 130, 200, 8)};
  };
  return op;
}

}  // namespace hone
