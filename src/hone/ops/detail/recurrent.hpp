// What recurrent networks and their gradients share: cells, and the functions of their gates.
#pragma once

#include <string>
#include <vector>

#include "hone/graph/op.hpp"

namespace hone {

struct RecurrentCell {
  const char* name;
  const char* summary;
  const char* activations;  // of one direction
  std::size_t gates, functions;
  bool memory;  // it has a state of its own beside what it gives
};
inline constexpr RecurrentCell rnn_cell{"rnn", "recurrent network", "Tanh", 1, 1, false};
inline constexpr RecurrentCell gru_cell{"gru", "gated recurrent units", "Sigmoid,Tanh", 3, 2,
                                        false};
inline constexpr RecurrentCell lstm_cell{
    "lstm", "long short-term memory", "Sigmoid,Tanh,Tanh", 4, 3, true};

// A function of a gate with its numbers.
struct RecurrentFunction {
  double (*value)(double x, double alpha, double beta);
  double (*derivative)(double x, double alpha, double beta);
  double alpha, beta;

  double operator()(double x) const { return value(x, alpha, beta); }
  double slope(double x) const { return derivative(x, alpha, beta); }
};

std::vector<OptionSpec> recurrent_options(const RecurrentCell& cell);
// 1 or 2.
std::int64_t recurrent_ways(const Options& attributes);
// Those of every direction. Throws Error(invalid_argument) "[op] ...".
std::vector<RecurrentFunction> recurrent_functions(const Options& attributes,
                                                   const RecurrentCell& cell,
                                                   const std::string& op);
// Checks inputs 0 to 7 (x, w, r, b, lengths, h, c, p; those behind r may be absent). Throws as
// fail_shapes does.
void check_recurrent(const OpTypes& types, const RecurrentCell& cell, const std::string& op);
// Types of y and of the last states.
std::vector<ValueType> recurrent_results(const OpTypes& types, const RecurrentCell& cell);
// Inputs for every case of a cell.
std::vector<OpSample> recurrent_samples(const RecurrentCell& cell);

}  // namespace hone
