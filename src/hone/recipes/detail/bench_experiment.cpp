#include "hone/recipes/detail/bench_experiment.hpp"

#include <fmt/format.h>

#include "hone/core/threads.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/record/record.hpp"
#include "hone/report/bench_curves.hpp"

namespace hone {
namespace {

ExperimentSetup bench_setup(const RecipeCall& call) {
  set_thread_count(static_cast<int>(call.settings.values.integer_or("threads", 0)));
  Json settings = Json::object();
  for (const auto& [key, value] : call.settings.values.values())
    if (key != "name" && key != "out" && key != "threads") settings[key] = to_string(value);
  for (const auto& [key, value] : call.settings.model) settings[key] = value;
  return {.folder = result_folder(call),
          .identity = {{"settings", settings}, {"machine", describe_machine()}},
          .event = BenchPoint::event_name,
          .recipe = call.file,
          .command = call.command,
          .config = settings};
}

}  // namespace

std::vector<OptionSpec> bench_options(std::vector<OptionSpec> more) {
  std::vector<OptionSpec> specs{
      {.name = "name", .default_value = {}, .help = "of the folder the results go to"},
      {.name = "out", .default_value = "runs", .help = "folder of all runs"},
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads; default: all cores",
       .minimum = 1,
       .maximum = 4096}};
  for (OptionSpec& spec : more) specs.push_back(std::move(spec));
  return specs;
}

BenchExperiment::BenchExperiment(const RecipeCall& call, const RunWatcher& watcher)
    : experiment_(bench_setup(call), watcher) {}

ExperimentPoint BenchExperiment::point_of(const BenchPoint& place) const {
  Json key{{"what", place.what}, {"series", place.series}, {"axis", place.axis}, {"at", place.at}};
  if (!place.against.empty()) key["against"] = place.against;
  return {fmt::format("{}/{}/{:g}", folder_name(place.what), folder_name(place.series), place.at),
          fmt::format("{}, {}, {} {:g}", place.what, place.series, place.axis, place.at),
          std::move(key)};
}

void BenchExperiment::take(const BenchPoint& place,
                           const std::function<void(BenchPoint&)>& measure) {
  experiment_.take<BenchPoint>(point_of(place), [&](const std::filesystem::path&) {
    BenchPoint point = place;
    measure(point);
    return point;
  });
}

Json BenchExperiment::run(const std::function<void()>& measure_all) {
  try {
    measure_all();
  } catch (const Error& error) {
    experiment_.fail(error);
    throw;
  }
  return experiment_.finish({{"finding", describe_bench(arrange_bench(experiment_.summary()))}});
}

std::string render_bench(const Json& result, TextStyle style) {
  const RunSummary points =
      summarize_points(result.at("points").elements(), BenchPoint::event_name, "the results");
  return render_table(bench_table(arrange_bench(points), ""), style);
}

}  // namespace hone
