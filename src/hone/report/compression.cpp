#include "hone/report/compression.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"
#include "hone/report/paired_test.hpp"

namespace hone {
namespace {

using Verdict = SweepDifference::Verdict;

MeasuredPoints points_of(const RunSummary& run, std::int64_t number) {
  MeasuredPoints points;
  for (const CompressionPoint& point : run.compression_points)
    if (point.number == number) points.push_back(&point);
  return by_seed(std::move(points));
}

CompressionRow make_row(const RunSummary& run, std::int64_t number) {
  const MeasuredPoints points = points_of(run, number);
  const auto& first = static_cast<const CompressionPoint&>(*points.front());
  CompressionRow row;
  row.number = number;
  row.title = number == 0 ? "float32" : first.title;
  row.value = join_seeds(points);
  row.cost = first.cost;
  if (number == 0) return row;
  row.to_float = compare_seeds(points, points_of(run, 0), first.p_float);
  row.to_before = compare_seeds(points, points_of(run, number - 1), first.p_before);
  return row;
}

// Of the tensors where no file was measured.
double bytes_of(const CompressionRow& row) {
  return std::isfinite(row.cost.bytes_on_disk) ? row.cost.bytes_on_disk : row.value->bytes;
}

}  // namespace

CompressionStages arrange_compression(const RunSummary& run) {
  std::set<std::int64_t> numbers;
  for (const CompressionPoint& point : run.compression_points) numbers.insert(point.number);
  CompressionStages stages;
  for (const std::int64_t number : numbers) stages.rows.push_back(make_row(run, number));
  return stages;
}

std::string describe_compression(const CompressionStages& stages) {
  if (stages.rows.size() < 2) return "";
  const CompressionRow& first = stages.rows.front();
  const CompressionRow& last = stages.rows.back();
  std::string text = fmt::format("{} accuracy in {}", format_percent(last.value->accuracy),
                                 format_bytes(bytes_of(last)));
  if (first.number == 0)
    text += fmt::format(" ({} in {} before)", format_percent(first.value->accuracy),
                        format_bytes(bytes_of(first)));
  if (last.to_float.verdict == Verdict::noise)
    text += ", no difference detected" + in_brackets(last.value);
  if (!last.cost.speed.empty()) text += "; " + last.cost.speed;
  return text;
}

ReportTable compression_table(const CompressionStages& stages, const std::string& title) {
  ReportTable table{"compression",
                    title,
                    describe_compression(stages),
                    {{"Stage", Align::left},
                     {"Accuracy (95 % interval)", Align::right},
                     {"To before, points", Align::right},
                     {"p", Align::right},
                     {"To float, points", Align::right},
                     {"p", Align::right},
                     {"On disk", Align::right},
                     {"Latency", Align::right},
                     {"Speed", Align::left}},
                    {}};
  for (const CompressionRow& row : stages.rows) {
    const bool base = row.number == 0;
    table.rows.push_back({{base ? row.title : fmt::format("{}. {}", row.number, row.title)},
                          {show_accuracy(row.value)},
                          {base ? "" : show_points(row.to_before)},
                          {base ? "" : format_p(row.to_before.p)},
                          {base ? "" : show_points(row.to_float)},
                          {base ? "" : format_p(row.to_float.p)},
                          {format_bytes(bytes_of(row))},
                          {base ? "" : show_latency(row.cost.latency)},
                          {row.cost.speed}});
  }
  return table;
}

Json compression_data(const CompressionStages& stages) {
  Json rows = Json::array();
  for (const CompressionRow& row : stages.rows) {
    Json entry{{"number", row.number},
               {"title", row.title},
               {"value", accuracy_data(row.value)},
               {"cost", cost_data(row.cost)}};
    entry["bytes"] = short_number(bytes_of(row));
    entry["size"] = format_bytes(bytes_of(row));
    rows.push_back(std::move(entry));
  }
  return {{"rows", std::move(rows)}, {"finding", describe_compression(stages)}};
}

}  // namespace hone
