// reviews, the embedded data set: see review_generator.hpp.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/review_generator.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace reviews_data {

constexpr std::int64_t default_train = 6000;
constexpr std::int64_t default_test = 1000;
// Part of the fingerprint: to be raised whenever the grammar writes other texts.
constexpr int grammar_version = 1;

std::int64_t count_of(const std::string& split, const Options& options) {
  return split == "train" ? options.integer_or("samples", default_train)
                          : options.integer_or("test_samples", default_test);
}

void check_location(const std::string& location) {
  if (!location.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'reviews' takes no path, got '{}'", location),
                "write reviews alone; samples, test_samples and seed are options");
}

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse) {
  check_split_name(split);
  check_location(location);
  return generate_reviews(count_of(split, options),
                          static_cast<std::uint64_t>(options.integer_or("seed", 1)),
                          split == "train" ? ReviewSplit::train : ReviewSplit::test);
}

std::string fingerprint(const std::string& location, const std::string& split,
                        const Options& options) {
  check_location(location);
  return fmt::format("reviews {} {} {} {}", grammar_version, split, count_of(split, options),
                     options.integer_or("seed", 1));
}

}  // namespace reviews_data
}  // namespace

DatasetKind dataset_reviews() {
  using namespace reviews_data;
  const auto count = [](const char* name, std::int64_t value, const char* help) {
    return OptionSpec{.name = name,
                      .type = OptionType::integer,
                      .default_value = value,
                      .help = help,
                      .minimum = 2,
                      .maximum = 10'000'000};
  };
  return {{"reviews",
           "embedded movie reviews, made by a seeded grammar",
           {count("samples", default_train, "reviews in the train split"),
            count("test_samples", default_test, "reviews in the test split"),
            {.name = "seed",
             .type = OptionType::integer,
             .default_value = std::int64_t{1},
             .help = "seed of the grammar",
             .minimum = 0}}},
          load,
          fingerprint,
          nullptr,
          {"negative", "positive"},
          {{"samples", "train"}, {"test_samples", "test"}}};
}

}  // namespace hone
