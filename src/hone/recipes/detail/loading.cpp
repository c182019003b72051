#include "hone/recipes/loading.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr const char* data_prefix = "data.";

bool holds_tokenizer(const fs::path& directory) {
  return fs::exists(directory / "tokenizer.json") || fs::exists(directory / "vocab.txt");
}

Tokenizer embedded_tokenizer() { return Tokenizer::from_words(review_words()); }

void set_text(TextSettings& list, const std::string& key, const std::string& value) {
  for (auto& [known, old] : list) {
    if (known != key) continue;
    old = value;
    return;
  }
  list.emplace_back(key, value);
}

std::vector<std::string> known_keys(const std::vector<OptionSpec>& specs, bool model_sizes) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs) names.push_back(spec.name);
  if (model_sizes)
    for (const OptionSpec& spec : builtin_options()) names.push_back(spec.name);
  for (const DatasetKind& kind : dataset_table())
    for (const OptionSpec& spec : kind.options) {
      const std::string name = data_prefix + spec.name;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  return names;
}

bool is_size(const std::string& key) {
  return std::any_of(builtin_options().begin(), builtin_options().end(),
                     [&](const OptionSpec& spec) { return spec.name == key; });
}

}  // namespace

Settings sort_settings(const TextSettings& given, const std::vector<OptionSpec>& specs,
                       bool model_sizes, const std::string& where) {
  Settings sorted;
  for (const auto& [key, value] : given) {
    const auto spec =
        std::find_if(specs.begin(), specs.end(),
                     [&, &name = key](const OptionSpec& known) { return known.name == name; });
    if (spec != specs.end()) {
      sorted.values.set(key, parse_option(*spec, value, fmt::format("{}: key '{}'", where, key)));
    } else if (key.rfind(data_prefix, 0) == 0) {
      set_text(sorted.data, key.substr(std::string(data_prefix).size()), value);
    } else if (model_sizes && is_size(key)) {
      set_text(sorted.model, key, value);
    } else {
      throw Error(ErrorCode::invalid_argument, fmt::format("{}: unknown key '{}'", where, key),
                  did_you_mean(key, known_keys(specs, model_sizes)));
    }
  }
  return sorted;
}

std::pair<std::string, std::string> split_setting(const std::string& text,
                                                  const std::string& where) {
  const std::size_t at = text.find('=');
  if (at == std::string::npos || at == 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: expected key=value, got '{}'", where, text),
                "for example --set optimizer=sgd");
  return {std::string(trim(std::string_view(text).substr(0, at))), text.substr(at + 1)};
}

ChosenTokenizer choose_tokenizer(const std::string& model, const std::string& given,
                                 const std::string& data_kind) {
  if (!data_kind.empty() && find_dataset(data_kind).load_pictures != nullptr) {
    if (!given.empty())
      throw UsageError("--tokenizer changes nothing: the data are pictures", "leave it out");
    return {};
  }
  if (!given.empty()) return {Tokenizer::load(given), given};
  std::vector<fs::path> places{fs::path(model), fs::path(model) / "last"};
  if (is_adapter(model)) places.push_back(adapter_base(model));
  for (const fs::path& directory : places)
    if (fs::is_directory(directory) && holds_tokenizer(directory))
      return {Tokenizer::load(directory), directory.string()};
  if (data_kind == "reviews") return {embedded_tokenizer(), "embedded"};
  throw Error(ErrorCode::not_found,
              fs::is_directory(model)
                  ? fmt::format("{}: has no tokenizer.json and no vocab.txt", model)
                  : fmt::format("the built-in model '{}' brings no tokenizer", model),
              "name a folder that holds tokenizer.json or vocab.txt with --tokenizer");
}

ChosenTokenizer load_named_tokenizer(const std::string& name) {
  if (name == "reviews") return {embedded_tokenizer(), "embedded"};
  if (fs::is_directory(name) && !holds_tokenizer(name) && holds_tokenizer(fs::path(name) / "last"))
    return {Tokenizer::load(fs::path(name) / "last"), name + "/last"};
  if (is_builtin_model(name) && !fs::exists(name))
    throw Error(
        ErrorCode::not_found, fmt::format("the built-in model '{}' brings no tokenizer", name),
        "name a folder that holds tokenizer.json or vocab.txt, or 'reviews' for the embedded one");
  return {Tokenizer::load(name), name};
}

