#include "hone/tasks/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/record/training_events.hpp"

namespace hone {
namespace {

constexpr double z95 = 1.959963984540054;

using Table = std::vector<std::vector<double>>;

struct Sums {
  std::vector<double> row, column;  // of true and of predicted classes
  double diagonal = 0, all = 0;
};

Sums sums_of(const Table& table) {
  const std::size_t k = table.size();
  Sums sums{std::vector<double>(k), std::vector<double>(k), 0, 0};
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      sums.row[i] += table[i][j];
      sums.column[j] += table[i][j];
      sums.all += table[i][j];
    }
    sums.diagonal += table[i][i];
  }
  return sums;
}

// The mean F1 of the classes that occur, and, where `slope` is given, how it changes with each
// count.
double macro_f1_of(const Table& table, Table* slope) {
  const Sums sums = sums_of(table);
  const std::size_t k = table.size();
  double occurring = 0, total = 0;
  for (std::size_t c = 0; c < k; ++c) occurring += sums.row[c] + sums.column[c] > 0 ? 1 : 0;
  if (occurring == 0) return 0;
  if (slope != nullptr) *slope = Table(k, std::vector<double>(k));
  for (std::size_t c = 0; c < k; ++c) {
    const double both = sums.row[c] + sums.column[c];
    if (both == 0) continue;
    const double f1 = 2 * table[c][c] / both;
    total += f1;
    if (slope == nullptr) continue;
    for (std::size_t j = 0; j < k; ++j) {
      (*slope)[c][j] -= f1 / both / occurring;
      (*slope)[j][c] -= f1 / both / occurring;
    }
    (*slope)[c][c] += 2 / both / occurring;
  }
  return total / occurring;
}

// (s c - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)), s samples, c of them right, t_k
// of class k and p_k given it.
double mcc_of(const Table& table, Table* slope) {
  const Sums sums = sums_of(table);
  const std::size_t k = table.size();
  double products = 0, rows = 0, columns = 0;
  for (std::size_t c = 0; c < k; ++c) {
    products += sums.row[c] * sums.column[c];
    rows += sums.row[c] * sums.row[c];
    columns += sums.column[c] * sums.column[c];
  }
  const double s = sums.all;
  const double above = s * sums.diagonal - products;
  const double u = s * s - columns, v = s * s - rows;
  // Exact for counts below 2^26: zero when all samples, or all predictions, are of one class.
  if (!(u > 0) || !(v > 0)) return 0;
  const double root = std::sqrt(u * v);
  if (slope != nullptr) {
    *slope = Table(k, std::vector<double>(k));
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) {
        const double d_above = sums.diagonal + (i == j ? s : 0) - sums.column[i] - sums.row[j];
        const double d_u = 2 * s - 2 * sums.column[j], d_v = 2 * s - 2 * sums.row[i];
        (*slope)[i][j] = d_above / root - 0.5 * above / root * (d_u / u + d_v / v);
      }
  }
  return std::clamp(above / root, -1.0, 1.0);
}

// With z^2/2 of counts more on the diagonal and beside it, shared by the classes as their samples
// are.
Table moved_to_the_middle(const Table& table) {
  const Sums sums = sums_of(table);
  const std::size_t k = table.size();
  Table moved = table;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      const double share = z95 * z95 / 2 * sums.row[i] / sums.all;
      moved[i][j] += i == j ? share : share / static_cast<double>(k - 1);
    }
  return moved;
}

// The delta method: the variance of a function of counts n_ij of N samples is
// (sum n_ij g_ij^2 - (sum n_ij g_ij)^2 / N) for its slopes g_ij.
template <typename Function>
Score score_of(const Table& table, double least, const Function& function) {
  Score score;
  score.value = function(table, nullptr);
  if (table.size() < 2) return score;
  const Table moved = moved_to_the_middle(table);
  Table slope;
  const double center = function(moved, &slope);
  if (slope.empty()) return score;
  double squares = 0, sum = 0, all = 0;
  for (std::size_t i = 0; i < moved.size(); ++i)
    for (std::size_t j = 0; j < moved.size(); ++j) {
      squares += moved[i][j] * slope[i][j] * slope[i][j];
      sum += moved[i][j] * slope[i][j];
      all += moved[i][j];
    }
  const double spread = z95 * std::sqrt(std::max(0.0, squares - sum * sum / all));
  score.low = std::max(least, std::min(center - spread, score.value));
  score.high = std::min(1.0, std::max(center + spread, score.value));
  return score;
}

