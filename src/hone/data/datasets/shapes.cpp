// shapes, the embedded pictures: see shape_generator.hpp.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/shape_generator.hpp"
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace shapes_data {

constexpr std::int64_t default_train = 6000, default_test = 1000;

// Part of the fingerprint: to be raised whenever other pictures are drawn.
constexpr int drawing_version = 1;

std::int64_t count_of(const std::string& split, const Options& options) {
  return split == "train" ? options.integer_or("samples", default_train)
                          : options.integer_or("test_samples", default_test);
}

void check_call(const std::string& location, const std::string& split) {
  check_split_name(split);
  if (!location.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'shapes' takes no path, got '{}'", location),
                "write shapes alone; samples, test_samples and seed are options");
}

TokenizedData load_pictures(const std::string& location, const std::string& split,
                            const Options& options, const ImageInput& input, const Progress&) {
  check_call(location, split);
  return draw_shapes(count_of(split, options),
                     static_cast<std::uint64_t>(options.integer_or("seed", 1)), split == "test",
                     input);
}

std::string fingerprint(const std::string& location, const std::string& split,
                        const Options& options) {
  check_call(location, split);
  return fmt::format("shapes {} {} {} {}", drawing_version, split, count_of(split, options),
                     options.integer_or("seed", 1));
}

}  // namespace shapes_data
}  // namespace

DatasetKind dataset_shapes() {
  using namespace shapes_data;
  const auto count = [](const char* name, std::int64_t value, const char* help) {
    return OptionSpec{.name = name,
                      .type = OptionType::integer,
                      .default_value = value,
                      .help = help,
                      .minimum = 10,
                      .maximum = 10'000'000};
  };
  DatasetKind kind{{"shapes",
                    "embedded pictures of ten shapes, 32 x 32, drawn by a seeded generator",
                    {count("samples", default_train, "pictures in the train split"),
                     count("test_samples", default_test, "pictures in the test split"),
                     {.name = "seed",
                      .type = OptionType::integer,
                      .default_value = std::int64_t{1},
                      .help = "seed of the drawings",
                      .minimum = 0}}},
                   nullptr,
                   fingerprint,
                   nullptr,
                   shape_names(),
                   {{"samples", "train"}, {"test_samples", "test"}}};
  kind.load_pictures = load_pictures;
  return kind;
}

}  // namespace hone
