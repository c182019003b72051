#include "hone/run/forward.hpp"

namespace hone {

Graph make_forward_graph(Model model, Mode mode, const std::vector<std::string>& disabled,
                         std::vector<PassReport>* reports, TensorStore* tensors) {
  Graph graph = std::move(model.graph);
  TensorStore own = std::move(model.tensors);
  std::vector<PassReport> made = run_passes(graph, inference_pipeline(mode), disabled, &own);
  if (reports != nullptr) *reports = std::move(made);
  if (tensors != nullptr) *tensors = std::move(own);
  return graph;
}

Executor make_forward(Model model, Mode mode, const std::vector<std::string>& disabled,
                      bool one_size, std::vector<PassReport>* reports) {
  TensorStore tensors;
  Executor executor(make_forward_graph(std::move(model), mode, disabled, reports, &tensors),
                    ExecutorOptions{.use_kernels = mode != Mode::reference, .one_size = one_size});
  for (const std::string& name : tensors.names()) executor.bind(name, tensors.at(name));
  return executor;
}

}  // namespace hone
