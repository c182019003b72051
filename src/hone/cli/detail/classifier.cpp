#include "hone/cli/detail/classifier.hpp"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/loading.hpp"

namespace hone {

std::vector<OptionSpec> classifier_flags() {
  OptionSpec mode{.name = "mode", .default_value = "compiled", .help = "how the graph runs"};
  mode.choices = {"compiled", "eager", "reference"};
  return {{.name = "tokenizer",
           .default_value = {},
           .help = "folder or file of the tokenizer; default: the model's own"},
          {.name = "max_length",
           .type = OptionType::integer,
           .default_value = {},
           .help = "longest text in tokens; the rest is cut; default: the model's positions, or "
                   "model_max_length of its "
                   "tokenizer",
           .minimum = 1,
           .maximum = 1e6},
          std::move(mode),
          {.name = "threads",
           .type = OptionType::integer,
           .default_value = {},
           .help = "threads; default: all cores",
           .minimum = 1,
           .maximum = 4096}};
}

namespace {

// Two models of one command may have the same tokenizer.
void note_once(const std::string& text) {
  static std::set<std::string> said;
  if (said.insert(text).second) console().note(text);
}

}  // namespace

Classifier load_classifier(const CommandInput& input, const std::string& data_kind,
                           bool check_values) {
  const std::string name = input.argument("MODEL");
  if (!std::filesystem::exists(name) && is_builtin_model(name))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is a built-in model: its weights are untrained", name),
                "train it first: hone train " + name + " ...; then give the folder of --out");
  Model model = load_model({.name = name, .check_values = check_values});
  say_report(model, [](const std::string& text) { console().note(text); });
  if (!data_kind.empty())
    check_reads(find_dataset(data_kind), static_cast<bool>(model.image), name);
  const Mode mode = parse_mode(input.options.text_or("mode", "compiled"));
  if (model.image && data_kind.empty()) return {std::move(model), {}, 0, mode};
  ChosenTokenizer chosen =
      choose_tokenizer(name, input.options.text_or("tokenizer", ""), data_kind);
  check_fit(model.limits, chosen.tokenizer, chosen.source,
            [](const std::string& text) { console().note(text); });
  const std::int64_t limit =
      length_limit(model.limits, chosen, input.options.integer_or("max_length", 0), note_once);
  return {std::move(model), std::move(chosen.tokenizer), limit, mode};
}

}  // namespace hone
