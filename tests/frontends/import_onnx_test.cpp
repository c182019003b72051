#include "hone/frontends/onnx/import_onnx.hpp"

#include <limits>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "frontends/onnx_writer.hpp"
#include "hone/graph/text.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/run/executor.hpp"
#include "hone/run/forward.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::ElementsAre;
using testing::HasSubstr;

Tensor floats_of(const Shape& shape, const std::vector<float>& values) {
  return Tensor::from<float>(DType::f32, shape, std::span<const float>(values));
}

std::vector<float> run_model(const Model& model, const std::map<std::string, Tensor>& inputs,
                             const std::string& output = "y") {
  Executor executor(model.graph, false);
  for (const std::string& name : model.tensors.names()) executor.bind(name, model.tensors.at(name));
  const Tensor y = executor.run(inputs).at(output);
  const auto values = y.span<float>();
  return {values.begin(), values.end()};
}

class ImportOnnx : public testing::Test {
protected:
  Model import(const OnnxWriter& writer) { return import_onnx(writer.write(folder / "m.onnx")); }
  void refused(const OnnxWriter& writer, ErrorCode code, const std::string& message,
               const std::string& hint = "") {
    const auto file = writer.write(folder / "m.onnx");
    expect_error([&] { import_onnx(file); }, code, message, hint);
    expect_error([&] { import_onnx(file); }, code, file.string(), "");
  }
  TemporaryFolder folder;
};

TEST_F(ImportOnnx, InitializersBecomeParametersAndNamedSizesStay) {
  OnnxWriter w;
  w.input("x", {"batch", "3"}).output("y", {"batch", "2"});
  w.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  w.floats("b", {2}, {10, 20});
  w.node("Gemm", {"x", "w", "b"}, {"y"});
  const Model model = import(w);
  EXPECT_THAT(model.tensors.names(), testing::UnorderedElementsAre("b", "w"));
  EXPECT_EQ(model.graph.value(model.graph.find("w")).kind, ValueKind::parameter);
  EXPECT_EQ(to_string(model.graph.type(model.graph.find("x"))), "f32[batch,3]");
  EXPECT_THAT(run_model(model, {{"x", floats_of({1, 3}, {1, 1, 1})}}), ElementsAre(19, 32));
  EXPECT_THAT(run_model(model, {{"x", floats_of({2, 3}, {1, 0, 0, 0, 0, 1})}}),
              ElementsAre(11, 22, 15, 26));
}

// As exporters write it: transposes around it, a scale as a quotient, a mask that is added.
TEST_F(ImportOnnx, AttentionThatIsWrittenOutIsOneNode) {
  OnnxWriter w;
  w.input("q", {"B", "S", "2", "4"}).input("k", {"B", "S", "2", "4"});
  w.input("v", {"B", "S", "2", "4"}).input("mask", {"B", "1", "1", "S"});
  w.output("y", {"B", "S", "2", "4"});
  w.floats("root", {}, {2});
  const auto transposed = [&](const char* from, const char* to, std::vector<std::int64_t> order) {
    OnnxWriter::set(w.node("Transpose", {from}, {to}), "perm", order);
  };
  transposed("q", "qt", {0, 2, 1, 3});
  transposed("k", "kt", {0, 2, 3, 1});
  transposed("v", "vt", {0, 2, 1, 3});
  w.node("MatMul", {"qt", "kt"}, {"s"});
  w.node("Div", {"s", "root"}, {"d"});
  w.node("Add", {"d", "mask"}, {"a"});
  w.node("Softmax", {"a"}, {"p"});
  w.node("MatMul", {"p", "vt"}, {"o"});
  transposed("o", "y", {0, 2, 1, 3});
  const Model model = import(w);
  std::vector<PassReport> reports;
  const Graph graph = make_forward_graph(model, Mode::compiled, {}, &reports);
  ASSERT_EQ(graph.nodes.size(), 1u) << print_graph(graph);
  EXPECT_EQ(graph.nodes[0].op, "dense_attention");
  EXPECT_EQ(graph.nodes[0].attributes.real("scale"), 0.5);
  std::map<std::string, Tensor> inputs;
  std::uint32_t seed = 1;
  for (const char* name : {"q", "k", "v"}) inputs[name] = random_tensor({2, 5, 2, 4}, seed++);
  inputs["mask"] = floats_of({2, 1, 1, 5}, {0, 0, 0, 0, 0, 0, 0, 0, -3.4e38f, -3.4e38f});
  Executor fused = make_forward(model, Mode::compiled);
  const Tensor y = fused.run(inputs).at("y");
  const std::vector<float> expected = run_model(model, inputs);
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(y.as<float>()[i], expected[i], 2e-6) << i;
}

