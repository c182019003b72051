// What every op of the table must keep; an added op is tested by being there.
#include <set>

#include <gtest/gtest.h>

#include "contract/sample_run.hpp"
#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone_test {
namespace {

class OpContract : public testing::TestWithParam<std::string> {
protected:
  const Op& op() const { return find_op(GetParam()); }
};

class RowOpContract : public OpContract {};
class GradientContract : public OpContract {};

template <typename Condition>
std::vector<std::string> ops_that(const Condition& condition) {
  std::vector<std::string> names;
  for (const Op& op : op_table())
    if (condition(op)) names.push_back(op.name);
  return names;
}

TEST_P(OpContract, IsDescribed) {
  EXPECT_FALSE(op().summary.empty());
  ASSERT_NE(op().infer, nullptr);
  ASSERT_NE(op().reference, nullptr);
  ASSERT_NE(op().samples, nullptr);
  EXPECT_FALSE(op().samples().empty());
  EXPECT_LE(op().min_inputs, op().max_inputs);
  EXPECT_EQ(op().input_names.empty(), op().max_inputs == 0);
}

TEST_P(OpContract, SamplesHaveNamesAndFit) {
  std::set<std::string> names;
  for (const OpSample& sample : op().samples()) {
    SCOPED_TRACE(sample.name);
    EXPECT_TRUE(names.insert(sample.name).second) << "two samples have one name";
    EXPECT_GE(sample.inputs.size(), op().min_inputs);
    EXPECT_LE(sample.inputs.size(), op().max_inputs);
    EXPECT_NO_THROW(complete_options(op().options, sample.attributes, op().name));
    EXPECT_GT(sample.tolerance, 0);
    EXPECT_LE(sample.tolerance, 1e-3);
    for (int i : sample.differentiable) {
      ASSERT_LT(static_cast<std::size_t>(i), sample.inputs.size());
      EXPECT_EQ(sample.inputs[static_cast<std::size_t>(i)].dtype(), DType::f32);
    }
  }
}

// The types that infer promises are those that the reference gives, and what it gives is finite.
TEST_P(OpContract, InferredTypesAreTheResults) {
  for (const OpSample& sample : op().samples()) {
    SCOPED_TRACE(sample.name);
    const Graph graph = sample_graph(op(), sample, false);
    const std::vector<Tensor> results = reference_of(op(), sample);
    ASSERT_EQ(results.size(), graph.nodes[0].outputs.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ValueType& type = graph.type(graph.nodes[0].outputs[i]);
      EXPECT_EQ(type.dtype, results[i].dtype());
      EXPECT_EQ(evaluate(type, {}), results[i].shape());
      if (type.dtype != DType::f32) continue;
      for (float value : results[i].span<float>()) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

// A row op gives the same rows when it sees only some of them; a reduce op gives parts of the sum.
TEST_P(RowOpContract, TilesOfRowsGiveTheWhole) {
  for (const OpSample& sample : op().samples()) {
    SCOPED_TRACE(sample.name);
    const std::vector<Tensor> whole = reference_of(op(), sample);
    for (std::int64_t tile : {1, 3}) {
      ThreadScope threads(1);
      Executor executor(sample_graph(op(), sample, true),
                        ExecutorOptions{.use_kernels = true, .tile_rows = tile});
      expect_close(op(), run_once(executor, op(), sample), whole, sample.tolerance);
    }
  }
}

class LinearRowsContract : public OpContract {};

// f(x + y) = f(x) + f(y) in the inputs that are said to be linear.
TEST_P(LinearRowsContract, SumsOfRowsGiveSums) {
  for (const OpSample& sample : op().samples())
    for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
      if ((op().linear_rows >> i & 1u) == 0 || sample.inputs[i].empty()) continue;
      SCOPED_TRACE(sample.name + ", input " + std::to_string(i));
      const std::vector<Tensor> first = reference_of(op(), sample);
      OpSample changed = sample;
      changed.inputs[i] = random_tensor(sample.inputs[i].shape(), 17);
      const std::vector<Tensor> second = reference_of(op(), changed);
      Tensor sum = sample.inputs[i].clone();
      for (std::int64_t j = 0; j < sum.size(); ++j)
        sum.as<float>()[j] += changed.inputs[i].as<float>()[j];
      changed.inputs[i] = sum;
      const std::vector<Tensor> both = reference_of(op(), changed);
      for (std::size_t o = 0; o < both.size(); ++o)
        for (std::int64_t j = 0; j < both[o].size(); ++j) {
          const double a = first[o].as<float>()[j];
          const double b = second[o].as<float>()[j];
          ASSERT_NEAR(both[o].as<float>()[j], a + b, 2e-5 * (1 + std::abs(a) + std::abs(b)));
        }
    }
}

// Reference mode of the executor is the reference.
TEST_P(OpContract, ReferenceModeRunsTheReference) {
  for (const OpSample& sample : op().samples()) {
    SCOPED_TRACE(sample.name);
    Executor executor(sample_graph(op(), sample, true), false);
    expect_close(op(), run_once(executor, op(), sample), reference_of(op(), sample), 0);
  }
}

// An op that is given too many inputs, or inputs of types and shapes that do not fit, says so.
TEST_P(OpContract, RefusesInputsThatDoNotFit) {
  Graph graph;
  const ValueId odd = graph.input("odd", {DType::i8, {3, 1, 2, 5}});
  const ValueId other = graph.input("other", {DType::u8, {4}});
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < std::max<std::size_t>(op().min_inputs, 2); ++i)
    inputs.push_back(i % 2 == 0 ? odd : other);
  Options attributes = complete_options(op().options, op().samples()[0].attributes, op().name);
  try {
    graph.append(op().name, inputs, attributes);
    ADD_FAILURE() << op().name << " takes them";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("[" + op().name + "]"), std::string::npos) << error.message();
  }
}

// The loss is a random projection of output 0.
double project(const Op& op, const OpSample& sample, const Tensor& weights) {
  const std::vector<Tensor> results = reference_of(op, sample);
  double loss = 0;
  for (std::int64_t i = 0; i < weights.size(); ++i)
    loss += static_cast<double>(weights.as<float>()[i]) * results[0].as<float>()[i];
  return loss;
}

// Derivative by four points (error of fourth order in the step); the points are those that float32
// can hold, so the step is measured, not assumed.
double measured_derivative(const Op& op, OpSample& sample, std::size_t input, std::int64_t element,
                           const Tensor& weights) {
  float& x = sample.inputs[input].as<float>()[element];
  const float before = x;
  const double step = 0.02 * std::max(0.05, std::abs(static_cast<double>(before)));
  double slopes[2];
  for (int i = 0; i < 2; ++i) {
    const double h = step * (i + 1);
    x = static_cast<float>(before + h);
    const double above = x;
    const double loss_above = project(op, sample, weights);
    x = static_cast<float>(before - h);
    const double below = x;
    slopes[i] = (loss_above - project(op, sample, weights)) / (above - below);
    x = before;
  }
  return (4 * slopes[0] - slopes[1]) / 3;
}

// Gradients of the sample's inputs by the op's own rule, in reference mode.
std::map<std::string, Tensor> ruled_gradients(const Op& op, const OpSample& sample,
                                              const Tensor& weights) {
  Graph graph = sample_graph(op, sample, false);
  graph.outputs.clear();
  const ValueType type = graph.type(graph.nodes[0].outputs[0]);
  std::vector<ValueId> output_gradients(graph.nodes[0].outputs.size(), none);
  output_gradients[0] = graph.input("weights", type);
  const std::vector<ValueId> gradients = op.gradient({graph, NodeId{0}, output_gradients});
  for (int i : sample.differentiable) {
    const ValueId id = gradients.at(static_cast<std::size_t>(i));
    EXPECT_NE(id, none) << "input " << i << " has no gradient";
    if (id == none) return {};
    EXPECT_EQ(graph.type(id), graph.type(graph.nodes[0].inputs[static_cast<std::size_t>(i)]));
    graph.outputs.emplace_back("grad." + std::to_string(i), id);
  }
  Executor executor(std::move(graph), false);
  std::map<std::string, Tensor> inputs{{"weights", weights}};
  for (std::size_t i = 0; i < sample.inputs.size(); ++i)
    if (!sample.inputs[i].empty()) inputs["x" + std::to_string(i)] = sample.inputs[i];
  return executor.run(inputs);
}

TEST_P(GradientContract, GradientIsTheSlope) {
  bool any = false;
  for (OpSample sample : op().samples()) {
    if (sample.differentiable.empty()) continue;
    SCOPED_TRACE(sample.name);
    any = true;
    for (Tensor& tensor : sample.inputs)
      if (!tensor.empty()) tensor = tensor.clone();
    const std::vector<Tensor> results = reference_of(op(), sample);
    Tensor weights(DType::f32, results[0].shape());
    RandomStream random(17, 3);
    for (float& value : weights.span<float>()) value = static_cast<float>(random.normal());
    const std::map<std::string, Tensor> gradients = ruled_gradients(op(), sample, weights);
    ASSERT_EQ(gradients.size(), sample.differentiable.size());
    for (int input : sample.differentiable) {
      SCOPED_TRACE("input " + std::to_string(input));
      const Tensor& ruled = gradients.at("grad." + std::to_string(input));
      double largest = 0;
      for (float value : ruled.span<float>())
        largest = std::max(largest, std::abs(static_cast<double>(value)));
      // At most 64 elements, spread over the tensor.
      const std::int64_t stride = std::max<std::int64_t>(1, ruled.size() / 64);
      for (std::int64_t i = 0; i < ruled.size(); i += stride) {
        const double measured =
            measured_derivative(op(), sample, static_cast<std::size_t>(input), i, weights);
        ASSERT_NEAR(ruled.as<float>()[i], measured, 1e-3 * (1 + largest)) << "element " << i;
      }
    }
  }
  EXPECT_TRUE(any) << "an op with a gradient needs a sample that tests it";
}

const auto name_of_instance = [](const auto& instance) { return instance.param; };

INSTANTIATE_TEST_SUITE_P(Ops, OpContract,
                         testing::ValuesIn(ops_that([](const Op&) { return true; })),
                         name_of_instance);
INSTANTIATE_TEST_SUITE_P(Ops, RowOpContract, testing::ValuesIn(ops_that([](const Op& op) {
                           return op.rows != RowRule::whole;
                         })),
                         name_of_instance);
INSTANTIATE_TEST_SUITE_P(Ops, LinearRowsContract, testing::ValuesIn(ops_that([](const Op& op) {
                           return op.linear_rows != 0;
                         })),
                         name_of_instance);
INSTANTIATE_TEST_SUITE_P(Ops, GradientContract, testing::ValuesIn(ops_that([](const Op& op) {
                           return op.gradient != nullptr && !op.straight_through;
                         })),
                         name_of_instance);

}  // namespace
}  // namespace hone_test
