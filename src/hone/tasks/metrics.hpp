// What a model's answers are worth, from its logits and the labels alone.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

struct EvalFigures;

struct Interval {
  double low, high;
};
// Wilson's 95 % interval of a proportion (Wilson, JASA 1927).
Interval wilson_interval(std::int64_t hits, std::int64_t count);

// A figure with its 95 % interval; NaN where there is none.
struct Score {
  double value = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();

  bool is_defined() const { return value == value; }
  bool has_interval() const { return low == low && high == high; }
};

// Of one class. What would divide by zero (the precision of a class that is never predicted, the
// recall of one without samples) is 0 without an interval, as scikit-learn's zero_division=0.
struct ClassMetrics {
  std::int64_t support = 0;    // samples of the class
  std::int64_t predicted = 0;  // samples that are given the class
  // Intervals: Wilson's; that of F1 = 2 J / (1 + J) follows from the proportion J of hits among the
  // samples that have the class, are given it, or both.
  Score precision, recall, f1;
};

// Of classes (`confusion` is not empty) or of values.
struct Metrics {
  std::int64_t samples = 0;
  double loss = 0;  // mean negative log likelihood, or mean squared error

  std::int64_t correct = 0;
  double accuracy = 0;
  Interval interval{};                               // of the accuracy: Wilson's
  std::vector<std::vector<std::int64_t>> confusion;  // [true class][predicted class]
  std::vector<ClassMetrics> classes;
  // The mean F1 of the classes that occur, among samples or predictions (as scikit-learn's
  // f1_score(average="macro")); Matthews' correlation in its form for many classes (Gorodkin,
  // Comput. Biol. Chem. 2004), 0 where it is undefined. Intervals: the delta method on the table of
  // counts (Takahashi et al., Appl. Intell. 2022), after z^2/2 of counts were added on the diagonal
  // and as many beside it, as Agresti and Coull (Am. Stat. 1998) do for a proportion: without them
  // a table without a mistake would have no width.
  Score macro_f1, mcc;
  // Share of the samples whose class is among those of the five largest logits (Wilson's interval);
  // undefined for five classes or fewer.
  Score top5;

  // Mean squared and mean absolute error (normal intervals of means), the coefficient of
  // determination (without interval; undefined where all targets are the same), Pearson's and
  // Spearman's correlation (Fisher's z; Bonett and Wright, Psychometrika 2000, for ranks).
  Score mse, mae, r2, pearson, spearman;

  bool of_classes() const { return !confusion.empty(); }
};

// `logits` are f32[samples, classes], labels lie within the classes, both are finite and in the
// same order. The class of a sample is that of its largest logit.
Metrics measure_classes(const Tensor& logits, std::span<const std::int32_t> labels);
// From the counts alone, each row of as many as there are rows.
Metrics measure_confusion(std::vector<std::vector<std::int64_t>> confusion, double loss);
// `values` are f32[samples, 1].
Metrics measure_values(const Tensor& values, std::span<const float> targets);

// What "best" may mean. Of classes: accuracy, macro_f1, mcc, loss; of values: mse, mae, r2,
// pearson, spearman.
const std::vector<std::string>& metric_names(bool of_classes);
bool higher_is_better(const std::string& metric);
// Its value; NaN where the metrics do not have it.
double metric_value(const Metrics& metrics, const std::string& metric);

// As records, results and checkpoints have them (record/training_events.hpp says how). `labels`
// name the classes.
EvalFigures figures_of(const Metrics& metrics, const std::vector<std::string>& labels);
Json to_json(const Metrics& metrics, const std::vector<std::string>& labels);
// Reads them back. Throws Error(bad_format) for what cannot be.
Metrics read_metrics(const Json& json);

}  // namespace hone
