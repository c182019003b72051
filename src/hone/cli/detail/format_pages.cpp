#include "hone/cli/detail/format_pages.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hone {
namespace {

constexpr std::size_t most_values = std::size_t{1} << 16;
constexpr std::size_t shown_values = 128;

std::string number(double value) { return fmt::format("{:.6g}", value); }

std::string option_text(const OptionSpec& spec) {
  std::string text = spec.help;
  if (spec.default_value) text += fmt::format(" (default: {})", to_string(*spec.default_value));
  if (!spec.choices.empty()) text += fmt::format("; one of {}", fmt::join(spec.choices, ", "));
  if (spec.type == OptionType::integer && std::isfinite(spec.minimum))
    text += fmt::format("; {:.0f} to {:.0f}", spec.minimum, spec.maximum);
  return text;
}

// In a cell of a table.
std::string escaped(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

// Where the numbers of a format lie between zero and its largest: one braille-like row of dots
// would be lost in some fonts, so each column is one of four heights by how many numbers fall into
// it.
std::string picture(const std::vector<float>& values) {
  constexpr int columns = 64;
  static const std::vector<std::string> marks{"·", "▁", "▃", "▅", "▇", "█"};
  if (values.empty()) return "";
  std::vector<std::size_t> counts(columns, 0);
  const double top = values.back();
  for (const float value : values) {
    const double at = top > 0 ? value / top * (columns - 1) : 0;
    ++counts[static_cast<std::size_t>(std::lround(at))];
  }
  std::string text;
  for (const std::size_t count : counts) {
    std::size_t height = 0;
    for (std::size_t reached = 1; count >= reached && height + 1 < marks.size(); reached *= 2)
      ++height;
    text += marks[height];
  }
  return text;
}

// Options whose numbers are few enough to be seen.
const std::map<std::string, Options>& pictured_options() {
  static const std::map<std::string, Options> all{
      {"integer", {{"width", std::int64_t{5}}, {"frac_width", std::int64_t{2}}}},
      {"affine", {{"width", std::int64_t{5}}}},
      {"minifloat_ieee", {{"width", std::int64_t{6}}, {"exponent_width", std::int64_t{3}}}},
      {"minifloat_denorm", {{"width", std::int64_t{6}}, {"exponent_width", std::int64_t{2}}}},
      {"log", {{"width", std::int64_t{4}}}},
      {"block_fp", {{"width", std::int64_t{5}}}},
      {"block_minifloat", {{"width", std::int64_t{6}}, {"exponent_width", std::int64_t{3}}}},
      {"block_log", {{"width", std::int64_t{4}}}},
      {"mxint", {{"width", std::int64_t{5}}}},
      {"mxfp", {{"exponent_width", std::int64_t{2}}, {"frac_width", std::int64_t{1}}}},
      {"binary_residual_sign", {{"levels", std::int64_t{3}}}}};
  return all;
}

std::string page_section(const Format& format) {
  const FormatFacts facts = facts_of(*bind_format(format.name, "exact", {}));
  std::string text =
      fmt::format("## `{}`\n\n{}{}.\n\n", format.name,
                  static_cast<char>(std::toupper(format.summary[0])), format.summary.substr(1));
  text += "| | |\n| --- | --- |\n";
  text += fmt::format("| formula | `{}` |\n", escaped(format.formula));
  text += fmt::format("| bits a number | {} with the default options |\n", number(facts.bits));
  if (facts.largest)
    text += fmt::format("| range | largest {}{} |\n", number(*facts.largest),
                        facts.smallest ? ", smallest above zero " + number(*facts.smallest) : "");
  text += fmt::format("| rules | {} |\n\n", fmt::join(rules_of(format), ", "));
  text += format.notes + "\n\n";
  const auto found = pictured_options().find(format.name);
  const Options options = found == pictured_options().end() ? Options() : found->second;
  const FormatFacts pictured = facts_of(*bind_format(format.name, "exact", options));
  if (!pictured.values.empty())
    text += fmt::format(
        "The numbers from 0 to {}{}:\n\n```\n{}\n```\n\n", number(*pictured.largest),
        options.values().empty() ? "" : fmt::format(" ({})", format_options_text(options)),
        picture(pictured.values));
  if (format.options.empty()) return text;
  text += "| option | |\n| --- | --- |\n";
  for (const OptionSpec& spec : format.options)
    text += fmt::format("| `{}` | {} |\n", spec.name, escaped(option_text(spec)));
  return text + "\n";
}

}  // namespace

FormatFacts facts_of(const Quantizer& quantizer) {
  FormatFacts facts;
  facts.bits = quantizer.bits_per_value({768, 768});
  facts.values = quantizer.values(most_values);
  if (facts.values.empty()) return facts;
  facts.largest = facts.values.back();
  const auto above = std::upper_bound(facts.values.begin(), facts.values.end(), 0.0f);
  if (above != facts.values.end()) facts.smallest = *above;
  return facts;
}

std::vector<std::string> rules_of(const Format& format) {
  std::vector<std::string> rules{"exact"};
  rules.insert(rules.end(), format.rules.begin(), format.rules.end());
  return rules;
}

std::string describe_format(const Format& format, const std::string& rule, const Options& options,
                            const FormatFacts& facts) {
  std::string text = fmt::format("{}: {}\n\n  {}\n\n{}\n\n", format.name, format.summary,
                                 format.formula, format.notes);
  text += fmt::format("rules            {}\n", fmt::join(rules_of(format), ", "));
  text += fmt::format("here             rule {}{}{}\n", rule, options.values().empty() ? "" : ", ",
                      format_options_text(options));
  text += fmt::format("bits a number    {}\n", number(facts.bits));
  if (facts.largest) text += fmt::format("largest          {}\n", number(*facts.largest));
  if (facts.smallest) text += fmt::format("smallest above 0 {}\n", number(*facts.smallest));
  if (!format.options.empty()) text += "\noptions\n";
  for (const OptionSpec& spec : format.options)
    text += fmt::format("  {:<20} {}\n", spec.name, option_text(spec));
  if (facts.values.empty()) return text;
  text += fmt::format("\n{} numbers that are not negative{}\n", facts.values.size(),
                      facts.values.size() > shown_values ? ", the first and last of them" : "");
  const std::size_t count = facts.values.size();
  for (std::size_t i = 0, column = 0; i < count; ++i) {
    if (count > shown_values && i == shown_values / 2) {
      i = count - shown_values / 2;
      if (column != 0) text += "\n";
      text += "  ...\n";
      column = 0;
    }
    text += fmt::format("{}{:>12}", column == 0 ? " " : "", number(facts.values[i]));
    column = (column + 1) % 8;
    if (column == 0 || i + 1 == count) text += "\n";
  }
  return text;
}

std::string formats_page() {
  std::string text =
      "# Number formats\n\n"
      "Made by `hone format docs` from the table of formats; a test compares.\n\n"
      "A format with the rule `exact` (the default) does what its formula says: rounds to nearest "
      "with ties to even, carries, saturates, keeps zero. The other rules are the arithmetic of "
      "published systems, bit for bit: `mase` that of [MASE](https://github.com/DeepWok/mase), "
      "`microxcaling` that of [microxcaling](https://github.com/microsoft/microxcaling). They are "
      "for comparing and are not packed.\n\n"
      "Scales and blocks of data lie within a token, of pictures within the channels of a place, "
      "or are fitted beforehand (`--calibrate`) or "
      "trained: what a text becomes never depends on the texts beside it. Where a format would "
      "take "
      "a scale from all of a batch, it is refused for data; for weights every choice is open.\n\n"
      "A folder whose model takes formats keeps its graph in `hone_graph.txt` and its weights in "
      "`hone_model.safetensors`: there is no `model.safetensors`, so that no other library takes "
      "bits for weights. `hone quantize MODEL --dequantize --out DIR` writes their numbers as a "
      "plain folder.\n\n"
      "In the pictures each column is a 64th of the range; the higher, the more numbers lie in it "
      "(· none).\n\n"
      "| format | bits | rules | |\n| --- | ---: | --- | --- |\n";
  for (const Format& format : format_table())
    text += fmt::format("| [`{}`](#{}) | {} | {} | {} |\n", format.name, format.name,
                        number(facts_of(*bind_format(format.name, "exact", {})).bits),
                        fmt::join(rules_of(format), ", "), format.summary);
  text += "\n";
  for (const Format& format : format_table()) text += page_section(format);
  text.pop_back();  // the blank line at the end
  return text;
}

}  // namespace hone
