// Built-in networks of pictures, small, with batch norm that changes something.
#pragma once

#include <cmath>
#include <set>
#include <string>

#include "hone/frontends/load_model.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/run/forward.hpp"

namespace hone_test {

inline hone::Model drawn_picture_model(const std::string& name = "small-cnn") {
  hone::ModelRequest request{.name = name, .settings = {{"image_size", "16"}}, .seed = 3};
  request.label_names = {"one", "two", "three"};
  hone::Model model = hone::load_model(request);
  std::uint32_t seed = 10;
  for (const std::string& tensor : model.tensors.names()) {
    if (tensor.find("running_") == std::string::npos) continue;
    hone::Tensor drawn = hone::random_tensor(model.tensors.at(tensor).shape(), ++seed, 0.1);
    if (tensor.find("running_var") != std::string::npos)
      for (float& value : drawn.span<float>()) value = 1 + std::abs(value);
    model.tensors.set(tensor, drawn);
  }
  return model;
}

inline hone::Tensor answers(const hone::Model& model, hone::Mode mode,
                            const hone::Tensor& pictures) {
  return hone::make_forward(model, mode).run({{"pixel_values", pictures}}).at("logits").clone();
}

inline double largest_magnitude(const hone::Tensor& x) {
  double largest = 0;
  for (const float value : x.span<const float>())
    largest = std::max(largest, static_cast<double>(std::abs(value)));
  return largest;
}

inline std::set<std::string> convs_of(const hone::Graph& graph) {
  std::set<std::string> names;
  for (const hone::Node& node : graph.nodes)
    if (node.op == "conv") names.insert(graph.value(node.outputs[0]).name);
  return names;
}

}  // namespace hone_test