Score proportion(std::int64_t hits, std::int64_t count) {
  if (count == 0) return {.value = 0};
  const Interval interval = wilson_interval(hits, count);
  return {static_cast<double>(hits) / static_cast<double>(count), interval.low, interval.high};
}

Score f1_of(std::int64_t hits, std::int64_t support, std::int64_t predicted) {
  Score jaccard = proportion(hits, support + predicted - hits);
  for (double* value : {&jaccard.value, &jaccard.low, &jaccard.high})
    *value = 2 * *value / (1 + *value);
  return jaccard;
}

struct Moments {
  double mean = 0, squares = 0;  // about the mean
};

template <typename Value>
Moments moments_of(std::size_t count, const Value& value) {
  Moments moments;
  for (std::size_t i = 0; i < count; ++i) moments.mean += value(i);
  moments.mean /= static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double d = value(i) - moments.mean;
    moments.squares += d * d;
  }
  return moments;
}

template <typename Value>
Score mean_score(std::size_t count, const Value& value) {
  const Moments moments = moments_of(count, value);
  Score score{.value = moments.mean};
  if (count < 2) return score;
  const auto n = static_cast<double>(count);
  const double spread = z95 * std::sqrt(moments.squares / (n - 1) / n);
  score.low = std::max(0.0, moments.mean - spread);
  score.high = moments.mean + spread;
  return score;
}

// `factor` of the variance of Fisher's z: 1, or 1 + r^2 / 2 for ranks.
Score correlation(const std::vector<double>& a, const std::vector<double>& b, bool ranks) {
  const std::size_t count = a.size();
  const Moments of_a = moments_of(count, [&](std::size_t i) { return a[i]; });
  const Moments of_b = moments_of(count, [&](std::size_t i) { return b[i]; });
  if (!(of_a.squares > 0) || !(of_b.squares > 0)) return {};
  double product = 0;
  for (std::size_t i = 0; i < count; ++i) product += (a[i] - of_a.mean) * (b[i] - of_b.mean);
  Score score{
      .value = std::clamp(product / std::sqrt(of_a.squares) / std::sqrt(of_b.squares), -1.0, 1.0)};
  if (count < 4) return score;
  const double r = score.value;
  const double spread =
      z95 * std::sqrt((ranks ? 1 + r * r / 2 : 1) / (static_cast<double>(count) - 3));
  score.low = std::tanh(std::atanh(r) - spread);
  score.high = std::tanh(std::atanh(r) + spread);
  return score;
}

// From 1; equal values share the mean of their ranks.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i)
      ranks[order[i]] = static_cast<double>(begin + 1 + end) / 2;
    begin = end;
  }
  return ranks;
}

const std::vector<std::pair<const char*, Score Metrics::*>>& scores_of(bool of_classes) {
  static const std::vector<std::pair<const char*, Score Metrics::*>> classes{
      {"macro_f1", &Metrics::macro_f1}, {"mcc", &Metrics::mcc}, {"top5", &Metrics::top5}};
  static const std::vector<std::pair<const char*, Score Metrics::*>> values{
      {"mse", &Metrics::mse},
      {"mae", &Metrics::mae},
      {"r2", &Metrics::r2},
      {"pearson", &Metrics::pearson},
      {"spearman", &Metrics::spearman}};
  return of_classes ? classes : values;
}

// The figure that records have of a score.
double EvalFigures::*figure_of(const std::string& name) {
  static const std::map<std::string, double EvalFigures::*> figures{
      {"macro_f1", &EvalFigures::macro_f1}, {"mcc", &EvalFigures::mcc},
      {"top5", &EvalFigures::top5},         {"mse", &EvalFigures::mse},
      {"mae", &EvalFigures::mae},           {"r2", &EvalFigures::r2},
      {"pearson", &EvalFigures::pearson},   {"spearman", &EvalFigures::spearman}};
  return figures.at(name);
}

