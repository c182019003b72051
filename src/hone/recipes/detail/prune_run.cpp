#include "hone/recipes/prune_run.hpp"
#include "hone/graph/selection.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/remove.hpp"
#include "hone/recipes/detail/prune_plan.hpp"
#include "hone/recipes/detail/prune_record.hpp"
#include "hone/recipes/detail/run_folder.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/run/clock.hpp"
#include "hone/train/saliency.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// The samples that methods look at: of what is trained on, none of the validation split.
TokenizedData load_data(const PruneRequest& request, const Model& model,
                        const RunWatcher& watcher) {
  DataRequest data = make_data_request(request.data, request.data_settings);
  data.image = model.image;
  const ChosenTokenizer chosen = choose_tokenizer(request.model, request.tokenizer, data.kind);
  check_fit(model.limits, chosen.tokenizer, chosen.source, {});
  data.split = "train";
  data.labels = label_use(model.head);
  data.max_length = length_limit(model.limits, chosen, request.max_length, {});
  TokenizedData tokens =
      load_tokenized(data, chosen.tokenizer, [&](std::int64_t done, std::int64_t total) {
        if (watcher.work) watcher.work("tokenizing train", done, total);
      });
  check_samples(model.limits, tokens);
  if (request.training) {
    const Options& settings = request.training->settings.values;
    const double share = settings.real_or("validation", settings.contains("order") ? 0.0 : 0.1);
    if (share > 0)
      tokens =
          subset(tokens, cut_validation(tokens.labels, share,
                                        static_cast<std::uint64_t>(settings.integer_or("seed", 0)))
                             .train);
  }
  match_labels(tokens, model, data, {});
  return tokens;
}

// Whether two models have the same masks and the same graph.
bool same_pruning(const Model& a, const Model& b) {
  if (!same_computation(a.graph, b.graph)) return false;
  for (const auto& [weight, mask] : masks_of(a.graph)) {
    const Tensor& x = a.tensors.at(mask);
    const Tensor& y = b.tensors.at(mask);
    if (std::memcmp(x.data(), y.data(), x.bytes()) != 0) return false;
  }
  return true;
}

// Whether two models are one behind their masks, which scores of other threads may set otherwise.
bool same_numbers(const Model& a, const Model& b) {
  if (!same_computation(a.graph, b.graph)) return false;
  for (const Value& value : a.graph.values) {
    if (value.kind != ValueKind::parameter) continue;
    const Tensor& x = a.tensors.at(value.name);
    const Tensor& y = b.tensors.at(value.name);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const float p = x.as<float>()[i], q = y.as<float>()[i];
      if (p != q && p != 0 && q != 0) return false;
    }
  }
  return true;
}

class Run {
public:
  Run(const PruneRequest& request, const RunWatcher& watcher)
      : request_(request), watcher_(watcher), line_(prune_history_line(request)) {}

  PruneOutcome run() {
    check_request(request_);
    const double begin = now_seconds();
    const RunEvent run = begin_prune_record(request_);
    Model model = load_model({.name = request_.model});
    say_report(model, watcher_.say);
    if (request_.measure) latency_tokens(model.limits, request_.tokens, request_.model);
    outcome_.packed = is_packed(model.graph);
    outcome_.disk_before = weight_file_bytes(model.directory);
    if (!line_.empty()) {
      prune(model);
      model.history.push_back(line_);
    }
    if (request_.training) {
      train(model);
      if (!outcome_.training->result.finished) return std::move(outcome_);
    }
    describe_outcome(model);
    std::optional<Model> removed;
    if (request_.remove) removed = remove(model);
    if (request_.measure) judge(model, removed ? &*removed : nullptr);
    if (removed) model = std::move(*removed);
    if (request_.overwrite)
      clear_out(request_.out, request_.training ? std::set<std::string>{"training", "masked"}
                                                : std::set<std::string>{});
    save_model(request_.out, model, model.tensors, tokenizer_files(tokenizer_directory()));
    outcome_.disk_after = weight_file_bytes(request_.out);
    write_prune_record(request_, outcome_, model, run, now_seconds() - begin);
    return std::move(outcome_);
  }

private:
  fs::path tokenizer_directory() const {
    return request_.training ? request_.out / "training" : fs::path(request_.model);
  }

