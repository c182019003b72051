#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/format_pages.hpp"
#include "hone/cli/detail/golden_manifest.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/core/dtype.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/format.hpp"

namespace hone {
namespace {

void refuse_in_format(const CommandInput& input, std::initializer_list<const char*> flags,
                      const std::string& action, bool takes_format) {
  if (!takes_format && input.has("FORMAT"))
    throw UsageError(fmt::format("hone format {} takes no FORMAT ('{}')", action,
                                 printable(input.argument("FORMAT"), 100)),
                     "hone format show FORMAT shows one");
  if (!takes_format && !input.settings.empty())
    throw UsageError(fmt::format("--set changes nothing in hone format {}", action),
                     "leave it out");
  for (const char* flag : flags)
    if (input.options.contains(flag))
      throw UsageError(fmt::format("{} changes nothing in hone format {}", flag_name(flag), action),
                       "leave it out");
}

CommandResult list_formats(const CommandInput& input) {
  refuse_in_format(input, {"rule", "in", "out", "manifest"}, "list", false);
  TerminalTable table(
      {{"format", Align::left}, {"bits", Align::right}, {"rules", Align::left}, {"", Align::left}});
  Json results = Json::array();
  for (const Format& format : format_table()) {
    const double bits = bind_format(format.name, "exact", {})->bits_per_value({768, 768});
    table.add_row({format.name, fmt::format("{:.4g}", bits),
                   fmt::format("{}", fmt::join(rules_of(format), ", ")), format.summary});
    results.push_back({{"name", format.name},
                       {"summary", format.summary},
                       {"rules", rules_of(format)},
                       {"bits_per_value", bits}});
  }
  console().print(table.render(console().style(), 0));
  return {0, {{"formats", results}}};
}

const Format& chosen_format(const CommandInput& input, const std::string& action) {
  if (!input.has("FORMAT"))
    throw UsageError(fmt::format("FORMAT is missing: hone format {} of what", action),
                     "hone format list shows them");
  return find_format(input.argument("FORMAT"));
}

Options chosen_options(const CommandInput& input, const Format& format) {
  Options options;
  for (const auto& [name, text] : input.settings)
    options.set(name,
                parse_option(find_option(format.options, name, "--set"), text, "--set " + name));
  return options;
}

CommandResult show_format(const CommandInput& input) {
  refuse_in_format(input, {"in", "out", "manifest"}, "show", true);
  const Format& format = chosen_format(input, "show");
  const std::string rule = input.options.text_or("rule", "exact");
  const Options options = chosen_options(input, format);
  const auto quantizer = bind_format(format.name, rule, options);
  const FormatFacts facts = facts_of(*quantizer);
  console().print(describe_format(format, rule, options, facts));
  Json json{{"name", format.name},
            {"rule", rule},
            {"options", format_options_text(options)},
            {"formula", format.formula},
            {"bits_per_value", facts.bits},
            {"values", facts.values}};
  if (facts.largest) json["largest"] = *facts.largest;
  if (facts.smallest) json["smallest"] = *facts.smallest;
  return {0, json};
}

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

CommandResult apply_format(const CommandInput& input) {
  const Format& format = chosen_format(input, "apply");
  if (!input.options.contains("in"))
    throw UsageError("--in is missing: the tensors to quantize", "or --manifest for test vectors");
  const std::string out_file = input.options.text("out");
  const std::string rule = input.options.text_or("rule", "exact");
  const Options options = chosen_options(input, format);
  const auto quantizer = bind_format(format.name, rule, options);
  const bool is_unsigned = !options.boolean_or("is_signed", true);
  const TensorStore tensors = read_safetensors(std::filesystem::path(input.options.text("in")));
  TensorStore out;
  std::vector<std::string> kept;
  std::int64_t negative = 0;
  std::size_t quantized = 0;
  std::int64_t values = 0;
  double largest = 0, square = 0, error = 0;
  for (const std::string& name : tensors.names()) {
    const Tensor& stored = tensors.at(name);
    if (!is_float(stored.dtype())) {
      out.set(name, stored);
      kept.push_back(fmt::format("{} ({})", printable(name, 100), name_of(stored.dtype())));
      continue;
    }
    const Tensor x = stored.to_f32();
    Tensor y;
    try {
      y = quantizer->quantize(x);
    } catch (const Error& failed) {
      throw Error(failed.code(), fmt::format("tensor '{}': {}", name, failed.message()),
                  failed.hint());
    }
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const double value = x.as<float>()[i];
      negative += value < 0;
      const double off = static_cast<double>(y.as<float>()[i]) - value;
      if (!std::isfinite(off)) continue;
      largest = std::max(largest, std::fabs(off));
      square += value * value;
      error += off * off;
    }
    ++quantized;
    values += x.size();
    out.set(name, std::move(y));
  }
  write_safetensors(out_file, out);
  Json json{{"tensors", quantized}, {"values", values}, {"largest_error", largest}, {"kept", kept}};
  if (is_unsigned) json["negative_values"] = negative;
  std::string ratio;
  if (error > 0) {
    json["sqnr_db"] = 10 * std::log10(square / error);
    ratio = fmt::format(", signal to noise {:.1f} dB", json["sqnr_db"].get<double>());
  }
  console().print(fmt::format("{}: {} of {} tensors, {} numbers; largest error {:.4g}{}\n",
                              out_file, quantized, tensors.names().size(), values, largest, ratio));
  if (is_unsigned && negative > 0)
    console().print(
        fmt::format("{} of the numbers are negative: an unsigned format has none\n", negative));
  if (!kept.empty())
    console().print(fmt::format("kept as they are, no real numbers: {}\n", fmt::join(kept, ", ")));
  return {0, json};
}

CommandResult apply_manifest(const CommandInput& input) {
  refuse_in_format(input, {"rule"}, "apply --manifest", true);
  if (input.has("FORMAT") || !input.settings.empty())
    throw UsageError("FORMAT and --set change nothing with --manifest: its cases say them",
                     "leave them out");
  const ManifestResult result =
      run_manifest(input.options.text("manifest"), input.options.text_or("in", ""));
  write_safetensors(input.options.text("out"), result.outputs);
  std::string text =
      fmt::format("{}: {} of {} cases\n", input.options.text("out"), result.written, result.cases);
  Json skipped = Json::object();
  for (const auto& [format, count] : result.skipped) {
    text += fmt::format("skipped: {} cases of {}, which hone does not have\n", count, format);
    skipped[format] = count;
  }
  Json failed = Json::object();
  for (const auto& [name, message] : result.failed) {
    text += fmt::format("failed: {}: {}\n", name, message);
    failed[name] = message;
  }
  console().print(text);
  return {result.failed.empty() ? 0 : exit_error,
          {{"cases", result.cases},
           {"written", result.written},
           {"skipped", skipped},
           {"failed", failed}}};
}

CommandResult run_format(const CommandInput& input) {
  const std::string action = input.argument("ACTION");
  if (action == "list") return list_formats(input);
  if (action == "show") return show_format(input);
  if (action == "docs") {
    refuse_in_format(input, {"rule", "in", "out", "manifest"}, "docs", false);
    console().print(formats_page());
    return {};
  }
  if (action == "apply") {
    if (!input.options.contains("out"))
      throw UsageError("--out is missing: the file to write", "for example --out Y.safetensors");
    return input.options.contains("manifest") ? apply_manifest(input) : apply_format(input);
  }
  const std::vector<std::string> known{"list", "show", "apply", "docs"};
  throw UsageError(fmt::format("hone format cannot '{}'", printable(action, 100)),
                   did_you_mean(action, known));
}

}  // namespace

