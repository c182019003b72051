// Weights as packed bits.
#pragma once

#include <string>

#include "hone/model/model.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

// Gives a model formats in the place of those that it has; unpacks what is packed. Throws what
// apply_formats, refuse_shared_scales and refuse_formats_without_zero throw.
void set_formats(Model& model, const Quantization& quantization);

// What a graph calls the bits and scales of a packed weight.
std::string codes_name(const std::string& parameter);
std::string scales_name(const std::string& parameter);

// Puts every weight that takes a format into its packed bits: its value is decoded from two
// buffers. A mask is packed with its weight (whose numbers then are zero where the mask is).
// Throws Error(numeric) naming a parameter that has a NaN, Error(unsupported) where a rule leaves
// numbers that the format has no bits for: the model stays as it was.
void pack_weights(Model& model);
// The numbers that the packed bits hold, as float32 parameters that take the same format.
void unpack_weights(Model& model);
bool is_packed(const Graph& graph);
// Bytes that a weight takes as it is stored: its packed bits and scales, or float32.
std::int64_t stored_bytes(const Model& model, ValueId weight);
// The numbers that a node reads in place of a weight: decoded, masked, rounded.
Tensor effective_weight(const Model& model, ValueId read);
// Throws Error(bad_format) naming a packed weight whose bits do not fit its format, or codes that
// stand for no number.
void check_packed(const Model& model);

}  // namespace hone
