// pruning_sweep: at each sparsity, for each way to prune, the accuracy of a pruned model before and
// after it is trained.

#include "hone/recipes/detail/pruning_sweep.hpp"
#include "hone/recipes/detail/pruning_settings.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/pruning_curves.hpp"

namespace hone {
namespace {
namespace pruning_sweep_recipe {

std::string render(const Json& result, TextStyle style) {
  const RunSummary points =
      summarize_points(result.at("points").elements(), PruningPoint::event_name, "the results");
  return render_table(pruning_curves_table(arrange_pruning(points), ""), style);
}

}  // namespace pruning_sweep_recipe
}  // namespace

Recipe recipe_pruning_sweep() {
  using namespace pruning_sweep_recipe;
  Recipe recipe{{"pruning_sweep",
                 "accuracy at each sparsity, by each way to prune: pruned, and trained after it",
                 pruning_sweep_options()}};
  recipe.model_sizes = true;
  recipe.lists = {pruning_curve_list()};
  recipe.run = run_pruning_sweep;
  recipe.render = render;
  return recipe;
}

}  // namespace hone
