// How long a model takes, run after run, in each mode: what `hone bench` measures.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/run/executor.hpp"

namespace hone {

struct BenchOptions {
  int runs = 10;
  int warmup = 2;  // runs before them that are not counted; the first makes the plan, packs weights
};

struct ModeTimes {
  // Passes, and what the first run takes longer than the median one: the plan, packing of weights.
  double compile_seconds = 0;
  std::vector<double> seconds;           // of each counted run, in order
  double median = 0, low = 0, high = 0;  // of these; low and high are the least and the most
  std::vector<PassReport> passes;
  std::vector<KernelTiming> kernels;  // all runs together, slowest first
  double flop = 0;                    // of one run
  std::int64_t arena_bytes = 0;
};

// Inputs drawn at random (from a seed): reals normal, whole numbers and booleans 0. `shapes` gives
// the shape of inputs by name; of one that is not named only the first size, the batch, may be
// open: it is 1. Of a model of texts: "text" is sequences, tokens. Throws Error(invalid_argument)
// naming the input.
std::map<std::string, Tensor> random_inputs(const Model& model,
                                            const std::map<std::string, Shape>& shapes);

// Runs it as often as the options say; `compile_seconds` is what the first run takes longer.
ModeTimes bench_runs(Executor& executor, const std::map<std::string, Tensor>& inputs,
                     const BenchOptions& options);

// A model that is moved here is let go of as soon as it is compiled.
ModeTimes bench_mode(Model model, Mode mode, const std::map<std::string, Tensor>& inputs,
                     const BenchOptions& options);

// Floating-point operations a second that products reach from cache on the threads that are set.
double measure_peak_flops();

// After how many runs the second mode, whose compilation takes longer, has paid; infinity: never.
double break_even_runs(const ModeTimes& plain, const ModeTimes& compiled);

}  // namespace hone
