// Fitting the ranges of number formats to data.
#pragma once

#include <functional>

#include "hone/model/model.hpp"
#include "hone/passes/calibration.hpp"
#include "hone/tasks/task.hpp"

namespace hone {

struct CalibrateOptions {
  std::int64_t samples = 256;  // taken evenly from the data
  RangeMethod method = RangeMethod::mse;
  double percentile = 99.99;
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

// Runs the float32 model over samples and fits the formats of `quantization` to what it sees, in
// constant memory. Throws Error(invalid_argument) when there are no samples or nothing to fit.
void calibrate_on_data(Quantization& quantization, const Model& model, const Samples& data,
                       const CalibrateOptions& options);

// The same on numbers that the model reads by name, for models whose inputs only their user knows.
// Where the first dimension of all inputs is a named size, it counts samples; else the numbers are
// one run. Throws Error(invalid_argument) naming an input that is missing or unknown.
void calibrate_on_inputs(Quantization& quantization, const Model& model, const Inputs& given,
                         const CalibrateOptions& options);

// Gives a model whose formats have trained steps their first values, from weights and from what a
// few samples make of activations.
void initialize_learned_steps(Model& model, const Samples& data, std::int64_t samples = 32);

}  // namespace hone
