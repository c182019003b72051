#include "hone/cli/detail/split_data.hpp"

#include <fmt/format.h>

#include "hone/cli/detail/console.hpp"
#include "hone/core/error.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/recipes/labels.hpp"

namespace hone {

std::vector<OptionSpec> split_flags(const char* default_split) {
  const std::string usual = default_split;
  OptionSpec split{.name = "split",
                   .default_value = {},
                   .help = "which part of the data; default: " + usual +
                           (usual == "test" ? ", or all of a single file" : "")};
  split.choices = {"train", "validation", "test", "all"};
  return {{.name = "data",
           .default_value = {},
           .help = "reviews, imdb:PATH, csv:FILE, tsv:FILE, json:FILE or jsonl:FILE; of pictures "
                   "shapes, cifar10:PATH, mnist:DIR or images:DIR"},
          std::move(split)};
}

const std::vector<OptionSpec>& split_settings() {
  static const std::vector<OptionSpec> specs{
      {.name = "validation",
       .type = OptionType::real,
       .default_value = 0.1,
       .help = "with --split validation: the share of train it is",
       .minimum = 1e-6,
       .maximum = 0.9},
      {.name = "seed",
       .type = OptionType::integer,
       .default_value = std::int64_t{0},
       .help = "with --split validation: the seed of the training run",
       .minimum = 0}};
  return specs;
}

DataRequest split_request(const CommandInput& input, const Settings& given,
                          const char* default_split) {
  DataRequest request = make_data_request(input.options.text("data"), given.data);
  const std::string usual = default_split;
  request.split =
      input.options.text_or("split", usual == "test" ? splits_of(request).back() : usual);
  const bool validation = request.split == "validation";
  for (const char* name : {"validation", "seed"})
    if (!validation && given.values.contains(name))
      throw UsageError(fmt::format("{} changes nothing on the split {}", name, request.split),
                       "leave it out, or use --split validation");
  check_split_options(request);
  if (validation) request.validation = given.values.real_or("validation", 0.1);
  request.seed = static_cast<std::uint64_t>(given.values.integer_or("seed", 0));
  return request;
}

TokenizedData load_split_for(const Classifier& classifier, DataRequest request) {
  request.max_length = classifier.max_length;
  request.labels = label_use(classifier.model.head);
  request.image = classifier.model.image;
  TokenizedData data =
      load_tokenized(request, classifier.tokenizer, [&](std::int64_t done, std::int64_t total) {
        console().progress(classifier.model.image ? "reading" : "tokenizing", done, total, 0,
                           {.samples = static_cast<double>(done)}, "samples");
      });
  if (data.skipped > 0)
    console().note(
        fmt::format("{}: {} rows with an empty text are skipped", request.location, data.skipped));
  if (!data.type_ids.empty())
    console().note(fmt::format("{}: pairs of texts, told apart by token types", request.location));
  match_labels(data, classifier.model, request,
               [](const std::string& text) { console().note(text); });
  check_samples(classifier.model.limits, data);
  return data;
}

}  // namespace hone
