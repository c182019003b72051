#include "hone/report/sweep.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/json.hpp"
#include "hone/report/finding.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

using Verdict = SweepDifference::Verdict;

MeasuredPoints points_of(const RunSummary& run, const std::string& kind, std::int64_t width) {
  MeasuredPoints points;
  for (const SweepPoint& point : run.points)
    if (point.kind == kind && (kind == "float" || point.width == width)) points.push_back(&point);
  return by_seed(std::move(points));
}

double p_float(const MeasuredPoints& points) {
  return points.empty() ? not_recorded : points.front()->p_float;
}

double p_ptq(const MeasuredPoints& points) {
  return points.empty() ? not_recorded : static_cast<const SweepPoint*>(points.front())->p_ptq;
}

// "4, 5 and 6 bits"
std::string list_widths(const std::vector<std::int64_t>& widths) {
  std::vector<std::int64_t> rest = widths;
  const std::int64_t last = rest.back();
  rest.pop_back();
  return rest.empty() ? fmt::format("{} bits", last)
                      : fmt::format("{} and {} bits", fmt::join(rest, ", "), last);
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

}  // namespace

Sweep arrange_sweep(const RunSummary& run) {
  Sweep sweep;
  const MeasuredPoints base = points_of(run, "float", 0);
  sweep.base = join_seeds(base);
  std::map<std::int64_t, bool> widths;
  for (const SweepPoint& point : run.points) {
    if (point.kind == "float") continue;
    widths[point.width] = true;
    sweep.format = point.format;
  }
  for (const auto& [width, known] : widths) {
    const MeasuredPoints ptq = points_of(run, "ptq", width), qat = points_of(run, "qat", width);
    sweep.rows.push_back(
        {width, join_seeds(ptq), join_seeds(qat), compare_seeds(qat, ptq, p_ptq(qat)),
         compare_seeds(ptq, base, p_float(ptq)), compare_seeds(qat, base, p_float(qat))});
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
                          {show_accuracy(row.ptq)},
                          {show_accuracy(row.qat)},
                          {show_points(row.qat_to_ptq)},
                          {format_p(row.qat_to_ptq.p)},
                          {show_verdict(row.qat_to_ptq.verdict)},
                          {format_bytes(any.bytes)},
                          {format_significant(any.bits_per_weight, 3)}});
  }
  if (sweep.base)
    table.rows.push_back({{"float32"},
                          {show_accuracy(sweep.base)},
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
            {"base", accuracy_data(sweep.base)},
            {"finding", describe_sweep(sweep)},
            {"rows", Json::array()}};
  for (const SweepRow& row : sweep.rows)
    data["rows"].push_back(
        {{"width", row.width}, {"ptq", accuracy_data(row.ptq)}, {"qat", accuracy_data(row.qat)}});
  return data;
}

}  // namespace hone
