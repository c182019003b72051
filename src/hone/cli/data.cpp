#include <algorithm>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/option_texts.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/data/fetch.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

constexpr std::size_t shown_samples = 3;

void refuse_in_data(const CommandInput& input, std::initializer_list<const char*> flags,
                    const std::string& action) {
  for (const char* flag : flags)
    if (input.options.contains(flag))
      throw UsageError(fmt::format("{} changes nothing in hone data {}", flag_name(flag), action),
                       "leave it out");
}

CommandResult list_data(const CommandInput& input) {
  refuse_in_data(input, {"out", "split"}, "list");
  TerminalTable table({{"data", Align::left}, {"", Align::left}});
  Json results = Json::array();
  for (const DatasetKind& kind : dataset_table()) {
    table.add_row({kind.name, kind.summary});
    for (const OptionSpec& spec : kind.options)
      table.add_row({"  data." + spec.name, describe_option(spec)});
    Json options = Json::array();
    for (const OptionSpec& spec : kind.options) options.push_back(option_json(spec));
    results.push_back({{"name", kind.name}, {"summary", kind.summary}, {"options", options}});
  }
  console().print(table.render(console().style(), 0));
  return {0, {{"datasets", results}}};
}

// Smallest, median and largest of a list, and their sum.
Json spread(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return {{"smallest", values.front()},
          {"median", values[values.size() / 2]},
          {"largest", values.back()},
          {"total", std::accumulate(values.begin(), values.end(), std::int64_t{0})}};
}

std::string show_spread(const Json& spread) {
  return fmt::format("{} to {}, median {}", spread["smallest"].dump(), spread["largest"].dump(),
                     spread["median"].dump());
}

// Words between white space.
std::int64_t word_count(std::string_view text) {
  std::int64_t found = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    found += !space && !inside;
    inside = !space;
  }
  return found;
}

// Labels as classes; where they are real numbers only, as values.
TextData load_either(DataRequest request) {
  try {
    return load_texts(request);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_format) throw;
    request.labels = LabelUse::values;
    try {
      return load_texts(request);
    } catch (const Error&) {
    }
    throw;
  }
}

std::string label_of(const TextData& data, std::size_t sample) {
  return data.targets.empty() ? data.label_names[static_cast<std::size_t>(data.labels[sample])]
                              : format_significant(data.targets[sample]);
}

// Rows about the labels; their counts as JSON.
Json show_labels(const TextData& data, TerminalTable& table) {
  if (!data.targets.empty()) {
    const auto [low, high] = std::minmax_element(data.targets.begin(), data.targets.end());
    const double mean = std::accumulate(data.targets.begin(), data.targets.end(), 0.0) /
                        static_cast<double>(data.targets.size());
    table.add_row({"values", fmt::format("{} to {}, mean {}", format_significant(*low),
                                         format_significant(*high), format_significant(mean))});
    return {{"lowest", *low}, {"highest", *high}, {"mean", mean}};
  }
  std::vector<std::int64_t> count(data.label_names.size());
  for (const std::int32_t label : data.labels) ++count[static_cast<std::size_t>(label)];
  Json labels = Json::object();
  for (std::size_t label = 0; label < count.size(); ++label) {
    table.add_row({fmt::format("label {} ({})", label, data.label_names[label]),
                   fmt::format("{} ({})", count[label],
                               format_percent(static_cast<double>(count[label]) /
                                                  static_cast<double>(data.labels.size()),
                                              1))});
    labels[data.label_names[label]] = count[label];
  }
  return labels;
}

// A few samples, spread over the split: many files are sorted by label.
std::string show_samples(const TextData& data) {
  std::string text;
  const std::size_t samples = std::min(shown_samples, data.texts.size());
  for (std::size_t s = 0; s < samples; ++s) {
    const std::size_t i = samples == 1 ? 0 : s * (data.texts.size() - 1) / (samples - 1);
    const std::string pair = data.pairs.empty() ? "" : "  |  " + data.pairs[i];
    const std::string line =
        visible_text(fmt::format("  {} [{}] {}{}", i, label_of(data, i), data.texts[i], pair));
    text += cut_to_width(line, console().width(), console().style()) + "\n";
  }
  return text;
}

// Pictures: how many, of which classes. (All of them are decoded: what is broken is named.)
Json show_pictures(DataRequest request) {
  request.image = {1, 1, 1, 1, {0.5f}, {0.5f}};
  const TokenizedData pictures = load_tokenized(request, Tokenizer());
  TextData data;
  data.labels = pictures.labels;
  data.label_names = pictures.label_names;
  TerminalTable table({{request.split, Align::left}, {"", Align::left}});
  table.add_row({"pictures", fmt::format("{}", pictures.size())});
  Json json{{"samples", pictures.size()}, {"labels", show_labels(data, table)}};
  console().print(table.render(console().style(), 0));
  return json;
}