  void prune(Model& model) {
    Model pruned = model;
    make_masks(pruned);
    if (!request_.gradual && same_pruning(model, pruned))
      throw Error(
          ErrorCode::invalid_argument,
          request_.model + ": pruning changes nothing: all that it would drop is dropped already",
          request_.remove ? "to remove alone, leave out what chooses masks"
                          : "choose another sparsity or other nodes");
    model = std::move(pruned);
  }

  // At once, or where training goes on: masks that keep what they kept.
  void make_masks(Model& model) {
    Model numbers = model;
    unpack_weights(numbers);
    plan_.emplace(request_, numbers);
    if (reads_data(request_)) {
      if (request_.data.empty())
        throw Error(ErrorCode::invalid_argument, "what is asked for is pruned by data",
                    "name it: --data imdb:PATH");
      data_ = load_data(request_, numbers, watcher_);
      samples_ = samples_of(numbers, *data_);
    }
    const auto final_masks = [&] {
      return plan_->masks(numbers, samples_ ? &*samples_ : nullptr, 1,
                          [&](std::int64_t done, std::int64_t total) {
                            if (watcher_.work) watcher_.work("looking at samples", done, total);
                          });
    };
    if (request_.training && request_.remove) try_removal(numbers, final_masks());
    if (request_.gradual)
      insert_all(numbers);
    else
      set_masks(numbers, final_masks());
    if (request_.activations) prune_activations(numbers);
    if (outcome_.packed && !request_.training) pack_weights(numbers);
    model = std::move(numbers);
  }

  // Hours of training must not end with nothing to remove.
  void try_removal(Model model, const std::map<std::string, Tensor>& masks) const {
    set_masks(model, masks);
    if (request_.activations) prune_activations(model);
    model.name = request_.model;
    remove_structures(model);
  }

  Model remove(const Model& model) {
    Model smaller = model;
    smaller.name = request_.model;
    RemovalOutcome outcome;
    outcome.bytes_before = tensor_bytes(smaller);
    static_cast<Removal&>(outcome) = remove_structures(smaller);
    outcome.bytes_after = tensor_bytes(smaller);
    smaller.history.push_back(fmt::format("remove: {} of {} parameters left",
                                          outcome.parameters_after, outcome.parameters_before));
    outcome_.removal = std::move(outcome);
    return smaller;
  }

  void judge(const Model& model, const Model* removed) {
    outcome_.verdict = judge_pruning(model, removed, request_.tokens);
  }

  void insert_all(Model& model) const {
    insert_masks(model.graph, plan_->weights());
    for (const auto& [weight, mask] : masks_of(model.graph)) {
      if (model.tensors.contains(mask)) continue;
      Tensor keep(DType::u8, model.tensors.at(weight).shape());
      std::memset(keep.data(), 1, keep.bytes());
      model.tensors.set(mask, std::move(keep));
    }
  }

