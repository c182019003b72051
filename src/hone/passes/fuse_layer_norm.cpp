// Layer norm that is written out becomes one node: one pass over memory, and one that has a
// gradient of its own.
//
//   %c = sub(%x, mean(%x))
//   add(mul(div(%c, sqrt(offset(mean(mul(%c, %c))))), %w), %b)   =>   layer_norm(%x, %w, %b)
//
// Means are over the last dimension; numbers and vectors are repeated (expand) as ONNX asks for.
#include <algorithm>
#include <array>
#include <optional>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/detail/known_number.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_layer_norm_pass {

class LayerNormFuser {
public:
  explicit LayerNormFuser(const PassCall& call) : graph_(call.graph), known_(call) {}

  int run() {
    int changes = 0;
    const std::size_t count = graph_.nodes.size();
    for (std::size_t n = 0; n < count; ++n)
      if (graph_.nodes[n].op == "add" && fuse(graph_.nodes[n])) ++changes;
    if (changes > 0) {
      graph_.sort();
      graph_.remove_dead();
    }
    return changes;
  }

private:
  ValueId before_expand(ValueId id) const {
    const Node* node = graph_.producer(id, "expand");
    return node == nullptr ? id : node->inputs[0];
  }

  // What a mean over the last dimension, which stays, is of.
  ValueId averaged(ValueId id) const {
    const Node* node = graph_.producer(id, "mean");
    if (node == nullptr || !node->attributes.boolean("keep")) return none;
    const auto last = static_cast<std::int64_t>(graph_.type(node->inputs[0]).dims.size()) - 1;
    return integers_of(node->attributes, "axes") == std::vector<std::int64_t>{last}
               ? node->inputs[0]
               : ValueId(none);
  }
  bool is_square_of(ValueId id, ValueId x) const {
    if (const Node* product = graph_.producer(id, "mul"))
      return product->inputs[0] == x && product->inputs[1] == x;
    const Node* power = graph_.producer(id, "pow");
    return power != nullptr && power->inputs[0] == x && known_.number(power->inputs[1]) == 2.0;
  }
  // A vector of the last dimension, as a parameter or buffer holds it, of what it was expanded to.
  ValueId vector_of(ValueId id, const Dim& size) const {
    const ValueId vector = before_expand(id);
    const Value& value = graph_.value(vector);
    const bool fits = is_tensor_of_model(value.kind) && value.type.dtype == DType::f32 &&
                      value.type.dims == std::vector<Dim>{size};
    return fits ? vector : ValueId(none);
  }

  struct Centred {
    ValueId x = none;
    double epsilon = 0;
  };
  // What is divided by its deviation.
  std::optional<Centred> normalized(ValueId id) const {
    const Node* quotient = graph_.producer(id, "div");
    if (quotient == nullptr) return std::nullopt;
    const ValueId centred = quotient->inputs[0];
    const Node* root = graph_.producer(before_expand(quotient->inputs[1]), "sqrt");
    const Node* less = graph_.producer(centred, "sub");
    if (root == nullptr || less == nullptr) return std::nullopt;
    const ValueId x = less->inputs[0];
    if (averaged(before_expand(less->inputs[1])) != x) return std::nullopt;
    std::optional<double> epsilon;
    ValueId variance = none;
    if (const Node* more = graph_.producer(root->inputs[0], "offset")) {
      epsilon = more->attributes.real("by");
      variance = more->inputs[0];
    } else if (const Node* sum = graph_.producer(root->inputs[0], "add")) {
      for (const std::size_t side : {0u, 1u})
        if (const auto number = known_.number(sum->inputs[side])) {
          epsilon = number;
          variance = sum->inputs[1 - side];
        }
    }
    if (!epsilon || *epsilon < 0 || *epsilon > 1) return std::nullopt;  // (as layer_norm has it)
    const ValueId squares = averaged(variance);
    if (squares == none || !is_square_of(squares, centred)) return std::nullopt;
    return Centred{x, *epsilon};
  }

  bool fuse(const Node& sum) {
    const ValueId y = sum.outputs[0];
    const std::vector<Dim> dims = graph_.type(y).dims;
    if (graph_.type(y).dtype != DType::f32 || dims.size() < 2) return false;
    for (const std::size_t side : {0u, 1u}) {
      const Node* product = graph_.producer(sum.inputs[side], "mul");
      const ValueId shift = vector_of(sum.inputs[1 - side], dims.back());
      if (product == nullptr || shift == none) continue;
      for (const std::size_t of : {0u, 1u}) {
        const auto found = normalized(product->inputs[of]);
        const ValueId scale = vector_of(product->inputs[1 - of], dims.back());
        if (!found || scale == none) continue;
        replace(y, *found, scale, shift, dims);
        return true;
      }
    }
    return false;
  }

  void replace(ValueId y, const Centred& of, ValueId scale, ValueId shift,
               const std::vector<Dim>& dims) {
    const std::string name = graph_.value(y).name + ".norm";
    const bool matrix = dims.size() == 2;
    ValueId x = of.x;
    if (!matrix) {
      const Dim rows = product(std::span(dims).first(dims.size() - 1));
      x = graph_.apply("reshape", {x}, {{"shape", to_string(std::vector<Dim>{rows, dims.back()})}});
    }
    ValueId made = graph_.apply("layer_norm", {x, scale, shift}, {{"epsilon", of.epsilon}}, name);
    if (!matrix) made = graph_.apply("reshape", {made}, {{"shape", to_string(dims)}});
    graph_.replace_uses(y, made);
  }

  Graph& graph_;
  KnownNumbers known_;
};

}  // namespace fuse_layer_norm_pass
}  // namespace

Pass pass_fuse_layer_norm() {
  using namespace fuse_layer_norm_pass;
  Pass pass{
      {"fuse_layer_norm", "makes layer norm that is written out one node", {training_option}}};
  pass.run = [](const PassCall& call) {
    if (call.tensors == nullptr || !call.graph.updates.empty()) return 0;
    return LayerNormFuser(call).run();
  };
  return pass;
}

}  // namespace hone
