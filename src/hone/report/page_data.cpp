#include "hone/report/page_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "hone/core/json.hpp"
#include "hone/report/bench_curves.hpp"
#include "hone/report/compression.hpp"
#include "hone/report/finding.hpp"
#include "hone/report/html.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/pruning_curves.hpp"
#include "hone/report/series.hpp"
#include "hone/report/sweep.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

Json curve(const RunSummary& run, std::span<const double> values, std::size_t limit) {
  Json x = Json::array(), y = Json::array();
  bool any = false;
  for (const std::size_t i : choose_points(values, limit)) {
    x.push_back(run.steps[i].step);
    y.push_back(rounded(values[i]));
    any |= std::isfinite(values[i]);
  }
  if (!any) return nullptr;
  return {{"x", std::move(x)}, {"y", std::move(y)}};
}

// The moving mean of a curve that is noisy from step to step; null when there is too little of it.
Json smooth_curve(const RunSummary& run, std::span<const double> values, std::size_t window,
                  std::size_t limit) {
  return window > 1 ? curve(run, moving_mean(values, window), limit) : Json();
}

Json curves(const RunSummary& run, std::size_t limit) {
  const auto values_of = [&](double StepEvent::*member) {
    std::vector<double> values;
    for (const StepEvent& step : run.steps) values.push_back(step.*member);
    return values;
  };
  const std::vector<double> loss = values_of(&StepEvent::loss);
  const std::vector<double> grad_norm = values_of(&StepEvent::grad_norm);
  // A fortieth of the run smooths the noise of small batches and still shows the shape; odd, so
  // that it is centred, and bounded to keep long runs cheap.
  const std::size_t window = std::min<std::size_t>(loss.size() / 40, 500) | 1u;
  return {{"window", window},
          {"steps", run.steps.size()},
          {"loss", curve(run, loss, limit)},
          {"loss_smooth", smooth_curve(run, loss, window, limit)},
          {"grad_norm", curve(run, grad_norm, limit)},
          {"grad_norm_smooth", smooth_curve(run, grad_norm, window, limit)},
          {"lr", curve(run, values_of(&StepEvent::lr), limit)}};
}

Json evaluations(const RunSummary& run) {
  Json list = Json::array();
  for (const EvalEvent& eval : run.evals)
    list.push_back({{"epoch", rounded(eval.epoch)},
                    {"step", eval.step},
                    {"split", eval.split},
                    {"accuracy", rounded(eval.accuracy)},
                    {"low", rounded(eval.low)},
                    {"high", rounded(eval.high)},
                    {"loss", rounded(eval.loss)},
                    {"text", format_interval(eval.accuracy, eval.low, eval.high)}});
  return list;
}

Json layers(const RunSummary& run) {
  Json list = Json::array();
  for (const LayerEntry& layer : run.model.layers)
    list.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"parameters", rounded(layer.parameters)},
                    {"bytes", rounded(layer.bytes)},
                    {"macs", rounded(layer.macs_per_token)}});
  return list;
}

Json kernels(const RunSummary& run) {
  Json list = Json::array();
  for (const KernelRow& row : run.kernels)
    list.push_back({{"kernel", row.kernel},
                    {"op", row.op},
                    {"seconds", rounded(row.seconds)},
                    {"share", rounded(row.share)},
                    {"time", format_duration(row.seconds)},
                    {"gflops", format_significant(row.gflop_per_second(), 3)}});
  return list;
}

Json sweep_card(const Sweep& sweep) {
  Json facts = Json::array();
  for (const bool qat : {false, true}) {
    const std::int64_t width = narrowest_without_loss(sweep, qat);
    facts.push_back({qat ? "no difference detected, QAT" : "no difference detected, PTQ",
                     width > 0 ? fmt::format("from {} bits", width) : "at no width"});
  }
  if (sweep.base) facts.push_back({"test samples", sample_count(sweep.base->samples)});
  facts.push_back({"widths", fmt::format("{}", sweep.rows.size())});
  facts.push_back({"format", sweep.format});
  Json result{{"facts", std::move(facts)}, {"standing", "none"}, {"of", "float32 accuracy"}};
  if (!sweep.base) return result;
  result["accuracy"] = format_percent(sweep.base->accuracy);
  result["interval"] =
      fmt::format("{:.2f}–{:.2f} %", sweep.base->low * 100, sweep.base->high * 100);
  return result;
}

Json pruning_card(const PruningCurves& curves) {
  Json facts = Json::array();
  for (const PruningCurveRows& curve : curves.curves) {
    const std::string where = where_without_loss(curve);
    facts.push_back(
        {"no difference detected, " + curve.name, where.empty() ? "at no sparsity" : where});
  }
  if (curves.base) facts.push_back({"test samples", sample_count(curves.base->samples)});
  Json result{{"facts", std::move(facts)}, {"standing", "none"}, {"of", "float32 accuracy"}};
  if (!curves.base) return result;
  result["accuracy"] = format_percent(curves.base->accuracy);
  result["interval"] =
      fmt::format("{:.2f}–{:.2f} %", curves.base->low * 100, curves.base->high * 100);
  return result;
}

