// Runs one sample of an op as a graph of one node, by its reference or by the chosen kernel, and
// compares results.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/run/executor.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {

using namespace hone;

inline bool overwrites(const Op& op, std::size_t input) {
  for (int i : op.in_place)
    if (i == static_cast<int>(input)) return true;
  return false;
}

// The node's inputs are named x0, x1, ...; what the op overwrites is a state. With `named_rows`,
// the rows of the row inputs are the named size R, as they are in a real graph.
inline Graph sample_graph(const Op& op, const OpSample& sample, bool named_rows) {
  Graph graph;
  graph.name = "sample";
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    const Tensor& tensor = sample.inputs[i];
    if (tensor.empty()) {
      inputs.push_back(none);
      continue;
    }
    ValueType type{tensor.dtype(), {}};
    for (std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
    if (named_rows && op.rows != RowRule::whole && (op.row_inputs >> i & 1u) != 0)
      type.dims[0] = Dim("R");
    inputs.push_back(graph.add_value("x" + std::to_string(i), type,
                                     overwrites(op, i) ? ValueKind::state : ValueKind::input));
  }
  const NodeId node = graph.append(op.name, inputs, sample.attributes);
  const std::vector<ValueId> outputs = graph.node(node).outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    graph.outputs.emplace_back("y" + std::to_string(i), outputs[i]);
  return graph;
}

// All results of one run, in the order of the op's outputs.
inline std::vector<Tensor> run_once(Executor& executor, const Op& op, const OpSample& sample) {
  std::map<std::string, Tensor> inputs;
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    if (sample.inputs[i].empty()) continue;
    const std::string name = "x" + std::to_string(i);
    if (overwrites(op, i))
      executor.bind(name, sample.inputs[i].clone());
    else
      inputs[name] = sample.inputs[i];
  }
  const auto results = executor.run(inputs);
  std::vector<Tensor> list;
  for (std::size_t i = 0; i < results.size(); ++i)
    list.push_back(results.at("y" + std::to_string(i)));
  return list;
}

inline std::vector<Tensor> reference_of(const Op& op, const OpSample& sample) {
  std::vector<const Tensor*> inputs;
  for (const Tensor& tensor : sample.inputs) inputs.push_back(tensor.empty() ? nullptr : &tensor);
  return evaluate_reference(op, inputs, complete_options(op.options, sample.attributes, op.name));
}

// Elements of output i that are defined: embedding_grad_rows fills as many rows as it counts.
inline std::int64_t defined_elements(const Op& op, const std::vector<Tensor>& results,
                                     std::size_t i) {
  if (op.name != "embedding_grad_rows" || i == 1) return results[i].size();
  const std::int64_t rows = results[1].as<std::int32_t>()[0];
  return i == 0 ? rows : rows * results[i].shape()[1];
}

// Reports the first element that differs by more than tolerance * (1 + |expected|).
inline void expect_close(const Op& op, const std::vector<Tensor>& got,
                         const std::vector<Tensor>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE("output " + std::to_string(i));
    ASSERT_EQ(got[i].dtype(), expected[i].dtype());
    ASSERT_EQ(got[i].shape(), expected[i].shape());
    for (std::int64_t j = 0; j < defined_elements(op, expected, i); ++j) {
      if (!is_real(got[i].dtype())) {
        ASSERT_EQ(integer_at(got[i], j), integer_at(expected[i], j)) << "element " << j;
        continue;
      }
      const double a = real_at(got[i], j);
      const double b = real_at(expected[i], j);
      ASSERT_EQ(std::isnan(a), std::isnan(b))
          << "element " << j << ": " << a << ", reference " << b;
      if (std::isnan(b) || a == b) continue;
      // (Numbers of a few bits may be rounded to either neighbour.)
      const double step = got[i].dtype() == DType::f16    ? std::ldexp(1.0, -10)
                          : got[i].dtype() == DType::bf16 ? std::ldexp(1.0, -7)
                                                          : 0.0;
      ASSERT_LE(std::abs(a - b), tolerance * (1 + std::abs(b)) + step * std::abs(b))
          << "element " << j << ": " << a << ", reference " << b;
    }
  }
}

}  // namespace hone_test
