#include "hone/recipes/network_objective.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/train_inputs.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/recipes/network_space.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/options.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t tokens_of_a_text = 128;
const char* const point_attribute = "hone:point";

bool is_training_key(const std::string& key) {
  const std::vector<OptionSpec>& known = train_settings();
  return std::any_of(known.begin(), known.end(),
                     [&](const OptionSpec& spec) { return spec.name == key; });
}

// Keys that are neither of the training nor of the network.
const std::set<std::string>& own_keys() {
  static const std::set<std::string> keys{"model", "data", "tokenizer", "training"};
  return keys;
}

std::string text_of(const Json& value) { return value.is_string() ? value.text() : value.dump(); }

std::string own_value(const SearchSettings& settings, const std::string& key) {
  for (const auto& [name, value] : settings.training)
    if (name == key) return value;
  return "";
}

// False: a trial's model is judged as it was changed.
bool trains(const SearchSettings& settings) { return own_value(settings, "training") != "false"; }

// Settings that count without training.
bool is_of_judging(const std::string& key) {
  static const std::set<std::string> keys{"max_length", "validation", "seed", "threads", "mode"};
  return keys.contains(key) || !is_training_key(key);
}

void check_training_keys(const SearchSettings& settings) {
  const std::string training = own_value(settings, "training");
  if (training.empty() || training == "true") return;
  if (training != "false")
    throw Error(ErrorCode::invalid_argument,
                fmt::format("key 'training': '{}'", printable(training)), "true or false");
  const std::string model = own_value(settings, "model");
  if (!fs::is_directory(model))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("training = false: '{}' starts at random", printable(model)),
                "model = the folder of one that is trained");
  std::vector<std::string> all;
  for (const auto& [key, value] : settings.training)
    if (!own_keys().contains(key)) all.push_back(key);
  for (const Dimension& dimension : settings.worker.space.dimensions())
    all.push_back(dimension.name());
  for (const std::string& key : all)
    if (!is_of_judging(key))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("key '{}' changes nothing: training = false", key), "leave it out");
}

// Values of a trial by parameter; null where it has none.
using Values = std::map<std::string, Json>;

Values values_of(const Space& space, const Assignment& assignment) {
  Values values;
  for (const auto& [name, internal] : assignment)
    if (const Dimension* dimension = space.find(name))
      values[name] = dimension->distribution().value_of(internal);
  return values;
}

// What decides a trial's result.
struct Configuration {
  Settings settings;
  Values nodes;

  Json identity(const SearchSettings& search) const {
    Json json = Json::object();
    for (const char* key : {"model", "data", "tokenizer"}) json[key] = own_value(search, key);
    if (!trains(search)) json["training"] = false;
    for (const auto& [key, value] : settings.values.values())
      if (key != "threads" && key != "checkpoint_every") json["settings"][key] = to_string(value);
    for (const auto& [key, value] : settings.model) json["sizes"][key] = value;
    for (const auto& [key, value] : settings.data) json["data_options"][key] = value;
    json["choices"] = to_json(search.nodes);
    for (const auto& [key, value] : nodes) json["nodes"][key] = value;
    return json;
  }
};

Configuration configuration_of(const SearchSettings& search, const Values& values) {
  TextSettings all;
  for (const auto& [key, value] : search.training)
    if (!own_keys().contains(key)) all.emplace_back(key, value);
  Configuration made;
  for (const auto& [name, value] : values) {
    if (name.find('.') != std::string::npos && !name.starts_with("data.")) {
      made.nodes[name] = value;
      continue;
    }
    std::erase_if(all, [&, &key = name](const auto& old) { return old.first == key; });
    all.emplace_back(name, text_of(value));
  }
  const std::string model = own_value(search, "model");
  made.settings = sort_settings(all, train_settings(), !fs::is_directory(model), "a search");
  return made;
}

void transform(Model& model, const SearchSettings& search, const Configuration& configuration) {
  apply_node_choices(model, search.nodes, [&](const std::string& parameter) {
    const auto found = configuration.nodes.find(parameter);
    return found == configuration.nodes.end() ? Json() : found->second;
  });
}

