// Attention that is written out becomes one node that never holds the scores of all queries and
// keys.
//
//   batch_matmul(softmax(add(scale(batch_matmul(%q, transpose(%k))), %mask)), %v)
//       =>   dense_attention(%q, %k, %v, %mask) {scale = ...}
//
// The softmax may be the op or its parts; scales stand before or behind the first product, as
// products or quotients with numbers of the model. Transposes of [B,S,H,D] around all of it become
// heads_last, keys that are repeated for several heads of queries become groups. Where it is
// trained, a mask that is learned stays as it is: dense_attention has no gradient of it.
#include <algorithm>
#include <limits>
#include <optional>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/detail/known_number.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace fuse_attention_pass {

class AttentionFuser {
public:
  explicit AttentionFuser(const PassCall& call) : graph_(call.graph), known_(call) {}

  int run() {
    int changes = 0;
    const std::size_t count = graph_.nodes.size();
    readers_ = graph_.readers();
    for (std::size_t n = 0; n < count; ++n)
      if (graph_.nodes[n].op == "batch_matmul" && fuse(NodeId{static_cast<std::int32_t>(n)}))
        ++changes;
    if (changes > 0) {
      graph_.sort();
      graph_.remove_dead();
    }
    return changes;
  }

private:
  struct Scores {
    ValueId q = none, keys = none;  // keys [B,H,D,T]
    double factor = 1;
    ValueId mask = none;
  };
  // A value in a layout with the heads last, or with them first.
  struct Heads {
    ValueId last = none, first = none;
  };

  std::size_t rank(ValueId id) const { return graph_.type(id).dims.size(); }
  bool has_order(const Node& node, const std::vector<std::int64_t>& order) const {
    return integers_of(node.attributes, "order") == order;
  }
  bool is_inner(ValueId id) const { return graph_.only_reader(id, readers_) != nullptr; }

  // What a reduction over the last of four dimensions reads.
  ValueId reduced_by(ValueId id, const char* op) const {
    const Node* node = graph_.producer(id, op);
    if (node == nullptr || !node->attributes.boolean("keep") ||
        integers_of(node->attributes, "axes") != std::vector<std::int64_t>{3})
      return none;
    return node->inputs[0];
  }
  ValueId expanded_from(ValueId id) const {
    const Node* node = graph_.producer(id, "expand");
    return node == nullptr ? ValueId(none) : node->inputs[0];
  }

  // Probabilities behind what replaces those of rows that see no key by 0, as dense_attention does:
  // where they are NaN, or where `mask` has nothing but minus infinity.
  struct Guarded {
    ValueId p = none, mask = none;
  };
  Guarded without_guard(ValueId id) const {
    const Node* choice = graph_.producer(id, "where");
    if (choice == nullptr || !known_.holds(choice->inputs[1], 0)) return {id};
    const ValueId p = choice->inputs[2];
    if (const Node* odd = graph_.producer(choice->inputs[0], "xor")) {  // (ONNX's Not)
      const Node* same = graph_.producer(odd->inputs[0], "equal");
      const bool guards = known_.holds(odd->inputs[1], 1) && same != nullptr &&
                          same->inputs[0] == p && same->inputs[1] == p;
      return {guards ? p : id};
    }
    const Node* hidden = graph_.producer(expanded_from(choice->inputs[0]), "equal");
    if (hidden == nullptr ||
        !known_.holds(hidden->inputs[1], -std::numeric_limits<double>::infinity()))
      return {id};
    const ValueId mask = reduced_by(hidden->inputs[0], "max");
    return mask == none ? Guarded{id} : Guarded{p, mask};
  }

