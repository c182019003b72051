#include "hone/report/bench_curves.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "hone/report/measured_points.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

template <class Item>
Item& find_or_add(std::vector<Item>& items, const std::string& name, std::string Item::*key) {
  for (Item& item : items)
    if (item.*key == name) return item;
  Item& added = items.emplace_back();
  added.*key = name;
  return added;
}

void compare(BenchChart& chart) {
  for (BenchCurve& curve : chart.curves)
    for (const BenchCurve& other : chart.curves) {
      if (other.name != curve.against) continue;
      for (BenchRow& row : curve.rows)
        for (const BenchRow& against : other.rows)
          if (against.point.at == row.point.at)
            row.times_faster = against.point.median / row.point.median;
    }
}

// "length 4096"
std::string place_of(const BenchChart& chart, const BenchRow& row) {
  return fmt::format("{} {:g}", chart.axis, row.point.at);
}

std::string show_times(const BenchRow& row) {
  if (!std::isfinite(row.times_faster)) return "";
  return fmt::format("{:.3g} x {}", row.times_faster, row.point.against);
}

std::string show_range(const BenchPoint& point) {
  const std::string median = format_duration(point.median);
  if (std::isnan(point.low) || std::isnan(point.high)) return median;
  return fmt::format("{} ({} to {})", median, format_duration(point.low),
                     format_duration(point.high));
}

template <class Column>
bool any_row(const std::vector<BenchChart>& charts, const Column& has) {
  for (const BenchChart& chart : charts)
    for (const BenchCurve& curve : chart.curves)
      for (const BenchRow& row : curve.rows)
        if (has(row)) return true;
  return false;
}

}  // namespace

std::vector<BenchChart> arrange_bench(const RunSummary& run) {
  std::vector<BenchChart> charts;
  for (const BenchPoint& point : run.bench_points) {
    BenchChart& chart = find_or_add(charts, point.what, &BenchChart::what);
    chart.axis = point.axis;
    BenchCurve& curve = find_or_add(chart.curves, point.series, &BenchCurve::name);
    curve.against = point.against;
    curve.rows.push_back({point});
  }
  for (BenchChart& chart : charts) {
    for (BenchCurve& curve : chart.curves)
      std::stable_sort(
          curve.rows.begin(), curve.rows.end(),
          [](const BenchRow& a, const BenchRow& b) { return a.point.at < b.point.at; });
    compare(chart);
  }
  return charts;
}

std::string describe_bench(const std::vector<BenchChart>& charts) {
  const BenchChart* where = nullptr;
  const BenchRow* widest = nullptr;
  for (const BenchChart& chart : charts)
    for (const BenchCurve& curve : chart.curves)
      for (const BenchRow& row : curve.rows)
        if (std::isfinite(row.times_faster) &&
            (widest == nullptr || std::pair(row.point.at, row.times_faster) >
                                      std::pair(widest->point.at, widest->times_faster))) {
          where = &chart;
          widest = &row;
        }
  if (widest == nullptr) return "";
  const BenchPoint& point = widest->point;
  return fmt::format("{}, {}: {} takes {}, {:.3g} times as fast as {}", where->what,
                     place_of(*where, *widest), point.series, format_duration(point.median),
                     widest->times_faster, point.against);
}

ReportTable bench_table(const std::vector<BenchChart>& charts, const std::string& title) {
  const bool compiles =
      any_row(charts, [](const BenchRow& row) { return std::isfinite(row.point.compile_seconds); });
  const bool has_bytes =
      any_row(charts, [](const BenchRow& row) { return std::isfinite(row.point.bytes); });
  ReportTable table{"bench", title, describe_bench(charts), {}, {}};
  table.columns = {{"What", Align::left}};
  table.columns.push_back({charts.empty() ? "" : charts.front().axis, Align::right});
  table.columns.push_back({"Form", Align::left});
  table.columns.push_back({"Time (least to most)", Align::right});
  table.columns.push_back({"Times faster", Align::left});
  if (compiles) table.columns.push_back({"Compilation", Align::right});
  if (has_bytes) table.columns.push_back({"Memory", Align::right});
  for (const BenchChart& chart : charts)
    for (const BenchCurve& curve : chart.curves)
      for (const BenchRow& row : curve.rows) {
        std::vector<ReportCell> cells{{chart.what},
                                      {fmt::format("{:g}", row.point.at)},
                                      {curve.name},
                                      {show_range(row.point)},
                                      {show_times(row)}};
        if (compiles) cells.push_back({format_duration(row.point.compile_seconds)});
        if (has_bytes) cells.push_back({format_bytes(row.point.bytes)});
        table.rows.push_back(std::move(cells));
      }
  return table;
}

Json bench_data(const std::vector<BenchChart>& charts) {
  Json data{{"finding", describe_bench(charts)}, {"charts", Json::array()}};
  for (const BenchChart& chart : charts) {
    Json curves = Json::array();
    for (const BenchCurve& curve : chart.curves) {
      Json rows = Json::array();
      for (const BenchRow& row : curve.rows) {
        const std::string times = show_times(row);
        Json entry{{"at", row.point.at}};
        entry["median"] = short_number(row.point.median);
        entry["bytes"] = short_number(row.point.bytes);
        entry["text"] = fmt::format("{}: {}{}{}", place_of(chart, row), show_range(row.point),
                                    times.empty() ? "" : ", ", times);
        entry["size"] = fmt::format("{}: {}", place_of(chart, row), format_bytes(row.point.bytes));
        rows.push_back(std::move(entry));
      }
      curves.push_back({{"name", curve.name}, {"rows", std::move(rows)}});
    }
    data["charts"].push_back(
        {{"what", chart.what}, {"axis", chart.axis}, {"curves", std::move(curves)}});
  }
  return data;
}

}  // namespace hone