Command command_format() {
  Command command{{"format", "lists, shows and applies number formats", {}}};
  command.options = {
      {.name = "rule",
       .default_value = {},
       .help = "exact (default), or the system whose arithmetic is used: mase, microxcaling"},
      {.name = "in",
       .default_value = {},
       .help = "apply: the tensors; with --manifest: default inputs.safetensors beside it"},
      {.name = "out", .default_value = {}, .help = "apply: the tensors, under the same names"},
      {.name = "manifest",
       .default_value = {},
       .help =
           "apply: test vectors; writes each case's tensor under the name its `output` has (masks, "
           "cases prune_*, as F32 0 and 1). "
           "MXINT8 vectors, which have files instead of cases: everything a file expects, as "
           "CASE.TENSOR (codes I8, scales U8, decoded BF16, y F32)"}};
  command.placeholders = {{"rule", "RULE"}, {"in", "FILE"}, {"out", "FILE"}, {"manifest", "FILE"}};
  command.arguments = {{"ACTION",
                        "list: all formats; show: formula, range, bits, values, options; apply: "
                        "quantize tensors; docs: the reference page"},
                       {"FORMAT", "show, apply: the format", false}};
  command.settings_note = "show, apply: options of the format, such as width=4 (hone format show).";
  command.examples = {
      "hone format list", "hone format show minifloat_ieee --set width=6 --set exponent_width=3",
      "hone format apply mxint --in model.safetensors --out mx.safetensors",
      "hone format apply block_fp --rule mase --set block_size=1,16 --in X.safetensors --out "
      "Y.safetensors",
      "hone format apply --manifest manifest.json --out Y.safetensors"};
  command.run = run_format;
  return command;
}

}  // namespace hone