  // The scores of which a value is the softmax over the last dimension, or none.
  ValueId softmax_of(ValueId id) const {
    if (const Node* turned = graph_.producer(id, "reshape")) {
      const Node* soft = graph_.producer(turned->inputs[0], "softmax");
      if (soft == nullptr) return none;
      const Node* flat = graph_.producer(soft->inputs[0], "reshape");
      if (flat == nullptr || graph_.type(flat->inputs[0]).dims != graph_.type(id).dims) return none;
      return graph_.type(turned->inputs[0]).dims.back() == graph_.type(id).dims.back()
                 ? flat->inputs[0]
                 : ValueId(none);
    }
    const Node* quotient = graph_.producer(id, "div");
    if (quotient == nullptr) return none;
    const ValueId powers = quotient->inputs[0];
    const Node* exp = graph_.producer(powers, "exp");
    const ValueId sum = expanded_from(quotient->inputs[1]);
    if (exp == nullptr || sum == none || reduced_by(sum, "sum") != powers) return none;
    const Node* shifted = graph_.producer(exp->inputs[0], "sub");
    if (shifted == nullptr) return none;
    const ValueId largest = expanded_from(shifted->inputs[1]);
    if (largest == none || reduced_by(largest, "max") != shifted->inputs[0]) return none;
    return shifted->inputs[0];
  }

  std::optional<Scores> scores_of(ValueId id) const {
    const auto [factor, inner] = known_.without_factor(id);
    if (const Node* product = graph_.producer(inner, "batch_matmul")) {
      const auto [of_q, q] = known_.without_factor(product->inputs[0]);
      const auto [of_k, k] = known_.without_factor(product->inputs[1]);
      return Scores{q, k, factor * of_q * of_k, none};
    }
    const Node* sum = graph_.producer(inner, "add");
    if (sum == nullptr || factor != 1) return std::nullopt;
    for (const std::size_t side : {0u, 1u}) {
      std::optional<Scores> scores = scores_of(sum->inputs[side]);
      if (!scores || scores->mask != none) continue;
      scores->mask = sum->inputs[1 - side];
      return scores;
    }
    return std::nullopt;
  }

  // A mask before it was repeated: rank and sizes of 1 stay.
  ValueId mask_before(ValueId id) const {
    while (const Node* node = graph_.producer(id, "expand")) id = node->inputs[0];
    return id;
  }

  // [B,H,T,D] made of [B,G,T,D] by repeating each head: that, or the value itself.
  ValueId ungrouped(ValueId id) {
    const Node* flat = graph_.producer(id, "reshape");
    const Node* wide = flat == nullptr ? nullptr : graph_.producer(flat->inputs[0], "expand");
    if (wide == nullptr || rank(id) != 4) return id;
    const ValueId apart = wide->inputs[0];
    const std::vector<Dim> to = graph_.type(flat->inputs[0]).dims, from = graph_.type(apart).dims,
                           all = graph_.type(id).dims;
    if (from.size() != 5 || !(from[2] == Dim(1)) || !(from[0] == to[0]) || !(from[1] == to[1]) ||
        !(from[3] == to[3]) || !(from[4] == to[4]) || !(all[0] == to[0]) || !(all[2] == to[3]) ||
        !(all[3] == to[4]))
      return id;
    const Node* base = graph_.producer(apart, "reshape");
    const std::vector<Dim> dims{from[0], from[1], from[3], from[4]};
    if (base != nullptr && graph_.type(base->inputs[0]).dims == dims) return base->inputs[0];
    return graph_.apply("reshape", {apart}, {{"shape", to_string(dims)}});
  }

