#include "hone/recipes/bench_attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

using Tensors = std::map<std::string, Tensor>;

// Appends ops to a graph whose inputs are made as they are asked for.
class Builder {
public:
  explicit Builder(const AttentionBench& bench) : bench_(bench) { graph.name = "attention"; }

  ValueId input(const std::string& name) { return graph.input(name, stored()); }
  ValueType stored() const {
    return {bench_.dtype, {bench_.batch, bench_.heads, bench_.tokens, bench_.head_size}};
  }
  ValueId apply(const std::string& op, std::vector<ValueId> inputs, Options attributes = {}) {
    return graph.apply(op, std::move(inputs), std::move(attributes));
  }
  // Products, sums and exponentials are those of float32.
  ValueId wide(ValueId x) {
    return bench_.dtype == DType::f32 ? x : apply("cast", {x}, {{"to", std::string("f32")}});
  }
  ValueId narrow(ValueId x) {
    return bench_.dtype == DType::f32
               ? x
               : apply("cast", {x}, {{"to", std::string(name_of(bench_.dtype))}});
  }
  ValueId turned(ValueId x) { return apply("transpose", {x}, {{"order", std::string("0,1,3,2")}}); }
  ValueId scaled(ValueId x) {
    return apply("scale", {x}, {{"factor", 1 / std::sqrt(static_cast<double>(bench_.head_size))}});
  }
  ValueId reshaped(ValueId x, const std::vector<Dim>& dims) {
    return apply("reshape", {x}, {{"shape", to_string(dims)}});
  }
  void output(const std::string& name, ValueId id) { graph.outputs.emplace_back(name, id); }

  Graph graph;

private:
  const AttentionBench& bench_;
};

std::vector<Dim> scores_of(const AttentionBench& b) {
  return {b.batch, b.heads, b.tokens, b.tokens};
}
std::vector<Dim> score_rows(const AttentionBench& b) {
  return {b.batch * b.heads * b.tokens, b.tokens};
}

Graph forward_graph(AttentionForm form, const AttentionBench& bench) {
  Builder b(bench);
  const ValueId q = b.input("q"), k = b.input("k"), v = b.input("v");
  if (form == AttentionForm::fused) {
    const NodeId node = b.graph.append("dense_attention", {q, k, v}, {{"causal", bench.causal}});
    b.output("o", b.graph.node(node).outputs[0]);
    b.output("log_sum", b.graph.node(node).outputs[1]);
    return b.graph;
  }
  ValueId scores = b.scaled(b.apply("batch_matmul", {b.wide(q), b.turned(b.wide(k))}));
  if (bench.causal) {
    const ValueId mask = b.graph.input("mask", {DType::f32, {bench.tokens, bench.tokens}});
    scores = b.apply("add",
                     {scores, b.apply("expand", {mask}, {{"shape", to_string(scores_of(bench))}})});
  }
  const ValueId p =
      b.reshaped(b.apply("softmax", {b.reshaped(scores, score_rows(bench))}), scores_of(bench));
  b.output("o", b.narrow(b.apply("batch_matmul", {p, b.wide(v)})));
  b.output("p", p);
  return b.graph;
}

Graph backward_graph(AttentionForm form, const AttentionBench& bench) {
  Builder b(bench);
  const ValueId d_o = b.input("do"), q = b.input("q"), k = b.input("k"), v = b.input("v");
  if (form == AttentionForm::fused) {
    const ValueId o = b.input("o");
    const ValueId log_sum =
        b.graph.input("log_sum", {DType::f32, {bench.batch, bench.heads, bench.tokens}});
    const NodeId node = b.graph.append("dense_attention_grad", {d_o, o, log_sum, q, k, v},
                                       {{"causal", bench.causal}});
    const std::vector<ValueId> made = b.graph.node(node).outputs;
    for (std::size_t i = 0; i < 3; ++i)
      b.output(std::vector<std::string>{"dq", "dk", "dv"}[i], made[i]);
    return b.graph;
  }
  // As the gradients of the ops of the forward pass are made.
  const ValueId p = b.graph.input("p", {DType::f32, scores_of(bench)});
  const ValueId wide_do = b.wide(d_o);
  const ValueId dp = b.apply("batch_matmul", {wide_do, b.turned(b.wide(v))});
  b.output("dv", b.narrow(b.apply("batch_matmul", {b.turned(p), wide_do})));
  const ValueId ds =
      b.scaled(b.reshaped(b.apply("softmax_grad", {b.reshaped(p, score_rows(bench)),
                                                   b.reshaped(dp, score_rows(bench))}),
                          scores_of(bench)));
  b.output("dq", b.narrow(b.apply("batch_matmul", {ds, b.wide(k)})));
  b.output("dk", b.narrow(b.apply("batch_matmul", {b.turned(ds), b.wide(q)})));
  return b.graph;
}

