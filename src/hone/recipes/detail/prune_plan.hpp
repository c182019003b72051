// Which weights a request prunes, and the masks that it makes of them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hone/recipes/prune_run.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {

// Throws Error(invalid_argument), naming the selection, for methods, granularities and sparsities
// that do not go together.
void check_selections(const PruneRequest& request);

class PrunePlan {
public:
  // Sorts the weights of `model` (none packed) to the selections. Throws Error(invalid_argument)
  // for what cannot be, naming the selection.
  PrunePlan(const PruneRequest& request, const Model& model);

  // Every weight that is pruned, by selection.
  const std::vector<std::string>& weights() const { return weights_; }
  bool needs_data() const;

  // The masks of a model at `progress` (0 to 1) of the way from its sparsity to that asked for, by
  // weight. What is dropped already stays dropped. `data` may be null where needs_data() is false.
  std::map<std::string, Tensor> masks(
      const Model& model, const Samples* data, double progress,
      const std::function<void(std::int64_t, std::int64_t)>& work = {}) const;

private:
  struct Part {
    PruneSelection selection;
    const Pruner* pruner = nullptr;
    double sparsity = 0;
    double start = 0;  // the share that is dropped already
    std::vector<std::string> weights;
    std::vector<std::vector<MaskGroup>> families;
  };

  static void leave_out_unstructured(Part& part);
  std::map<std::string, Tensor> mase_masks(const Part& part, const Model& model) const;

  const PruneRequest& request_;
  std::vector<Part> parts_;
  std::vector<std::string> weights_;
  std::map<std::string, std::uint32_t> streams_;  // of random numbers, by weight
};

}  // namespace hone
