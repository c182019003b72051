#include "hone/recipes/bench_model.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

#include <fmt/format.h>

#include "hone/backend/cpu/detail/gemm.hpp"
#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/graph/dim.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

Tensor random_input(DType dtype, const Shape& shape, std::uint32_t seed) {
  Tensor tensor(dtype, shape);
  if (dtype != DType::f32 && dtype != DType::f64) return tensor;
  RandomStream random(seed, 0);
  constexpr std::uint32_t steps = 1u << 20;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    // (The sum of three uniform numbers is near enough to a normal one.)
    double sum = 0;
    for (int j = 0; j < 3; ++j) sum += 2.0 * random.below(steps) / steps - 1;
    if (dtype == DType::f32)
      tensor.as<float>()[i] = static_cast<float>(sum);
    else
      tensor.as<double>()[i] = sum;
  }
  return tensor;
}

Shape shape_of_input(const Value& value, const std::map<std::string, Shape>& shapes) {
  const auto given = shapes.find(value.name);
  Shape shape;
  for (const Dim& dim : value.type.dims) {
    if (given == shapes.end() && !dim.is_fixed() && shape.empty()) {
      shape.push_back(1);  // what a first size counts are samples
      continue;
    }
    if (given == shapes.end() && !dim.is_fixed())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("input {} is {}: the size of {} is not known", value.name,
                              to_string(value.type), dim.symbol),
                  fmt::format("--shape {}=...", value.name));
    shape.push_back(dim.offset);
  }
  if (given == shapes.end()) return shape;
  bool fits = given->second.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = !value.type.dims[i].is_fixed() || given->second[i] == shape[i];
  if (!fits)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("input {} is {}, not {}", value.name, to_string(value.type),
                            to_string(given->second)));
  return given->second;
}

void check_names(const std::map<std::string, Shape>& shapes,
                 const std::vector<std::string>& known) {
  for (const auto& [name, shape] : shapes)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the model has no input '{}'", printable(name, 100)),
                  did_you_mean(name, known));
}

}  // namespace

std::map<std::string, Tensor> random_inputs(const Model& model,
                                            const std::map<std::string, Shape>& shapes) {
  if (model.limits.vocabulary > 0) {
    check_names(shapes, {"text"});
    const auto given = shapes.find("text");
    const Shape shape = given == shapes.end() ? Shape{1, 0} : given->second;
    if (shape.size() != 2 || shape[0] < 1)
      throw Error(ErrorCode::invalid_argument, "a text has two sizes: sequences and tokens",
                  "--shape text=8,128");
    return random_texts(model, shape[0], latency_tokens(model.limits, shape[1], model.name));
  }
  std::vector<std::string> names;
  for (const Value& value : model.graph.values)
    if (value.kind == ValueKind::input) names.push_back(value.name);
  check_names(shapes, names);
  std::map<std::string, Tensor> inputs;
  std::uint32_t seed = 1;
  for (const Value& value : model.graph.values)
    if (value.kind == ValueKind::input)
      inputs[value.name] = random_input(value.type.dtype, shape_of_input(value, shapes), seed++);
  return inputs;
}

ModeTimes bench_runs(Executor& executor, const std::map<std::string, Tensor>& inputs,
                     const BenchOptions& options) {
  ModeTimes times;
  double first = 0;
  const int all = std::max(1, options.warmup) + std::max(1, options.runs);
  for (int i = 0; i < all; ++i) {
    const double start = now_seconds();
    executor.run(inputs);
    const double end = now_seconds();
    if (i == 0) first = end - start;
    if (i >= std::max(1, options.warmup)) times.seconds.push_back(end - start);
  }
  std::vector<double> sorted = times.seconds;
  std::sort(sorted.begin(), sorted.end());
  times.low = sorted.front();
  times.high = sorted.back();
  times.median = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
  times.compile_seconds = std::max(0.0, first - times.median);
  times.kernels = executor.timings();
  for (const KernelTiming& kernel : times.kernels) times.flop += kernel.flop / all;
  times.arena_bytes = executor.arena_bytes();
  return times;
}

ModeTimes bench_mode(Model model, Mode mode, const std::map<std::string, Tensor>& inputs,
                     const BenchOptions& options) {
  std::vector<PassReport> passes;
  const double begin = now_seconds();
  Executor executor = make_forward(std::move(model), mode, {}, true, &passes);
  const double compiled = now_seconds() - begin;
  ModeTimes times = bench_runs(executor, inputs, options);
  times.compile_seconds += compiled;
  times.passes = std::move(passes);
  return times;
}

double measure_peak_flops() {
  constexpr std::int64_t m = 48, n = 64, k = 256;
  constexpr double seconds = 0.05;
  std::atomic<double> best = 0;
  for (int round = 0; round < 4; ++round) {
    std::atomic<double> sum = 0;
    parallel_items(thread_count(), [&](std::int64_t, int) {
      const Tensor a(DType::f32, {m, k}), b(DType::f32, {k, n});
      Tensor c(DType::f32, {m, n});
      const double begin = now_seconds();
      std::int64_t count = 0;
      double spent = 0;
      for (; spent < seconds; spent = now_seconds() - begin)
        for (int i = 0; i < 16; ++i, ++count)
          gemm({m, n, k, k, n, n}, a.as<float>(), b.as<float>(), c.as<float>());
      sum += static_cast<double>(count) * 2 * m * n * k / spent;
    });
    best = std::max(best.load(), sum.load());
  }
  return best;
}

double break_even_runs(const ModeTimes& plain, const ModeTimes& compiled) {
  const double more = compiled.compile_seconds - plain.compile_seconds;
  const double less = plain.median - compiled.median;
  if (more <= 0 && less >= 0) return 0;
  return less <= 0 ? std::numeric_limits<double>::infinity() : more / less;
}

}  // namespace hone
