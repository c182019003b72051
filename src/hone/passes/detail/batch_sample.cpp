#include "hone/passes/detail/batch_sample.hpp"

#include <algorithm>
#include <set>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// Masks [length,length] of more would take long.
constexpr std::int64_t longest = 1024, shortest = 6;
constexpr std::int64_t first_word = 5;  // ids below are marks

}  // namespace

BatchSample::BatchSample(const Graph& graph, const TensorStore& tensors, ValueId ids, ValueId mask,
                         ValueId types)
    : graph_(graph), tensors_(tensors), ids_(ids), mask_(mask), types_(types) {
  // Sizes of constants are where tables of places and masks end.
  std::set<std::int64_t> lengths{shortest, 64, 512};
  for (const Value& value : graph.values)
    if (is_tensor_of_model(value.kind))
      for (const Dim& dim : value.type.dims)
        if (dim.is_fixed() && dim.offset > shortest && dim.offset <= longest)
          lengths.insert(dim.offset);
  lengths_.assign(lengths.begin(), lengths.end());
  for (const Node& node : graph.nodes)
    if (node.op == "gather" && is_tensor_of_model(graph.value(node.inputs[0]).kind) &&
        !graph.type(node.inputs[0]).dims.empty())
      vocabulary_ = std::max(vocabulary_, graph.type(node.inputs[0]).dims[0].offset);
}

const Tensor* BatchSample::value(ValueId id, int variant) {
  for (;;) {
    if (known_length_ != length() || known_variant_ != variant) begin(variant);
    try {
      return &evaluated(id, 0);
    } catch (const Error&) {
      if (lengths_.size() == 1) return nullptr;
      lengths_.pop_back();
    }
  }
}

bool BatchSample::depends_on(ValueId id, ValueId input) const {
  std::set<ValueId> seen;
  std::vector<ValueId> left{id};
  while (!left.empty()) {
    const ValueId next = left.back();
    left.pop_back();
    if (next == none || !seen.insert(next).second) continue;
    if (next == input) return true;
    if (const Node* node = graph_.producer(next))
      left.insert(left.end(), node->inputs.begin(), node->inputs.end());
  }
  return false;
}

void BatchSample::begin(int variant) {
  known_.clear();
  known_length_ = length();
  known_variant_ = variant;
  const std::int64_t words = std::max<std::int64_t>(1, vocabulary_ - first_word);
  for (const ValueId input : {ids_, mask_, types_}) {
    if (input == none) continue;
    Tensor tensor(graph_.type(input).dtype, {texts, length()});
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      if (!is_token(i / length(), i % length()) || input == types_) continue;
      const std::int64_t word =
          variant == 0 ? i % std::min<std::int64_t>(7, words) : words - 1 - i * 7919 % words;
      set_integer(tensor, i, input == mask_ ? 1 : first_word + word);
    }
    known_[input] = std::move(tensor);
  }
}

const Tensor& BatchSample::evaluated(ValueId id, int depth) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  const Value& value = graph_.value(id);
  if (is_tensor_of_model(value.kind)) return tensors_.at(value.name);
  const Node* node = graph_.producer(id);
  if (node == nullptr || depth > deepest_chain)
    throw Error(ErrorCode::unsupported, value.name + " is not known");
  std::vector<const Tensor*> inputs;
  for (const ValueId input : node->inputs)
    inputs.push_back(input == none ? nullptr : &evaluated(input, depth + 1));
  std::vector<Tensor> made =
      evaluate_reference(find_op(node->op), inputs, of_sizes(node->attributes));
  for (std::size_t i = 0; i < made.size(); ++i) known_[node->outputs[i]] = std::move(made[i]);
  return known_.at(id);
}

// Attributes that name the sizes of a batch, with the sizes in their place.
Options BatchSample::of_sizes(Options attributes) const {
  const DimSizes sizes{{graph_.type(ids_).dims[0].symbol, texts},
                       {graph_.type(ids_).dims[1].symbol, length()}};
  for (const char* key : {"shape", "size", "begin", "end", "before", "after"})
    if (attributes.contains(key)) {
      std::vector<Dim> dims = parse_dims(attributes.text(key));
      for (Dim& dim : dims) dim = Dim(evaluate(dim, sizes));
      attributes.set(key, to_string(dims));
    }
  return attributes;
}

}  // namespace hone