  // With `grouped`, what repeats heads is seen through.
  Heads heads_of(ValueId id, bool grouped) {
    if (grouped) id = ungrouped(id);
    const Node* node = graph_.producer(id, "transpose");
    return {node != nullptr && has_order(*node, {0, 2, 1, 3}) ? node->inputs[0] : ValueId(none),
            id};
  }
  // [B,H,T,D] of [B,H,D,T] that was made of it as [B*H,T,D] (torch.onnx since 2.5), or none.
  ValueId turned_in_three(ValueId id) const {
    const Node* back = graph_.producer(id, "reshape");
    const Node* turn = back == nullptr ? nullptr : graph_.producer(back->inputs[0], "transpose");
    if (turn == nullptr || !has_order(*turn, {0, 2, 1})) return none;
    const Node* flat = graph_.producer(turn->inputs[0], "reshape");
    if (flat == nullptr || rank(flat->inputs[0]) != 4) return none;
    const std::vector<Dim> from = graph_.type(flat->inputs[0]).dims, to = graph_.type(id).dims;
    const std::vector<Dim> three = graph_.type(turn->inputs[0]).dims;
    const bool fits = to == std::vector<Dim>{from[0], from[1], from[3], from[2]} &&
                      three == std::vector<Dim>{multiply(from[0], from[1]), from[2], from[3]};
    return fits ? flat->inputs[0] : ValueId(none);
  }
  // Of keys whose last two dimensions are exchanged.
  Heads heads_of_turned(ValueId id, bool grouped) {
    if (const Node* node = graph_.producer(id, "transpose")) {
      if (has_order(*node, {0, 1, 3, 2})) return heads_of(node->inputs[0], grouped);
      if (has_order(*node, {0, 2, 3, 1})) return {node->inputs[0], none};
    }
    if (const ValueId turned = turned_in_three(id); turned != none)
      return heads_of(turned, grouped);
    return {none, graph_.apply("transpose", {id}, {{"order", std::string("0,1,3,2")}})};
  }
  Dim head_count(const Heads& heads) const {
    return heads.first != none ? graph_.type(heads.first).dims[1] : graph_.type(heads.last).dims[2];
  }
  ValueId heads_first(const Heads& heads) {
    if (heads.first != none) return heads.first;
    return graph_.apply("transpose", {heads.last}, {{"order", std::string("0,2,1,3")}});
  }

  bool fuse(NodeId n) {
    const Node node = graph_.node(n);
    const auto [p, guard] = without_guard(node.inputs[0]);
    const ValueId result = node.outputs[0];
    const DType dtype = graph_.type(result).dtype;
    const bool guarded = p != node.inputs[0];
    if (rank(result) != 4 || !is_inner(guarded ? node.inputs[0] : p) || dtype == DType::f64 ||
        !is_real(dtype))
      return false;
    const ValueId x = softmax_of(p);
    if (x == none) return false;
    std::optional<Scores> scores = scores_of(x);
    if (!scores || (guard != none && guard != scores->mask) || !known_.stays(scores->mask))
      return false;
    if (scores->factor == 0 || rank(scores->q) != 4 || rank(scores->keys) != 4) return false;
    const auto [of_k, keys] = known_.without_factor(scores->keys);
    const Heads q = heads_of(scores->q, false);
    Heads k = heads_of_turned(keys, true), v = heads_of(node.inputs[1], true);
    if (!(head_count(k) == head_count(v))) {  // (Only one of them repeats heads.)
      k = heads_of_turned(keys, false);
      v = heads_of(node.inputs[1], false);
    }
    Options attributes{{"scale", scores->factor * of_k}};
    std::vector<ValueId> inputs;
    // Around all of it: what reads the result exchanges the dimensions back.
    const Node* after = graph_.only_reader(result, readers_);
    const bool turned_back =
        after != nullptr && after->op == "transpose" && has_order(*after, {0, 2, 1, 3});
    const bool last = turned_back && q.last != none && k.last != none && v.last != none;
    const ValueId replaced = last ? after->outputs[0] : result;
    if (last) {
      attributes.set("heads_last", true);
      inputs = {q.last, k.last, v.last};
    } else {
      inputs = {heads_first(q), heads_first(k), heads_first(v)};
    }
    if (scores->mask != none) inputs.push_back(mask_before(scores->mask));
    const ValueId made =
        graph_.apply("dense_attention", inputs, attributes, graph_.value(replaced).name + ".fused");
    graph_.replace_uses(replaced, made);
    return true;
  }

  Graph& graph_;
  KnownNumbers known_;
  std::vector<std::vector<NodeId>> readers_;
};

}  // namespace fuse_attention_pass
}  // namespace

Pass pass_fuse_attention() {
  using namespace fuse_attention_pass;
  Pass pass{{"fuse_attention", "makes attention that is written out one node", {training_option}}};
  pass.run = [](const PassCall& call) {
    if (call.tensors == nullptr || !call.graph.updates.empty()) return 0;
    return AttentionFuser(call).run();
  };
  return pass;
}

}  // namespace hone
