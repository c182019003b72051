// Stages of a compression, arranged for plots and tables: what each did to accuracy, size and
// latency.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/report/measured_points.hpp"
#include "hone/report/tables.hpp"

namespace hone {

struct CompressionRow {
  std::int64_t number = 0;  // 0: the float model
  std::string title;
  std::optional<SweepValue> value;
  SweepDifference to_before, to_float;
  MeasuredCost cost;  // of the first seed
};

struct CompressionStages {
  std::vector<CompressionRow> rows;  // the float model first, where there is one
};

CompressionStages arrange_compression(const RunSummary& run);
// The headline: what the last stage has in the end. "" where nothing was measured.
std::string describe_compression(const CompressionStages& stages);
ReportTable compression_table(const CompressionStages& stages, const std::string& title);
// What the page draws.
Json compression_data(const CompressionStages& stages);

}  // namespace hone
