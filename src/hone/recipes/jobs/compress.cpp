// compress: a list of transforms and trainings on one model, with accuracy, size and latency after
// each.

#include "hone/recipes/detail/compression.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/compression.hpp"

namespace hone {
namespace {
namespace compress_recipe {

std::string render(const Json& result, TextStyle style) {
  const RunSummary points =
      summarize_points(result.at("points").elements(), CompressionPoint::event_name, "the results");
  return render_table(compression_table(arrange_compression(points), ""), style);
}

}  // namespace compress_recipe
}  // namespace

Recipe recipe_compress() {
  using namespace compress_recipe;
  Recipe recipe{
      {"compress",
       "stages of compression one after the other, each measured: accuracy, size, latency",
       compression_options()}};
  recipe.model_sizes = true;
  recipe.lists = {compression_stages()};
  recipe.run = run_compression;
  recipe.render = render;
  return recipe;
}

}  // namespace hone
