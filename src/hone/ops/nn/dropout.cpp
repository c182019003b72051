// y = x m / (1 - p), the mask m drawn from (seed, step, stream, row, column): the same draw again
// in the backward pass, never stored. `rows` says which rows of the full tensor these are, so that
// a pass may compute some rows only and draw the same mask.
#include "hone/ops/detail/common.hpp"

namespace hone {
namespace {
namespace dropout_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || !is_vector(t[1], DType::u32) ||
      (t.has(2) && (!is_vector(t[2], DType::i32) || t[2].dims[0] != t[0].dims[0])))
    fail_shapes("dropout", "x f32[R,N], rng u32[3], rows i32[R]", t);
  return {t[0]};
}

void reference(const OpCall& call) {
  const std::int64_t n = row_size(call.in(0));
  const std::uint32_t threshold = dropout_threshold(call.attributes->real("p"));
  const auto stream = static_cast<std::uint32_t>(call.attributes->integer("stream"));
  const auto* rng = call.in(1).as<std::uint32_t>();
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const auto row = static_cast<std::uint32_t>(call.has(2) ? call.in(2).as<std::int32_t>()[r] : r);
    for (std::int64_t j = 0; j < n; ++j) {
      const bool keep = dropout_keeps(rng, stream, row, static_cast<std::uint32_t>(j), threshold);
      call.out(0).as<float>()[r * n + j] =
          keep ? call.in(0).as<float>()[r * n + j] * dropout_scale(threshold) : 0.0f;
    }
  }
}

std::vector<ValueId> gradient(const GradientCall& call) {
  // The op is linear in x with a diagonal matrix: it is its own gradient.
  return {call.graph.apply("dropout", {call.grad(), call.in(1), call.in(2)}, call.attributes()),
          none, none};
}

// The picked rows draw what they would have drawn among all rows.
NodeId narrow(Graph& graph, NodeId node, ValueId rows) {
  const Node from = graph.node(node);
  const bool picked = from.inputs.size() > 2;
  const ValueId which = picked ? graph.apply("gather_rows", {from.inputs[2], rows}) : rows;
  return graph.append("dropout",
                      {graph.apply("gather_rows", {from.inputs[0], rows}), from.inputs[1], which},
                      from.attributes);
}

std::vector<OpSample> samples() {
  const Options attributes{{"p", 0.1}, {"stream", std::int64_t{3}}};
  return {
      {"odd", {random_tensor({7, 19}, 1), rng_tensor(5, 2), Tensor()}, attributes, {0}},
      {"picked rows",
       {random_tensor({3, 19}, 1), rng_tensor(5, 2), int_tensor({3}, {0, 4, 9})},
       attributes,
       {0}},
      {"wide", {random_tensor({66, 300}, 1), rng_tensor(1ull << 40, 77), Tensor()}, attributes, {}},
      {"half",
       {random_tensor({5, 128}, 1), rng_tensor(9, 1), Tensor()},
       {{"p", 0.5}, {"stream", std::int64_t{0}}},
       {}},
      {"no rows", {random_tensor({0, 8}, 1), rng_tensor(1, 1), Tensor()}, attributes, {}}};
}

}  // namespace dropout_op
}  // namespace

Op op_dropout() {
  using namespace dropout_op;
  Op op{{"dropout",
         "zeroes elements at random and scales the others",
         {{"p", OptionType::real, {}, "probability of dropping an element", 0.0, 0.999},
          {"stream", OptionType::integer, {}, "which random stream of the step", 0, 4294967295.0}}},
        2,
        3,
        {"x", "rng", "rows"},
        RowRule::rows,
        1 | 4};
  op.stands_for = 0;
  op.elementwise = true;
  op.linear_rows = 1;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  op.narrow = narrow;
  return op;
}

}  // namespace hone
