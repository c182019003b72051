// Fits formats to the numbers that a run saw.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/numerics/value_stats.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

// By value: what a run saw.
using Stats = std::map<std::string, ValueStats>;

// Values whose formats are fitted to data: what nodes read (data_in) and give (data_out).
std::vector<std::string> observed_values(const Graph& graph, const Quantization& quantization);
// What the pass `observe` calls the statistics of a value.
std::string stats_name(const std::string& value);

// Throws Error(invalid_argument) where no format has anything to fit: none has a scale, a point or
// a bias, or all are given.
void check_calibration(const Quantization& quantization);
// Fits the formats that have a scale, a point or a bias to what was seen; data_in of several values
// to all of them. Weights and biases are in `stats` by their names; affine ones keep their own
// scales. Throws what check_calibration throws, and Error(invalid_argument) where one without signs
// is for negative numbers.
void calibrate(Quantization& quantization, const Graph& graph, const Stats& stats,
               RangeMethod method, double percentile);

}  // namespace hone
