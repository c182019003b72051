// What formats are refused for, whatever they were chosen by.
#pragma once

#include <string>

#include "hone/passes/quantization.hpp"

namespace hone {

// Whether a format has numbers below zero.
bool holds_negatives(const FormatChoice& choice);
// Throws Error(invalid_argument) naming `what` when its smallest number is negative and the format
// holds none below zero.
void refuse_unsigned(const FormatChoice& choice, double smallest, const std::string& what);
// Throws Error(invalid_argument) where data whose sign nobody knows gets a format that holds no
// negative number: unless calibrating sees the data.
void refuse_unsigned_data(const Graph& graph, const Quantization& quantization);
// Throws Error(invalid_argument) naming a value of data whose format has scales or blocks that the
// rows of a batch share: what a text becomes would depend on the texts beside it. (A scale that is
// given, calibrated or trained is shared by all texts alike.)
void refuse_shared_scales(const Graph& graph, const Quantization& quantization);
// Throws Error(invalid_argument) naming a format that only training makes different: a trained
// step, stochastic rounding.
void refuse_untrained(const Quantization& quantization);

}  // namespace hone
