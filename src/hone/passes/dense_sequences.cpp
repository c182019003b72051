// Makes a graph of packed sequences one of dense batches, for programs that know no packed ones:
// what was tokens end to end, f32[T,...], is f32[batch*sequence,...], the rows of all sequences
// filled up to one length.
//
//   input %ids i32[T], %type_ids, %positions, %offsets i32[B+1]
//     =>   input %input_ids i64[batch,sequence], %token_type_ids, %attention_mask (0: filled up)
//   attention(q, k, v, offsets)
//     =>   per head softmax(q k^T / sqrt(d), filled places far below all others) v
//
// Rows that are filled up compute something that nothing reads.
#include <cmath>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace dense_sequences_pass {

// Scores of places that are filled up: no exponential is left of them.
constexpr double far_below = 3.4028234663852886e38;

class DenseGraph {
public:
  explicit DenseGraph(const Graph& packed) : from_(packed) {
    to_.name = packed.name;
    map_.assign(packed.values.size(), none);
    for (std::size_t v = 0; v < packed.values.size(); ++v) {
      const Value& value = packed.values[v];
      if (!is_tensor_of_model(value.kind)) continue;
      map_[v] = to_.add_value(value.name, value.type, value.kind);
      to_.value(map_[v]).frozen = value.frozen;
    }
    for (const auto& [name, dense] :
         {std::pair{"ids", "input_ids"}, {"type_ids", "token_type_ids"}})
      if (const ValueId id = packed.find(name); id != none) set(id, rows_of(dense));
    mask_ = to_.input("attention_mask", {DType::i64, {batch, sequence}});
    if (const ValueId id = packed.find("positions"); id != none) set(id, positions());
  }

  Graph finish() {
    for (const Node& node : from_.nodes) add(node);
    for (const auto& [name, id] : from_.outputs) to_.outputs.emplace_back(name, at(id));
    to_.remove_dead(true);
    return std::move(to_);
  }

private:
  void set(ValueId packed, ValueId dense) { map_[static_cast<std::size_t>(packed)] = dense; }
  ValueId at(ValueId packed) const {
    const ValueId dense = map_[static_cast<std::size_t>(packed)];
    if (dense == none)
      throw Error(ErrorCode::unsupported, "%" + from_.value(packed).name +
                                              " has no dense form: only texts as ids, types and "
                                              "positions have one");
    return dense;
  }

  ValueId apply(const std::string& op, std::vector<ValueId> inputs, Options attributes = {},
                const std::string& name = "") {
    return to_.apply(op, std::move(inputs), std::move(attributes), name);
  }
  ValueId reshaped(ValueId x, const std::vector<Dim>& dims) {
    return apply("reshape", {x}, {{"shape", to_string(dims)}});
  }
  ValueId expanded(ValueId x, const std::vector<Dim>& dims) {
    return apply("expand", {x}, {{"shape", to_string(dims)}});
  }
  ValueId as_i32(ValueId x) { return apply("cast", {x}, {{"to", std::string("i32")}}); }
  ValueId iota(const Dim& size) { return apply("iota", {}, {{"size", to_string(size)}}); }

  ValueId rows_of(const char* name) {
    const ValueId input = to_.input(name, {DType::i64, {batch, sequence}});
    return as_i32(reshaped(input, {rows}));
  }
  // 0, 1, 2, ... in each sequence.
  ValueId positions() {
    return as_i32(
        reshaped(expanded(reshaped(iota(sequence), {1, sequence}), {batch, sequence}), {rows}));
  }
  ValueId starts() {
    const ValueId first =
        apply("slice", {reshaped(iota(rows), {batch, sequence})},
              {{"axis", std::int64_t{1}}, {"begin", std::string("0")}, {"end", std::string("1")}});
    return as_i32(reshaped(first, {batch}));
  }

