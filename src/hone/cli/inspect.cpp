#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/dtype.hpp"
#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/frontends/torch_legacy.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

const WeightsReader& reader_for(const fs::path& file) {
  std::vector<std::string> names;
  for (const WeightsReader& reader : weights_reader_table()) {
    if (reader.file_name == file.filename()) return reader;
    names.push_back(fs::path(reader.file_name).extension().string());
  }
  for (const WeightsReader& reader : weights_reader_table())
    if (fs::path(reader.file_name).extension() == file.extension()) return reader;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: no reader for files that end in '{}'", file.string(),
                          file.extension().string()),
              did_you_mean(file.extension().string(), names));
}

// Which of a reader's formats a file is in.
std::string kind_of_file(const WeightsReader& reader, const fs::path& file) {
  if (!reader.file_name.ends_with(".bin")) return "safetensors";
  return is_legacy_torch(map_file(file).bytes) ? "a file of torch.save before version 1.6"
                                               : "a file of torch.save";
}

CommandResult inspect_file(const fs::path& file) {
  const WeightsReader& reader = reader_for(file);
  const TensorStore tensors = reader.read(file);
  TerminalTable table({{"tensor", Align::left},
                       {"type", Align::left},
                       {"shape", Align::left},
                       {"bytes", Align::right}});
  Json list = Json::array();
  std::size_t bytes = 0;
  for (const std::string& name : tensors.names()) {
    const Tensor& tensor = tensors.at(name);
    const std::string type(name_of(tensor.dtype()));
    table.add_row(
        {name, type, to_string(tensor.shape()), format_bytes(static_cast<double>(tensor.bytes()))});
    list.push_back(
        {{"name", name}, {"dtype", type}, {"shape", tensor.shape()}, {"bytes", tensor.bytes()}});
    bytes += tensor.bytes();
  }
  console().print(table.render(console().style(), 0) +
                  fmt::format("\n{} tensors, {} values, {} ({})\n", tensors.names().size(),
                              tensors.element_count(), format_bytes(static_cast<double>(bytes)),
                              kind_of_file(reader, file)));
  return {0,
          {{"reader", reader.name},
           {"tensors", list},
           {"bytes", bytes},
           {"values", tensors.element_count()}}};
}

// What the files of the weights store; in memory every number is float32.
struct Stored {
  std::set<std::string> types;
  std::vector<std::string> files;  // each with what it is
  std::int64_t bytes = 0;          // of the files
};

Stored stored_weights(const fs::path& directory) {
  Stored stored;
  if (directory.empty()) return stored;
  for (const fs::path& path : weight_files(directory)) {
    const WeightsReader& reader = reader_for(path);
    const TensorStore tensors = reader.read(path);
    for (const std::string& name : tensors.names())
      stored.types.emplace(name_of(tensors.at(name).dtype()));
    stored.files.push_back(path.filename().string() + ": " + kind_of_file(reader, path));
    stored.bytes += static_cast<std::int64_t>(fs::file_size(path));
  }
  return stored;
}

std::string list_names(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string text = fmt::format("\n{}:\n", title);
  for (const std::string& name : names) text += "  " + printable(name, 200) + "\n";
  return text;
}