struct Metric : NetworkMetric {
  double (*measure)(const Model& packed, const Evaluation& evaluation);
};

double sum_layers(const Model& model, const auto& of) {
  double sum = 0;
  for (const LayerEntry& layer : describe_layers(model, tokens_of_a_text)) sum += of(layer);
  return sum;
}

double or_zero(double value) { return std::isnan(value) ? 0 : value; }

double bits_per_number(const Model& model) {
  const auto of_linear = [](double LayerEntry::*member) {
    return [member](const LayerEntry& layer) {
      return layer.op == "linear" ? or_zero(layer.*member) : 0;
    };
  };
  return 8 * sum_layers(model, of_linear(&LayerEntry::bytes)) /
         sum_layers(model, of_linear(&LayerEntry::parameters));
}

double bit_operations(const Model& model) {
  std::map<std::string, std::map<Slot, double>> bits;
  for (const NodeFormats& node : formats_of(model.graph))
    for (const auto& [slot, choice] : node.slots)
      bits[node.node][slot] = choice.bind()->bits_per_value({768, 768});
  return sum_layers(model, [&](const LayerEntry& layer) {
    double product = or_zero(layer.macs_per_token) * tokens_of_a_text;
    for (const Slot slot : {Slot::data_in, Slot::weight}) {
      const auto node = bits.find(layer.name);
      const bool given = node != bits.end() && node->second.contains(slot);
      product *= given ? node->second.at(slot) : 32;
    }
    return product;
  });
}

double latency_of(const Model& model) {
  return measure_latency({{"trial", model}}, {.tokens = tokens_of_a_text}).front().median;
}

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all{
      {{"accuracy", Direction::maximize, "share of the validation samples that are right"},
       [](const Model&, const Evaluation& e) { return e.accuracy; }},
      {{"macro_f1", Direction::maximize, "mean over the classes of F1"},
       [](const Model&, const Evaluation& e) { return metric_value(e, "macro_f1"); }},
      {{"loss", Direction::minimize, "mean over the validation samples"},
       [](const Model&, const Evaluation& e) { return e.loss; }},
      {{"bytes", Direction::minimize, "of all weights as they are stored"},
       [](const Model& m, const Evaluation&) { return static_cast<double>(tensor_bytes(m)); }},
      {{"bits", Direction::minimize, "stored for each number of the linear nodes, on average"},
       [](const Model& m, const Evaluation&) { return bits_per_number(m); }},
      {{"macs", Direction::minimize, "multiply-adds of a text of 128 tokens"},
       [](const Model& m, const Evaluation&) {
         return sum_layers(m, [](const LayerEntry& layer) {
           return or_zero(layer.macs_per_token) * tokens_of_a_text;
         });
       }},
      {{"bit_operations", Direction::minimize, "multiply-adds times the bits of both factors"},
       [](const Model& m, const Evaluation&) { return bit_operations(m); }},
      {{"latency", Direction::minimize, "seconds of a text of 128 tokens, measured"},
       [](const Model& m, const Evaluation&) { return latency_of(m); }}};
  return all;
}

fs::path search_folder(const SearchSettings& settings) {
  return fs::path(settings.folder) / settings.place;
}

class NetworkObjective : public Objective {
public:
  NetworkObjective(const SearchSettings& settings, Study& study, const RunWatcher& watcher)
      : settings_(settings), study_(study), watcher_(watcher) {}

