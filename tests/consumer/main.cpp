// Builds and runs a small graph with the installed library; exits 0 when the result is right.
#include <cmath>

#include <hone/graph/graph.hpp>
#include <hone/run/executor.hpp>

int main() {
  hone::Graph graph;
  graph.name = "consumer";
  const hone::ValueId x = graph.input("x", {hone::DType::f32, {hone::Dim("R"), 2}});
  graph.outputs.emplace_back("y", graph.apply("softmax", {x}));
  hone::Executor executor(graph);
  hone::Tensor input(hone::DType::f32, {1, 2});
  input.as<float>()[0] = 1;
  input.as<float>()[1] = 1;
  const hone::Tensor y = executor.run({{"x", input}}).at("y");
  return std::abs(y.as<float>()[0] - 0.5F) < 1e-6F ? 0 : 1;
}
