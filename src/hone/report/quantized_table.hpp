// The table of what a quantized model is made of.
#pragma once

#include <span>

#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {

// "200 steps, 6400 samples, 4.2 s".
std::string describe_training(const TrainedPart& part);
// "15.4 MiB of 16.7 MiB (92.2 %)"; "" where it is not recorded.
std::string describe_packed_size(const QuantizedEvent& quantized);
// Formats, sizes, what stayed float32, what it was calibrated on and how it was trained; one column
// a run. Without rows where no run is quantized.
ReportTable quantized_table(std::span<const RunSummary> runs);

}  // namespace hone
