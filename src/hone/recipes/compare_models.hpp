// Where two models of one architecture differ: in the numbers of every layer's parameters, and in
// what every layer gives for the same texts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/data/dataset.hpp"
#include "hone/model/model.hpp"
#include "hone/report/paired_test.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {

// What `other` has in place of `reference`, summed number by number.
class TensorError {
public:
  void add(const float* reference, const float* other, std::int64_t count);
  void add(const TensorError& more);

  bool is_exact() const { return noise_ == 0; }
  // Signal to quantization noise, 10 log10(sum r^2 / sum (r - o)^2), in dB; infinite when exact.
  double sqnr() const;
  double cosine() const;
  double largest() const { return largest_; }  // of |r - o|

private:
  double signal_ = 0, noise_ = 0, other_ = 0, dot_ = 0, largest_ = 0;
};
// {exact, sqnr, cosine, max}; what is not a finite number is null.
Json to_json(const TensorError& error);

struct NodeError {
  std::string node, op;
  std::string format;  // that the second model gives it; empty: none
  // Of each parameter, and of all of them together.
  std::vector<std::pair<std::string, TensorError>> parameters;
  TensorError weights;
  TensorError output;
};
Json to_json(const NodeError& error);

// Throws Error(invalid_argument) naming the first difference that is not one of formats.
void check_same_architecture(const Model& a, const Model& b);

// The nodes in the order of their output's error, largest first. Runs both models node by node on
// `samples` texts spread over `data`, a few at a time.
std::vector<NodeError> compare_layers(const Model& a, const Model& b, const Samples& data,
                                      std::int64_t samples, const EvaluateOptions& options);

// By the logits of two evaluations of the same samples.
std::vector<bool> correct_samples(const Evaluation& evaluation, const TokenizedData& data);
PairedTest compare_correct(const std::vector<bool>& first, const std::vector<bool>& second);

}  // namespace hone
