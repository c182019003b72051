#include "hone/report/pruning_curves.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/report/finding.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

using Verdict = SweepDifference::Verdict;

MeasuredPoints points_of(const RunSummary& run, const std::string& kind, const std::string& curve,
                         double sparsity) {
  MeasuredPoints points;
  for (const PruningPoint& point : run.pruning_points)
    if (point.kind == kind &&
        (kind == "float" || (point.curve == curve && point.sparsity == sparsity)))
      points.push_back(&point);
  return by_seed(std::move(points));
}

const PruningPoint* first_of(const MeasuredPoints& points) {
  return points.empty() ? nullptr : static_cast<const PruningPoint*>(points.front());
}

PruningRow make_row(const RunSummary& run, const PruningCurveRows& curve, double sparsity,
                    const MeasuredPoints& base) {
  PruningRow row;
  row.sparsity = sparsity;
  row.pruned = join_seeds(points_of(run, "pruned", curve.name, sparsity));
  const MeasuredPoints tuned = points_of(run, "tuned", curve.name, sparsity);
  row.tuned = join_seeds(tuned);
  if (const PruningPoint* first = first_of(tuned)) {
    row.to_float = compare_seeds(tuned, base, first->p_float);
    if (!curve.against.empty())
      row.to_other =
          compare_seeds(tuned, points_of(run, "tuned", curve.against, sparsity), first->p_against);
  }
  if (const PruningPoint* speed = first_of(points_of(run, "speed", curve.name, sparsity)))
    row.speed = *speed;
  return row;
}

std::string sparsity_text(double sparsity) { return fmt::format("{:g} %", 100 * sparsity); }

// "0.5, 0.6 and 0.7"
std::string list_shares(const std::vector<double>& sparsities) {
  std::vector<std::string> texts;
  for (const double sparsity : sparsities) texts.push_back(sparsity_text(sparsity));
  if (texts.size() == 1) return texts.front();
  const std::string last = texts.back();
  texts.pop_back();
  return fmt::format("{} and {}", fmt::join(texts, ", "), last);
}

}  // namespace

PruningCurves arrange_pruning(const RunSummary& run) {
  PruningCurves result;
  const MeasuredPoints base = points_of(run, "float", "", 0);
  result.base = join_seeds(base);
  std::vector<std::set<double>> sparsities;
  for (const PruningPoint& point : run.pruning_points) {
    if (point.kind == "float") continue;
    auto curve =
        std::find_if(result.curves.begin(), result.curves.end(),
                     [&](const PruningCurveRows& known) { return known.name == point.curve; });
    if (curve == result.curves.end()) {
      result.curves.push_back({point.curve, "", {}});
      sparsities.emplace_back();
      curve = result.curves.end() - 1;
    }
    if (!point.against.empty()) curve->against = point.against;
    sparsities[static_cast<std::size_t>(curve - result.curves.begin())].insert(point.sparsity);
  }
  for (std::size_t i = 0; i < result.curves.size(); ++i)
    for (const double sparsity : sparsities[i])
      result.curves[i].rows.push_back(make_row(run, result.curves[i], sparsity, base));
  return result;
}

double largest_without_loss(const PruningCurveRows& curve) {
  double largest = 0;
  for (const PruningRow& row : curve.rows) {
    if (row.to_float.verdict == Verdict::unknown || row.to_float.verdict == Verdict::worse) break;
    largest = row.sparsity;
  }
  return largest;
}

std::string where_without_loss(const PruningCurveRows& curve) {
  if (const double largest = largest_without_loss(curve); largest > 0)
    return "up to " + sparsity_text(largest);
  std::vector<double> shares;
  for (const PruningRow& row : curve.rows)
    if (row.to_float.verdict != Verdict::unknown && row.to_float.verdict != Verdict::worse)
      shares.push_back(row.sparsity);
  return shares.empty() ? "" : "at " + list_shares(shares);
}

std::string describe_pruning_cost(const PruningCurves& curves) {
  const PruningCurveRows* best = nullptr;
  // Of all points: the largest sparsity without a detected loss, and the point that loses least.
  const PruningRow *kept = nullptr, *least = nullptr;
  double smallest_loss = 1;  // the smallest sparsity that lost
  std::string of_kept, of_least;
  for (const PruningCurveRows& curve : curves.curves) {
    if (best == nullptr || largest_without_loss(curve) > largest_without_loss(*best)) best = &curve;
    for (const PruningRow& row : curve.rows) {
      if (row.to_float.verdict == Verdict::unknown) continue;
      if (least == nullptr || row.to_float.points > least->to_float.points)
        least = &row, of_least = curve.name;
      if (row.to_float.verdict == Verdict::worse)
        smallest_loss = std::min(smallest_loss, row.sparsity);
      if (row.to_float.verdict != Verdict::worse &&
          (kept == nullptr || row.sparsity > kept->sparsity))
        kept = &row, of_kept = curve.name;
    }
  }
  if (least == nullptr) return "";
  const std::string n = in_brackets(curves.base);
  if (const double largest = largest_without_loss(*best); largest > 0)
    return fmt::format("{} pruned cost no detectable accuracy: {}{}", sparsity_text(largest),
                       best->name, n);
  if (kept != nullptr)
    return fmt::format("{} pruned cost no detectable accuracy{}: {}{}",
                       sparsity_text(kept->sparsity),
                       smallest_loss < kept->sparsity ? ", though less did" : "", of_kept, n);
  return fmt::format("Accuracy is lost at every sparsity that was tried, least at {}: {}{}",
                     sparsity_text(least->sparsity), of_least, n);
}

