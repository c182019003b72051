// The no-op guard: no dimension of a search may be without effect.
#include <span>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/recipes/detail/network_configuration.hpp"
#include "hone/recipes/network_objective.hpp"
#include "hone/train/options.hpp"

namespace hone {
namespace {

// The assignment of the first values of everything, with one that is wanted; what that depends on
// is chosen so that it exists.
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
  const NetworkConfiguration configuration =
      configuration_of(settings, values_of(settings.worker.space, assignment));
  Model model = load_model({.name = input_of(settings, "model"),
                            .settings = configuration.settings.model,
                            .seed = make_train_options(configuration.settings.values).seed});
  apply_choices(model, settings, configuration);
  check_stages(configuration.stages, configuration.settings.values, model.graph);
  std::string text = print_graph(model.graph);
  for (const std::string& name : model.tensors.names()) {
    const Tensor& tensor = model.tensors.at(name);
    // Masks and their like: the fresh weights follow from sizes and seed.
    if (tensor.dtype() == DType::u8)
      text +=
          name +
          sha256(std::as_bytes(std::span(static_cast<const char*>(tensor.data()), tensor.bytes())));
  }
  // (Options that the data do not have are refused.)
  make_data_request(input_of(settings, "data"), configuration.settings.data);
  for (const auto& [key, value] : configuration.settings.data) text += key + value;
  text += identity_of(configuration.stages).dump();
  // (Settings of a training that there is not change nothing.)
  if (settings.trains) {
    Options deciding = configuration.settings.values;
    for (const std::string& key : settings_without_effect) deciding.erase(key);
    text += describe(make_train_options(deciding)).dump();
    for (const auto& [key, value] : deciding.values()) text += key + to_string(value);
  }
  return text;
}

}  // namespace

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

}  // namespace hone
