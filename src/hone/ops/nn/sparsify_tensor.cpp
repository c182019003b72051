// y, keep = sparsify_tensor(x): drops what is not above a quantile of the magnitudes of all of x,
// as MASE prunes activations (sparsity/detail/mase.hpp): what a token keeps depends on the others
// of its batch. With `random` each number goes with the probability `sparsity` instead, drawn by
// its place in x: the same in every run of the same shape.
#include <cstring>

#include "hone/ops/detail/mask.hpp"
#include "hone/ops/detail/sparsify.hpp"
#include "hone/sparsity/detail/mase.hpp"

namespace hone {
namespace {
namespace sparsify_tensor_op {

std::vector<ValueType> infer(const OpTypes& t) { return infer_sparsify("sparsify_tensor", t); }

void reference(const OpCall& call) {
  const Tensor& x = call.in(0);
  const double sparsity = call.attributes->real_or("sparsity", 0);
  const Tensor keep =
      call.attributes->boolean_or("random", false)
          ? mase::drawn(x.shape(), sparsity, 0,
                        static_cast<std::uint32_t>(call.attributes->integer_or("stream", 0)))
          : mase::above(x, mase::magnitude_quantile({&x}, sparsity));
  const Tensor y = apply_mask(x, keep);
  if (x.size() == 0) return;
  std::memcpy(call.out(0).data(), y.data(), y.bytes());
  std::memcpy(call.out(1).data(), keep.data(), keep.bytes());
}

std::vector<OpSample> samples() {
  return {
      {"odd", {spread_tensor({1, 37}, 1)}, {{"sparsity", 0.41}}, {0}, 1e-12},
      {"half", {random_tensor({6, 20}, 2)}, {{"sparsity", 0.5}}, {}, 1e-12},
      {"none", {random_tensor({3, 20}, 3)}, {}, {}, 1e-12},
      {"all", {random_tensor({3, 33}, 3)}, {{"sparsity", 1.0}}, {}, 1e-12},
      {"one", {random_tensor({1, 1}, 3)}, {{"sparsity", 0.5}}, {}, 1e-12},
      {"wide", {random_tensor({66, 300}, 4)}, {{"sparsity", 0.9}}, {}, 1e-12},
      {"random",
       {random_tensor({61, 301}, 5)},
       {{"sparsity", 0.3}, {"random", true}, {"stream", std::int64_t{2}}},
       {0},
       1e-12},
      {"ties", {f32_tensor({2, 4}, {1, -1, 1, 0, 2, 1, -1, 1})}, {{"sparsity", 0.5}}, {}, 1e-12},
      {"no rows", {random_tensor({0, 8}, 1)}, {{"sparsity", 0.5}}, {}, 1e-12}};
}

}  // namespace sparsify_tensor_op
}  // namespace

Op op_sparsify_tensor() {
  using namespace sparsify_tensor_op;
  Op op{{"sparsify_tensor",
         "drops the numbers of the smallest magnitude of a whole tensor",
         {sparsity_option(),
          {"random", OptionType::boolean, false, "numbers drawn at random instead"},
          {"stream", OptionType::integer, std::int64_t{0}, "of random numbers", 0, 4294967295.0}}},
        1,
        1,
        {"x"},
        RowRule::whole};
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = sparsify_gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