std::string describe_pruning(const PruningCurves& curves) {
  std::vector<std::string> sentences;
  const std::string n = in_brackets(curves.base);
  for (const PruningCurveRows& curve : curves.curves) {
    if (curve.against.empty()) continue;
    std::map<Verdict, std::vector<double>> at;
    for (const PruningRow& row : curve.rows) at[row.to_other.verdict].push_back(row.sparsity);
    for (const auto& [verdict, form] :
         {std::pair{Verdict::better, "{} is better than {} at {}{}."},
          {Verdict::worse, "{} is worse than {} at {}{}."},
          {Verdict::noise, "{} and {}: no difference detected at {}{}."}})
      if (!at[verdict].empty())
        sentences.push_back(fmt::format(fmt::runtime(form), curve.name, curve.against,
                                        list_shares(at[verdict]),
                                        verdict == Verdict::noise ? n : ""));
  }
  for (const PruningCurveRows& curve : curves.curves)
    if (const std::string where = where_without_loss(curve); !where.empty())
      sentences.push_back(
          fmt::format("{}: no difference to the float model detected {}{}.", curve.name, where, n));
  return fmt::format("{}", fmt::join(sentences, " "));
}

ReportTable pruning_curves_table(const PruningCurves& curves, const std::string& title) {
  ReportTable table{"pruning",
                    title,
                    describe_pruning(curves),
                    {{"Pruned", Align::left},
                     {"Sparsity", Align::right},
                     {"Before training", Align::right},
                     {"After training (95 % interval)", Align::right},
                     {"To float, points", Align::right},
                     {"p", Align::right}},
                    {}};
  const bool timed =
      std::any_of(curves.curves.begin(), curves.curves.end(), [](const PruningCurveRows& curve) {
        return std::any_of(curve.rows.begin(), curve.rows.end(),
                           [](const PruningRow& row) { return row.speed.has_value(); });
      });
  if (timed)
    for (const TableColumn& column :
         {TableColumn{"Latency", Align::right}, {"Speed", Align::left}, {"On disk", Align::right}})
      table.columns.push_back(column);
  for (const PruningCurveRows& curve : curves.curves)
    for (const PruningRow& row : curve.rows) {
      table.rows.push_back({{curve.name},
                            {sparsity_text(row.sparsity)},
                            {row.pruned ? format_percent(row.pruned->accuracy) : "—"},
                            {show_accuracy(row.tuned)},
                            {show_points(row.to_float)},
                            {format_p(row.to_float.p)}});
      if (!timed) continue;
      const PruningPoint speed = row.speed.value_or(PruningPoint{});
      table.rows.back().push_back({show_latency(speed.cost.latency)});
      table.rows.back().push_back({speed.cost.speed.empty() ? "—" : speed.cost.speed});
      table.rows.back().push_back({format_bytes(speed.cost.bytes_on_disk)});
    }
  if (curves.base) {
    table.rows.push_back({{"nothing"}, {"0 %"}, {""}, {show_accuracy(curves.base)}, {""}, {""}});
    if (timed)
      for (int i = 0; i < 3; ++i) table.rows.back().push_back({""});
  }
  return table;
}

Json pruning_curves_data(const PruningCurves& curves) {
  Json data{{"base", accuracy_data(curves.base)},
            {"finding", describe_pruning(curves)},
            {"curves", Json::array()}};
  for (const PruningCurveRows& curve : curves.curves) {
    Json rows = Json::array();
    for (const PruningRow& row : curve.rows) {
      Json entry{{"sparsity", row.sparsity},
                 {"pruned", accuracy_data(row.pruned)},
                 {"tuned", accuracy_data(row.tuned)}};
      if (row.speed) entry["speed"] = cost_data(row.speed->cost);
      rows.push_back(std::move(entry));
    }
    data["curves"].push_back({{"name", curve.name}, {"rows", std::move(rows)}});
  }
  return data;
}

}  // namespace hone