  Telling compute(const Trial& trial, TrialWatcher& watcher) override {
    const Configuration configuration =
        configuration_of(settings_, values_of(settings_.worker.space, trial.assignment()));
    const Json identity = configuration.identity(settings_);
    const std::string name = sha256(identity.dump()).substr(0, 16);
    const fs::path folder = search_folder(settings_) / "points" / name;
    Telling telling;
    telling.user_attributes[point_attribute] = name;
    try {
      const std::optional<FolderLock> lock = wait_for(folder, watcher);
      Json result;
      if (fs::exists(folder / "result.json")) {
        result = parse_json(read_file(folder / "result.json"), (folder / "result.json").string());
        telling.user_attributes["hone:reused"] = true;
        if (watcher_.say)
          watcher_.say(fmt::format("trial {}: computed before: {}", trial.number, name));
      } else {
        if (!trains(settings_)) {
          Model model = load_model({.name = own_value(settings_, "model")});
          transform(model, settings_, configuration);
          result = judge(std::move(model), folder, identity);
        } else if (!train(configuration, folder, watcher)) {
          telling.state = TrialState::pruned;
          remove_training_weights(folder / "training");
          return telling;
        } else {
          result = judge(load_model({.name = (folder / "training").string()}), folder, identity);
          remove_training_weights(folder / "training");
        }
      }
      for (const std::string& objective : settings_.objectives)
        telling.values.push_back(result.at("metrics").at(objective).get<double>());
      for (const auto& [key, value] : result.at("metrics").items())
        telling.user_attributes[key] = value;
    } catch (const Error& error) {
      // What a trial's own values bring about: a loss that is not finite, say.
      if (error.code() != ErrorCode::numeric && error.code() != ErrorCode::invalid_argument) throw;
      telling = {.state = TrialState::fail,
                 .user_attributes = {{point_attribute, name}, {"hone:error", error.message()}}};
    }
    drop_models(name);
    return telling;
  }

private:
  // Another worker may compute the same configuration: then its result is waited for.
  static FolderLock wait_for(const fs::path& folder, TrialWatcher& watcher) {
    fs::create_directories(folder);
    while (true) {
      try {
        return FolderLock(folder);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::io) throw;
        watcher.check();
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
      }
    }
  }

  // False: the trial is stopped.
  bool train(const Configuration& configuration, const fs::path& folder, TrialWatcher& trial) {
    TrainRequest request;
    request.model = own_value(settings_, "model");
    request.data = own_value(settings_, "data");
    request.tokenizer = own_value(settings_, "tokenizer");
    request.out = folder / "training";
    request.settings = configuration.settings;
    request.transform = [&](Model& model) { transform(model, settings_, configuration); };
    bool stopped = false;
    std::int64_t step = 0;
    RunWatcher watcher = watcher_;
    watcher.on_step = [&](const StepReport& report) {
      step = report.step;
      if (watcher_.on_step) watcher_.on_step(report);
    };
    const std::string& first = settings_.objectives.front();
    watcher.on_evaluation = [&](const Evaluation& evaluation, const std::string& split,
                                double epoch, bool best) {
      if (watcher_.on_evaluation) watcher_.on_evaluation(evaluation, split, epoch, best);
      if (first == "accuracy" || first == "macro_f1" || first == "loss")
        stopped = trial.report(step, metric_value(evaluation, first)) || stopped;
    };
    watcher.stop = [&] { return stopped || (watcher_.stop && watcher_.stop()); };
    // Evaluations of the last step come after its question whether to stop.
    try {
      train_to_the_end(request, watcher);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::interrupted || !stopped) throw;
      trial.check();
      return false;
    }
    return true;
  }

  Json judge(Model model, const fs::path& folder, const Json& identity) {
    const Evaluation evaluation = evaluate_split(settings_, model, "validation", watcher_);
    const fs::path saved = folder / "model";
    if (!formats_of(model.graph).empty()) {
      try {
        pack_weights(model);
      } catch (const Error& error) {
        // A rule may leave numbers that the format has no bits for: stored as they are.
        if (error.code() != ErrorCode::unsupported) throw;
      }
    }
    save_with_tokenizer(model, saved);
    Json measured = Json::object();
    for (const Metric& metric : metrics()) {
      const bool wanted = std::find(settings_.objectives.begin(), settings_.objectives.end(),
                                    metric.name) != settings_.objectives.end();
      // (Measuring takes time.)
      if (wanted || std::string_view(metric.name) != "latency")
        measured[metric.name] = metric.measure(model, evaluation);
    }
    const Json result{{"identity", identity}, {"metrics", measured}};
    write_file_atomically(folder / "result.json", result.dump(1) + "\n");
    return result;
  }

  // Only the best models are kept.
  void drop_models(const std::string& own) {
    study_.refresh();
    std::set<std::string> kept{own};
    for (const std::int64_t number : study_.best())
      kept.insert(point_of(study_.trials().at(static_cast<std::size_t>(number))));
    for (const Trial& trial : study_.trials()) {
      const std::string point = point_of(trial);
      if (!trial.is_finished() || point.empty() || kept.contains(point)) continue;
      std::error_code ignored;
      fs::remove_all(search_folder(settings_) / "points" / point / "model", ignored);
    }
  }

