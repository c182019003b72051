// Scaled dot-product attention of tensors whose sequences have one length (Vaswani et al., arXiv
// 1706.03762), and its gradient. q [B,H,S,D], k [B,G,T,D], v [B,G,T,E] (with heads_last [B,S,H,D]
// and so on) give o [B,H,S,E]: softmax(scale q k^T + mask) v, head h of queries with head h / (H/G)
// of keys. What a mask hides has no part; a query that sees nothing gives 0. Numbers may be stored
// in float16 or bfloat16: sums are those of float32. The second output is the logarithm of each
// query's sum of exponentials, f32[B,H,S], from which the gradient rebuilds the probabilities.
// Packed sequences have an op of their own: attention.
#include "hone/core/error.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/dense_attention.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace dense_attention_family {

DenseAttentionSizes sizes_of(const OpCall& call, std::size_t first) {
  return dense_attention_sizes(call.in(first).shape().data(), call.in(first + 1).shape().data(),
                               call.in(first + 2).shape().data(), *call.attributes);
}

// Calls f(batch, head, query) for every query.
template <typename F>
void for_queries(const DenseAttentionSizes& s, const F& f) {
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t h = 0; h < s.heads; ++h)
      for (std::int64_t i = 0; i < s.queries; ++i) f(b, h, i);
}

ValueType log_sum_type(const ValueType& q, bool heads_last) {
  return {DType::f32, {q.dims[0], q.dims[heads_last ? 2 : 1], q.dims[heads_last ? 1 : 2]}};
}

std::vector<ValueType> infer(const OpTypes& t) {
  check_dense_attention(t, 0, 3, "dense_attention");
  ValueType o = t[0];
  o.dims[3] = t[2].dims[3];
  return {o, log_sum_type(t[0], t.attributes->boolean("heads_last"))};
}

void reference(const OpCall& call) {
  const DenseAttentionSizes s = sizes_of(call, 0);
  const Tensor* mask = call.has(3) ? &call.in(3) : nullptr;
  for_queries(s, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const DenseAttentionRow row = dense_attention_row(s, call.in(0), call.in(1), mask, b, h, i);
    call.out(1).as<float>()[(b * s.heads + h) * s.queries + i] = static_cast<float>(row.log_sum);
    const std::int64_t to = b * s.o.batch + h * s.o.head + i * s.o.token;
    const std::int64_t value = b * s.v.batch + h / s.group_heads() * s.v.head;
    for (std::int64_t e = 0; e < s.value_size; ++e) {
      double sum = 0;
      for (std::int64_t j = 0; j < s.visible(i); ++j)
        if (const double p = row.probability[static_cast<std::size_t>(j)]; p != 0)
          sum += p * real_at(call.in(2), value + j * s.v.token + e);
      set_real(call.out(0), to + e, sum);
    }
  });
}

std::vector<ValueId> gradient(const GradientCall& call) {
  Graph& graph = call.graph;
  if (call.in(3) != none && graph.type(call.in(3)).dtype != DType::boolean &&
      is_learned(graph, call.in(3)))
    throw Error(ErrorCode::unsupported,
                "the mask of dense_attention is trained, and it has no gradient",
                "switch the pass fuse_attention off");
  const NodeId made = graph.append(
      "dense_attention_grad",
      {call.grad(), call.out(0), call.out(1), call.in(0), call.in(1), call.in(2), call.in(3)},
      call.attributes());
  const std::vector<ValueId> results = graph.node(made).outputs;
  return {results[0], results[1], results[2], none};
}

double flop_of(const std::vector<Shape>& inputs, const Options& attributes, std::size_t first,
               int of_keys, int of_values) {
  const DenseAttentionSizes s = dense_attention_sizes(
      inputs[first].data(), inputs[first + 1].data(), inputs[first + 2].data(), attributes);
  double pairs = static_cast<double>(s.queries) * static_cast<double>(s.keys);
  if (s.causal) {
    pairs = 0;
    for (std::int64_t i = 0; i < s.queries; ++i) pairs += static_cast<double>(s.visible(i));
  }
  return 2.0 * static_cast<double>(s.batch * s.heads) * pairs *
         static_cast<double>(of_keys * s.head_size + of_values * s.value_size);
}

Op dense_attention() {
  Op op{{"dense_attention", "scaled dot-product attention over sequences of one length",
         dense_attention_options()},
        3,
        4,
        {"q", "k", "v", "mask"}};
  op.slots = {{0, 1, 2}};
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.flop = [](const std::vector<Shape>& inputs, const Options& attributes) {
    return flop_of(inputs, attributes, 0, 1, 1);
  };
  op.samples = dense_attention_samples;
  return op;
}