// ONNX's own op, with masks and guards of rows that see nothing; keys that serve two heads.
TEST_F(ImportOnnx, TheAttentionOpIsOneNode) {
  struct Form {
    const char* name;
    bool mask, causal;
  };
  for (const Form& form : {Form{"plain", false, false},
                           {"masked", true, false},
                           {"causal", false, true},
                           {"both", true, true}}) {
    SCOPED_TRACE(form.name);
    OnnxWriter w(23);
    w.input("q", {"2", "4", "5", "8"}).input("k", {"2", "2", "6", "8"});
    w.input("v", {"2", "2", "6", "8"}).output("y", {"2", "4", "5", "8"});
    std::vector<std::string> inputs{"q", "k", "v"};
    std::map<std::string, Tensor> feed;
    if (form.mask) {
      w.input("mask", {"5", "6"}, onnx::TensorProto::BOOL);
      inputs.emplace_back("mask");
      feed["mask"] = Tensor(DType::boolean, {5, 6});
      for (int i = 0; i < 30; ++i) feed["mask"].as<bool>()[i] = i % 3 != 1 && i / 6 != 2;
    }
    onnx::NodeProto& node = w.node("Attention", inputs, {"y"});
    if (form.causal) OnnxWriter::set(node, "is_causal", std::int64_t{1});
    const Model model = import(w);
    std::vector<PassReport> reports;
    const Graph graph = make_forward_graph(model, Mode::compiled, {}, &reports);
    int fused = 0, products = 0;
    for (const Node& each : graph.nodes) {
      fused += each.op == "dense_attention";
      products += each.op == "batch_matmul";
    }
    EXPECT_EQ(fused, 1) << print_graph(graph);
    EXPECT_EQ(products, 0) << print_graph(graph);
    feed["q"] = random_tensor({2, 4, 5, 8}, 1);
    feed["k"] = random_tensor({2, 2, 6, 8}, 2);
    feed["v"] = random_tensor({2, 2, 6, 8}, 3);
    const Tensor y = make_forward(model, Mode::compiled).run(feed).at("y");
    const std::vector<float> expected = run_model(model, feed);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(y.as<float>()[i], expected[i], 2e-6) << i;
  }
}

TEST_F(ImportOnnx, FunctionsStandInPlaceWithTheirAttributesAndDefaults) {
  OnnxWriter w;
  w.domain("own").input("x", {"2"}).output("y", {"2"}).output("z", {"2"});
  auto& leaky = w.function("Leaky", {"a"}, {"b"});
  leaky.add_attribute("slope");
  auto& inner = *leaky.add_node() = OnnxWriter::node_of("LeakyRelu", {"a"}, {"b"});
  OnnxWriter::refer(inner, "alpha", "slope", onnx::AttributeProto::FLOAT);
  auto& twice = w.function("Twice", {"a"}, {"b"});
  twice.add_attribute("slope");
  auto& first = *twice.add_node() = OnnxWriter::node_of("Leaky", {"a"}, {"t"}, "own");
  OnnxWriter::refer(first, "slope", "slope", onnx::AttributeProto::FLOAT);
  auto& second = *twice.add_node() = OnnxWriter::node_of("Leaky", {"t"}, {"b"}, "own");
  OnnxWriter::refer(second, "slope", "slope", onnx::AttributeProto::FLOAT);
  OnnxWriter::set(w.node("Twice", {"x"}, {"y"}, "own"), "slope", 0.5f);
  // Without the attribute: LeakyRelu's own default, 0.01.
  w.node("Twice", {"x"}, {"z"}, "own");
  const Model model = import(w);
  const std::map<std::string, Tensor> x{{"x", floats_of({2}, {-4, 8})}};
  EXPECT_THAT(run_model(model, x), ElementsAre(-1, 8));
  EXPECT_NEAR(run_model(model, x, "z")[0], -4e-4, 1e-9);
}