  void prune_activations(Model& model) const {
    const std::vector<NodeId> nodes = prunable_nodes(model.graph, request_.activation_nodes);
    DataPruning pruning{.sparsity = request_.activations->sparsity,
                        .whole_tensor = request_.mase,
                        .random = request_.activations->random,
                        .by_threshold = request_.activations->by_threshold,
                        .thresholds = {}};
    if (pruning.by_threshold)
      pruning.thresholds =
          magnitude_quantiles(model, data_of_nodes(model.graph, nodes), pruning.sparsity, *samples_,
                              {.samples = request_.samples, .progress = {}});
    std::vector<std::string> names;
    for (const NodeId node : nodes)
      names.push_back(model.graph.value(model.graph.node(node).outputs[0]).name);
    for (const std::string& name : data_of_nodes(model.graph, nodes))
      if (const ValueType& type = model.graph.type(model.graph.find(name));
          pruning.sparsity > 0 && type.dims.size() != 2)
        throw Error(ErrorCode::unsupported,
                    fmt::format("activations: %{} is {}: only rows of numbers are dropped, planes "
                                "are not",
                                name, to_string(type)),
                    "name linear nodes: --nodes linear");
    if (prune_data(model, names, pruning) == 0 && pruning.sparsity > 0)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("activations change nothing: '{}' reads no data of real numbers",
                              request_.activation_nodes.empty() ? layers_selection
                                                                : request_.activation_nodes),
                  "name linear nodes, or leave the activations out");
  }

  FolderLock lock_out() const {
    std::error_code failed;
    fs::create_directories(request_.out, failed);
    if (failed)
      throw Error(
          ErrorCode::io,
          fmt::format("{}: cannot create the folder: {}", request_.out.string(), failed.message()),
          "choose another place with --out");
    return FolderLock(request_.out);
  }

  // Whether the run in the folder was begun with what is asked for now.
  void check_resumed(const Model& model, const fs::path& masked) const {
    if (!is_saved_model(masked))
      throw Error(ErrorCode::not_found, request_.out.string() + ": holds no run to resume",
                  "check --out, or leave out --resume to start anew");
    const Model before = load_model({.name = masked.string()});
    if (before.history.empty() || before.history.back() != line_)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: was begun with other options: '{}'", request_.out.string(),
                              before.history.empty() ? "" : before.history.back()),
                  fmt::format("this is '{}': resume with the same, or start anew", line_));
    if (before.history != model.history || !same_numbers(before, model))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: was begun with another model than {}", request_.out.string(),
                              request_.model),
                  "resume with the same, or start anew without --resume");
  }

  // Trains the masked model; continues a run of the same request.
  void train(Model& model) {
    const fs::path masked = request_.out / "masked";
    TrainRequest training = *request_.training;
    training.model = masked.string();
    training.out = request_.out / "training";
    training.changes = line_;
    const FolderLock lock = lock_out();  // one process at a time begins or continues what is there
    if (training.resume) {
      check_resumed(model, masked);
    } else {
      begin_anew(training);
      save_model(masked, model, model.tensors, tokenizer_files(fs::path(request_.model)));
    }
    if (request_.gradual) {
      training.settings.values.set("keep", std::string("last"));
      training.changes += "; " + describe(*request_.gradual);
      training.before_step = [&](Model& current, const Samples& data, std::int64_t step,
                                 std::int64_t steps) { grow(current, data, step, steps); };
    }
    try {
      outcome_.training = run_training(training, watcher_);
    } catch (...) {
      // What was refused before its first step leaves nothing.
      if (!training.resume && (!fs::exists(training.out) || fs::is_empty(training.out)))
        fs::remove_all(masked);
      throw;
    }
    if (!outcome_.training->result.finished) return;
    model = load_model({.name = training.out.string()});
    // (What momentum moved behind a mask that grew while training.)
    zero_masked(model);
    if (outcome_.packed) pack_weights(model);
  }

  // Before each step of a gradual run: the masks of the steps that are theirs, zeros behind them.
  void grow(Model& model, const Samples& data, std::int64_t step, std::int64_t steps) {
    const GradualRequest& gradual = *request_.gradual;
    const auto first = static_cast<std::int64_t>(gradual.begin * static_cast<double>(steps)) + 1;
    const auto last = std::max(
        first,
        std::min(steps, static_cast<std::int64_t>(gradual.end * static_cast<double>(steps)) + 1));
    const std::int64_t every =
        gradual.every > 0 ? gradual.every : std::max<std::int64_t>(1, steps / 100);
    const bool due = step >= first && step <= last && ((step - first) % every == 0 || step == last);
    const std::map<std::string, std::string> masks = masks_of(model.graph);
    if (due) {
      const double way =
          last == first ? 1 : static_cast<double>(step - first) / static_cast<double>(last - first);
      const double left = 1 - way;
      const auto made = plan_->masks(model, plan_->needs_data() ? &data : nullptr,
                                     gradual.cubic ? 1 - left * left * left : way);
      for (const auto& [weight, mask] : made) {
        Tensor& kept = model.tensors.at(masks.at(weight));
        std::memcpy(kept.data(), mask.data(), mask.bytes());
      }
    }
    if (step < first) return;
    const std::vector<std::pair<std::string, std::string>> list(masks.begin(), masks.end());
    parallel_items(static_cast<std::int64_t>(list.size()), [&](std::int64_t i, int) {
      const auto& [weight, mask] = list[static_cast<std::size_t>(i)];
      float* w = model.tensors.at(weight).as<float>();
      const Tensor& keep = model.tensors.at(mask);
      for (std::int64_t n = 0; n < keep.size(); ++n)
        if (keep.as<std::uint8_t>()[n] == 0) w[n] = 0;
    });
  }

  void describe_outcome(const Model& model) {
    const auto masks = masks_of(model.graph);
    for (const Value& value : model.graph.values) {
      const auto known = masks.find(value.name);
      if (known == masks.end()) continue;
      const Tensor& mask = model.tensors.at(known->second);
      outcome_.layers.push_back({value.name, mask.size(), dropped_count(mask)});
      outcome_.numbers += outcome_.layers.back().numbers;
      outcome_.dropped += outcome_.layers.back().dropped;
    }
    outcome_.activations = pruned_data_of(model.graph);
    outcome_.parameters = parameter_count(model);
  }

  const PruneRequest& request_;
  const RunWatcher& watcher_;
  std::string line_;
  std::optional<PrunePlan> plan_;
  std::optional<TokenizedData> data_;
  std::optional<Samples> samples_;  // of data_
  PruneOutcome outcome_;
};

}  // namespace

