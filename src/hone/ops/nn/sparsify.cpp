// y, keep = sparsify(x): of each row (a token) round(sparsity * N) numbers are dropped, those of
// the smallest magnitude, of equal ones the last; with a threshold instead those whose magnitude is
// not above it. `keep` is 1 where a number stayed. NaN is no small number: it stays.
#include <algorithm>
#include <numeric>

#include "hone/ops/detail/sparsify.hpp"

namespace hone {
namespace {
namespace sparsify_op {

std::vector<ValueType> infer(const OpTypes& t) { return infer_sparsify("sparsify", t); }

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  const double threshold = call.attributes->real_or("threshold", -1);
  const std::int64_t dropped = dropped_of(n, call.attributes->real_or("sparsity", 0));
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const float* x = call.in(0).as<float>() + r * n;
    float* y = call.out(0).as<float>() + r * n;
    auto* keep = call.out(1).as<std::uint8_t>() + r * n;
    for (std::int64_t i = 0; i < n; ++i)
      keep[i] = threshold < 0 || !(std::fabs(x[i]) <= static_cast<float>(threshold));
    if (threshold < 0) {
      const auto size = [&](std::int64_t i) {
        return std::isnan(x[i]) ? HUGE_VALF : std::fabs(x[i]);
      };
      std::iota(order.rbegin(), order.rend(), std::int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return size(a) != size(b) ? size(a) < size(b) : !std::isnan(x[a]) && std::isnan(x[b]);
      });
      for (std::int64_t i = 0; i < dropped; ++i) keep[order[static_cast<std::size_t>(i)]] = 0;
    }
    for (std::int64_t i = 0; i < n; ++i) y[i] = keep[i] != 0 ? x[i] : 0.0f;
  }
}

std::vector<OpSample> samples() {
  const auto half = Options{{"sparsity", 0.5}};
  return {{"odd", {spread_tensor({5, 19}, 1)}, {{"sparsity", 0.4}}, {0}, 1e-12},
          {"threshold", {spread_tensor({3, 21}, 2)}, {{"threshold", 0.7}}, {0}, 1e-12},
          {"none", {random_tensor({3, 20}, 3)}, {}, {0}, 1e-12},
          {"all", {random_tensor({3, 33}, 3)}, {{"sparsity", 1.0}}, {}, 1e-12},
          {"one", {random_tensor({2, 1}, 3)}, half, {}, 1e-12},
          {"wide", {random_tensor({66, 300}, 4)}, {{"sparsity", 0.9}}, {}, 1e-12},
          {"ties",
           {f32_tensor({2, 9}, {1, -1, 1, 0, 2, 1, -1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
           half,
           {},
           1e-12},
          {"no rows", {random_tensor({0, 8}, 1)}, half, {}, 1e-12}};
}

}  // namespace sparsify_op
}  // namespace

Op op_sparsify() {
  using namespace sparsify_op;
  Op op{{"sparsify",
         "drops the numbers of the smallest magnitude of each row",
         {sparsity_option(),
          {"threshold", OptionType::real, -1.0, "drop what is not above it instead; below 0: count",
           -1, 3.4e38}}},
        1,
        1,
        {"x"},
        RowRule::rows};
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = sparsify_gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
