#include "hone/train/detail/continuation.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/graph/text.hpp"
#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {

// What a resumed run must find again: {samples, tokens, sha256}.
Json fingerprint(const Dataset& data) {
  std::string parts;
  std::int64_t elements = data.size();
  bool counted = data.offsets.empty();
  for (const Column& column : data.columns) {
    parts += sha256(column.bytes());
    if (!column.by_element || counted) continue;
    parts += sha256(std::as_bytes(data.offsets));
    elements = column.count;
    counted = true;
  }
  return {{"samples", data.size()}, {"tokens", elements}, {"sha256", sha256(parts)}};
}

// A finished run goes on when it is given more steps; all else stays as it was.
bool goes_on(const TrainPosition& saved, const Json& wanted) {
  const std::int64_t before = saved.lengths.back().second;
  const auto patience = saved.options.value("patience", std::int64_t{0});
  const bool out_of_patience = patience > 0 && saved.since_best >= patience;
  return saved.step == before && !out_of_patience &&
         wanted.at("total_steps").get<std::int64_t>() > before;
}

void check_identity(const TrainPosition& saved, const Json& wanted,
                    const std::filesystem::path& place) {
  const bool longer = goes_on(saved, wanted);
  const auto may_differ = [&](const std::string& key) {
    return longer && (key == "epochs" || key == "steps" || key == "total_steps");
  };
  // An option that one side does not know was at its default there.
  const auto value_of = [](const Json& options, const std::string& key) {
    const Json* found = options.find_member(key);
    return found != nullptr ? *found : default_description(key);
  };
  const auto compare = [&](const std::string& key) {
    const Json own = value_of(wanted, key), other = value_of(saved.options, key);
    if (may_differ(key) || own == other) return;
    const auto show = [](const Json& value) { return value.is_null() ? "none" : value.dump(); };
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: this run has {} = {}, the checkpoint has {}", place.string(), key,
                            show(own), show(other)),
                "resume with the same options (a finished run also with more epochs or steps), or "
                "start anew without --resume");
  };
  for (const auto& [key, value] : wanted.items()) compare(key);
  for (const auto& [key, value] : saved.options.items()) compare(key);
}

}  // namespace

std::int64_t samples_of_epoch(const Dataset& data, const TrainOptions& options) {
  return options.order.empty() ? data.size() : static_cast<std::int64_t>(options.order.size());
}

std::int64_t steps_of_epoch(const Dataset& data, const TrainOptions& options) {
  return (samples_of_epoch(data, options) + options.batch - 1) / options.batch;
}

std::int64_t steps_of_run(const Dataset& data, const TrainOptions& options) {
  if (options.steps > 0) return options.steps;
  return static_cast<std::int64_t>(
      std::ceil(options.epochs * static_cast<double>(steps_of_epoch(data, options))));
}

std::string metric_of(const Task& task, const TrainOptions& options) {
  return options.metric.empty() ? task.metrics.front() : options.metric;
}

Json identity_of(const Model& model, const Samples& data, const Samples* validation,
                 const TrainOptions& options) {
  Json json = describe(options);
  json["keep"] = keeps_best(options, validation != nullptr) ? "best" : "last";
  json["metric"] = metric_of(*data.task, options);
  json["data"] = fingerprint(data.data);
  json["total_steps"] = steps_of_run(data.data, options);
  const std::string graph = print_graph(model.graph);
  json["graph"] = sha256(std::as_bytes(std::span(graph)));
  json["labels"] = model.labels;
  return json;
}

bool is_out_of_patience(const TrainPosition& position, const TrainOptions& options) {
  return options.patience > 0 && position.since_best >= options.patience;
}

TrainPosition load_resumed(const Json& wanted, const std::filesystem::path& place) {
  TrainPosition position = load_position(place);
  check_identity(position, wanted, place);
  if (goes_on(position, wanted))
    position.lengths.emplace_back(position.step, wanted.at("total_steps").get<std::int64_t>());
  position.options = wanted;
  return position;
}

std::vector<float> rates_of(const TrainPosition& position, const TrainOptions& options) {
  std::vector<float> rates;
  for (std::size_t i = 0; i < position.lengths.size(); ++i) {
    const auto [first, total] = position.lengths[i];
    const std::vector<float> part = make_schedule(options.schedule, options.lr, options.warmup,
                                                  total, options.schedule_options);
    rates.insert(rates.end(), part.begin() + first, part.end());
  }
  return rates;
}

}  // namespace hone
