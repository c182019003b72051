#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/verify.hpp"
#include "hone/passes/pass.hpp"

namespace hone {

const Pass& find_pass(const std::string& name) {
  std::vector<std::string> names;
  for (const Pass& pass : pass_table()) {
    if (pass.name == name) return pass;
    names.push_back(pass.name);
  }
  throw Error(ErrorCode::invalid_argument, "unknown pass '" + name + "'",
              did_you_mean(name, names));
}

std::vector<OptionSpec> options_of(const Pass& pass, const Options& given) {
  std::vector<OptionSpec> specs = pass.options;
  if (pass.more_options != nullptr)
    for (OptionSpec& spec : pass.more_options(given)) specs.push_back(std::move(spec));
  return specs;
}

void check_disabled(const std::vector<std::string>& disabled) {
  for (const std::string& name : disabled)
    if (find_pass(name).required)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("nothing runs without the pass '{}'", name),
                  "leave it out of the passes that are switched off");
}

std::vector<PassReport> run_passes(Graph& graph, const std::vector<PassRequest>& passes,
                                   const std::vector<std::string>& disabled, TensorStore* tensors) {
  check_disabled(disabled);
  std::vector<PassReport> reports;
  for (const PassRequest& request : passes) {
    if (std::find(disabled.begin(), disabled.end(), request.name) != disabled.end()) continue;
    const Pass& pass = find_pass(request.name);
    const auto begin = std::chrono::steady_clock::now();
    const Options options =
        complete_options(options_of(pass, request.options), request.options, "pass " + pass.name);
    const int changes = pass.run({graph, options, tensors});
    try {
      verify_graph(graph);
    } catch (const Error& error) {
      throw Error(ErrorCode::internal,
                  fmt::format("after pass {}: {}", pass.name, error.message()));
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    reports.push_back({pass.name, changes, spent.count(), graph.nodes.size()});
  }
  return reports;
}

}  // namespace hone