DataRequest make_data_request(const std::string& data, const TextSettings& options) {
  DataRequest request = parse_data(data);
  const DatasetKind& kind = find_dataset(request.kind);
  const std::string where = "data '" + kind.name + "'";
  for (const auto& [key, value] : options) {
    try {
      request.options.set(key, parse_option(find_option(kind.options, key, where), value,
                                            fmt::format("{}: key '{}'", where, key)));
    } catch (const Error& error) {
      throw UsageError(error.message(), error.hint());
    }
  }
  return request;
}

std::int64_t length_limit(const TextLimits& limits, const ChosenTokenizer& tokenizer,
                          std::int64_t asked, const std::function<void(const std::string&)>& say) {
  if (!tokenizer.tokenizer) {
    if (asked > 0)
      throw UsageError("max_length changes nothing: the data are pictures", "leave it out");
    return 0;
  }
  const std::int64_t positions = limits.positions;
  if (asked > positions)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("max_length is {}, the model has {} positions", asked, positions),
                fmt::format("lower it to {}", positions));
  const std::int64_t own = tokenizer.tokenizer.definition().model_max_length;
  const std::int64_t limit = asked > 0 ? asked : own > 0 ? std::min(own, positions) : positions;
  if (say)
    for (const std::string& note : tokenizer.tokenizer.unheeded(limit))
      say(fmt::format("tokenizer ({}): {}", tokenizer.source, note));
  return limit;
}

void say_report(const Model& model, const std::function<void(const std::string&)>& say) {
  if (!say) return;
  const LoadReport& report = model.report;
  for (const std::string& note : report.notes) say(fmt::format("{}: {}", model.name, note));
  if (!report.initialized.empty())
    say(fmt::format("{}: {} tensors are not taken from the files and start at random: {}",
                    model.name, report.initialized.size(), list_some(report.initialized)));
  if (!report.unused.empty())
    say(fmt::format("{}: {} tensors of the files are not used: {}", model.name,
                    report.unused.size(), list_some(report.unused)));
}

void check_fit(const TextLimits& limits, const Tokenizer& tokenizer, const std::string& source,
               const std::function<void(const std::string&)>& say) {
  if (!tokenizer) return;
  const std::int64_t vocabulary = limits.vocabulary;
  if (tokenizer.vocab_size() < vocabulary && say)
    say(
        fmt::format("the tokenizer ({}) has {} tokens, the model knows {}: is it the tokenizer it "
                    "was trained with, and whole?",
                    source, tokenizer.vocab_size(), vocabulary));
  if (tokenizer.vocab_size() <= vocabulary) return;
  // Tokenizers are made with a mask and a pad that many vocabularies lack and no text holds.
  std::vector<std::string> unknown;
  std::int64_t known = tokenizer.vocab_size();
  for (const char* role : {"mask_token", "pad_token"}) {
    const std::string token = tokenizer.definition().role(role);
    if (token.empty() || tokenizer.id(token) < vocabulary) continue;
    unknown.push_back(fmt::format("'{}' ({})", token, role));
    --known;
  }
  if (known <= vocabulary) {
    if (say)
      say(
          fmt::format("the tokenizer ({}) has tokens that the model lacks: {}; a text with one is "
                      "refused",
                      source, fmt::join(unknown, ", ")));
    return;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the tokenizer ({}) has {} tokens, the model knows {}", source,
                          tokenizer.vocab_size(), vocabulary),
              "they do not belong together: give the tokenizer the model was trained with");
}

void check_samples(const TextLimits& limits, const TokenizedData& data) {
  const std::int64_t vocabulary = limits.vocabulary;
  const auto last = std::max_element(data.ids.begin(), data.ids.end());
  if (last != data.ids.end() && *last >= vocabulary) {
    const auto place = static_cast<std::int64_t>(last - data.ids.begin());
    const auto next = std::upper_bound(data.offsets.begin(), data.offsets.end(), place);
    throw Error(ErrorCode::invalid_argument,
                fmt::format("sample {} holds the token id {}, the model knows {} tokens",
                            next - data.offsets.begin() - 1, *last, vocabulary),
                "take the token out of the text");
  }
  const std::int64_t types = limits.token_types;
  const auto largest = std::max_element(data.type_ids.begin(), data.type_ids.end());
  if (largest != data.type_ids.end() && *largest >= types)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("pairs of texts have the token types 0 to {}, the model has {} "
                            "(type_vocab_size)",
                            *largest, types),
                "use a model that has them, or read one text a row with data.text_pair=none");
}

}  // namespace hone
