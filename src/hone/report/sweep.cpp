#include "hone/report/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/json.hpp"
#include "hone/report/finding.hpp"
#include "hone/report/mean_interval.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

using Verdict = SweepDifference::Verdict;
using Points = std::vector<const SweepPoint*>;

constexpr double significance = 0.05;

Points points_of(const RunSummary& run, const std::string& kind, std::int64_t width) {
  Points points;
  for (const SweepPoint& point : run.points)
    if (point.kind == kind && (kind == "float" || point.width == width)) points.push_back(&point);
  std::sort(points.begin(), points.end(),
            [](const SweepPoint* a, const SweepPoint* b) { return a->seed < b->seed; });
  return points;
}

std::optional<SweepValue> join(const Points& points) {
  if (points.empty()) return std::nullopt;
  std::vector<double> accuracies;
  double loss = 0;
  for (const SweepPoint* point : points) {
    accuracies.push_back(point->accuracy);
    loss += point->loss / static_cast<double>(points.size());
  }
  const SweepPoint& first = *points.front();
  SweepValue value{first.accuracy,        first.low,     first.high,   loss, first.bytes,
                   first.bits_per_weight, first.samples, points.size()};
  if (points.size() == 1) return value;
  const MeanInterval mean = mean_interval(accuracies);
  value.accuracy = mean.mean;
  value.low = std::max(0.0, mean.mean - mean.half_width);
  value.high = std::min(1.0, mean.mean + mean.half_width);
  return value;
}

// Seeds are paired; one that has all seeds in common stands against each.
SweepDifference differ(const Points& points, const Points& against, double SweepPoint::*p) {
  SweepDifference result;
  std::vector<double> differences;
  for (const SweepPoint* point : points)
    for (const SweepPoint* other : against)
      if (against.size() == 1 || points.size() == 1 || other->seed == point->seed)
        differences.push_back(point->accuracy - other->accuracy);
  if (differences.empty()) return result;
  const MeanInterval mean = mean_interval(differences);
  result.points = mean.mean;
  bool differs = false;
  if (differences.size() == 1) {
    result.p = points.front()->*p;
    if (std::isnan(result.p)) return result;
    differs = result.p < significance;
  } else {
    differs = std::abs(mean.mean) > mean.half_width;
  }
  result.verdict = !differs ? Verdict::noise : mean.mean > 0 ? Verdict::better : Verdict::worse;
  return result;
}

// "4, 5 and 6 bits"
std::string list_widths(const std::vector<std::int64_t>& widths) {
  std::vector<std::int64_t> rest = widths;
  const std::int64_t last = rest.back();
  rest.pop_back();
  return rest.empty() ? fmt::format("{} bits", last)
                      : fmt::format("{} and {} bits", fmt::join(rest, ", "), last);
}

std::string show(const std::optional<SweepValue>& value) {
  return value ? format_interval(value->accuracy, value->low, value->high) : "—";
}

std::string show_points(const SweepDifference& difference) {
  return std::isnan(difference.points) ? "—" : fmt::format("{:+.2f}", 100 * difference.points);
}

const char* show_verdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::unknown: return "—";
    case Verdict::noise: return "none detected";
    case Verdict::better: return "QAT better";
    case Verdict::worse: return "PTQ better";
  }
  return "";
}

Json finite(double value) {
  return std::isfinite(value) ? Json(std::stod(fmt::format("{:.8g}", value))) : Json(nullptr);
}

Json value_data(const std::optional<SweepValue>& value) {
  if (!value) return nullptr;
  return {{"accuracy", finite(value->accuracy)}, {"low", finite(value->low)},
          {"high", finite(value->high)},         {"bytes", finite(value->bytes)},
          {"size", format_bytes(value->bytes)},  {"text", show(value)}};
}

}  // namespace

