// ptq_vs_qat: at each width of a format, the accuracy after rounding a trained model (PTQ) and
// after one more training with the rounding in it (QAT).

#include "hone/core/json.hpp"
#include "hone/recipes/detail/width_sweep.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/sweep.hpp"

namespace hone {
namespace {
namespace ptq_vs_qat_recipe {

// Measured again for the table: the points are what a record has.
std::string render(const Json& result, TextStyle style) {
  const RunSummary points =
      summarize_points(result.at("points").elements(), SweepPoint::event_name, "the results");
  return render_table(sweep_table(arrange_sweep(points), ""), style);
}

}  // namespace ptq_vs_qat_recipe
}  // namespace

Recipe recipe_ptq_vs_qat() {
  using namespace ptq_vs_qat_recipe;
  Recipe recipe{{"ptq_vs_qat",
                 "accuracy at each width of a format: rounded, and trained with the rounding",
                 width_sweep_options()}};
  recipe.model_sizes = true;
  recipe.run = run_width_sweep;
  recipe.render = render;
  return recipe;
}

}  // namespace hone
