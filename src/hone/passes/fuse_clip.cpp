// Bounds that are numbers of the model become attributes: one pass over memory, and none where a
// convolution clips while its sums are in registers.
//
//   minimum(maximum(%x, expand(%zero)), expand(%six))   =>   clip(%x) {low = 0.0, high = 6.0}
#include <algorithm>
#include <optional>

#include "hone/passes/detail/known_number.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_clip_pass {

constexpr double unbounded = 3.402823466385288598e38;  // the largest float32

int run(const PassCall& call) {
  Graph& graph = call.graph;
  if (call.tensors == nullptr || !graph.updates.empty()) return 0;
  const KnownNumbers known(call);
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node node = graph.nodes[n];
    const bool upper = node.op == "minimum";
    if ((!upper && node.op != "maximum") || graph.type(node.outputs[0]).dtype != DType::f32)
      continue;
    for (const std::size_t bound : {1, 0}) {
      const std::optional<double> number = known.number(node.inputs[bound]);
      if (!number) continue;
      ValueId x = node.inputs[1 - bound];
      double low = upper ? -unbounded : *number, high = upper ? *number : unbounded;
      // On top of another: the bound that comes later wins, as it does in clip's upper one.
      const Node* before = graph.producer(x, "clip");
      if (before != nullptr && upper) {
        low = before->attributes.real("low");
        high = std::min(high, before->attributes.real("high"));
        x = before->inputs[0];
      }
      const ValueId made = graph.apply("clip", {x}, {{"low", low}, {"high", high}},
                                       graph.value(node.outputs[0]).name + ".clip");
      graph.replace_uses(node.outputs[0], made);
      ++changes;
      break;
    }
  }
  if (changes > 0) {
    graph.sort();
    graph.remove_dead();
  }
  return changes;
}

}  // namespace fuse_clip_pass
}  // namespace

Pass pass_fuse_clip() {
  using namespace fuse_clip_pass;
  Pass pass{{"fuse_clip", "makes bounds that are numbers of the model attributes"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
