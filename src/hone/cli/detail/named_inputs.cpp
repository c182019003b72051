#include "hone/cli/detail/named_inputs.hpp"

#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/tasks/dense_texts.hpp"

namespace hone {

std::map<std::string, Tensor> by_name(const TensorStore& store) {
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : store.names()) tensors[name] = store.at(name);
  return tensors;
}

std::map<std::string, Tensor> inputs_of(const Model& model, const TensorStore& given,
                                        const std::string& file) {
  if (const auto texts = by_name(given); are_dense_texts(model, texts)) {
    try {
      return pack_dense_texts(model, texts);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", file, error.message()), error.hint());
    }
  }
  const Graph& graph = model.graph;
  std::vector<std::string> wanted;
  for (const Value& value : graph.values)
    if (value.kind == ValueKind::input) wanted.push_back(value.name);
  std::map<std::string, Tensor> inputs;
  for (const std::string& name : given.names()) {
    const std::string to = name.empty() && wanted.size() == 1 ? wanted[0] : name;
    if (graph.find(to) == none || graph.value(graph.find(to)).kind != ValueKind::input)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: the model has no input '{}'", file, printable(to, 100)),
                  did_you_mean(to, wanted));
    inputs[to] = given.at(name);
  }
  return inputs;
}

}  // namespace hone
