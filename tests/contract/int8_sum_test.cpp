// Sums of products of 8-bit codes: exact up to the last length that fits 32 bits, refused from the
// next on.
#include <gtest/gtest.h>

#include "contract/sample_run.hpp"
#include "hone/backend/cpu/detail/vnni.hpp"
#include "hone/ops/detail/int8.hpp"
#include "hone/passes/int8_products.hpp"
#include "hone/passes/pass.hpp"
#include "hone/plan/plan.hpp"
#include "support/expect_error.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

struct Pair {
  const char *data, *data_options, *weight, *weight_options;
  // The numbers that make the largest sum: of the data, and of the weights.
  float x, w;
  std::int64_t longest;  // by hand: (2^31 - 1) / (largest moved code * largest weight)
};

const std::vector<Pair> pairs{
    {"integer", "", "integer", "", -1e9f, -1e9f, 2147483647 / (255 * 128)},
    {"integer", "", "integer", "", 1e9f, -1e9f, 2147483647 / (255 * 128)},
    {"integer", "is_signed=false", "integer", "", 1e9f, -1e9f, 2147483647 / (255 * 128)},
    {"affine", "", "affine", "", 1.0f, -1.0f, 2147483647 / (255 * 127)},
    {"affine", "", "integer", "width=6", 1.0f, -1e9f, 2147483647 / (255 * 32)},
    {"affine", "symmetric=false", "affine", "symmetric=false", 1.0f, 1.0f,
     2147483647 / (255 * 255)},
    {"affine", "symmetric=false", "affine", "", -1.0f, 1.0f, 2147483647 / (255 * 127)}};

Tensor filled(Shape shape, float value) {
  Tensor x(DType::f32, std::move(shape));
  for (float& each : x.span<float>()) each = value;
  return x;
}

OpSample product_of(const Pair& pair, std::int64_t columns) {
  const Tensor x = filled({2, columns}, pair.x);
  const std::vector<Tensor> encoded = evaluate_reference(
      find_op("encode_int8"), {&x}, format_options(pair.data, pair.data_options));
  PackedSample w = pack_sample(filled({17, columns}, pair.w), pair.weight, pair.weight_options);
  w.attributes.set("data_format", std::string(pair.data));
  w.attributes.set("data_rule", std::string("exact"));
  w.attributes.set("data_options", std::string(pair.data_options));
  return {"border", {encoded[0], encoded[1], w.codes, w.scales, Tensor()}, w.attributes, {}, 1e-6};
}

TEST(Int8Sums, AreExactUpToTheBorder) {
  for (const Pair& pair : pairs) {
    SCOPED_TRACE(testing::Message() << pair.data << " " << pair.data_options << " x " << pair.weight
                                    << " " << pair.weight_options);
    const OpSample sample = product_of(pair, pair.longest);
    // Every product is the same whole number: the exact sum in 64 bits.
    const auto value = [](const char* format, const char* options, float number) {
      const auto quantizer = bind_quantizer(format_options(format, options));
      return static_cast<double>(quantizer->quantize(filled({1, 4}, number)).as<float>()[0]);
    };
    const double expected = static_cast<double>(pair.longest) *
                            value(pair.data, pair.data_options, pair.x) *
                            value(pair.weight, pair.weight_options, pair.w);
    for_each_vector_target([&] {
      Executor executor(sample_graph(find_op("linear_int8"), sample, false),
                        ExecutorOptions{.use_kernels = true});
      const Tensor y = run_once(executor, find_op("linear_int8"), sample)[0];
      for (const float got : y.span<float>())
        ASSERT_NEAR(got, expected, 1e-6 * std::fabs(expected)) << cpu_vector_target();
    });
  }
}

TEST(Int8Sums, BeyondTheBorderAreRefused) {
  for (const Pair& pair : pairs) {
    const std::int64_t columns = pair.longest + 1;
    const auto data = [&] { return bind_quantizer(format_options(pair.data, pair.data_options)); };
    const auto weight = [&] {
      return bind_quantizer(format_options(pair.weight, pair.weight_options));
    };
    EXPECT_EQ(refuse_int8(data(), weight(), pair.longest, nullptr), "");
    EXPECT_NE(refuse_int8(data(), weight(), columns, nullptr).find("could exceed 32 bits"),
              std::string::npos);
    const OpSample sample = product_of(pair, columns);
    EXPECT_ERROR(sample_graph(find_op("linear_int8"), sample, false), ErrorCode::invalid_argument,
                 "could exceed 32 bits");
  }
  // Blocks have sums of their own.
  EXPECT_EQ(refuse_int8(bind_quantizer(format_options("mxint", "")),
                        bind_quantizer(format_options("mxint", "")), 10'000'000, nullptr),
            "");
}

// The pass leaves such a product to float32, and says why.
TEST(Int8Sums, FusingLeavesThemAndSaysWhy) {
  for (const std::int64_t columns : {65793, 65794}) {
    Graph graph;
    const PackedSample w = pack_sample(filled({1, columns}, 1.0f), "integer", "");
    const ValueId x = graph.input("x", {DType::f32, {Dim("R"), Dim(columns)}});
    const ValueId rounded = graph.apply("quantize", {x}, format_options("integer", ""));
    const ValueId codes = graph.parameter("w.codes", {DType::u8, {Dim(w.codes.size())}});
    const ValueId weight = graph.apply("dequantize", {codes, none}, w.attributes);
    graph.outputs.emplace_back("y", graph.apply("linear", {rounded, weight}, {}));
    run_passes(graph, {{"fuse_packed"}});
    const Node* product = nullptr;
    for (const Node& node : graph.nodes)
      if (node.op.rfind("linear", 0) == 0) product = &node;
    ASSERT_NE(product, nullptr);
    EXPECT_EQ(product->op, columns == 65793 ? "linear_int8" : "linear_packed");
    EXPECT_EQ(why_not_int8(graph, *product),
              columns == 65793 ? ""
                               : "sums of 65794 products of these codes could exceed 32 bits (up "
                                 "to 65793 fit)");
  }
}

TEST(Int8Sums, AttentionOverTooManyTokensIsRefused) {
  if (!missing_vnni().empty()) GTEST_SKIP() << missing_vnni();
  Graph graph;
  std::vector<ValueId> inputs;
  for (const char* name : {"q", "k", "v"})
    inputs.push_back(graph.input(name, {DType::u8, {Dim("T"), Dim(8)}}));
  inputs.push_back(graph.input("offsets", {DType::i32, {Dim("B", 1)}}));
  Options options = format_options("integer", "width=8 frac_width=5");
  options.set("heads", std::int64_t{2});
  const Options rounding = probabilities_options("integer", "frac_width=8 is_signed=false width=8");
  for (const auto& [key, value] : rounding.values()) options.set(key, value);
  graph.outputs.emplace_back("y", graph.apply("attention_int8", inputs, options));
  const auto chosen = [&](std::int64_t tokens) {
    return choose_kernel({graph, graph.nodes[0], {{"T", tokens}, {"B", 1}}, 1});
  };
  EXPECT_EQ(chosen(65793).kernel->name, "cpu.attention_int8_vnni");
  EXPECT_EQ(chosen(65794).kernel->name, "cpu.attention_int8");
  EXPECT_NE(chosen(65794).reason.find("could exceed 32 bits"), std::string::npos);
}

}  // namespace
}  // namespace hone_test