public:
  static std::string point_of(const Trial& trial) {
    const auto found = trial.user_attributes.find(point_attribute);
    return found == trial.user_attributes.end() ? "" : found->second.text();
  }

  static Evaluation evaluate_split(const SearchSettings& settings, const Model& model,
                                   const std::string& split, const RunWatcher& watcher) {
    const Configuration configuration = configuration_of(settings, {});
    const Options& values = configuration.settings.values;
    DataRequest request =
        make_data_request(own_value(settings, "data"), configuration.settings.data);
    const ChosenTokenizer chosen =
        choose_tokenizer(model.directory.empty() ? model.name : model.directory.string(),
                         own_value(settings, "tokenizer"), request.kind);
    request.split = split;
    request.seed = static_cast<std::uint64_t>(values.integer_or("seed", 0));
    if (split == "validation") request.validation = values.real_or("validation", 0.1);
    request.max_length = length_limit(model.limits, chosen, values.integer_or("max_length", 0), {});
    request.labels = label_use(model.head);
    TokenizedData data = load_split(request, chosen.tokenizer, watcher);
    match_labels(data, model, request, {});
    check_samples(model.limits, data);
    Executor forward = make_forward(model, parse_mode(values.text_or("mode", "compiled")));
    EvaluateOptions options;
    options.stop = watcher.stop;
    options.progress = [&](std::int64_t done) {
      if (watcher.work) watcher.work("evaluating " + split, done, data.size());
    };
    return evaluate(forward, samples_of(model, data), options);
  }

private:
  SearchSettings settings_;
  Study& study_;
  const RunWatcher& watcher_;
};

// The assignment of the first values of everything, with some that are wanted; what those depend on
// is chosen so that they exist.
Assignment assignment_with(const Space& space, const std::string& name, double value) {
  std::map<std::string, double> wanted{{name, value}};
  for (auto i = space.dimensions().rbegin(); i != space.dimensions().rend(); ++i)
    if (wanted.contains(i->name()))
      for (const Condition& condition : i->when)
        wanted.emplace(condition.parameter,
                       space.find(condition.parameter)
                           ->distribution()
                           .internal_of(condition.values.front(), condition.parameter));
  Assignment values;
  for (const Dimension& dimension : space.dimensions()) {
    if (!space.exists(dimension, values)) continue;
    const Distribution& of = dimension.distribution();
    const auto found = wanted.find(dimension.name());
    values[dimension.name()] = found != wanted.end()                      ? found->second
                               : of.kind == DistributionKind::categorical ? 0
                                                                          : of.low;
  }
  return values;
}

std::string fingerprint(const SearchSettings& settings, const Assignment& assignment) {
  const Configuration configuration =
      configuration_of(settings, values_of(settings.worker.space, assignment));
  Model model = load_model({.name = own_value(settings, "model"),
                            .settings = configuration.settings.model,
                            .seed = make_train_options(configuration.settings.values).seed});
  transform(model, settings, configuration);
  std::string text = print_graph(model.graph);
  for (const std::string& name : model.tensors.names()) {
    const Tensor& tensor = model.tensors.at(name);
    // Masks and their like: the fresh weights follow from sizes and seed.
    if (tensor.dtype() == DType::u8)
      text +=
          name +
          sha256(std::as_bytes(std::span(static_cast<const char*>(tensor.data()), tensor.bytes())));
  }
  if (trains(settings)) text += describe(make_train_options(configuration.settings.values)).dump();
  for (const auto& [key, value] : configuration.settings.values.values())
    if (trains(settings) || is_of_judging(key)) text += key + to_string(value);
  for (const auto& [key, value] : configuration.settings.data) text += key + value;
  return text;
}

}  // namespace