// With p the probabilities: dv = p^T do, dp = do v^T, ds = p (dp - sum(do o)), dq = scale ds k,
// dk = scale ds^T q. A head of keys collects from all heads of queries that it serves.
void reference_grad(const OpCall& call) {
  const DenseAttentionSizes s = sizes_of(call, 3);
  const Tensor &d_o = call.in(0), &o = call.in(1), &q = call.in(3), &k = call.in(4),
               &v = call.in(5);
  const Tensor* mask = call.has(6) ? &call.in(6) : nullptr;
  std::vector<double> dk(static_cast<std::size_t>(k.size()), 0.0);
  std::vector<double> dv(static_cast<std::size_t>(v.size()), 0.0);
  for_queries(s, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const DenseAttentionRow row = dense_attention_row(s, q, k, mask, b, h, i);
    const std::int64_t query = b * s.q.batch + h * s.q.head + i * s.q.token;
    const std::int64_t result = b * s.o.batch + h * s.o.head + i * s.o.token;
    const std::int64_t group = h / s.group_heads();
    double inner = 0;
    for (std::int64_t e = 0; e < s.value_size; ++e)
      inner += real_at(d_o, result + e) * real_at(o, result + e);
    std::vector<double> dq(static_cast<std::size_t>(s.head_size), 0.0);
    for (std::int64_t j = 0; j < s.visible(i); ++j) {
      const double p = row.probability[static_cast<std::size_t>(j)];
      if (p == 0) continue;
      const std::int64_t key = b * s.k.batch + group * s.k.head + j * s.k.token;
      const std::int64_t value = b * s.v.batch + group * s.v.head + j * s.v.token;
      double dp = 0;
      for (std::int64_t e = 0; e < s.value_size; ++e) {
        dp += real_at(d_o, result + e) * real_at(v, value + e);
        dv[static_cast<std::size_t>(value + e)] += p * real_at(d_o, result + e);
      }
      const double ds = p * (dp - inner) * s.scale;
      for (std::int64_t e = 0; e < s.head_size; ++e) {
        dq[static_cast<std::size_t>(e)] += ds * real_at(k, key + e);
        dk[static_cast<std::size_t>(key + e)] += ds * real_at(q, query + e);
      }
    }
    for (std::int64_t e = 0; e < s.head_size; ++e)
      set_real(call.out(0), query + e, dq[static_cast<std::size_t>(e)]);
  });
  for (std::int64_t i = 0; i < k.size(); ++i)
    set_real(call.out(1), i, dk[static_cast<std::size_t>(i)]);
  for (std::int64_t i = 0; i < v.size(); ++i)
    set_real(call.out(2), i, dv[static_cast<std::size_t>(i)]);
}

std::vector<OpSample> samples_grad() {
  std::vector<OpSample> list = dense_attention_samples();
  const Op& forward = find_op("dense_attention");
  // (A logarithm near the lowest number has no digits left for the sum.)
  std::erase_if(list, [](const OpSample& s) { return s.name == "rows of the lowest number"; });
  for (OpSample& sample : list) {
    std::vector<const Tensor*> inputs;
    for (const Tensor& tensor : sample.inputs) inputs.push_back(&tensor);
    std::vector<Tensor> results = evaluate_reference(
        forward, inputs, complete_options(forward.options, sample.attributes, forward.name));
    Tensor d_o(results[0].dtype(), results[0].shape());
    const Tensor random = random_tensor(results[0].shape(), 9);
    for (std::int64_t i = 0; i < d_o.size(); ++i) set_real(d_o, i, real_at(random, i));
    std::vector<Tensor> all{d_o, results[0], results[1]};
    for (Tensor& tensor : sample.inputs) all.push_back(std::move(tensor));
    sample.inputs = std::move(all);
    sample.differentiable.clear();
    sample.tolerance = std::min(1e-3, sample.tolerance * 5);
  }
  return list;
}

Op dense_attention_grad() {
  Op op{{"dense_attention_grad", "gradient of dense_attention", dense_attention_options()},
        6,
        7,
        {"do", "o", "log_sum", "q", "k", "v", "mask"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    check_dense_attention(t, 3, 6, "dense_attention_grad");
    ValueType o = t[3];
    o.dims[3] = t[5].dims[3];
    if (!(t[0] == o) || !(t[1] == o) ||
        !(t[2] == log_sum_type(t[3], t.attributes->boolean("heads_last"))))
      fail_shapes("dense_attention_grad", "do, o and log_sum as dense_attention gives them", t);
    return {t[3], t[4], t[5]};
  };
  op.reference = reference_grad;
  op.flop = [](const std::vector<Shape>& inputs, const Options& attributes) {
    return flop_of(inputs, attributes, 3, 3, 2);
  };
  op.samples = samples_grad;
  return op;
}

}  // namespace dense_attention_family
}  // namespace

std::vector<Op> op_dense_attention_family() {
  using namespace dense_attention_family;
  return {dense_attention(), dense_attention_grad()};
}

}  // namespace hone