Tensor random_stored(const AttentionBench& bench, std::uint32_t seed) {
  Tensor tensor(bench.dtype, {bench.batch, bench.heads, bench.tokens, bench.head_size});
  RandomStream random(seed, 0);
  constexpr std::uint32_t steps = 1u << 20;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    // (The sum of three uniform numbers is near enough to a normal one.)
    double sum = 0;
    for (int j = 0; j < 3; ++j) sum += 2.0 * random.below(steps) / steps - 1;
    set_real(tensor, i, sum);
  }
  return tensor;
}

Tensors inputs_of(AttentionForm form, const AttentionBench& bench) {
  Tensors inputs;
  std::uint32_t seed = 1;
  for (const char* name : {"q", "k", "v"}) inputs[name] = random_stored(bench, seed++);
  if (bench.causal && form == AttentionForm::naive) {
    Tensor mask(DType::f32, {bench.tokens, bench.tokens});
    for (std::int64_t i = 0; i < bench.tokens; ++i)
      for (std::int64_t j = i + 1; j < bench.tokens; ++j)
        mask.as<float>()[i * bench.tokens + j] = -std::numeric_limits<float>::infinity();
    inputs["mask"] = std::move(mask);
  }
  return inputs;
}

// What the gradient reads of the forward pass.
Tensors backward_inputs(AttentionForm form, const AttentionBench& bench, const Tensors& inputs) {
  Tensors results = Executor(forward_graph(form, bench)).run(inputs);
  results["do"] = random_stored(bench, 4);
  for (const char* name : {"q", "k", "v"}) results[name] = inputs.at(name);
  if (form == AttentionForm::naive) results.erase("o");
  return results;
}

// Results stay where they are computed: they are not copied out.
ModeTimes times_of(Graph graph, const Tensors& inputs, const BenchOptions& options) {
  graph.outputs.clear();
  Executor executor(std::move(graph));
  return bench_runs(executor, inputs, options);
}

}  // namespace

std::string to_string(AttentionForm form) {
  return form == AttentionForm::naive ? "naive" : "fused";
}

AttentionTimes bench_attention(AttentionForm form, const AttentionBench& bench) {
  AttentionTimes times;
  const Tensors inputs = inputs_of(form, bench);
  times.forward = times_of(forward_graph(form, bench), inputs, bench.runs);
  if (bench.backward)
    times.backward =
        times_of(backward_graph(form, bench), backward_inputs(form, bench, inputs), bench.runs);
  return times;
}

double attention_difference(AttentionForm form, AttentionForm other, const AttentionBench& bench) {
  const auto results_of = [&](AttentionForm which) {
    const Tensors inputs = inputs_of(which, bench);
    Tensors results = Executor(forward_graph(which, bench)).run(inputs);
    results = {{"o", results.at("o")}};
    if (bench.backward)
      results.merge(
          Executor(backward_graph(which, bench)).run(backward_inputs(which, bench, inputs)));
    return results;
  };
  const Tensors a = results_of(form), b = results_of(other);
  double most = 0;
  for (const auto& [name, tensor] : a) {
    double difference = 0, largest = 0;
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const double x = real_at(tensor, i), y = real_at(b.at(name), i);
      // NaN is a difference too.
      if (!(std::abs(x - y) <= difference)) difference = std::abs(x - y);
      largest = std::max(largest, std::abs(x));
    }
    if (!(difference <= most * largest)) most = difference / largest;
  }
  return most;
}

}  // namespace hone