const std::vector<NetworkMetric>& network_metrics() {
  static const std::vector<NetworkMetric> all(metrics().begin(), metrics().end());
  return all;
}

Space network_space(const SearchSettings& settings) {
  const std::string model = own_value(settings, "model");
  for (const char* key : {"model", "data"})
    if (own_value(settings, key).empty())
      throw Error(ErrorCode::invalid_argument, fmt::format("a search needs the key '{}'", key),
                  "or an objective_command");
  check_training_keys(settings);
  std::vector<Dimension> all = settings.worker.space.dimensions();
  std::vector<Dimension> sizes;
  for (const Dimension& dimension : all)
    if (!is_training_key(dimension.name()) && !dimension.name().starts_with("data.") &&
        dimension.name().find('.') == std::string::npos)
      sizes.push_back({dimension.parameter});
  const Space size_space(sizes);
  const auto graph_of = [&](const Assignment& values) {
    const Configuration configuration = configuration_of(settings, values_of(size_space, values));
    return source_graph(model, configuration.settings.model);
  };
  // (Names that are no sizes are refused here, with the nearest that are.)
  for (const Dimension& size : sizes)
    graph_of({{size.name(), size.distribution().kind == DistributionKind::categorical
                                ? 0
                                : size.distribution().low}});
  for (Dimension& dimension : expand_node_choices(settings.nodes, sizes, graph_of))
    all.push_back(std::move(dimension));
  return Space(std::move(all));
}

void check_dimensions(const SearchSettings& settings) {
  const Space& space = settings.worker.space;
  // Dimensions without conditions begin with the same assignment.
  std::map<Assignment, std::string> known;
  const auto print_of = [&](const std::string& name, double value) -> const std::string& {
    const Assignment assignment = assignment_with(space, name, value);
    std::string& print = known[assignment];
    if (print.empty()) print = fingerprint(settings, assignment);
    return print;
  };
  for (const Dimension& dimension : space.dimensions()) {
    const Distribution& of = dimension.distribution();
    const bool categorical = of.kind == DistributionKind::categorical;
    const std::int64_t count = categorical ? of.count() : 2;
    bool changes = false;
    const std::string& first = print_of(dimension.name(), categorical ? 0 : of.low);
    for (std::int64_t k = 1; k < count && !changes; ++k)
      changes = first != print_of(dimension.name(), categorical ? static_cast<double>(k) : of.high);
    if (!changes)
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("parameter '{}' has no effect: with each of its values the graph, the "
                      "tensors and the training are the same",
                      dimension.name()),
          count < 2 ? "it has one value; set it outside of [space]" : "leave it out");
  }
}

std::unique_ptr<Objective> network_objective(const SearchSettings& settings, Study& study,
                                             const RunWatcher& watcher) {
  return std::make_unique<NetworkObjective>(settings, study, watcher);
}

Json judge_winners(const SearchSettings& settings, Study& study, const RunWatcher& watcher) {
  study.refresh();
  study.refresh_data();
  const auto before = study.data().user_attributes.find("hone:test");
  Json judged = before == study.data().user_attributes.end() ? Json::array() : before->second;
  bool added = false;
  for (const std::int64_t number : study.best()) {
    bool is_there = false;
    for (const Json& one : judged) is_there = is_there || one.at("trial") == Json(number);
    if (is_there) continue;
    const Trial& trial = study.trials().at(static_cast<std::size_t>(number));
    const fs::path folder =
        search_folder(settings) / "points" / NetworkObjective::point_of(trial) / "model";
    if (!fs::exists(folder)) continue;
    const Model model = load_model({.name = folder.string()});
    const Evaluation test = NetworkObjective::evaluate_split(settings, model, "test", watcher);
    judged.push_back({{"trial", number},
                      {"accuracy", test.accuracy},
                      {"low", test.interval.low},
                      {"high", test.interval.high},
                      {"loss", test.loss},
                      {"model", folder.string()}});
    added = true;
  }
  if (added) study.storage().set_study_attributes(study.data().id, {{"hone:test", judged}}, {});
  return judged;
}

}  // namespace hone
