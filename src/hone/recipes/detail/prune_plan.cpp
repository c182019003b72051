#include "hone/recipes/detail/prune_plan.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/passes/prune.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/sparsity/detail/mase.hpp"
#include "hone/train/saliency.hpp"

namespace hone {
namespace {

double sparsity_of(const PruneSelection& selection) {
  const MaskGranularity& g = selection.granularity;
  if (selection.sparsity) return *selection.sparsity;
  if (g.kind == MaskGranularity::Kind::n_of_m)
    return 1 - static_cast<double>(g.first) / static_cast<double>(g.second);
  refuse("no sparsity is given", "it is the share of the weights that go: --sparsity 0.5");
}

void check_selection(const PruneRequest& request, const PruneSelection& selection) {
  const MaskGranularity& g = selection.granularity;
  const double sparsity = sparsity_of(selection);
  if (sparsity == 0) return;
  check_sparsity(sparsity, g);
  const bool gradual = request.gradual.has_value();
  if (gradual && g.kind == MaskGranularity::Kind::n_of_m)
    refuse(fmt::format("{} has one sparsity: it cannot come gradually", to_string(g)),
           "leave --gradual out");
  if (!request.mase) return;
  if (selection.method != "l1" && selection.method != "random")
    refuse(fmt::format("rule mase has no method {}", selection.method), "it has l1 and random");
  if (g.kind != MaskGranularity::Kind::element)
    refuse(fmt::format("rule mase has no granularity {}", to_string(g)), "it has element");
  if (gradual) refuse("rule mase prunes at once", "leave --gradual out");
}

}  // namespace

void check_selections(const PruneRequest& request) {
  bool scope_counts = request.scope == MaskScope::local || request.selections.empty();
  for (const PruneSelection& selection : request.selections) {
    at_place(selection.where, [&] { check_selection(request, selection); });
    scope_counts = scope_counts || selection.granularity.kind != MaskGranularity::Kind::n_of_m;
  }
  if (!scope_counts)
    refuse("scope global changes nothing: N of every M numbers stay everywhere", "leave it out");
}

PrunePlan::PrunePlan(const PruneRequest& request, const Model& model) : request_(request) {
  check_selections(request);
  std::set<std::string> taken;
  const std::map<std::string, std::string> masks = masks_of(model.graph);
  for (const PruneSelection& selection : request.selections)
    at_place(selection.where, [&] {
      Part part{selection, &find_pruner(selection.method), sparsity_of(selection), 0, {}, {}};
      for (std::string& weight :
           weights_of_nodes(model.graph, prunable_nodes(model.graph, selection.nodes)))
        if (taken.insert(weight).second) part.weights.push_back(std::move(weight));
      if (part.weights.empty())
        refuse("earlier selections take all of its weights", "the first that matches wins");
      if (part.sparsity == 0) return;
      if (selection.granularity.is_structural()) {
        part.families = structures_of(model.graph, selection.granularity.kind, part.weights);
        leave_out_unstructured(part);
      }
      for (const std::string& weight : part.weights) {
        const auto known = masks.find(weight);
        if (known != masks.end())
          part.start = std::max(part.start, mask_sparsity(model.tensors.at(known->second)));
      }
      part.start = std::min(part.start, part.sparsity);
      parts_.push_back(std::move(part));
    });
  for (const Part& part : parts_)
    weights_.insert(weights_.end(), part.weights.begin(), part.weights.end());
  std::uint32_t stream = 0;
  for (const Value& value : model.graph.values)
    if (value.kind == ValueKind::parameter) streams_[value.name] = stream++;
}

// What belongs to none of the structures is not pruned: it keeps the mask that it has.
void PrunePlan::leave_out_unstructured(Part& part) {
  std::vector<std::size_t> number(part.weights.size(), part.weights.size());
  std::vector<std::string> weights;
  for (auto& family : part.families)
    for (MaskGroup& group : family)
      for (MaskRegion& region : group) {
        std::size_t& at = number[region.tensor];
        if (at == part.weights.size()) {
          at = weights.size();
          weights.push_back(part.weights[region.tensor]);
        }
        region.tensor = at;
      }
  part.weights = std::move(weights);
}

bool PrunePlan::needs_data() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.pruner->needs != PrunerNeeds::nothing; });
}