TEST_F(ImportOnnx, BranchesAreTakenWhereTheConditionFolds) {
  for (const bool which : {true, false}) {
    OnnxWriter w;
    w.input("x", {"2"}).output("y", {"2"});
    w.integers("four", {}, {4});
    w.integers("limit", {}, {which ? 3 : 5});
    w.node("Greater", {"four", "limit"}, {"c"});
    auto& node = w.node("If", {"c"}, {"y"});
    for (const char* branch : {"then_branch", "else_branch"}) {
      auto* attribute = node.add_attribute();
      attribute->set_name(branch);
      attribute->set_type(onnx::AttributeProto::GRAPH);
      auto* graph = attribute->mutable_g();
      graph->set_name(branch);
      // (A branch reads what stands around it.)
      *graph->add_node() =
          OnnxWriter::node_of(branch == std::string("then_branch") ? "Neg" : "Abs", {"x"}, {"r"});
      OnnxWriter::describe(*graph->add_output(), "r", onnx::TensorProto::FLOAT, {"2"});
    }
    EXPECT_THAT(run_model(import(w), {{"x", floats_of({2}, {1, -2})}}),
                which ? ElementsAre(-1, 2) : ElementsAre(1, 2));
  }
}

TEST_F(ImportOnnx, NumbersOfInputsThatSizesFollowFromAreTakenFromTheRun) {
  OnnxWriter w;
  w.input("x", {"2", "3"}).input("s", {"2"}, onnx::TensorProto::INT64).output("y", {"?", "?"});
  w.node("Reshape", {"x", "s"}, {"y"});
  refused(w, ErrorCode::unsupported, "(Reshape): the sizes follow from the data of a run");
  const std::map<std::string, Tensor> inputs{
      {"x", floats_of({2, 3}, {1, 2, 3, 4, 5, 6})},
      {"s", Tensor::from<std::int64_t>(DType::i64, {2}, std::vector<std::int64_t>{3, 2})}};
  const Model model = import_onnx_for(folder / "m.onnx", inputs);
  EXPECT_EQ(to_string(model.graph.type(model.graph.outputs[0].second)), "f32[3,2]");
}

TEST_F(ImportOnnx, AnInputThatOnlyGivesASizeStays) {
  OnnxWriter w;
  w.input("x", {"H", "3"}).input("unread", {"2"}).output("y", {"H"}, onnx::TensorProto::INT64);
  w.integers("zero", {}, {0});
  w.integers("one", {}, {1});
  w.node("Shape", {"x"}, {"s"});
  w.node("Gather", {"s", "zero"}, {"h"});
  w.node("Range", {"zero", "h", "one"}, {"y"});
  Model model = import(w);
  for (const char* name : {"x", "unread"}) EXPECT_NE(model.graph.find(name), none) << name;
  model.graph.remove_dead();
  EXPECT_NE(model.graph.find("x"), none);
  EXPECT_EQ(model.graph.find("unread"), none);
  Executor executor(model.graph, false);
  const Tensor y = executor.run({{"x", Tensor(DType::f32, {4, 3})}}).at("y");
  EXPECT_THAT(std::vector<std::int64_t>(y.as<std::int64_t>(), y.as<std::int64_t>() + y.size()),
              ElementsAre(0, 1, 2, 3));
}

