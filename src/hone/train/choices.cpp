#include "hone/train/choices.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/passes/lora.hpp"

namespace hone {

bool starts_at_random(const Model& model) {
  if (model.directory.empty()) return true;
  std::int64_t fresh = 0;
  for (const std::string& name : model.report.initialized)
    if (model.tensors.contains(name)) fresh += model.tensors.at(name).size();
  return 2 * fresh > parameter_count(model);
}

double default_learning_rate(const Model& model) {
  constexpr double pretrained = 5e-5, adapter_times = 20, fresh_times_width = 0.032,
                   fresh_network_of_pictures = 2e-3;
  if (has_adapters(model.graph)) return adapter_times * pretrained;
  if (!starts_at_random(model)) return pretrained;
  if (model.image) return fresh_network_of_pictures;
  const double rate = fresh_times_width / static_cast<double>(model.width);
  // As it would be typed: two digits.
  return std::stod(fmt::format("{:.1e}", rate));
}

double default_epochs(const Model& model) {
  return starts_at_random(model) && !has_adapters(model.graph) ? 8 : 3;
}

}  // namespace hone