double with_interval(NamedIntervals& intervals, const char* name, const Score& score) {
  if (score.has_interval()) intervals[name] = {score.low, score.high};
  return score.value;
}

}  // namespace

Interval wilson_interval(std::int64_t hits, std::int64_t count) {
  if (count == 0) return {0, 1};
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(hits) / n;
  const double center = p + z95 * z95 / (2 * n);
  const double spread = z95 * std::sqrt(p * (1 - p) / n + z95 * z95 / (4 * n * n));
  const double scale = 1 + z95 * z95 / n;
  return {std::max(0.0, (center - spread) / scale), std::min(1.0, (center + spread) / scale)};
}

Metrics measure_confusion(std::vector<std::vector<std::int64_t>> confusion, double loss) {
  Metrics metrics;
  metrics.loss = loss;
  metrics.confusion = std::move(confusion);
  const std::size_t k = metrics.confusion.size();
  metrics.classes.resize(k);
  Table table(k, std::vector<double>(k));
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      const std::int64_t count = metrics.confusion[i][j];
      table[i][j] = static_cast<double>(count);
      metrics.samples += count;
      metrics.classes[i].support += count;
      metrics.classes[j].predicted += count;
      if (i == j) metrics.correct += count;
    }
  for (std::size_t c = 0; c < k; ++c) {
    ClassMetrics& one = metrics.classes[c];
    const std::int64_t hits = metrics.confusion[c][c];
    one.precision = proportion(hits, one.predicted);
    one.recall = proportion(hits, one.support);
    one.f1 = f1_of(hits, one.support, one.predicted);
  }
  metrics.accuracy = static_cast<double>(metrics.correct) / static_cast<double>(metrics.samples);
  metrics.interval = wilson_interval(metrics.correct, metrics.samples);
  metrics.macro_f1 = score_of(table, 0, macro_f1_of);
  metrics.mcc = score_of(table, -1, mcc_of);
  return metrics;
}

Metrics measure_classes(const Tensor& logits, std::span<const std::int32_t> labels) {
  const auto k = static_cast<std::size_t>(logits.shape()[1]);
  std::vector<std::vector<std::int64_t>> confusion(k, std::vector<std::int64_t>(k));
  double loss = 0;
  std::int64_t among_five = 0;
  for (std::size_t s = 0; s < labels.size(); ++s) {
    const float* row = logits.as<float>() + s * k;
    const float* largest = std::max_element(row, row + k);
    double sum = 0;
    for (std::size_t c = 0; c < k; ++c) sum += std::exp(static_cast<double>(row[c]) - *largest);
    loss += *largest + std::log(sum) - row[labels[s]];
    ++confusion[static_cast<std::size_t>(labels[s])][static_cast<std::size_t>(largest - row)];
    // (Of equal ones the first counts as the larger, as it does above.)
    std::int64_t larger = 0;
    for (std::size_t c = 0; c < k; ++c) {
      const bool first = c < static_cast<std::size_t>(labels[s]);
      larger += row[c] > row[labels[s]] || (first && row[c] == row[labels[s]]) ? 1 : 0;
    }
    among_five += larger < 5 ? 1 : 0;
  }
  Metrics metrics =
      measure_confusion(std::move(confusion), loss / static_cast<double>(labels.size()));
  if (k > 5) metrics.top5 = proportion(among_five, static_cast<std::int64_t>(labels.size()));
  return metrics;
}

