#include "hone/recipes/detail/pruning_sweep.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/prune.hpp"
#include "hone/recipes/detail/pruning_settings.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/report/pruning_curves.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

class PruningSweep {
public:
  PruningSweep(const RecipeCall& call, const RunWatcher& watcher)
      : call_(call),
        watcher_(watcher),
        settings_(read_pruning_settings(call)),
        experiment_(setup(), watcher),
        base_(call, settings_.base, experiment_, watcher) {
    set_thread_count(static_cast<int>(call.settings.values.integer_or("threads", 0)));
  }

  Json run() {
    try {
      for (const std::int64_t seed : settings_.base.seeds) {
        base_.begin_seed(seed);
        for (const double sparsity : settings_.sparsities)
          for (const PruningCurve& curve : settings_.curves)
            if (curve.has(sparsity)) take(curve, sparsity, seed);
        // Latencies last, and together: as little else as possible runs beside them.
        for (const double sparsity : settings_.sparsities)
          for (const PruningCurve& curve : settings_.curves)
            if (curve.has(sparsity)) take_speed(curve, sparsity, seed);
      }
    } catch (const Error& error) {
      experiment_.fail(error);
      throw;
    }
    return experiment_.finish(
        {{"split", settings_.base.split},
         {"finding", describe_pruning(arrange_pruning(experiment_.summary()))}});
  }

private:
  ExperimentSetup setup() {
    const Json identity = pruning_identity(call_, settings_);
    Json config = base_config(identity, settings_.base);
    config["sparsities"] = settings_.sparsities;
    for (const PruningCurve& curve : settings_.curves)
      config["curves." + curve.folder] = curve_identity(curve);
    return {.folder = settings_.base.folder,
            .identity = identity,
            .event = PruningPoint::event_name,
            .recipe = call_.file,
            .command = call_.command,
            .config = config,
            .model = [this] { return base_.describe_model(); }};
  }

  static ExperimentPoint point_of(const PruningCurve& curve, double sparsity, std::int64_t seed,
                                  const char* kind) {
    return {fmt::format("seed-{}/{}/{}/{}", seed, curve.folder, sparsity, kind),
            fmt::format("seed {}: {} at {}, {}", seed, curve.name, sparsity, kind),
            to_object(PruningPoint{
                {.kind = kind, .seed = seed}, curve.name, curve_identity(curve), sparsity})};
  }

  // Before the training and after it.
  void take(const PruningCurve& curve, double sparsity, std::int64_t seed) {
    const ExperimentPoint pruned = point_of(curve, sparsity, seed, "pruned");
    const ExperimentPoint tuned = point_of(curve, sparsity, seed, "tuned");
    const fs::path start = experiment_.folder_of(pruned) / "model";
    experiment_.take<PruningPoint>(pruned, [&](const fs::path&) {
      prune(curve, sparsity, seed, start);
      const Model model = load_model({.name = start.string()});
      return measure(pruned, model, curve, sparsity, seed);
    });
    experiment_.take<PruningPoint>(tuned, [&](const fs::path& folder) {
      TrainRequest request;
      request.model = start.string();
      request.out = folder / "training";
      request.settings.values = curve.training;
      const double seconds = base_.train_point(tuned, request, seed);
      const Model model = load_model({.name = request.out.string()});
      PruningPoint result = measure(tuned, model, curve, sparsity, seed);
      result.seconds += seconds;
      save_with_tokenizer(model, folder / "model");
      return result;
    });
    remove_training_weights(experiment_.folder_of(tuned) / "training");
  }

  void take_speed(const PruningCurve& curve, double sparsity, std::int64_t seed) {
    const fs::path folder =
        experiment_.folder_of(point_of(curve, sparsity, seed, "tuned")) / "model";
    experiment_.take<PruningPoint>(point_of(curve, sparsity, seed, "speed"), [&](const fs::path&) {
      PruningPoint result;
      result.cost = base_.cost(load_model({.name = folder.string()}), folder,
                               call_.settings.values.integer_or("tokens", 0));
      return result;
    });
  }

  void prune(const PruningCurve& curve, double sparsity, std::int64_t seed,
             const fs::path& out) const {
    PruneRequest request = curve.request(sparsity, seed);
    request.model = base_.model_folder();
    request.out = out;
    request.command = call_.command;
    if (reads_data(request)) {
      request.data = settings_.base.data;
      request.data_settings = call_.settings.data;
      request.tokenizer = settings_.base.tokenizer;
      request.samples = call_.settings.values.integer_or("samples", request.samples);
      request.max_length = call_.settings.values.integer_or("max_length", 0);
    }
    request.remove = curve.remove;
    request.overwrite = true;  // what one that was cut off left
    request.measure = false;   // the points of speed do, when all is trained
    run_pruning(request, watcher_);
  }

  PruningPoint measure(const ExperimentPoint& point, const Model& model, const PruningCurve& curve,
                       double sparsity, std::int64_t seed) {
    PruningPoint result{base_.measure(point, model)};
    std::int64_t dropped = 0;
    for (const auto& [weight, mask] : masks_of(model.graph))
      dropped += dropped_count(model.tensors.at(mask));
    result.parameters = static_cast<double>(parameter_count(model));
    result.dropped = static_cast<double>(dropped);
    if (curve.against.empty()) return result;
    for (const PruningCurve& other : settings_.curves)
      if (other.name == curve.against && other.has(sparsity)) {
        result.p_against =
            SweepBase::compare(experiment_.result_of<PruningPoint>(point_of(
                                   other, sparsity, seed, point.key.at("kind").text().c_str())),
                               result);
        result.against = curve.against;
      }
    return result;
  }

  const RecipeCall& call_;
  const RunWatcher& watcher_;
  PruningSettings settings_;
  Experiment experiment_;
  SweepBase base_;
};

}  // namespace

Json run_pruning_sweep(const RecipeCall& call, const RunWatcher& watcher) {
  return PruningSweep(call, watcher).run();
}

}  // namespace hone
