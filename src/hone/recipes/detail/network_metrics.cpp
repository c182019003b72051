#include "hone/recipes/network_metrics.hpp"

#include <cmath>
#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/latency.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/train/options.hpp"

namespace hone {
namespace {

double sum_layers(const Model& model, const auto& of) {
  double sum = 0;
  for (const LayerEntry& layer : describe_layers(model, tokens_of_metrics)) sum += of(layer);
  return sum;
}

// Of the sample that metrics are for; a picture is one.
std::int64_t tokens_of(const Model& model) {
  return model.limits.vocabulary > 0 ? tokens_of_metrics : 1;
}

double or_zero(double value) { return std::isnan(value) ? 0 : value; }

double bit_operations(const Model& model) {
  std::map<std::string, std::map<Slot, double>> bits;
  for (const NodeFormats& node : formats_of(model.graph))
    for (const auto& [slot, choice] : node.slots)
      bits[node.node][slot] = choice.bind()->bits_per_value({768, 768});
  return sum_layers(model, [&](const LayerEntry& layer) {
    double product = or_zero(layer.macs_per_token) * static_cast<double>(tokens_of(model));
    for (const Slot slot : {Slot::data_in, Slot::weight}) {
      const auto node = bits.find(layer.name);
      const bool given = node != bits.end() && node->second.contains(slot);
      product *= given ? node->second.at(slot) : 32;
    }
    return product;
  });
}

MeasuredFigure latency_of(const Model& model) {
  const Latency latency = measure_latency({{"trial", model}}, {.tokens = tokens_of(model)}).front();
  return {latency.median, latency.low, latency.high};
}

}  // namespace

double bits_per_number(const Model& model) {
  const auto of_linear = [](double LayerEntry::*member) {
    return [member](const LayerEntry& layer) {
      return layer.op == "linear" ? or_zero(layer.*member) : 0;
    };
  };
  return 8 * sum_layers(model, of_linear(&LayerEntry::bytes)) /
         sum_layers(model, of_linear(&LayerEntry::parameters));
}

const std::vector<NetworkMetric>& network_metrics() {
  using Figure = MeasuredFigure;
  static const std::vector<NetworkMetric> all{
      {"accuracy", Direction::maximize, ObjectiveUnit::share,
       "share of the validation samples that are right",
       [](const Model&, const Evaluation& e) {
         return Figure{e.accuracy, e.interval.low, e.interval.high};
       }},
      {"macro_f1", Direction::maximize, ObjectiveUnit::share, "mean over the classes of F1",
       [](const Model&, const Evaluation& e) {
         return Figure{metric_value(e, "macro_f1"), e.macro_f1.low, e.macro_f1.high};
       }},
      {"loss", Direction::minimize, ObjectiveUnit::plain, "mean over the validation samples",
       [](const Model&, const Evaluation& e) { return Figure{e.loss}; }},
      {"bytes", Direction::minimize, ObjectiveUnit::bytes, "of all weights as they are stored",
       [](const Model& m, const Evaluation&) {
         return Figure{static_cast<double>(tensor_bytes(m))};
       }},
      {"bits", Direction::minimize, ObjectiveUnit::plain,
       "stored for each number of the linear nodes, on average",
       [](const Model& m, const Evaluation&) { return Figure{bits_per_number(m)}; }},
      {"macs", Direction::minimize, ObjectiveUnit::count,
       "multiply-adds of a text of 128 tokens, or of a picture",
       [](const Model& m, const Evaluation&) {
         return Figure{sum_layers(m, [&](const LayerEntry& layer) {
           return or_zero(layer.macs_per_token) * static_cast<double>(tokens_of(m));
         })};
       }},
      {"bit_operations", Direction::minimize, ObjectiveUnit::count,
       "multiply-adds times the bits of both factors",
       [](const Model& m, const Evaluation&) { return Figure{bit_operations(m)}; }},
      {"latency", Direction::minimize, ObjectiveUnit::seconds,
       "seconds of a text of 128 tokens or of a picture, measured",
       [](const Model& m, const Evaluation&) { return latency_of(m); }, false}};
  return all;
}

const NetworkMetric& find_network_metric(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const NetworkMetric& metric : network_metrics()) {
    if (name == metric.name) return metric;
    known.emplace_back(metric.name);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: a network has no metric '{}'", where, printable(name, 100)),
              did_you_mean(name, known));
}

}  // namespace hone
