// Planes of convolution networks are kept with their channels together, [N,H,W,C]: convolutions
// read and write whole vectors of channels. Values change their order where the first convolution
// reads and where something reads that wants them as they were.
//
//   %y = relu(conv(%x, %w))   =>   %a = transpose(%x) {order = "0,2,3,1"}
//                                  %v = transpose(%w) {order = "2,3,1,0"}
//                                  %b = relu(conv_channels_last(%a, %v))
//                                  %y = transpose(%b) {order = "0,3,1,2"}   (where it is read)
#include <map>

#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace channels_last_pass {

constexpr const char* to_last = "0,2,3,1";
constexpr const char* to_first = "0,3,1,2";

class Rewriter {
public:
  explicit Rewriter(Graph& graph) : graph_(graph) {}

  int run() {
    const std::size_t count = graph_.nodes.size();
    for (std::size_t n = 0; n < count; ++n) {
      const Node node = graph_.nodes[n];
      if (node.group != no_group) continue;
      const ValueId made = rewrite(node);
      if (made == none) continue;
      // What reads it in the old order gets it by a transpose that dies if nobody does.
      const ValueId y = node.outputs[0];
      last_[y] = made;
      const ValueId back = graph_.apply("transpose", {made}, {{"order", std::string(to_first)}},
                                        graph_.value(y).name + ".first");
      graph_.replace_uses(y, back);
      last_[back] = made;
      ++changes_;
    }
    if (changes_ > 0) {
      graph_.sort();
      graph_.remove_dead();
    }
    return changes_;
  }

private:
  bool is_planes(ValueId id) const {
    return graph_.type(id).dims.size() == 4 && graph_.type(id).dtype == DType::f32;
  }
  bool is_last(ValueId id) const { return last_.count(id) != 0; }

  // The value with its channels last.
  ValueId last(ValueId id) {
    const auto found = last_.find(id);
    if (found != last_.end()) return found->second;
    const Node* producer = graph_.producer(id);
    if (producer != nullptr && producer->op == "expand") return last_[id] = expanded(id, *producer);
    if (producer != nullptr && is_rounding(*producer))
      if (const ValueId rounded = rewrite_rounding(Node(*producer)); rounded != none)
        return last_[id] = rounded;
    return last_[id] = graph_.apply("transpose", {id}, {{"order", std::string(to_last)}},
                                    graph_.value(id).name + ".last");
  }

  // What is repeated changes its order before: it is smaller then.
  ValueId expanded(ValueId id, const Node& expand) {
    ValueId from = expand.inputs[0];
    const std::string name = graph_.value(id).name + ".last";
    std::vector<Dim> own = graph_.type(from).dims;
    if (!own.empty()) {
      if (own.size() < 4) {
        own.insert(own.begin(), 4 - own.size(), Dim(1));
        from = graph_.apply("reshape", {from}, {{"shape", to_string(own)}}, name);
      }
      from = last(from);
    }
    const std::vector<Dim>& y = graph_.type(id).dims;
    const std::vector<Dim> turned{y[0], y[2], y[3], y[1]};
    return graph_.apply("expand", {from}, {{"shape", to_string(turned)}}, name);
  }

  std::string name(const Node& node) const { return graph_.value(node.outputs[0]).name + ".last"; }

  ValueId rewrite(const Node& node) {
    if (node.inputs.empty() || !is_planes(node.inputs[0])) return none;
    if (node.op == "conv") return rewrite_conv(node);
    // The others follow their input.
    bool any = false;
    for (const ValueId id : node.inputs) any = any || (id != none && is_last(id));
    if (!any) return none;
    if (node.op == "max_pool" || node.op == "average_pool") return rewrite_pool(node);
    if (node.op == "mean") return rewrite_mean(node);
    if (node.op == "batch_norm" && node.attributes.integer("axis") == 1) {
      std::vector<ValueId> inputs = node.inputs;
      inputs[0] = last(inputs[0]);
      Options attributes = node.attributes;
      attributes.set("axis", std::int64_t{3});
      return graph_.apply("batch_norm", inputs, attributes, name(node));
    }
    if (node.op == "concat" && node.attributes.integer("axis") == 1) {
      std::vector<ValueId> inputs;
      for (const ValueId id : node.inputs) inputs.push_back(last(id));
      Options attributes = node.attributes;
      attributes.set("axis", std::int64_t{3});
      return graph_.apply("concat", inputs, attributes, name(node));
    }
    if (is_rounding(node)) return rewrite_rounding(node);
    const Op& op = find_op(node.op);
    if (!op.elementwise || node.outputs.size() != 1 || !op.in_place.empty()) return none;
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      if (id == none || !(graph_.type(id).dims == graph_.type(node.inputs[0]).dims)) return none;
      inputs.push_back(last(id));
    }
    return graph_.apply(node.op, inputs, node.attributes, name(node));
  }

  ValueId rewrite_conv(const Node& node) {
    const ValueId w =
        graph_.apply("transpose", {node.inputs[1]}, {{"order", std::string("2,3,1,0")}},
                     graph_.value(node.inputs[1]).name + ".last");
    std::vector<ValueId> inputs{last(node.inputs[0]), w};
    if (node.inputs.size() > 2) inputs.push_back(node.inputs[2]);
    return graph_.apply("conv_channels_last", inputs, node.attributes, name(node));
  }

  // A place's channels lie beside each other then.
  ValueId rewrite_rounding(const Node& node) {
    Options attributes = node.attributes;
    if (node.op != "quantize_learned") {
      const bool by_elements = bind_quantizer(attributes)->by_elements();
      if (rows_of(attributes) != TensorRows::channels && !by_elements) return none;
      attributes.set("rows", std::string(name_of(TensorRows::last)));
    }
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = last(inputs[0]);
    return graph_.apply(node.op, inputs, attributes, name(node));
  }

  ValueId rewrite_pool(const Node& node) {
    const bool largest = node.op == "max_pool";
    if (largest) {
      for (const Node& reader : graph_.nodes)
        for (const ValueId id : reader.inputs)
          if (id == node.outputs[1]) return none;
      for (const auto& [output, id] : graph_.outputs)
        if (id == node.outputs[1]) return none;
    }
    Options attributes = node.attributes;
    attributes.set("kind", std::string(largest ? "max" : "average"));
    return graph_.apply("pool_channels_last", {last(node.inputs[0])}, attributes, name(node));
  }

  // Over whole planes that stay with size 1.
  ValueId rewrite_mean(const Node& node) {
    if (node.attributes.text("axes") != "2,3" || !node.attributes.boolean("keep")) return none;
    Options attributes = node.attributes;
    attributes.set("axes", std::string("1,2"));
    return graph_.apply("mean", {last(node.inputs[0])}, attributes, name(node));
  }

  Graph& graph_;
  std::map<ValueId, ValueId> last_;
  int changes_ = 0;
};

}  // namespace channels_last_pass
}  // namespace

Pass pass_channels_last() {
  using namespace channels_last_pass;
  Pass pass{{"channels_last", "keeps the channels of planes together around convolutions"}};
  pass.run = [](const PassCall& call) { return Rewriter(call.graph).run(); };
  return pass;
}

}  // namespace hone
