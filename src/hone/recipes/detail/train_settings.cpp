#include "hone/recipes/train_run.hpp"

namespace hone {
namespace {

// Settings of a run beside those of the loop: what is read, and what is done around it.
std::vector<TrainOption> run_settings() {
  const std::optional<OptionValue> unset;
  return {{{.name = "split",
            .default_value = "train",
            .help = "the split to train on",
            .choices = {"train", "test"}},
           true},
          {{"max_length", OptionType::integer, unset,
            "longest text in tokens; the end is cut; default: what the model takes", 1, 1e6},
           true},
          {{"threads", OptionType::integer, unset, "threads; default: all cores", 1, 4096}, true},
          {{.name = "trace",
            .default_value = unset,
            .help = "write a JSON line a step: step loss grad_norm lr tokens seconds"},
           true},
          {{"fresh_head", OptionType::boolean, false,
            "start a new classifier for the labels of the data; that of the model is dropped"},
           true},
          {{.name = "lora",
            .default_value = unset,
            .help = "train an adapter of low rank beside frozen weights: keys and values joined by "
                    "commas, as rank=8,alpha=16,dropout=0.1,targets=query+value (all keys below); "
                    "'default' takes them as they are"},
           true},
          {{"validation", OptionType::real, unset,
            "share of train kept for validation; default: 0.1, with --order 0", 0, 0.9}}};
}

// The settings of the loop, then those of the run around it.
std::vector<TrainOption> all_settings() {
  std::vector<TrainOption> all = train_options();
  for (TrainOption& setting : run_settings()) all.push_back(std::move(setting));
  std::erase_if(all, [](const TrainOption& option) { return option.spec.name.empty(); });
  return all;
}

}  // namespace

const std::vector<OptionSpec>& train_settings() {
  static const std::vector<OptionSpec> settings = [] {
    std::vector<OptionSpec> specs;
    for (TrainOption& option : all_settings()) specs.push_back(std::move(option.spec));
    return specs;
  }();
  return settings;
}

const std::vector<std::string>& train_flags() {
  static const std::vector<std::string> flags = [] {
    std::vector<std::string> names;
    for (const TrainOption& option : all_settings())
      if (option.is_flag) names.push_back(option.spec.name);
    return names;
  }();
  return flags;
}

}  // namespace hone