void check_request(const PruneRequest& request) {
  const auto refuse = [](const std::string& message, const std::string& hint) {
    throw Error(ErrorCode::invalid_argument, message, hint);
  };
  if (request.selections.empty() && !request.activations && !request.remove)
    refuse("nothing is pruned", "give --sparsity, --budget, --activations or --remove");
  check_selections(request);
  if (!request.selections.empty() && !request.activations &&
      std::all_of(request.selections.begin(), request.selections.end(),
                  [](const PruneSelection& selection) { return selection.sparsity == 0.0; }))
    refuse("sparsity 0 changes nothing", "it is the share of the weights that go");
  if (request.selections.empty() && !request.activations && request.training)
    refuse("only removing is asked for: training changes nothing of it",
           "train what it makes: hone train");
  if (request.gradual && !request.training)
    refuse("gradual pruning needs training", "give --data and --epochs");
  if (request.gradual && request.selections.empty())
    refuse("gradual changes nothing: no weights are pruned", "give --sparsity, or leave it out");
  if (request.gradual && !(request.gradual->begin < request.gradual->end))
    refuse("gradual pruning ends before it begins", "lower its begin, or raise its end");
  if (request.activations && request.mase && request.activations->by_threshold)
    refuse("rule mase drops what is below a quantile of each call: it has no threshold",
           "leave the threshold or the rule out");
  if (request.activations && request.activations->random && !request.mase)
    refuse("activations go at random under rule mase alone", "leave the method or the rule");
  if (!request.training) return;
  const Options& settings = request.training->settings.values;
  if (settings.boolean_or("fresh_head", false))
    refuse("fresh_head and pruning are both asked for",
           "train the new classifier first: hone train --fresh-head");
  if (request.gradual)
    for (const char* name : {"keep", "metric", "patience"})
      if (settings.contains(name))
        refuse(fmt::format("{} changes nothing while the sparsity grows: the last model is kept, "
                           "which alone has all of it",
                           name),
               "leave it out");
}

bool reads_data(const PruneRequest& request) {
  if (request.activations && request.activations->by_threshold) return true;
  return std::any_of(request.selections.begin(), request.selections.end(),
                     [](const PruneSelection& selection) {
                       return find_pruner(selection.method).needs != PrunerNeeds::nothing;
                     });
}

PruneOutcome run_pruning(const PruneRequest& request, const RunWatcher& watcher) {
  return Run(request, watcher).run();
}

}  // namespace hone