Json compression_card(const CompressionStages& stages) {
  const CompressionRow& last = stages.rows.back();
  Json facts = Json::array();
  facts.push_back({"stages", fmt::format("{}", last.number)});
  facts.push_back({"latency", show_latency(last.cost.latency)});
  if (!last.cost.speed.empty()) facts.push_back({"speed", last.cost.speed});
  if (const std::string count = sample_count(last.value->samples); !count.empty())
    facts.push_back({"samples", count});
  return {
      {"facts", std::move(facts)},
      {"standing", "none"},
      {"of", "accuracy in the end"},
      {"accuracy", format_percent(last.value->accuracy)},
      {"interval", fmt::format("{:.2f}–{:.2f} %", last.value->low * 100, last.value->high * 100)}};
}

// How much faster each form is at the last place.
Json bench_card(const std::vector<BenchChart>& charts) {
  Json facts = Json::array();
  for (const BenchChart& chart : charts)
    for (const BenchCurve& curve : chart.curves) {
      const BenchRow& last = curve.rows.back();
      if (std::isfinite(last.times_faster))
        facts.push_back({fmt::format("{}, {} {:g}: {} against {}", chart.what, chart.axis,
                                     last.point.at, curve.name, curve.against),
                         fmt::format("{:.3g} x", last.times_faster)});
    }
  return {{"facts", std::move(facts)}, {"standing", "none"}, {"timed", true}};
}

Json card(std::span<const RunSummary> runs, std::size_t index, const Comparison& comparison) {
  const RunSummary& run = runs[index];
  const FinalAccuracy& final = comparison.runs[index];
  Json facts = Json::array();
  const auto fact = [&](const char* name, const std::string& value) {
    if (value != format_percent(not_recorded)) facts.push_back({name, value});
  };
  fact("loss", format_significant(run.final_loss));
  fact("samples/s", format_count(run.samples_per_second));
  fact("in steps", format_duration(run.step_seconds));
  fact("peak memory", format_bytes(run.memory.peak_bytes));
  fact("parameters", format_count(run.model.parameters));
  if (run.quantized) fact("packed", format_bytes(run.quantized->bytes_after));
  static constexpr const char* standings[] = {"none", "best", "tied", "lower"};
  if (!run.points.empty()) return sweep_card(arrange_sweep(run));
  if (!run.pruning_points.empty()) return pruning_card(arrange_pruning(run));
  if (!run.compression_points.empty()) return compression_card(arrange_compression(run));
  if (!run.bench_points.empty()) return bench_card(arrange_bench(run));
  Json result{{"facts", std::move(facts)},
              {"standing", standings[static_cast<int>(final.standing)]},
              {"standing_text", describe_standing(runs, final)}};
  if (final.eval) {
    result["accuracy"] = format_percent(final.eval->accuracy);
    result["split"] = final.eval->split;
    result["samples"] = format_count(final.eval->samples);
    if (final.eval->has_interval())
      result["interval"] =
          fmt::format("{:.2f}–{:.2f} %", final.eval->low * 100, final.eval->high * 100);
  }
  return result;
}

}  // namespace

Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);  // (stod refuses 1e-320)
}

Json table_data(const ReportTable& table) {
  Json columns = Json::array(), rows = Json::array();
  for (const TableColumn& column : table.columns)
    columns.push_back({{"title", column.title}, {"right", column.align == Align::right}});
  for (const auto& row : table.rows) {
    Json cells = Json::array();
    bool differs = false;
    for (const ReportCell& cell : row) {
      cells.push_back(cell.text);
      differs |= cell.differs;
    }
    rows.push_back({{"cells", std::move(cells)}, {"differs", differs}});
  }
  return {{"id", table.id},
          {"title", table.title},
          {"note", table.note},
          {"columns", std::move(columns)},
          {"rows", std::move(rows)}};
}

std::size_t points_of_curve(std::size_t runs) {
  return std::clamp(most_points_drawn * 2 / std::max<std::size_t>(runs, 1), std::size_t{200},
                    most_points_drawn);
}

std::string report_title(std::span<const RunSummary> runs) {
  std::string title;
  for (std::size_t i = 0; i < runs.size() && i < 4; ++i)
    title += (i == 0 ? "" : " · ") + runs[i].name;
  return runs.size() > 4 ? fmt::format("{} and {} more", title, runs.size() - 4) : title;
}

Json report_data(std::span<const RunSummary> runs) {
  const Comparison comparison = compare_final_accuracy(runs);
  const std::size_t limit = points_of_curve(runs.size());
  Json data{{"title", report_title(runs)},
            {"finding", describe_finding(runs)},
            {"point_limit", limit},
            {"runs", Json::array()},
            {"tables", Json::array()}};
  for (std::size_t i = 0; i < runs.size(); ++i)
    data["runs"].push_back(
        {{"name", runs[i].name},
         {"model", runs[i].model.name},
         {"status", runs[i].status},
         {"started", runs[i].started},
         {"card", card(runs, i, comparison)},
         {"curves", curves(runs[i], limit)},
         {"evaluations", evaluations(runs[i])},
         {"sweep", runs[i].points.empty() ? Json() : sweep_data(arrange_sweep(runs[i]))},
         {"pruning",
          runs[i].pruning_points.empty() ? Json() : pruning_curves_data(arrange_pruning(runs[i]))},
         {"compression", runs[i].compression_points.empty()
                             ? Json()
                             : compression_data(arrange_compression(runs[i]))},
         {"bench", runs[i].bench_points.empty() ? Json() : bench_data(arrange_bench(runs[i]))},
         {"layers", layers(runs[i])},
         {"kernels", kernels(runs[i])}});
  for (const ReportTable& table : report_tables(runs)) data["tables"].push_back(table_data(table));
  return data;
}

}  // namespace hone