Json show_split(const DataRequest& request) {
  if (find_dataset(request.kind).load_pictures != nullptr) return show_pictures(request);
  const TextData data = load_either(request);
  std::vector<std::int64_t> bytes;
  std::vector<std::int64_t> words;
  for (const auto* texts : {&data.texts, &data.pairs})
    for (std::size_t i = 0; i < texts->size(); ++i) {
      if (texts == &data.texts) {
        bytes.push_back(0);
        words.push_back(0);
      }
      bytes[i] += static_cast<std::int64_t>((*texts)[i].size());
      words[i] += word_count((*texts)[i]);
    }
  TerminalTable table({{request.split, Align::left}, {"", Align::left}});
  table.add_row({"samples", fmt::format("{}{}", data.texts.size(),
                                        data.pairs.empty() ? "" : " pairs of texts")});
  if (data.skipped > 0)
    table.add_row({"skipped", fmt::format("{} rows with an empty text", data.skipped)});
  const Json labels = show_labels(data, table);
  const Json words_spread = spread(words), bytes_spread = spread(bytes);
  table.add_row({"words", show_spread(words_spread)});
  table.add_row({"bytes", show_spread(bytes_spread)});
  console().print(table.render(console().style(), 0) + show_samples(data) + "\n");
  return {{"samples", data.texts.size()}, {"pairs", !data.pairs.empty()},
          {"skipped", data.skipped},      {data.targets.empty() ? "labels" : "values", labels},
          {"bytes", bytes_spread},        {"words", words_spread}};
}

CommandResult show_data(const CommandInput& input) {
  refuse_in_data(input, {"out"}, "show");
  if (!input.has("DATA"))
    throw UsageError("DATA is missing: which data to show", "for example hone data show reviews");
  const Settings given = command_settings(input, {}, false);
  DataRequest request = make_data_request(input.argument("DATA"), given.data);
  Json results = Json::object();
  const bool chosen = input.options.contains("split");
  const std::vector<std::string> splits =
      chosen ? std::vector<std::string>{input.options.text("split")} : splits_of(request);
  for (const std::string& split : splits) {
    request.split = split;
    if (chosen) check_split_options(request);
    results[split] = show_split(request);
  }
  return {0, results};
}

CommandResult fetch_data(const CommandInput& input) {
  refuse_in_data(input, {"split"}, "fetch");
  const std::string name = input.argument("DATA");
  const std::vector<std::string> known{"imdb"};
  if (name != "imdb")
    throw UsageError(name.empty()
                         ? "DATA is missing: which data to fetch"
                         : fmt::format("there is no download of '{}'", printable(name, 100)),
                     did_you_mean(name, known));
  const RemoteFile& remote = imdb_remote();
  const std::filesystem::path folder = input.options.text_or("out", ".");
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    throw Error(ErrorCode::io,
                fmt::format("{}: cannot create the folder: {}", folder.string(), failed.message()),
                "choose another --out");
  const std::filesystem::path file = folder / remote.name;
  fetch(remote, file, [&](std::int64_t done, std::int64_t total) {
    console().progress("fetching " + remote.name, done, total, 0,
                       {.samples = static_cast<double>(done)}, "bytes");
  });
  console().finish();
  console().print(fmt::format("{}: complete, checksum right\nuse it as --data imdb:{}\n",
                              file.string(), file.string()));
  return {0, {{"file", file.string()}, {"bytes", std::filesystem::file_size(file)}}};
}

CommandResult run_data(const CommandInput& input) {
  const std::string action = input.argument("ACTION");
  if (action == "list") return list_data(input);
  if (action == "show") return show_data(input);
  if (action == "fetch") return fetch_data(input);
  const std::vector<std::string> known{"list", "show", "fetch"};
  throw UsageError(fmt::format("hone data cannot '{}'", printable(action, 100)),
                   did_you_mean(action, known));
}

}  // namespace

Command command_data() {
  Command command{{"data", "lists, shows and downloads data sets", {}}};
  OptionSpec split{
      .name = "split",
      .default_value = {},
      .help = "show: this split only; default: train and test, or all of a single file"};
  split.choices = {"train", "test", "all"};
  command.options = {std::move(split),
                     {.name = "out",
                      .default_value = {},
                      .help = "fetch: the folder to download into; default: here"}};
  command.placeholders = {{"out", "DIR"}, {"split", "SPLIT"}};
  command.arguments = {{"ACTION",
                        "list: the kinds of data; show: sizes, labels, samples; fetch: download "
                        "(continues what was cut off)"},
                       {"DATA", "show: reviews, imdb:PATH, csv:FILE, ...; fetch: imdb", false}};
  command.settings_note = "show: options of the data, such as data.samples=1000 (hone data list).";
  command.examples = {"hone data list", "hone data show reviews",
                      "hone data show csv:mine.csv --set data.text=comment",
                      "hone data fetch imdb --out data"};
  command.run = run_data;
  return command;
}

}  // namespace hone
