// GELU that is written out by the error function becomes one node.
//
//   mul(%x, offset(erf(scale(%x, 1 / sqrt(2))), 1)) times 1/2   =>   gelu(%x)
//
// Factors stand where the exporting program put them: as scales, products or quotients with numbers
// of the model, before or behind the product.
#include <cmath>
#include <optional>

#include "hone/passes/detail/known_number.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_gelu_pass {

class GeluFuser {
public:
  explicit GeluFuser(const PassCall& call) : graph_(call.graph), known_(call) {}

  int run() {
    int changes = 0;
    const std::size_t count = graph_.nodes.size();
    readers_ = graph_.readers();
    for (std::size_t n = 0; n < count; ++n)
      if (graph_.nodes[n].op == "mul" && fuse(graph_.nodes[n])) ++changes;
    if (changes > 0) {
      graph_.sort();
      graph_.remove_dead();
    }
    return changes;
  }

private:
  static bool is_near(double a, double b) { return std::fabs(a - b) < 1e-6; }

  // x of 1 + erf(x / sqrt(2)).
  ValueId argument_of(ValueId id) const {
    const Node* sum = graph_.producer(id);
    ValueId inner = none;
    if (sum != nullptr && sum->op == "offset" && is_near(sum->attributes.real("by"), 1))
      inner = sum->inputs[0];
    if (sum != nullptr && sum->op == "add")
      for (const std::size_t side : {0u, 1u})
        if (known_.number(sum->inputs[side]) == 1.0) inner = sum->inputs[1 - side];
    const Node* erf = graph_.producer(inner, "erf");
    if (erf == nullptr) return none;
    const auto [factor, x] = known_.without_factor(erf->inputs[0]);
    return is_near(factor, std::sqrt(0.5)) ? x : ValueId(none);
  }

  bool fuse(const Node& product) {
    for (const std::size_t side : {0u, 1u}) {
      const auto [inside, x] = known_.without_factor(product.inputs[side]);
      const auto [beside, sum] = known_.without_factor(product.inputs[1 - side]);
      if (argument_of(sum) != x || graph_.type(x).dtype != DType::f32) continue;
      // The half may come after the product, in as many steps as it was written.
      ValueId y = product.outputs[0];
      double factor = inside * beside;
      while (!is_near(factor, 0.5)) {
        const Node* after = graph_.only_reader(y, readers_);
        if (after == nullptr) return false;
        const auto [more, before] = known_.without_factor(after->outputs[0]);
        if (before != product.outputs[0]) return false;
        factor = inside * beside * more;
        y = after->outputs[0];
      }
      const ValueId made = graph_.apply("gelu", {x}, {}, graph_.value(y).name + ".gelu");
      graph_.replace_uses(y, made);
      return true;
    }
    return false;
  }

  Graph& graph_;
  KnownNumbers known_;
  std::vector<std::vector<NodeId>> readers_;
};

}  // namespace fuse_gelu_pass
}  // namespace

Pass pass_fuse_gelu() {
  using namespace fuse_gelu_pass;
  Pass pass{{"fuse_gelu", "makes GELU that is written out one node", {training_option}}};
  pass.run = [](const PassCall& call) {
    if (call.tensors == nullptr || !call.graph.updates.empty()) return 0;
    return GeluFuser(call).run();
  };
  return pass;
}

}  // namespace hone
