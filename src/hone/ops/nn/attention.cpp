// Scaled dot-product attention over packed sequences (Vaswani et al., arXiv 1706.03762): every
// query attends to the tokens of its own sequence. Per head: softmax(q k^T / sqrt(d)), dropout,
// times v. The softmax may be rounded to a number format: exponentials seen from the largest of
// their row, 0 to 1, before they are divided by their sum. With `rows`, q holds the queries of
// these tokens only. Also gives the logarithm of each query's sum of exponentials, f32[R,heads],
// from which the gradient rebuilds the probabilities.
#include "hone/ops/detail/attention.hpp"

namespace hone {
namespace {
namespace attention_op {

std::vector<ValueType> infer(const OpTypes& t) {
  check_attention(t, 0, "attention");
  return {t[0], {DType::f32, {t[0].dims[0], t.attributes->integer("heads")}}};
}

void reference(const OpCall& call) {
  const std::int64_t width = row_size(call.in(0));
  const AttentionSizes sizes = attention_sizes(width, *call.attributes);
  const auto probabilities = bind_probabilities(*call.attributes);
  const std::uint32_t* rng = call.has(4) ? call.in(4).as<std::uint32_t>() : nullptr;
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const std::int64_t row = call.has(5) ? call.in(5).as<std::int32_t>()[r] : r;
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      const std::int64_t column = head * sizes.head_size;
      const AttentionRow a = attention_row(call.in(0).as<float>() + r * width + column, call.in(1),
                                           call.in(3), rng, row, head, sizes, probabilities.get());
      call.out(1).as<float>()[r * sizes.heads + head] = static_cast<float>(a.log_sum);
      for (std::int64_t i = 0; i < sizes.head_size; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < a.probability.size(); ++j)
          sum +=
              a.rounded[j] * a.keep[j] *
              call.in(2).as<float>()[(a.begin + static_cast<std::int64_t>(j)) * width + column + i];
        call.out(0).as<float>()[r * width + column + i] = static_cast<float>(sum);
      }
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  const NodeId made =
      call.graph.append("attention_grad",
                        {call.grad(), call.out(0), call.out(1), call.in(0), call.in(1), call.in(2),
                         call.in(3), call.in(4), call.in(5)},
                        call.attributes());
  const std::vector<ValueId> results = call.graph.node(made).outputs;
  return {results[0], results[1], results[2], none, none, none};
}

// Fewer queries; keys and values stay.
NodeId narrow(Graph& graph, NodeId node, ValueId rows) {
  const Node from = graph.node(node);
  const auto input = [&](std::size_t i) { return i < from.inputs.size() ? from.inputs[i] : none; };
  const ValueId which = input(5) == none ? rows : graph.apply("gather_rows", {input(5), rows});
  return graph.append(
      "attention",
      {graph.apply("gather_rows", {input(0), rows}), input(1), input(2), input(3), input(4), which},
      from.attributes);
}

}  // namespace attention_op
}  // namespace

Op op_attention() {
  using namespace attention_op;
  Op op{{"attention", "scaled dot-product attention over packed sequences", attention_options()},
        4,
        6,
        {"q", "k", "v", "offsets", "rng", "rows"}};
  op.slots = {.data = {0, 1, 2}, .probabilities = true};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = attention_samples;
  op.narrow = narrow;
  return op;
}

}  // namespace hone
