// What became of a model that was quantized, for summaries and records: the formats, what stayed
// float32, and what its products run on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/record/transform_events.hpp"

namespace hone {

struct FloatShare {
  std::int64_t parameters = 0;        // of the whole model, trained steps left out
  std::int64_t float_parameters = 0;  // of those, the ones that take no format
  // Those by the op that reads them, most first.
  std::vector<std::pair<std::string, std::int64_t>> by_op = {};
};
FloatShare left_in_float32(const Model& model);
// "3.91 M of 4.39 M parameters (89.1 %): embedding 3.91 M, layer_norm 1.28 k".
std::string to_string(const FloatShare& share);

// One entry a format. What calibration and trained steps fit differs from
// node to node and is left out where it does.
std::vector<FormatEntry> describe_formats(const Quantization& quantization);

// Bytes that the parameters take once packed; computed from the bits of the formats.
std::int64_t packed_bytes(const Model& model);

// Where the products of the model run on this machine, and whether that makes it faster: one
// sentence.
std::string describe_products(const Model& model);

// What the record says of formats and of parameters that have none; sizes are the caller's.
QuantizedEvent describe_quantized(const Model& model);

}  // namespace hone
