#include "hone/recipes/detail/reference_search.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

const char* const quantization_space = "graph/quantize/mixed_precision_ptq";
const char* const not_given = "NA";

struct Named {
  const char* theirs;
  const char* ours;
};
using Entries = std::vector<std::pair<std::string, const toml::node*>>;

// In the order of the file.
Entries entries_of(const toml::table& table) {
  std::vector<std::pair<toml::source_position, std::string>> order;
  for (const auto& [key, node] : table) order.emplace_back(key.source().begin, key.str());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
  });
  Entries entries;
  for (const auto& [place, key] : order) entries.emplace_back(key, table.get(key));
  return entries;
}

class Translation {
public:
  Translation(const toml::table& root, const std::string& file) : root_(root), file_(file) {}

  TranslatedSearch translate() {
    read_basics();
    const toml::table& search = table_of(root_, "search", "search");
    check_keys(search, {"search_space", "strategy"}, "[search]");
    read_strategy(table_of(search, "strategy", "search.strategy"));
    read_space(table_of(search, "search_space", "search.search_space"));
    std::string text;
    for (const std::string& note : notes_) text += "# Left out: " + note + "\n";
    text += "recipe = \"search\"\n" + keys_ + training_ + nodes_;
    return {text, notes_};
  }

private:
  [[noreturn]] void refuse(const toml::node& at, const std::string& what,
                           const std::string& hint = "") const {
    throw Error(ErrorCode::unsupported, fmt::format("{}: {}", toml_place(file_, at), what), hint);
  }

  const toml::table& table_of(const toml::table& parent, const char* key,
                              const std::string& name) const {
    const toml::table* table = parent.get_as<toml::table>(key);
    if (table == nullptr)
      throw Error(ErrorCode::bad_format, fmt::format("{}: [{}] is missing", file_, name));
    return *table;
  }

  void check_keys(const toml::table& table, const std::vector<std::string>& known,
                  const std::string& of) const {
    for (const auto& [key, node] : table)
      if (std::find(known.begin(), known.end(), key.str()) == known.end())
        refuse(node, fmt::format("{}: unknown key '{}'", of, printable(key.str())),
               did_you_mean(key.str(), known));
  }

  std::string text_of(const toml::node& node, const std::string& key) const {
    return toml_text(node, key, file_);
  }

