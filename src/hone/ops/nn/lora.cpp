// y = base + factor x a^T b^T: the low-rank path of an adapter beside a layer (LoRA, Hu et al.,
// arXiv 2106.09685), with base[R,N] the layer's output, x[R,K] its input, a[r,K], b[N,r].
#include "hone/ops/detail/lora.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace lora_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_matrix(t[1]) || !is_matrix(t[2]) || !is_matrix(t[3]) ||
      t[0].dims[0] != t[1].dims[0] || t[1].dims[1] != t[2].dims[1] ||
      t[2].dims[0] != t[3].dims[1] || t[3].dims[0] != t[0].dims[1] || !t[2].dims[0].is_fixed() ||
      t[2].dims[0].offset < 1)
    fail_shapes("lora", "base f32[R,N], x f32[R,K], a f32[r,K], b f32[N,r]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t k = call.in(2).shape()[1];
  const std::int64_t rank = call.in(2).shape()[0];
  const std::int64_t n = call.in(3).shape()[0];
  const double factor = lora_factor(*call.attributes, rank);
  const float* a = call.in(2).as<float>();
  const float* b = call.in(3).as<float>();
  std::vector<double> low(static_cast<std::size_t>(rank));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(1).as<float>() + r * k;
    for (std::int64_t j = 0; j < rank; ++j) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * a[j * k + i];
      low[static_cast<std::size_t>(j)] = sum;
    }
    for (std::int64_t c = 0; c < n; ++c) {
      double sum = 0;
      for (std::int64_t j = 0; j < rank; ++j)
        sum += low[static_cast<std::size_t>(j)] * b[c * rank + j];
      call.out(0).as<float>()[r * n + c] =
          static_cast<float>(call.in(0).as<float>()[r * n + c] + factor * sum);
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId x = call.in(1);
  const ValueId a = call.in(2);
  const ValueId b = call.in(3);
  const Options factor{{"factor", lora_factor(call.attributes(), g.type(a).dims[0].offset)}};
  // What has few columns is scaled, and x a^T is cheaper made again than kept.
  const ValueId low = g.apply("scale", {g.apply("linear", {x, a})}, factor);
  const ValueId low_gradient = g.apply("scale", {g.apply("matmul", {call.grad(), b})}, factor);
  return {call.grad(), g.apply("matmul", {low_gradient, a}),
          g.apply("matmul_tn", {low_gradient, x}), g.apply("matmul_tn", {call.grad(), low})};
}

double flop(const std::vector<Shape>& inputs, const Options&) {
  const auto rank = static_cast<double>(inputs[2][0]);
  return 2.0 * static_cast<double>(inputs[0][0]) * rank *
         static_cast<double>(inputs[2][1] + inputs[3][0]);
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, std::int64_t rows, std::int64_t k, std::int64_t rank,
                       std::int64_t n, bool stabilized, bool differentiable) {
    OpSample sample{name,
                    {random_tensor({rows, n}, 1), random_tensor({rows, k}, 2),
                     random_tensor({rank, k}, 3, 0.3), random_tensor({n, rank}, 4, 0.3)},
                    {{"alpha", 1.5}, {"rank_stabilized", stabilized}},
                    {}};
    if (differentiable) sample.differentiable = {0, 1, 2, 3};
    return sample;
  };
  return {make("one row", 1, 5, 1, 3, false, true), make("odd", 7, 19, 3, 5, true, true),
          make("no rows", 0, 8, 2, 8, false, false), make("wide", 130, 128, 8, 200, false, false),
          make("rank of the layer", 66, 33, 17, 17, true, false)};
}

}  // namespace lora_op
}  // namespace

Op op_lora() {
  using namespace lora_op;
  Op op{{"lora",
         "adds the low-rank path of an adapter to a layer",
         {{"adapter", OptionType::text, std::string("default"), "the adapter's name"},
          {"alpha", OptionType::real, {}, "the path is multiplied by alpha / rank"},
          {"rank_stabilized", OptionType::boolean, false, "by alpha / sqrt(rank) instead"}}},
        4,
        4,
        {"base", "x", "a", "b"},
        RowRule::rows,
        3};
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = flop;
  op.samples = samples;
  return op;
}

}  // namespace hone
