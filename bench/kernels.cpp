// Times every kernel that matters to BERT-tiny on the sizes of a training batch (8 reviews, 2,600
// tokens), by running graphs of one node. `--benchmark_filter=attention` picks; HONE_THREADS sets
// the threads.
#include <cstdlib>

#include <benchmark/benchmark.h>

#include "hone/core/threads.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/run/executor.hpp"

namespace {

using hone::Options;
using hone::Tensor;

constexpr std::int64_t tokens = 2600;
constexpr std::int64_t width = 128;
constexpr std::int64_t wide = 512;

struct Case {
  std::string name;
  std::string op;
  std::vector<Tensor> inputs;
  Options attributes = {};
};

Tensor rows(std::int64_t columns, std::uint32_t seed) {
  return hone::random_tensor({tokens, columns}, seed);
}

// Eight sequences of lengths as reviews have them.
Tensor offsets() { return hone::int_tensor({9}, {0, 130, 300, 500, 740, 1050, 1576, 2088, 2600}); }

std::vector<Case> cases() {
  using hone::random_tensor;
  const Options attention{
      {"heads", std::int64_t{2}}, {"dropout", 0.1}, {"stream", std::int64_t{0}}};
  const Options no_dropout{
      {"heads", std::int64_t{2}}, {"dropout", 0.0}, {"stream", std::int64_t{0}}};
  const Tensor rng = hone::rng_tensor(1, 1);
  const Tensor statistics = random_tensor({tokens}, 9, 0.1);
  const Tensor log_sums = random_tensor({tokens, 2}, 10, 0.1);
  return {
      {"linear 128 -> 128",
       "linear",
       {rows(width, 1), random_tensor({width, width}, 2), random_tensor({width}, 3)}},
      {"linear 128 -> 512",
       "linear",
       {rows(width, 1), random_tensor({wide, width}, 2), random_tensor({wide}, 3)}},
      {"linear 512 -> 128",
       "linear",
       {rows(wide, 1), random_tensor({width, wide}, 2), random_tensor({width}, 3)}},
      {"matmul 512 -> 128", "matmul", {rows(wide, 1), random_tensor({wide, width}, 2)}},
      {"matmul_tn 512 x 128", "matmul_tn", {rows(wide, 1), rows(width, 2)}},
      {"attention",
       "attention",
       {rows(width, 1), rows(width, 2), rows(width, 3), offsets(), rng},
       no_dropout},
      {"attention, dropout",
       "attention",
       {rows(width, 1), rows(width, 2), rows(width, 3), offsets(), rng},
       attention},
      {"attention_grad, dropout",
       "attention_grad",
       {rows(width, 4), rows(width, 5), log_sums, rows(width, 1), rows(width, 2), rows(width, 3),
        offsets(), rng},
       attention},
      {"gelu", "gelu", {rows(wide, 1)}},
      {"gelu_grad", "gelu_grad", {rows(wide, 1), rows(wide, 2)}},
      {"dropout", "dropout", {rows(width, 1), rng}, {{"p", 0.1}, {"stream", std::int64_t{0}}}},
      {"layer_norm",
       "layer_norm",
       {rows(width, 1), random_tensor({width}, 2), random_tensor({width}, 3)}},
      {"layer_norm_grad",
       "layer_norm_grad",
       {rows(width, 1), rows(width, 2), statistics, statistics, random_tensor({width}, 3)}},
      {"add", "add", {rows(width, 1), rows(width, 2)}},
      {"sum_rows", "sum_rows", {rows(width, 1)}},
  };
}

void run(benchmark::State& state, const Case& c) {
  hone::Graph graph;
  graph.name = "bench";
  std::map<std::string, Tensor> inputs;
  std::vector<hone::ValueId> ids;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Tensor& tensor = c.inputs[i];
    hone::ValueType type{tensor.dtype(), {}};
    for (std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
    const std::string name = "x" + std::to_string(i);
    ids.push_back(graph.input(name, type));
    inputs[name] = tensor;
  }
  const hone::NodeId node = graph.append(c.op, ids, c.attributes);
  graph.outputs.emplace_back("y", graph.node(node).outputs[0]);
  hone::Executor executor(std::move(graph));
  executor.run(inputs);
  for (auto _ : state) executor.run(inputs);
  double flop = 0;
  double seconds = 0;
  for (const hone::KernelTiming& timing : executor.timings()) {
    flop += timing.flop;
    seconds += timing.seconds;
  }
  state.counters["kernel_us"] =
      1e6 * seconds / hone::thread_count() / static_cast<double>(state.iterations() + 1);
  if (flop > 0) state.counters["GFLOP/s"] = 1e-9 * flop / seconds * hone::thread_count();
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* threads = std::getenv("HONE_THREADS")) hone::set_thread_count(std::atoi(threads));
  for (const Case& c : cases())
    benchmark::RegisterBenchmark(c.name.c_str(), [c](benchmark::State& state) { run(state, c); })
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
