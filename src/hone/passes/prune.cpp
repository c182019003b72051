// Puts masks behind the weights of chosen nodes:
//
//   %y = linear(%x, %w)   =>   %y = linear(%x, mask(%w, %w.mask))
//
// Where tensors are given, a mask that is new keeps everything.
#include "hone/passes/prune.hpp"

#include <cstring>

#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace prune_pass {

int run(const PassCall& call) {
  const std::vector<std::string> weights =
      weights_of_nodes(call.graph, prunable_nodes(call.graph, call.options.text("nodes")));
  const int changes = insert_masks(call.graph, weights);
  for (const auto& [weight, mask] : masks_of(call.graph)) {
    if (call.tensors == nullptr || call.tensors->contains(mask)) continue;
    Tensor keep(DType::u8, evaluate(call.graph.type(call.graph.find(mask)), {}));
    std::memset(keep.data(), 1, keep.bytes());
    call.tensors->set(mask, std::move(keep));
  }
  return changes;
}

}  // namespace prune_pass
}  // namespace

Pass pass_prune() {
  using namespace prune_pass;
  Pass pass{{"prune",
             "puts masks behind the weights of chosen nodes",
             {{"nodes", OptionType::text, std::string(),
               "ops, names, regular expressions; default: linear without what makes the logits"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
