// Formats whose step is trained (learned step size, Esser et al., arXiv 1902.08153).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/model/model.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {

struct LearnedStep {
  std::string parameter;  // that holds it
  std::string value;      // what is rounded
  FormatChoice choice;
};
// Every trained step of a graph.
std::vector<LearnedStep> learned_steps(const Graph& graph);
// The choice that a node `quantize_learned` stands for.
FormatChoice learned_choice(const Node& node);
// Largest code of a learned choice: what a first step is fitted to.
double learned_high(const FormatChoice& choice);
// The format with a trained step written in, and trained no more.
FormatChoice freeze_step(const FormatChoice& choice, float step);

// Gives steps that have no tensor yet their first values: twice the mean magnitude over the square
// root of the largest code, of weights and, by value name, of what `mean_magnitudes` knows (else
// 1).
void add_learned_steps(Model& model, const std::map<std::string, double>& mean_magnitudes);
// Writes trained steps into the formats and drops their parameters.
void freeze_learned_steps(Model& model);

}  // namespace hone
