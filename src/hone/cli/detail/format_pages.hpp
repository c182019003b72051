// Number formats for readers: on the terminal, and as the reference page docs/formats.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hone/numerics/format.hpp"

namespace hone {

struct FormatFacts {
  double bits = 0;                 // a value, in a matrix of 768 x 768
  std::optional<double> smallest;  // above zero
  std::optional<double> largest;
  std::vector<float> values;  // not negative; empty where there are too many to list
};
FormatFacts facts_of(const Quantizer& quantizer);

// "exact" and the others.
std::vector<std::string> rules_of(const Format& format);
std::string describe_format(const Format& format, const std::string& rule, const Options& options,
                            const FormatFacts& facts);
// Markdown.
std::string formats_page();

}  // namespace hone
