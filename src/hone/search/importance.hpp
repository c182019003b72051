// Which parameters decide an objective: functional analysis of variance over a random forest
// (Hutter, Hoos and Leyton-Brown, "An efficient approach for assessing hyperparameter importance",
// ICML 2014).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hone/search/columns.hpp"

namespace hone {

struct ForestOptions {
  int trees = 64;
  std::uint64_t seed = 0;
  // Each tree sees as many trials as there are, at most 1,000, drawn with replacement; false: all
  // of them, once.
  bool bootstrap = true;
};

// The share of the variance over the whole space that a parameter alone explains: the variance of
// the mean over all other parameters. All shares together are at most 1; what is missing is owed to
// parameters that act together.
struct Importance {
  double share = 0;
  double deviation = 0;  // of the trees: their standard deviation
};

// Regression trees of an objective, grown until a leaf has equal values. Every mean and variance is
// over the box of all parameters, each uniform in its range (by its logarithm where that is how it
// is searched, every choice and step alike), computed exactly from the boxes of the leaves.
//
// A parameter that a trial does not have (its condition does not hold) has in each tree a value
// drawn from its whole range: the objective is extended to where the parameter does not exist, and
// does not depend on it there. So a conditional parameter's importance is that in the whole space,
// not among the trials that have it.
class ObjectiveForest {
public:
  // `objective` by trial; NaN and infinite: the trial is left out. `columns` must outlive it.
  ObjectiveForest(const TrialColumns& columns, std::span<const double> objective,
                  const ForestOptions& options = {});
  ~ObjectiveForest();
  ObjectiveForest(ObjectiveForest&&) noexcept;

  // Whether there is a variance to explain: two trials that differ in their objective.
  bool is_known() const;
  // By parameter; all 0 where nothing is known.
  std::vector<Importance> importances() const;
  // The mean of the objective where the parameter has each of these internal values.
  std::vector<double> means(std::size_t parameter, std::span<const double> at) const;
  // The same for two parameters: [first][second], rows after each other.
  std::vector<double> means(std::size_t first, std::span<const double> at_first, std::size_t second,
                            std::span<const double> at_second) const;

private:
  struct Trees;
  std::unique_ptr<Trees> trees_;
};

}  // namespace hone