Sweep arrange_sweep(const RunSummary& run) {
  Sweep sweep;
  const Points base = points_of(run, "float", 0);
  sweep.base = join(base);
  std::map<std::int64_t, bool> widths;
  for (const SweepPoint& point : run.points) {
    if (point.kind == "float") continue;
    widths[point.width] = true;
    sweep.format = point.format;
  }
  for (const auto& [width, known] : widths) {
    const Points ptq = points_of(run, "ptq", width), qat = points_of(run, "qat", width);
    sweep.rows.push_back({width, join(ptq), join(qat), differ(qat, ptq, &SweepPoint::p_ptq),
                          differ(ptq, base, &SweepPoint::p_float),
                          differ(qat, base, &SweepPoint::p_float)});
  }
  return sweep;
}

std::int64_t narrowest_without_loss(const Sweep& sweep, bool qat) {
  std::int64_t narrowest = 0;
  for (auto row = sweep.rows.rbegin(); row != sweep.rows.rend(); ++row) {
    const SweepDifference& difference = qat ? row->qat_to_float : row->ptq_to_float;
    if (difference.verdict == Verdict::unknown || difference.verdict == Verdict::worse) break;
    narrowest = row->width;
  }
  return narrowest;
}

std::string describe_sweep(const Sweep& sweep) {
  std::map<Verdict, std::vector<std::int64_t>> widths;
  for (const SweepRow& row : sweep.rows) widths[row.qat_to_ptq.verdict].push_back(row.width);
  std::vector<std::string> sentences;
  const auto say = [&](Verdict verdict, const char* form) {
    if (!widths[verdict].empty())
      sentences.push_back(fmt::format(fmt::runtime(form), list_widths(widths[verdict])));
  };
  say(Verdict::better, "QAT is better than PTQ at {}.");
  say(Verdict::worse, "PTQ is better than QAT at {}.");
  const std::string count = sweep.base ? sample_count(sweep.base->samples) : "";
  const std::string n = count.empty() ? "" : " (" + count + ")";
  say(Verdict::noise, ("No difference detected at {}" + n + ".").c_str());
  for (const bool qat : {false, true}) {
    const std::int64_t width = narrowest_without_loss(sweep, qat);
    if (width > 0)
      sentences.push_back(fmt::format("{}: no difference to float32 detected from {} bits on{}.",
                                      qat ? "QAT" : "PTQ", width, n));
  }
  return fmt::format("{}", fmt::join(sentences, " "));
}

ReportTable sweep_table(const Sweep& sweep, const std::string& title) {
  ReportTable table{"sweep",
                    title,
                    describe_sweep(sweep),
                    {{"Bits", Align::right},
                     {"PTQ (95 % interval)", Align::right},
                     {"QAT (95 % interval)", Align::right},
                     {"QAT − PTQ, points", Align::right},
                     {"p", Align::right},
                     {"Difference", Align::left},
                     {"Size", Align::right},
                     {"Bits a weight", Align::right}},
                    {}};
  for (const SweepRow& row : sweep.rows) {
    const SweepValue& any = row.ptq ? *row.ptq : *row.qat;
    table.rows.push_back({{fmt::format("{}", row.width)},
                          {show(row.ptq)},
                          {show(row.qat)},
                          {show_points(row.qat_to_ptq)},
                          {format_p(row.qat_to_ptq.p)},
                          {show_verdict(row.qat_to_ptq.verdict)},
                          {format_bytes(any.bytes)},
                          {format_significant(any.bits_per_weight, 3)}});
  }
  if (sweep.base)
    table.rows.push_back({{"float32"},
                          {show(sweep.base)},
                          {""},
                          {""},
                          {""},
                          {""},
                          {format_bytes(sweep.base->bytes)},
                          {"32"}});
  return table;
}

Json sweep_data(const Sweep& sweep) {
  Json data{{"format", sweep.format},
            {"base", value_data(sweep.base)},
            {"finding", describe_sweep(sweep)},
            {"rows", Json::array()}};
  for (const SweepRow& row : sweep.rows)
    data["rows"].push_back(
        {{"width", row.width}, {"ptq", value_data(row.ptq)}, {"qat", value_data(row.qat)}});
  return data;
}

}  // namespace hone
