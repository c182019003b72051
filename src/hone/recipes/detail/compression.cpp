#include "hone/recipes/detail/compression.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/detail/sweep_base.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/report/compression.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

struct PlannedStage {
  const Stage* stage;
  Options values;
  std::string title;  // "prune l1 0.5"
};

Json identity_of(const PlannedStage& planned) {
  Json json{{"do", planned.stage->name}};
  for (const auto& [key, value] : planned.values.values()) json[key] = to_string(value);
  for (const std::string& key : planned.stage->files)
    if (planned.values.contains(key))
      json[key + "_sha256"] = sha256(read_file(planned.values.text(key)));
  return json;
}

std::vector<PlannedStage> read_stages(const RecipeCall& call, const BaseSettings& settings) {
  const auto list = call.lists.find("stages");
  if (list == call.lists.end())
    throw Error(ErrorCode::invalid_argument, call.file + ": has no table [[stages]]",
                "each names a transform or a training: do = \"prune\"");
  std::vector<PlannedStage> stages;
  for (const RecipeTable& table : list->second) {
    const Stage& stage = find_stage(table.kind, table.where);
    if (stage.check != nullptr)
      stage.check({table.values, settings.point_training, settings.graph, table.where});
    const std::string name = table.values.text_or("name", "");
    Options values = table.values;
    values.erase("name");
    const std::string what = stage.describe != nullptr ? stage.describe(values) : stage.name;
    stages.push_back({&stage, values, name.empty() ? what : name});
  }
  return stages;
}

class Compression {
public:
  Compression(const RecipeCall& call, const RunWatcher& watcher)
      : call_(call),
        watcher_(watcher),
        settings_(read_base_settings(call, tune_prefix)),
        stages_(read_stages(call, settings_)),
        experiment_(setup(), watcher),
        base_(call, settings_, experiment_, watcher) {
    set_thread_count(static_cast<int>(call.settings.values.integer_or("threads", 0)));
  }

  Json run() {
    try {
      for (const std::int64_t seed : settings_.seeds) run_seed(seed);
    } catch (const Error& error) {
      experiment_.fail(error);
      throw;
    }
    return experiment_.finish(
        {{"split", settings_.split},
         {"finding", describe_compression(arrange_compression(experiment_.summary()))}});
  }

private:
  ExperimentSetup setup() {
    const Json identity = base_identity(call_, settings_, tune_prefix, {"tokens"});
    Json config = base_config(identity, settings_);
    for (std::size_t i = 0; i < stages_.size(); ++i)
      config[fmt::format("stages.{}", i + 1)] = identity_of(stages_[i]);
    return {.folder = settings_.folder,
            .identity = identity,
            .event = CompressionPoint::event_name,
            .recipe = call_.file,
            .command = call_.command,
            .config = config,
            .model = [this] { return base_.describe_model(); }};
  }

  // The point of stage i, which is what all stages up to it made.
  ExperimentPoint point_of(std::size_t i, std::int64_t seed) const {
    Json chain = Json::array();
    for (std::size_t k = 0; k <= i; ++k) chain.push_back(identity_of(stages_[k]));
    return {
        fmt::format("seed-{}/{}-{}", seed, i + 1, stages_[i].stage->name),
        fmt::format("seed {}: stage {} of {}: {}", seed, i + 1, stages_.size(), stages_[i].title),
        to_object(CompressionPoint{{.kind = "stage", .seed = seed},
                                   static_cast<std::int64_t>(i + 1),
                                   stages_[i].title,
                                   chain})};
  }

  void run_seed(std::int64_t seed) {
    base_.begin_seed(seed);
    std::string from = base_.model_folder();
    MeasuredPoint before = base_.result();
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      const ExperimentPoint point = point_of(i, seed);
      const fs::path out = experiment_.folder_of(point) / "model";
      before = experiment_.take<CompressionPoint>(point, [&](const fs::path& folder) {
        if (watcher_.say) watcher_.say(point.title);
        const double seconds = stages_[i].stage->run(call_of(i, seed, from, folder));
        CompressionPoint result = measure(point, load_model({.name = out.string()}), before);
        result.seconds += seconds;
        return result;
      });
      from = out.string();
    }
  }

  StageCall call_of(std::size_t i, std::int64_t seed, const std::string& from,
                    const fs::path& folder) const {
    return {.model = from,
            .out = folder / "model",
            .work = folder / "work",
            .values = stages_[i].values,
            .training = settings_.point_training,
            .data = settings_.data,
            .tokenizer = settings_.tokenizer,
            .data_settings = call_.settings.data,
            .seed = seed,
            .max_length = call_.settings.values.integer_or("max_length", 0),
            .command = call_.command,
            .watcher = watcher_};
  }

  CompressionPoint measure(const ExperimentPoint& point, const Model& model,
                           const MeasuredPoint& before) {
    CompressionPoint result{base_.measure(point, model)};
    result.p_before = SweepBase::compare(before, result);
    result.cost = base_.cost(model, experiment_.folder_of(point) / "model",
                             call_.settings.values.integer_or("tokens", 0));
    return result;
  }

  const RecipeCall& call_;
  const RunWatcher& watcher_;
  BaseSettings settings_;
  std::vector<PlannedStage> stages_;
  Experiment experiment_;
  SweepBase base_;
};

}  // namespace

std::vector<OptionSpec> compression_options() {
  std::vector<OptionSpec> specs = base_options(tune_prefix, "trainings of stages");
  specs.push_back(latency_tokens_option());
  return specs;
}

RecipeList compression_stages() {
  RecipeList list{{"stages",
                   "transforms and trainings, each of what the one before it left",
                   {{.name = "name", .default_value = "", .help = "what tables call the stage"}}}};
  list.kind_key = "do";
  for (const Stage& stage : stage_table()) list.kinds.push_back(stage);
  return list;
}

Json run_compression(const RecipeCall& call, const RunWatcher& watcher) {
  return Compression(call, watcher).run();
}

}  // namespace hone