  // A value as hone's file has it.
  std::string toml_of(const toml::node& node, const std::string& key) const {
    if (!node.is_string()) return text_of(node, key);
    std::string quoted = "\"";
    for (const char c : text_of(node, key)) {
      if (static_cast<unsigned char>(c) < 0x20)
        refuse(node, fmt::format("key '{}': control characters in a text", key));
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted + "\"";
  }

  void leave_out(const std::string& what) { notes_.push_back(what); }

  void set(std::string& into, const char* key, const toml::node& node) const {
    into += fmt::format("{} = {}\n", key, toml_of(node, key));
  }

  // Model, data and what stands above the tables.
  void read_basics() {
    static const std::array<std::string, 16> others{"accelerator",        "max_epochs",
                                                    "learning_rate",      "weight_decay",
                                                    "training_optimizer", "accumulate_grad_batches",
                                                    "num_workers",        "num_devices",
                                                    "num_nodes",          "log_every_n_steps",
                                                    "log_level",          "project_dir",
                                                    "to_debug",           "strategy",
                                                    "auto_requeue",       "disable_dataset_cache"};
    std::vector<std::string> left, actions;
    std::map<std::string, const toml::node*> given;
    for (const auto& [key, node] : entries_of(root_)) {
      if (key == "search") continue;
      if (key == "passes" || key == "transform")
        actions.push_back(fmt::format("[{}]", key));
      else if (std::find(others.begin(), others.end(), key) != others.end())
        left.push_back(key);
      else
        given[key] = node;
    }
    const auto take = [&](const char* key) {
      const auto found = given.find(key);
      if (found == given.end()) return static_cast<const toml::node*>(nullptr);
      const toml::node* node = found->second;
      given.erase(found);
      return node;
    };
    if (const toml::node* task = take("task"))
      if (const std::string name = text_of(*task, "task");
          name != "cls" && name != "classification")
        refuse(*task, fmt::format("hone has no task '{}'", printable(name)),
               "task = \"cls\": it classifies texts");
    const toml::node* kind = take("load_type");
    const toml::node* model = take("model");
    if (const toml::node* name = take("load_name")) {
      if (kind != nullptr && text_of(*kind, "load_type") != "hf")
        refuse(*kind,
               fmt::format("hone does not read models of load_type '{}'",
                           printable(text_of(*kind, "load_type"))),
               "save it as a Hugging Face directory: load_type = \"hf\", load_name = its folder");
      model = name;
    }
    take("is_pretrained");  // (A folder is, a built-in name is not.)
    if (model != nullptr) set(keys_, "model", *model);
    if (const toml::node* data = take("dataset")) set(keys_, "data", *data);
    for (const Named& one : {Named{"project", "name"}, {"seed", "seed"}})
      if (const toml::node* node = take(one.theirs)) set(keys_, one.ours, *node);
    if (const toml::node* node = take("max_token_len")) set(training_, "max_length", *node);
    batch_ = take("batch_size");
    if (!given.empty()) {
      const std::vector<std::string> known{
          "model",         "dataset",       "task",       "load_name", "load_type",
          "is_pretrained", "max_token_len", "batch_size", "seed",      "project"};
      refuse(*given.begin()->second,
             fmt::format("unknown key '{}'", printable(given.begin()->first)),
             did_you_mean(given.begin()->first, known));
    }
    if (!left.empty())
      leave_out(fmt::format("{}: of other actions, or of the machine (hone runs on its cores)",
                            fmt::join(left, ", ")));
    if (!actions.empty()) leave_out(fmt::format("{}: of other actions", fmt::join(actions, ", ")));
  }

  void read_strategy(const toml::table& strategy) {
    check_keys(strategy, {"name", "eval_mode", "sw_runner", "hw_runner", "setup", "metrics"},
               "[search.strategy]");
    if (const toml::node* name = strategy.get("name"); name != nullptr)
      if (const std::string text = text_of(*name, "name"); text != "optuna")
        refuse(*name, fmt::format("hone has no search strategy '{}'", printable(text)),
               "name = \"optuna\": its samplers are hone's (hone list samplers; grid tries all)");
    const toml::table* runners = strategy.get_as<toml::table>("sw_runner");
    bool trains = false;
    for (const auto& [key, node] : runners == nullptr ? Entries{} : entries_of(*runners)) {
      const toml::table* runner = node->as_table();
      if (runner == nullptr || (key != "basic_evaluation" && key != "basic_train"))
        refuse(*node, fmt::format("hone has no runner '{}'", printable(key)),
               "basic_train, basic_evaluation");
      if (key == "basic_evaluation") {
        read_evaluation(*runner);
      } else {
        trains = true;
        read_training(*runner);
      }
    }
    if (!trains) {
      training_ += "training = false\n";
      if (batch_ != nullptr) leave_out("batch_size: nothing is trained");
    } else if (batch_ != nullptr) {
      set(training_, "batch", *batch_);
    }
    read_setup(table_of(strategy, "setup", "search.strategy.setup"));
    read_metrics(table_of(strategy, "metrics", "search.strategy.metrics"));
  }

  void read_evaluation(const toml::table& runner) {
    check_keys(runner, {"data_loader", "dataloader", "num_samples"}, "basic_evaluation");
    for (const char* key : {"data_loader", "dataloader"})
      if (const toml::node* node = runner.get(key))
        if (const std::string name = text_of(*node, key);
            name != "val_dataloader" && name != "val" && name != "validation")
          refuse(*node,
                 fmt::format("hone selects on a validation split, not on '{}'", printable(name)),
                 "data_loader = \"val_dataloader\": the test split is for the winner, once");
    if (runner.contains("num_samples"))
      leave_out("num_samples of basic_evaluation: the whole validation split is evaluated");
  }

  void read_training(const toml::table& runner) {
    static const std::array<Named, 6> names{{{"optimizer", "optimizer"},
                                             {"learning_rate", "lr"},
                                             {"weight_decay", "weight_decay"},
                                             {"lr_scheduler", "schedule"},
                                             {"num_warmup_steps", "warmup"},
                                             {"gradient_accumulation_steps", "accumulate"}}};
    std::vector<std::string> known{"max_epochs", "num_samples"};
    for (const Named& one : names) known.emplace_back(one.theirs);
    check_keys(runner, known, "basic_train");
    for (const Named& one : names)
      if (const toml::node* node = runner.get(one.theirs)) set(training_, one.ours, *node);
    const std::int64_t samples = runner["num_samples"].value_or<std::int64_t>(-1);
    const std::int64_t batch =
        batch_ == nullptr ? 8 : std::max<std::int64_t>(1, batch_->value_or<std::int64_t>(8));
    // (-1: as the other says.)
    if (samples > 0)
      training_ += fmt::format("steps = {}\n", (samples + batch - 1) / batch);
    else if (const toml::node* epochs = runner.get("max_epochs");
             epochs != nullptr && epochs->value_or(-1.0) > 0)
      set(training_, "epochs", *epochs);
    if (samples > 0 && runner.contains("max_epochs"))
      leave_out("max_epochs of basic_train: num_samples says how long");
  }

  void read_setup(const toml::table& setup) {
    check_keys(setup,
               {"n_jobs", "n_trials", "timeout", "sampler", "sum_scaled_metrics", "direction",
                "model_parallel", "runner_style", "save_every_n_trials", "pkl_ckpt"},
               "[search.strategy.setup]");
    for (const Named& one :
         {Named{"n_trials", "trials"}, {"n_jobs", "jobs"}, {"timeout", "timeout"}})
      if (const toml::node* node = setup.get(one.theirs)) set(keys_, one.ours, *node);
    if (const toml::node* node = setup.get("sampler")) {
      std::string name = text_of(*node, "sampler");
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      static const std::array<Named, 4> samplers{
          {{"random", "random"}, {"tpe", "tpe"}, {"nsgaii", "nsga2"}, {"qmc", "qmc"}}};
      const auto found = std::find_if(samplers.begin(), samplers.end(),
                                      [&](const Named& one) { return name == one.theirs; });
      if (found == samplers.end())
        refuse(*node, fmt::format("hone has no sampler '{}'", printable(name)),
               "random, tpe, nsgaii, qmc");
      keys_ += fmt::format("sampler = \"{}\"\n", found->ours);
    }
    if (const toml::node* node = setup.get("model_parallel"); node && node->value_or(false))
      refuse(*node, "hone does not spread a model over devices", "model_parallel = false");
    if (const toml::node* node = setup.get("pkl_ckpt"))
      refuse(*node, "a pickled study is a program, which hone does not run",
             "the same command again goes on with its own study");
    if (setup.contains("save_every_n_trials"))
      leave_out("save_every_n_trials: each trial is kept when it ends");
    sum_ = setup["sum_scaled_metrics"].value_or(false);
    direction_ = setup.get("direction");
    if (sum_ && direction_ == nullptr)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: sum_scaled_metrics needs a direction", toml_place(file_, setup)),
                  "direction = \"maximize\"");
    if (!sum_ && direction_ != nullptr)
      leave_out("direction: each metric has its own where they are not summed");
  }

