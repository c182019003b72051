// Sparse products beside the dense one, for the linear layers of BERT-base: one text of 128 tokens
// (first argument: another number), whatever the estimate of choose_sparse says of them. Dense and
// sparse run in turn; printed are the medians of a whole encoder layer's six products and the
// median of the rounds' ratios. HONE_THREADS sets the threads.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/sparse_products.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/executor.hpp"

namespace {

using hone::Dim;
using hone::DType;
using hone::Tensor;

struct Pattern {
  std::string name;
  std::int64_t rows = 1, columns = 1;  // of a block
  double density = 0;
  bool two_of_four = false;
};

Tensor make_weight(std::int64_t n, std::int64_t k, const Pattern& pattern) {
  Tensor weight = hone::random_tensor({n, k}, 1);
  hone::RandomStream random(5, static_cast<std::uint64_t>(n * k));
  float* w = weight.as<float>();
  if (pattern.two_of_four) {
    for (std::int64_t i = 0; i < n * k; i += 4) {
      const std::uint32_t first = random.below(4), second = (first + 1 + random.below(3)) % 4;
      w[i + first] = w[i + second] = 0;
    }
    return weight;
  }
  for (std::int64_t r = 0; r < n; r += pattern.rows)
    for (std::int64_t c = 0; c < k; c += pattern.columns) {
      if (random.below(100000) < 100000 * pattern.density) continue;
      for (std::int64_t i = r; i < r + pattern.rows; ++i)
        std::fill_n(w + i * k + c, pattern.columns, 0.0f);
    }
  return weight;
}

// One product, dense or whatever fuse_sparse makes of it.
hone::Executor make_product(const Tensor& weight, bool sparse) {
  hone::Graph graph;
  graph.name = "bench";
  const std::int64_t n = weight.shape()[0], k = weight.shape()[1];
  const hone::ValueId x = graph.input("x", {DType::f32, {Dim("T"), Dim(k)}});
  const hone::ValueId w =
      graph.add_value("w", {DType::f32, {Dim(n), Dim(k)}}, hone::ValueKind::constant);
  graph.outputs.emplace_back("y", graph.apply("linear", {x, w, hone::none}));
  hone::TensorStore tensors;
  tensors.set("w", weight);
  if (sparse) hone::run_passes(graph, {{"fuse_sparse", {{"max_cost", 1e9}}}}, {}, &tensors);
  hone::Executor executor(std::move(graph));
  for (const std::string& name : tensors.names()) executor.bind(name, tensors.at(name));
  return executor;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const Pattern& pattern, std::int64_t tokens) {
  // Query, key, value and projection; up; down.
  const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{
      {768, 768}, {768, 768}, {768, 768}, {768, 768}, {3072, 768}, {768, 3072}};
  std::vector<hone::Executor> products[2];
  std::vector<Tensor> inputs;
  double cost = 0, numbers = 0;
  for (const auto& [n, k] : sizes) {
    const Tensor weight = make_weight(n, k, pattern);
    for (const bool sparse : {false, true})
      products[sparse ? 1 : 0].push_back(make_product(weight, sparse));
    inputs.push_back(hone::random_tensor({tokens, k}, 2));
    cost += hone::choose_sparse(weight).cost * static_cast<double>(n * k);
    numbers += static_cast<double>(n * k);
  }
  std::vector<double> times[2], ratios;
  for (int round = -2; round < 25; ++round) {
    double taken[2];
    for (int kind = 0; kind < 2; ++kind) {
      const double begin = hone::now_seconds();
      for (std::size_t i = 0; i < sizes.size(); ++i) products[kind][i].run({{"x", inputs[i]}});
      taken[kind] = hone::now_seconds() - begin;
      if (round >= 0) times[kind].push_back(taken[kind]);
    }
    if (round >= 0) ratios.push_back(taken[0] / taken[1]);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("| %s | %.1f ms | %.2f ms | **%.2f x** (%.2f to %.2f) | %.2f x |\n",
              pattern.name.c_str(), 1e3 * median(times[0]), 1e3 * median(times[1]),
              ratios[ratios.size() / 2], ratios[2], ratios[ratios.size() - 3], numbers / cost);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* threads = std::getenv("HONE_THREADS")) hone::set_thread_count(std::atoi(threads));
  const std::int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 128;
  std::printf("%lld tokens, %d threads\n\n", static_cast<long long>(tokens), hone::thread_count());
  std::printf("| zeros | dense | sparse | dense / sparse (10 to 90 %%) | estimated |\n");
  std::printf("| --- | --- | --- | --- | --- |\n");
  for (const Pattern& pattern : std::vector<Pattern>{{"90 % in blocks 4x4", 4, 4, 0.1},
                                                     {"90 % in blocks 16x16", 16, 16, 0.1},
                                                     {"75 % in blocks 4x4", 4, 4, 0.25},
                                                     {"50 % in blocks 4x4", 4, 4, 0.5},
                                                     {"95 % scattered", 1, 1, 0.05},
                                                     {"90 % scattered", 1, 1, 0.1},
                                                     {"80 % scattered", 1, 1, 0.2},
                                                     {"70 % scattered", 1, 1, 0.3},
                                                     {"60 % scattered", 1, 1, 0.4},
                                                     {"50 % scattered", 1, 1, 0.5},
                                                     {"2:4", 1, 1, 0.5, true}})
    measure(pattern, tokens);
  return 0;
}