CommandResult inspect_model(const CommandInput& input, const std::string& name) {
  const Settings given = command_settings(input, {}, true);
  const Model model = load_model({.name = name, .settings = given.model});
  const std::int64_t tokens = input.options.integer_or("tokens", 256);
  const bool reads_texts = model.limits.vocabulary > 0;
  const std::vector<LayerEntry> layers = describe_layers(model, tokens);
  TerminalTable configuration({{"configuration", Align::left}, {"", Align::left}});
  for (const auto& [key, value] : model.config.items()) {
    configuration.add_row({key, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  TerminalTable table({{"layer", Align::left},
                       {"op", Align::left},
                       {"parameters", Align::right},
                       {"bytes", Align::right},
                       {reads_texts ? "MACs a token" : "MACs a sample", Align::right}});
  TerminalTable formats(
      {{"quantized", Align::left}, {"slot", Align::left}, {"format", Align::left}});
  double macs = 0;
  Json entries = Json::array();
  for (const LayerEntry& layer : layers) {
    entries.push_back(to_object(layer));
    macs += layer.macs_per_token;
    table.add_row({layer.name, layer.op, format_count(layer.parameters), format_bytes(layer.bytes),
                   format_count(layer.macs_per_token)});
    // Slots of one format in one row.
    std::map<std::string, std::vector<std::string>> slots;
    for (const auto& [slot, format] : layer.formats) slots[format].push_back(slot);
    std::string layer_name = layer.name;
    for (const auto& [format, names] : slots) {
      formats.add_row({layer_name, fmt::format("{}", fmt::join(names, ", ")), format});
      layer_name.clear();
    }
  }
  const auto parameters = static_cast<double>(parameter_count(model));
  table.add_rule();
  const auto bytes = static_cast<double>(tensor_bytes(model));
  table.add_row({"all", "", format_count(parameters), format_bytes(bytes), format_count(macs)});
  const Stored stored = stored_weights(model.directory);
  std::string text =
      configuration.render(console().style(), console().output_terminal() ? console().width() : 0) +
      "\n" + table.render(console().style(), 0);
  text += reads_texts ? fmt::format("MACs: of the products, for samples of {} tokens\n", tokens)
                      : std::string("MACs: of the products\n");
  if (!formats_of(model.graph).empty())
    text += fmt::format("\n{}\n{:.2f} bits a parameter\n", formats.render(console().style(), 0),
                        8 * bytes / std::max(parameters, 1.0));
  if (!model.history.empty()) text += fmt::format("\n{}\n", fmt::join(model.history, "\n"));
  for (const std::string& note : model.report.notes) text += note + "\n";
  for (const std::string& file : stored.files)
    text += fmt::format("{} ({})\n", file, fmt::join(stored.types, ", "));
  if (!stored.files.empty())
    text += fmt::format("{} on disk\n", format_bytes(static_cast<double>(stored.bytes)));
  text += list_names("not in the files, would start afresh", model.report.initialized);
  text += list_names("in the files, not used", model.report.unused);
  console().print(text);
  return {0,
          {{"name", name},
           {"config", model.config},
           {"parameters", parameter_count(model)},
           {"bytes", tensor_bytes(model)},
           {"layers", entries},
           {"macs_per_token", macs},
           {"stored_types", std::vector<std::string>(stored.types.begin(), stored.types.end())},
           {"files", stored.files},
           {"disk_bytes", stored.bytes},
           {"history", model.history},
           {"notes", model.report.notes},
           {"initialized", model.report.initialized},
           {"unused", model.report.unused}}};
}

CommandResult run_inspect(const CommandInput& input) {
  const std::string name = input.argument("MODEL_OR_FILE");
  if (!fs::is_regular_file(name)) return inspect_model(input, name);
  if (input.options.contains("tokens") || !input.settings.empty())
    throw UsageError(name + ": --tokens and --set change nothing for a file of weights",
                     "give a model folder or a built-in name");
  return inspect_file(name);
}

}  // namespace

Command command_inspect() {
  Command command{{"inspect", "shows what a model or a file of weights holds", {}}};
  command.options = {{.name = "tokens",
                      .type = OptionType::integer,
                      .default_value = {},
                      .help = "length of the samples that MACs are counted for; default: 256",
                      .minimum = 1,
                      .maximum = 1e6}};
  command.arguments = {
      {"MODEL_OR_FILE", "a model folder, a built-in name, a .safetensors or a .bin file"}};
  command.settings_note =
      "Sizes of a built-in model (hidden_size=256, num_hidden_layers=4, ...; hone list "
      "model-sizes).";
  command.examples = {"hone inspect bert-mini", "hone inspect runs/first",
                      "hone inspect runs/first/model.safetensors"};
  command.run = run_inspect;
  return command;
}

}  // namespace hone