Metrics measure_values(const Tensor& values, std::span<const float> targets) {
  const std::size_t count = targets.size();
  std::vector<double> given(count), wanted(count);
  for (std::size_t i = 0; i < count; ++i) {
    given[i] = values.as<float>()[i];
    wanted[i] = targets[i];
  }
  Metrics metrics;
  metrics.samples = static_cast<std::int64_t>(count);
  const auto error = [&](std::size_t i) { return given[i] - wanted[i]; };
  metrics.mse = mean_score(count, [&](std::size_t i) { return error(i) * error(i); });
  metrics.mae = mean_score(count, [&](std::size_t i) { return std::abs(error(i)); });
  metrics.loss = metrics.mse.value;
  const Moments target = moments_of(count, [&](std::size_t i) { return wanted[i]; });
  if (target.squares > 0)
    metrics.r2.value = 1 - metrics.mse.value * static_cast<double>(count) / target.squares;
  metrics.pearson = correlation(given, wanted, false);
  metrics.spearman = correlation(ranks_of(given), ranks_of(wanted), true);
  return metrics;
}

const std::vector<std::string>& metric_names(bool of_classes) {
  static const std::vector<std::string> classes{"accuracy", "macro_f1", "mcc", "loss"};
  static const std::vector<std::string> values{"mse", "mae", "r2", "pearson", "spearman"};
  return of_classes ? classes : values;
}

bool higher_is_better(const std::string& metric) {
  return metric != "loss" && metric != "mse" && metric != "mae";
}

double metric_value(const Metrics& metrics, const std::string& metric) {
  if (metric == "loss") return metrics.loss;
  if (metric == "accuracy" && metrics.of_classes()) return metrics.accuracy;
  for (const auto& [name, score] : scores_of(metrics.of_classes()))
    if (metric == name) return (metrics.*score).value;
  return std::numeric_limits<double>::quiet_NaN();
}

EvalFigures figures_of(const Metrics& metrics, const std::vector<std::string>& labels) {
  EvalFigures figures;
  figures.samples = static_cast<double>(metrics.samples);
  figures.loss = metrics.loss;
  for (const auto& [name, score] : scores_of(metrics.of_classes()))
    figures.*figure_of(name) = with_interval(figures.intervals, name, metrics.*score);
  if (!metrics.of_classes()) return figures;
  figures.accuracy = metrics.accuracy;
  figures.low = metrics.interval.low;
  figures.high = metrics.interval.high;
  figures.labels = labels;
  figures.confusion = metrics.confusion;
  for (std::size_t c = 0; c < metrics.classes.size(); ++c) {
    const ClassMetrics& one = metrics.classes[c];
    ClassFigures& entry = figures.classes.emplace_back();
    entry.label = labels.at(c);
    entry.support = static_cast<double>(one.support);
    entry.predicted = static_cast<double>(one.predicted);
    entry.precision = with_interval(entry.intervals, "precision", one.precision);
    entry.recall = with_interval(entry.intervals, "recall", one.recall);
    entry.f1 = with_interval(entry.intervals, "f1", one.f1);
  }
  return figures;
}

Json to_json(const Metrics& metrics, const std::vector<std::string>& labels) {
  return to_object(figures_of(metrics, labels));
}

Metrics read_metrics(const Json& json) {
  const auto figures = from_object<EvalFigures>(json, {"metrics"});
  if (std::isnan(figures.loss)) refuse_field({"metrics"}, "loss", "a number");
  if (!json.contains("confusion")) {
    Metrics metrics;
    if (std::isnan(figures.samples)) refuse_field({"metrics"}, "samples", "a number");
    metrics.samples = static_cast<std::int64_t>(figures.samples);
    metrics.loss = figures.loss;
    for (const auto& [name, score] : scores_of(false)) {
      (metrics.*score).value = figures.*figure_of(name);
      const auto interval = figures.intervals.find(name);
      if (interval == figures.intervals.end()) continue;
      (metrics.*score).low = interval->second.first;
      (metrics.*score).high = interval->second.second;
    }
    return metrics;
  }
  std::int64_t samples = 0;
  for (const auto& row : figures.confusion)
    for (const std::int64_t count : row) samples += count;
  if (samples < 1) throw Error(ErrorCode::bad_format, "a confusion matrix without samples");
  Metrics metrics = measure_confusion(figures.confusion, figures.loss);
  metrics.top5.value = figures.top5;
  if (const auto interval = figures.intervals.find("top5"); interval != figures.intervals.end())
    std::tie(metrics.top5.low, metrics.top5.high) = interval->second;
  return metrics;
}

}  // namespace hone