  // Which of hone's a metric is, and whether more of it is better.
  struct Metric {
    const char* theirs;
    const char* ours;
    bool more_is_better;
  };

  void read_metrics(const toml::table& metrics) {
    static const std::array<Metric, 4> known{{{"accuracy", "accuracy", true},
                                              {"average_bitwidth", "bits", false},
                                              {"latency", "latency", false},
                                              {"loss", "loss", false}}};
    std::vector<std::string> objectives, directions;
    std::vector<double> weights;
    bool scaled = false;
    // (By name, as there: values of trials are in this order.)
    for (const auto& [inner, node] : metrics) {
      const std::string key(inner.str());
      const auto found = std::find_if(known.begin(), known.end(),
                                      [&](const Metric& one) { return key == one.theirs; });
      const toml::table* metric = node.as_table();
      if (found == known.end() || metric == nullptr)
        refuse(node, fmt::format("hone measures no metric '{}' here", printable(key)),
               "accuracy, average_bitwidth, latency, loss");
      check_keys(*metric, {"scale", "direction"}, fmt::format("metric '{}'", key));
      const double scale = (*metric)["scale"].value_or(1.0);
      scaled = scaled || scale != 1;
      objectives.push_back(fmt::format("\"{}\"", found->ours));
      if (sum_) {
        weights.push_back(weight_of(*found, scale, node));
        continue;
      }
      if (scale <= 0)
        refuse(*metric->get("scale"), fmt::format("metric '{}': a scale of {}", key, scale),
               "its direction says what is better");
      const toml::node* direction = metric->get("direction");
      if (direction == nullptr)
        refuse(node, fmt::format("metric '{}' has no direction", key),
               "direction = \"minimize\", or \"maximize\"");
      directions.push_back(toml_of(*direction, "direction"));
    }
    if (objectives.empty())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: there is no metric", toml_place(file_, metrics)),
                  "accuracy.scale = 1.0, accuracy.direction = \"maximize\"");
    keys_ += fmt::format("objectives = [{}]\n", fmt::join(objectives, ", "));
    // (A sum of one is that metric.)
    if (sum_ && objectives.size() > 1)
      keys_ += fmt::format("weights = [{}]\n", fmt::join(weights, ", "));
    if (!sum_) keys_ += fmt::format("directions = [{}]\n", fmt::join(directions, ", "));
    if (scaled && (!sum_ || objectives.size() == 1))
      leave_out("scale: who is better than whom does not depend on it");
  }

  // Of a metric in the sum that hone maximizes, where each counts in its better direction.
  double weight_of(const Metric& metric, double scale, const toml::node& at) const {
    const std::string direction = text_of(*direction_, "direction");
    if (direction != "maximize" && direction != "minimize")
      refuse(*direction_, fmt::format("'{}' is no direction", printable(direction)),
             "maximize, or minimize");
    const double weight = (direction == "maximize") == metric.more_is_better ? scale : -scale;
    if (weight <= 0)
      refuse(at,
             fmt::format("metric '{}' with scale {} in a sum to {}: the worse it is the better",
                         metric.theirs, scale, direction),
             scale == 0 ? "leave it out" : fmt::format("scale = {}", -scale));
    return weight;
  }

  void read_space(const toml::table& space) {
    check_keys(space, {"name", "setup", "seed"}, "[search.search_space]");
    const toml::node* name = space.get("name");
    if (name == nullptr || text_of(*name, "name") != quantization_space)
      refuse(name == nullptr ? static_cast<const toml::node&>(space) : *name,
             fmt::format("hone has no search space '{}'",
                         name == nullptr ? "" : printable(text_of(*name, "name"))),
             fmt::format("name = \"{}\"; sizes and what is trained go into the [space] of a search "
                         "file (docs/search.md)",
                         quantization_space));
    const toml::table& setup = table_of(space, "setup", "search.search_space.setup");
    check_keys(setup, {"by"}, "[search.search_space.setup]");
    const std::string by = setup.contains("by") ? text_of(*setup.get("by"), "by") : "";
    if (by != "name" && by != "type")
      refuse(setup, fmt::format("by = '{}'", printable(by)), "by = \"name\", or \"type\"");
    const toml::table* otherwise = nullptr;
    for (const auto& [key, node] :
         entries_of(table_of(space, "seed", "search.search_space.seed"))) {
      const toml::table* seed = node->as_table();
      if (seed == nullptr) refuse(*node, fmt::format("seed '{}' is a table", printable(key)));
      if (seed->contains("config")) seed = &table_of(*seed, "config", key + ".config");
      if (key == "default")
        otherwise = seed;
      else if (by == "name")
        add_nodes(selection_of(key, *seed), *seed);
      else if (key == "linear" || key == "embedding")
        add_nodes(key, *seed);
      else if (!is_left_alone(*seed))
        refuse(*seed, fmt::format("hone gives no formats to nodes of type '{}'", printable(key)),
               "linear, embedding");
    }
    // The first that matches a node wins: this one has what is left.
    if (otherwise != nullptr && !is_left_alone(*otherwise)) add_nodes("linear", *otherwise);
    if (nodes_.empty())
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: no seed gives a format: there is nothing to search",
                              toml_place(file_, space)));
  }

  // A module's path with "_" for each "." there: the other way round it is a pattern.
  std::string selection_of(const std::string& name, const toml::node& at) const {
    std::string pattern = "(?:";
    for (const char c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.')
        refuse(at, fmt::format("'{}' is no name of a node", printable(name)));
      if (c == '_' || c == '.')
        pattern += c == '_' ? "[._]" : "[.]";
      else
        pattern += c;
    }
    return pattern + ")";
  }

  static std::vector<const toml::node*> choices_of(const toml::node& node) {
    std::vector<const toml::node*> choices;
    if (const toml::array* list = node.as_array())
      for (const toml::node& one : *list) choices.push_back(&one);
    else
      choices.push_back(&node);
    return choices;
  }

  bool is_left_alone(const toml::table& seed) const {
    const toml::node* name = seed.get("name");
    if (name == nullptr) return false;
    const auto choices = choices_of(*name);
    return std::all_of(choices.begin(), choices.end(), [&](const toml::node* one) {
      return one->is_string() && text_of(*one, "name") == not_given;
    });
  }

  void add_nodes(const std::string& nodes, const toml::table& seed) {
    const toml::node* name = seed.get("name");
    if (name == nullptr) refuse(seed, "a seed has no 'name': the formats to choose from");
    std::string text = fmt::format("[[space.nodes]]\nnodes = \"{}\"\n", nodes);
    for (const auto& [key, node] : entries_of(seed)) {
      if (key == "bypass") {
        if (node->value_or(true)) refuse(*node, "bypass = true gives no format", "name = \"NA\"");
        continue;
      }
      if (key.ends_with("_skip_first_dim")) {
        leave_out(fmt::format("{}: blocks never reach over texts", key));
        continue;
      }
      std::vector<std::string> values;
      for (const toml::node* one : choices_of(*node)) {
        const bool missing = one->is_string() && text_of(*one, key) == not_given;
        if (missing)
          values.emplace_back(key == "name" ? "\"none\"" : "\"default\"");
        else if (one->is_array())
          values.push_back("\"" + text_of(*one, key) + "\"");  // the sides of a block
        else
          values.push_back(toml_of(*one, key));
      }
      if (values == std::vector<std::string>{"\"default\""}) continue;
      text += fmt::format("{} = [{}]\n", key == "name" ? "format" : key, fmt::join(values, ", "));
    }
    nodes_ += text;
  }

  const toml::table& root_;
  const std::string& file_;
  std::vector<std::string> notes_;
  std::string keys_, training_, nodes_;
  const toml::node* batch_ = nullptr;
  const toml::node* direction_ = nullptr;
  bool sum_ = false;
};

}  // namespace

bool is_reference_search(const toml::table& root) {
  return !root.contains("recipe") && root["search"]["search_space"].is_table();
}

TranslatedSearch translate_reference_search(const toml::table& root, const std::string& file) {
  return Translation(root, file).translate();
}

}  // namespace hone