  void add(const Node& node) {
    if (node.op == "sequence_starts") return set(node.outputs[0], starts());
    if (node.op == "attention") return attention(node);
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(id == none ? ValueId(none) : at(id));
    Options attributes = node.attributes;
    if (node.op == "reshape" || node.op == "expand") {
      std::vector<Dim> dims = parse_dims(attributes.text("shape"));
      for (Dim& dim : dims) dim = dim == Dim("T") ? rows : dim == Dim("B") ? batch : dim;
      attributes.set("shape", to_string(dims));
    }
    const NodeId made = to_.append(node.op, inputs, attributes, from_.value(node.outputs[0]).name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      set(node.outputs[i], to_.node(made).outputs[i]);
  }

  // What is added to the scores of keys, [batch,1,1,sequence].
  ValueId bias() {
    if (bias_ != none) return bias_;
    const ValueId keep = apply("cast", {mask_}, {{"to", std::string("f32")}});
    const ValueId less = apply("offset", {keep}, {{"by", -1.0}});
    return bias_ =
               reshaped(apply("scale", {less}, {{"factor", far_below}}), {batch, 1, 1, sequence});
  }

  void attention(const Node& node) {
    if (node.inputs.size() > 5 && node.inputs[5] != none)
      throw Error(ErrorCode::internal, "dense_sequences runs before rows are picked");
    const std::int64_t width = from_.type(node.inputs[0]).dims[1].offset;
    const std::int64_t heads = node.attributes.integer("heads"), size = width / heads;
    const auto by_heads = [&](std::size_t i, const char* order) {
      return apply("transpose", {reshaped(at(node.inputs[i]), {batch, sequence, heads, size})},
                   {{"order", std::string(order)}});
    };
    const ValueId q = by_heads(0, "0,2,1,3"), k = by_heads(1, "0,2,3,1"),
                  v = by_heads(2, "0,2,1,3");
    const std::vector<Dim> dims{batch, heads, sequence, sequence};
    const ValueId scaled = apply("scale", {apply("batch_matmul", {q, k})},
                                 {{"factor", 1 / std::sqrt(static_cast<double>(size))}});
    const ValueId scores = apply("add", {scaled, expanded(bias(), dims)});
    const Options over{{"axes", std::string("3")}, {"keep", true}};
    const ValueId largest = expanded(apply("max", {scores}, over), dims);
    const ValueId powers = apply("exp", {apply("sub", {scores, largest})});
    const ValueId sum = expanded(apply("sum", {powers}, over), dims);
    const ValueId probabilities = apply("div", {rounded(node, powers, dims), sum});
    const ValueId mixed = apply("transpose", {apply("batch_matmul", {probabilities, v})},
                                {{"order", std::string("0,2,1,3")}});
    set(node.outputs[0],
        apply("reshape", {mixed}, {{"shape", to_string(std::vector<Dim>{rows, width})}},
              from_.value(node.outputs[0]).name));
  }

  // Exponentials seen from the largest, as the node rounds them.
  ValueId rounded(const Node& node, ValueId powers, const std::vector<Dim>& dims) {
    const std::string format = node.attributes.text_or("probabilities_format", "");
    if (format.empty()) return powers;
    const ValueId column = reshaped(powers, {product(dims), 1});
    const ValueId made = apply("quantize", {column},
                               {{"format", format},
                                {"rule", node.attributes.text_or("probabilities_rule", "exact")},
                                {"options", node.attributes.text_or("probabilities_options", "")}});
    return reshaped(made, dims);
  }

  const Dim batch = "batch", sequence = "sequence", rows = multiply(batch, sequence);
  const Graph& from_;
  Graph to_;
  std::vector<ValueId> map_;
  ValueId mask_ = none, bias_ = none;
};

int run(const PassCall& call) {
  int count = 0;
  for (const Node& node : call.graph.nodes)
    count += node.op == "attention" || node.op == "sequence_starts" ? 1 : 0;
  if (count > 0) call.graph = DenseGraph(call.graph).finish();
  return count;
}

}  // namespace dense_sequences_pass
}  // namespace

Pass pass_dense_sequences() {
  using namespace dense_sequences_pass;
  Pass pass{{"dense_sequences", "makes packed sequences batches of one length, with a mask"}};
  pass.run = run;
  return pass;
}

}  // namespace hone
