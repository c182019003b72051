#include "hone/recipes/detail/width_sweep.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/width_settings.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/report/sweep.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t float_width = 32;

// Of the packed parameters alone.
double bits_per_weight(const Model& model) {
  double bits = 0, count = 0;
  for (const Node& node : model.graph.nodes) {
    if (node.op != "dequantize") continue;
    bits += 8.0 * static_cast<double>(stored_bytes(model, node.outputs[0]));
    count += static_cast<double>(element_count(evaluate(model.graph.type(node.outputs[0]), {})));
  }
  return count > 0 ? bits / count : float_width;
}

ExperimentPoint point_of(const char* kind, std::int64_t width, std::int64_t seed) {
  return {fmt::format("seed-{}/{}-{}", seed, kind, width),
          fmt::format("seed {}: {} at {} bits", seed, kind, width),
          to_object(SweepPoint{{.kind = kind, .seed = seed}, "", width})};
}

class WidthSweep {
public:
  WidthSweep(const RecipeCall& call, const RunWatcher& watcher)
      : settings_(read_width_settings(call)),
        experiment_(setup(call), watcher),
        base_(call, settings_.base, experiment_, watcher) {
    set_thread_count(static_cast<int>(call.settings.values.integer_or("threads", 0)));
  }

  Json run() {
    try {
      for (std::int64_t seed : settings_.base.seeds) run_seed(seed);
    } catch (const Error& error) {
      experiment_.fail(error);
      throw;
    }
    return experiment_.finish({{"format", settings_.format},
                               {"split", settings_.base.split},
                               {"finding", describe_sweep(arrange_sweep(experiment_.summary()))}});
  }

private:
  ExperimentSetup setup(const RecipeCall& call) {
    const Json identity = width_identity(call, settings_);
    Json config = base_config(identity, settings_.base);
    config["widths"] = settings_.widths;
    return {.folder = settings_.base.folder,
            .identity = identity,
            .event = SweepPoint::event_name,
            .recipe = call.file,
            .command = call.command,
            .config = config,
            .model = [this] { return base_.describe_model(); }};
  }

  void run_seed(std::int64_t seed) {
    base_.begin_seed(seed);
    for (std::int64_t width : settings_.widths) {
      // Of a given model PTQ is the same for every seed.
      const SweepPoint ptq =
          base_.has_own_model()
              ? take_ptq(width, seed)
              : experiment_.result_of<SweepPoint>(point_of("ptq", width, base_.model_seed()));
      take_qat(width, seed, ptq);
    }
  }

  SweepPoint measure(const ExperimentPoint& point, const Model& model) {
    SweepPoint result{base_.measure(point, model), settings_.format};
    result.bits_per_weight = bits_per_weight(model);
    return result;
  }

  SweepPoint take_ptq(std::int64_t width, std::int64_t seed) {
    const ExperimentPoint point = point_of("ptq", width, seed);
    return experiment_.take<SweepPoint>(point, [&](const fs::path&) {
      Model model = base_.model();
      const Quantization formats = select_formats(model.graph, {settings_.selection(width)});
      fold_batch_norm(model, formats);
      set_formats(model, formats);
      pack_weights(model);
      return measure(point, model);
    });
  }

  void take_qat(std::int64_t width, std::int64_t seed, const SweepPoint& ptq) {
    const ExperimentPoint point = point_of("qat", width, seed);
    experiment_.take<SweepPoint>(point, [&](const fs::path& folder) {
      TrainRequest request;
      request.model = base_.model_folder();
      request.out = folder / "training";
      request.quantize = {settings_.selection(width)};
      const double seconds = base_.train_point(point, request, seed);
      Model model = load_model({.name = request.out.string()});
      pack_weights(model);
      SweepPoint result = measure(point, model);
      result.p_ptq = SweepBase::compare(ptq, result);
      result.seconds += seconds;
      save_with_tokenizer(model, folder / "model");
      return result;
    });
    // Checkpoints have served once the packed model is saved.
    remove_training_weights(experiment_.folder_of(point) / "training");
  }

  WidthSettings settings_;
  Experiment experiment_;
  SweepBase base_;
};

}  // namespace

std::vector<OptionSpec> width_sweep_options() { return width_options(); }

Json run_width_sweep(const RecipeCall& call, const RunWatcher& watcher) {
  return WidthSweep(call, watcher).run();
}

}  // namespace hone