// What lies outside of a size that only a run knows is refused then, never read.
TEST_F(ImportOnnx, SlicesOfNamedSizesStayInside) {
  OnnxWriter w;
  w.input("x", {"N", "2"}).output("y", {"?", "2"});
  w.integers("begin", {1}, {0});
  w.integers("end", {1}, {3});
  w.node("Slice", {"x", "begin", "end", "begin"}, {"y"});
  const Model model = import(w);
  EXPECT_THAT(run_model(model, {{"x", floats_of({4, 2}, {0, 1, 2, 3, 4, 5, 6, 7})}}),
              ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_ERROR(run_model(model, {{"x", floats_of({2, 2}, {0, 1, 2, 3})}}),
               ErrorCode::invalid_argument, "[slice] 0 to 3 by 1 is not within the 2 places");
  OnnxWriter back;
  back.input("x", {"N", "2"}).output("y", {"?", "2"});
  back.integers("begin", {1}, {-4});
  back.integers("end", {1}, {-2});
  back.integers("axis", {1}, {0});
  back.node("Slice", {"x", "begin", "end", "axis"}, {"y"});
  refused(back, ErrorCode::unsupported, "begins at a size that only a run knows");
}

// A plan for larger sizes has less room for what shrinks with them.
TEST_F(ImportOnnx, SizesThatFallWhileOthersGrowArePlannedAsTheyAre) {
  OnnxWriter w;
  w.input("x", {"1", "700"}).input("z", {"M"}).output("y", {"1", "?"});
  w.integers("end", {1}, {700});
  w.integers("axis", {1}, {1});
  w.node("Shape", {"z"}, {"m"});
  w.node("Slice", {"x", "m", "end", "axis"}, {"s"});
  w.node("Neg", {"s"}, {"n"});
  w.node("Neg", {"n"}, {"y"});
  const Model model = import(w);
  std::vector<float> numbers(700);
  for (std::size_t i = 0; i < 700; ++i) numbers[i] = static_cast<float>(i);
  Executor executor(model.graph, true);
  for (const std::int64_t m : {300, 600, 257, 699}) {
    const Tensor y =
        executor.run({{"x", floats_of({1, 700}, numbers)}, {"z", Tensor(DType::f32, {m})}}).at("y");
    ASSERT_EQ(y.shape(), (Shape{1, 700 - m}));
    for (std::int64_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(y.as<float>()[i], static_cast<float>(m + i));
  }
}

TEST_F(ImportOnnx, DeclaredShapesOfInitializersAreTheirs) {
  OnnxWriter w;
  w.input("x", {"2"}).input("w", {"7"}).output("y", {"2"});
  w.floats("w", {2}, {1, 2});
  w.node("Add", {"x", "w"}, {"y"});
  refused(w, ErrorCode::bad_format, "input 'w' is declared as f32[7], what is there is f32[2]");
}

TEST_F(ImportOnnx, InfinityPassesBoundsThatAreNone) {
  OnnxWriter w;
  w.input("x", {"3"}).output("y", {"3"}).output("r", {"3"});
  w.floats("zero", {}, {0});
  w.node("Max", {"x", "zero"}, {"y"});
  w.node("Relu", {"x"}, {"r"});
  const Model model = import(w);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::map<std::string, Tensor> x{{"x", floats_of({3}, {-infinity, infinity, -1})}};
  for (const Mode mode : {Mode::reference, Mode::eager, Mode::compiled}) {
    Executor executor = make_forward(model, mode);
    const auto outputs = executor.run(x);
    for (const char* name : {"y", "r"}) {
      const auto values = outputs.at(name).span<float>();
      EXPECT_THAT(std::vector<float>(values.begin(), values.end()), ElementsAre(0, infinity, 0));
    }
  }
}

TEST_F(ImportOnnx, UnknownOpsSetsAndTypesAreNamed) {
  OnnxWriter w;
  w.input("x", {"2"}).output("y", {"2"});
  w.node("Sigmoyd", {"x"}, {"y"}).set_name("gate");
  refused(w, ErrorCode::unsupported, "node 'gate' (Sigmoyd)", "Sigmoid");
  w.graph().mutable_node(0)->set_op_type("Sigmoid");
  w.model.mutable_opset_import(0)->set_version(99);
  refused(w, ErrorCode::unsupported, "operator set 99");
  w.model.mutable_opset_import(0)->set_version(17);
  w.graph().mutable_node(0)->set_domain("com.vendor");
  refused(w, ErrorCode::unsupported, "com.vendor");
  w.graph().mutable_node(0)->set_domain("");
  w.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::COMPLEX64);
  refused(w, ErrorCode::unsupported, "complex64");
}

TEST_F(ImportOnnx, FilesThatContradictThemselvesAreRefused) {
  const auto small = [] {
    OnnxWriter w;
    w.input("x", {"2"}).output("y", {"2"});
    w.node("Relu", {"x"}, {"y"});
    return w;
  };
  OnnxWriter w = small();
  w.graph()
      .mutable_output(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(5);
  refused(w, ErrorCode::bad_format, "output 'y' is declared as f32[5], what is there is f32[2]");
  w = small();
  w.input("x", {"2"});
  refused(w, ErrorCode::bad_format, "input 'x' is there twice");
  w = small();
  w.floats("w", {1}, {1});
  w.floats("w", {1}, {2});
  refused(w, ErrorCode::bad_format, "initializer 'w' is there twice");
  w = small();
  w.domain("", 12);
  refused(w, ErrorCode::bad_format, "two opsets");
  w = small();
  w.node("Relu", {"y"}, {"y"});
  refused(w, ErrorCode::bad_format, "'y' is computed twice");
  w = small();
  w.graph().mutable_node(0)->set_input(0, "y");
  refused(w, ErrorCode::bad_format, "its input 'y' is nothing that stands before it", "cycles");
  w = small();
  w.floats("w", {3}, {1, 2});
  refused(w, ErrorCode::bad_format, "initializer 'w' is f32[3] and has 2 numbers instead of 3");
  w = small();
  OnnxWriter::set(*w.graph().mutable_node(0), "slope", 0.5f);
  refused(w, ErrorCode::unsupported, "slope");
}

TEST_F(ImportOnnx, TruncatedFilesAreRefused) {
  OnnxWriter w;
  w.input("x", {"2"}).output("y", {"2"});
  w.floats("w", {2}, {1, 2});
  w.node("Add", {"x", "w"}, {"y"});
  const std::string whole = read_file(w.write(folder / "m.onnx"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(folder / "cut.onnx", std::ios::binary) << whole.substr(0, length);
    EXPECT_THROW(import_onnx(folder / "cut.onnx"), Error) << length;
  }
}

TEST_F(ImportOnnx, HostileFunctionsEndSoon) {
  OnnxWriter w;
  w.domain("own").input("x", {"2"}).output("y", {"2"});
  *w.function("F", {"a"}, {"b"}).add_node() = OnnxWriter::node_of("F", {"a"}, {"b"}, "own");
  w.node("F", {"x"}, {"y"}, "own");
  refused(w, ErrorCode::bad_format, "calls itself");
  // 10^30 nodes.
  OnnxWriter nested;
  nested.domain("own").input("x", {"2"}).output("y", {"2"});
  for (int level = 0; level < 30; ++level) {
    auto& function = nested.function("F" + std::to_string(level), {"a"}, {"b"});
    for (int i = 0; i < 10; ++i)
      *function.add_node() = OnnxWriter::node_of(
          level == 0 ? "Neg" : "F" + std::to_string(level - 1),
          {i == 0 ? "a" : "t" + std::to_string(i)}, {i == 9 ? "b" : "t" + std::to_string(i + 1)},
          level == 0 ? "" : "own");
  }
  nested.node("F29", {"x"}, {"y"}, "own");
  EXPECT_ERROR(import(nested), ErrorCode::unsupported, "nodes once its functions are in place");
}

TEST_F(ImportOnnx, ConstantsTooLargeForMemoryAreRefused) {
  OnnxWriter w;
  w.input("x", {"2"}).output("y", {"?", "?"});
  w.integers("s", {2}, {std::int64_t{1} << 30, std::int64_t{1} << 30});
  w.node("ConstantOfShape", {"s"}, {"c"});
  w.node("Add", {"c", "x"}, {"y"});
  refused(w, ErrorCode::unsupported, "too large");
}

TEST_F(ImportOnnx, ExternalDataLiesBesideTheFile) {
  const auto with_data = [&](const std::string& location) {
    OnnxWriter w;
    w.input("x", {"2"}).output("y", {"2"});
    auto& tensor = w.floats("w", {2}, {});
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    auto* entry = tensor.add_external_data();
    entry->set_key("location");
    entry->set_value(location);
    entry = tensor.add_external_data();
    entry->set_key("offset");
    entry->set_value("4");
    w.node("Add", {"x", "w"}, {"y"});
    return w;
  };
  const std::vector<float> numbers{7, 1, 2};
  std::ofstream(folder / "w.bin", std::ios::binary)
      .write(reinterpret_cast<const char*>(numbers.data()), 12);
  EXPECT_THAT(run_model(import(with_data("w.bin")), {{"x", floats_of({2}, {10, 20})}}),
              ElementsAre(11, 22));
  refused(with_data("none.bin"), ErrorCode::not_found, "its external data is missing");
  refused(with_data("../w.bin"), ErrorCode::bad_format, "not in the folder");
  refused(with_data("/etc/passwd"), ErrorCode::bad_format, "not in the folder");
  std::filesystem::create_symlink("/etc/passwd", folder / "link.bin");
  refused(with_data("link.bin"), ErrorCode::bad_format, "leads out of the folder");
  std::ofstream(folder / "w.bin", std::ios::binary) << "short";
  refused(with_data("w.bin"), ErrorCode::bad_format, "ends too soon");
}

}  // namespace
}  // namespace hone_test