std::map<std::string, Tensor> PrunePlan::mase_masks(const Part& part, const Model& model) const {
  std::map<std::string, Tensor> masks;
  std::vector<const Tensor*> all;
  for (const std::string& weight : part.weights) all.push_back(&model.tensors.at(weight));
  const bool global = request_.scope == MaskScope::global;
  const bool draws = part.pruner->name == "random";
  const std::map<std::string, std::string> before = masks_of(model.graph);
  const float threshold = global && !draws ? mase::magnitude_quantile(all, part.sparsity) : 0;
  for (const std::string& weight : part.weights) {
    const Tensor& w = model.tensors.at(weight);
    masks[weight] =
        draws ? mase::drawn(w.shape(), part.sparsity, request_.seed, streams_.at(weight))
              : mase::above(w, global ? threshold : mase::magnitude_quantile({&w}, part.sparsity));
    const auto known = before.find(weight);
    const Tensor old = known == before.end() ? Tensor() : model.tensors.at(known->second);
    keep_dropped(masks[weight], old);
    if (!request_.allow_empty && leaves_empty(masks[weight], old))
      refuse(fmt::format("{}: sparsity {:g} leaves it no number at all", weight, part.sparsity),
             "lower the sparsity, or allow empty weights (--allow-empty)");
  }
  return masks;
}

std::map<std::string, Tensor> PrunePlan::masks(
    const Model& model, const Samples* data, double progress,
    const std::function<void(std::int64_t, std::int64_t)>& work) const {
  std::vector<std::string> normed, differentiated;
  for (const Part& part : parts_) {
    if (part.pruner->needs == PrunerNeeds::input_norms)
      normed.insert(normed.end(), part.weights.begin(), part.weights.end());
    if (part.pruner->needs == PrunerNeeds::gradients)
      differentiated.insert(differentiated.end(), part.weights.begin(), part.weights.end());
  }
  if (data == nullptr && needs_data()) refuse("there is no data to prune by");
  const SaliencyOptions options{.samples = request_.samples, .progress = work};
  std::map<std::string, Tensor> norms, gradients;
  if (!normed.empty()) norms = input_norms(model, normed, *data, options);
  if (!differentiated.empty()) gradients = loss_gradients(model, differentiated, *data, options);
  const std::map<std::string, std::string> before = masks_of(model.graph);
  std::map<std::string, Tensor> made;
  for (const Part& part : parts_) {
    if (request_.mase) {
      made.merge(mase_masks(part, model));
      continue;
    }
    std::vector<ScoredWeight> scored;
    for (const std::string& weight : part.weights) {
      PrunerCall call{model.tensors.at(weight), nullptr, nullptr, request_.seed,
                      streams_.at(weight)};
      if (norms.count(weight) != 0) call.input_norms = &norms.at(weight);
      if (gradients.count(weight) != 0) call.gradient = &gradients.at(weight);
      scored.push_back({weight, score_weight(*part.pruner, call)});
      const auto known = before.find(weight);
      if (known != before.end()) scored.back().before = model.tensors.at(known->second);
    }
    const std::vector<Tensor> masks = make_masks(
        scored,
        {.sparsity =
             progress == 1 ? part.sparsity : part.start + (part.sparsity - part.start) * progress,
         .scope = request_.scope,
         .granularity = part.selection.granularity,
         .root_mean_square = part.pruner->root_mean_square,
         .allow_empty = request_.allow_empty},
        part.families);
    for (std::size_t i = 0; i < masks.size(); ++i) made[part.weights[i]] = masks[i];
  }
  return made;
}

}  // namespace hone
