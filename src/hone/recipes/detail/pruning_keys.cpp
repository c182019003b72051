#include "hone/recipes/detail/pruning_keys.hpp"

#include "hone/recipes/stage.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {

std::vector<OptionSpec> pruning_keys() {
  OptionSpec method{.name = "method", .default_value = "l1", .help = "what goes first"};
  for (const Pruner& pruner : pruner_table()) method.choices.push_back(pruner.name);
  return {method,
          {.name = "granularity", .default_value = "element", .help = "as --granularity"},
          {.name = "scope",
           .default_value = "local",
           .help = "as --scope",
           .choices = {"local", "global"}},
          {.name = "nodes", .default_value = "", .help = "what is pruned, as --nodes"},
          {.name = "rule",
           .default_value = "exact",
           .help = "exact counts, or thresholds as MASE sets them",
           .choices = {"exact", "mase"}}};
}

PruneRequest read_pruning_keys(const Options& values, const std::string& where) {
  PruneRequest request;
  PruneSelection selection;
  selection.nodes = values.text_or("nodes", "");
  selection.method = values.text_or("method", "l1");
  selection.where = where;
  at_place(where, [&] {
    selection.granularity = parse_mask_granularity(values.text_or("granularity", "element"));
  });
  if (values.text_or("scope", "local") == "global") request.scope = MaskScope::global;
  request.mase = values.text_or("rule", "exact") == "mase";
  request.activation_nodes = selection.nodes;
  request.selections = {std::move(selection)};
  return request;
}

}  // namespace hone
