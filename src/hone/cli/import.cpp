#include <filesystem>
#include <span>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/out_folder.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string describe_values(const Graph& graph, bool inputs) {
  std::string text;
  const auto add = [&](const std::string& name, const ValueType& type) {
    text += fmt::format("  {} {}\n", name, to_string(type));
  };
  if (inputs) {
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::input) add(value.name, value.type);
  } else {
    for (const auto& [name, id] : graph.outputs) add(name, graph.type(id));
  }
  return text;
}

std::vector<std::string> listed(const std::string& text) {
  std::vector<std::string> parts;
  for (const std::string& part : split(text, ',')) parts.emplace_back(trim(part));
  return parts;
}

std::vector<float> numbers_of(const CommandInput& input, const char* name) {
  std::vector<float> numbers;
  if (!input.options.contains(name)) return numbers;
  const OptionSpec number{name, OptionType::real, std::nullopt, "", -1e6, 1e6};
  for (const std::string& part : listed(input.options.text(name)))
    numbers.push_back(
        static_cast<float>(std::get<double>(parse_option(number, part, flag_name(name)))));
  return numbers;
}

// One of a list, or the lines of a file of that name.
std::vector<std::string> labels_of(const std::string& given) {
  if (!std::filesystem::is_regular_file(given)) return listed(given);
  std::vector<std::string> labels;
  for (const std::string& line : split(read_file(given), '\n')) labels.emplace_back(trim(line));
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  return labels;
}

constexpr const char* flags_of_pictures[] = {"labels", "image_size", "resize", "mean", "std"};
constexpr const char* flags_of_texts[] = {"tokenizer"};

Model imported(const CommandInput& input) {
  if (!input.options.contains("task")) {
    const auto refuse_flags = [&](std::span<const char* const> names, const char* task) {
      for (const char* name : names)
        if (input.options.contains(name))
          throw UsageError(flag_name(name) + " changes nothing without --task",
                           fmt::format("say what the network is for: --task {}", task));
    };
    refuse_flags(flags_of_pictures, "image_classification");
    refuse_flags(flags_of_texts, "text_classification");
    return import_onnx(input.argument("FILE"));
  }
  if (input.options.text("task") == "text_classification") {
    for (const char* name : flags_of_pictures)
      if (std::string_view(name) != "labels" && input.options.contains(name))
        throw UsageError(flag_name(name) + " changes nothing with --task text_classification",
                         "it is for pictures");
    return import_text_classifier(input.argument("FILE"),
                                  input.options.contains("labels")
                                      ? labels_of(input.options.text("labels"))
                                      : std::vector<std::string>{});
  }
  if (input.options.contains("tokenizer"))
    throw UsageError("--tokenizer changes nothing with --task image_classification",
                     "it is for texts");
  PictureTask task;
  if (input.options.contains("labels")) task.labels = labels_of(input.options.text("labels"));
  task.image_size = input.options.integer_or("image_size", 0);
  task.resize = input.options.integer_or("resize", 0);
  task.mean = numbers_of(input, "mean");
  task.deviation = numbers_of(input, "std");
  return import_picture_classifier(input.argument("FILE"), task);
}

CommandResult run_import(const CommandInput& input) {
  refuse_replacing(input);
  const std::filesystem::path out = input.options.text("out");
  const Model model = imported(input);
  const bool has_tokenizer = input.options.contains("tokenizer");
  const std::string tokenizer = input.options.text_or("tokenizer", "");
  if (has_tokenizer) {
    const ChosenTokenizer chosen = load_named_tokenizer(tokenizer);
    check_fit(model.limits, chosen.tokenizer, chosen.source, {});
  }
  if (input.options.boolean_or("overwrite", false)) clear_out(out);
  save_model(out, model, model.tensors,
             has_tokenizer ? tokenizer_files(tokenizer) : std::vector<std::filesystem::path>{});
  for (const std::string& note : model.report.notes) console().note(note);
  if (!input.options.contains("task") && model.graph.find("input_ids") != none &&
      model.graph.find("attention_mask") != none)
    console().note(
        "it reads texts: as a classifier (--task text_classification) it is trained, "
        "evaluated and quantized as built-in ones are, and skips what fills texts up");
  console().print(fmt::format("saved in {}: {} nodes, {} numbers, {}\ninputs\n{}outputs\n{}",
                              out.string(), model.graph.nodes.size(), parameter_count(model),
                              format_bytes(static_cast<double>(tensor_bytes(model))),
                              describe_values(model.graph, true),
                              describe_values(model.graph, false)));
  return {0,
          {{"out", out.string()},
           {"nodes", static_cast<std::int64_t>(model.graph.nodes.size())},
           {"parameters", parameter_count(model)},
           {"bytes", tensor_bytes(model)}}};
}

}  // namespace

Command command_import() {
  Command command{{"import", "makes a model of an ONNX file", {}}};
  command.arguments = {{"FILE", "the .onnx file; external data lies beside it"}};
  command.options = {{.name = "out", .default_value = {}, .help = "folder of the model"},
                     {.name = "task",
                      .default_value = {},
                      .help = "what the network is for: then it is trained, evaluated, quantized "
                              "and pruned as built-in networks are; default: only its user knows",
                      .choices = {"image_classification", "text_classification"}},
                     {.name = "labels",
                      .default_value = {},
                      .help = "with --task: the names of its classes, separated by commas, or a "
                              "file with one a line; default: LABEL_0, ..."},
                     {.name = "tokenizer",
                      .default_value = {},
                      .help = "with --task text_classification: the folder of its tokenizer, which "
                              "goes along"},
                     {.name = "image_size",
                      .type = OptionType::integer,
                      .default_value = {},
                      .help = "with --task: of a side of the pictures, where the file leaves it "
                              "open",
                      .minimum = 1,
                      .maximum = 1 << 14},
                     {.name = "resize",
                      .type = OptionType::integer,
                      .default_value = {},
                      .help = "with --task: the shorter side of a picture before the centre is cut "
                              "out; default: the size / 0.875",
                      .minimum = 1,
                      .maximum = 1 << 14},
                     {.name = "mean",
                      .default_value = {},
                      .help = "with --task: of the channels, from 0 to 1; default: ImageNet's, of "
                              "grey 0.5"},
                     {.name = "std",
                      .default_value = {},
                      .help = "with --task: deviations of the channels; default: as for --mean"},
                     {.name = "overwrite",
                      .type = OptionType::boolean,
                      .default_value = {},
                      .help = "replace what is in --out"}};
  command.placeholders = {{"out", "DIR"},       {"task", "TASK"}, {"labels", "NAMES"},
                          {"tokenizer", "DIR"}, {"mean", "LIST"}, {"std", "LIST"}};
  command.required = {"out"};
  command.examples = {"hone import network.onnx --out models/network",
                      "hone import photos.onnx --task image_classification --labels names.txt "
                      "--out models/photos",
                      "hone import reviews.onnx --task text_classification --tokenizer runs/first "
                      "--out models/reviews"};
  command.run = run_import;
  return command;
}

}  // namespace hone
