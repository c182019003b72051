#include "hone/graph/verify.hpp"

#include <gtest/gtest.h>

#include "hone/graph/op.hpp"
#include "hone/graph/text.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

// x, t = tanh(x), u = relu(t); t and u are outputs.
Graph small_graph() {
  return parse_graph(R"(graph small {
  input %x : f32[T,8]
  %t : f32[T,8] = tanh(%x)
  %u : f32[T,8] = relu(%t)
  return t = %t
  return u = %u
})");
}

TEST(Verify, AcceptsAGoodGraph) { EXPECT_NO_THROW(verify_graph(small_graph())); }

TEST(Verify, UseBeforeDefinition) {
  Graph graph = small_graph();
  std::swap(graph.nodes[0], graph.nodes[1]);
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal,
               "%u = relu(...) reads %t before it is computed");
}

TEST(Verify, WrongType) {
  Graph graph = small_graph();
  graph.values[static_cast<std::size_t>(graph.find("t"))].type.dims[1] = 9;
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal,
               "%t has type f32[T,9], tanh gives f32[T,8]");
}

TEST(Verify, DoubleDefinition) {
  Graph graph = small_graph();
  graph.nodes.push_back(graph.nodes[1]);
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "%u does not name its producer");
  graph.values[static_cast<std::size_t>(graph.find("u"))].producer = NodeId{2};
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "%u does not name its producer");
}

TEST(Verify, WrongProducer) {
  Graph graph = small_graph();
  graph.values[static_cast<std::size_t>(graph.find("t"))].producer = NodeId{1};
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "%t does not name its producer");
}

TEST(Verify, ADefinedInputIsNotComputed) {
  Graph graph = small_graph();
  graph.nodes[0].outputs[0] = graph.find("x");
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "%x");
}

TEST(Verify, UnknownOpAttributeAndCounts) {
  Graph graph = small_graph();
  graph.nodes[0].op = "taanh";
  EXPECT_ERROR(verify_graph(graph), ErrorCode::invalid_argument, "unknown op 'taanh'", "tanh");
  graph = small_graph();
  graph.nodes[0].attributes.set("strength", 1.0);
  EXPECT_ERROR(verify_graph(graph), ErrorCode::invalid_argument, "strength");
  graph = small_graph();
  graph.nodes[0].op = "scale";  // lacks its factor
  EXPECT_ERROR(verify_graph(graph), ErrorCode::invalid_argument, "factor");
  graph = small_graph();
  graph.nodes[0].inputs.clear();
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "has 0 inputs");
  graph = small_graph();
  graph.nodes[0].inputs[0] = none;
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "lacks input 0");
  graph = small_graph();
  graph.nodes[0].outputs.push_back(graph.find("u"));
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "has 2 outputs, expected 1");
}

TEST(Verify, AnOutputThatNobodyComputes) {
  Graph graph = small_graph();
  graph.nodes.pop_back();
  EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "output 'u' is never computed");
}

// The id of a value that is not there must not be followed.
TEST(Verify, IdsOutsideTheGraph) {
  for (const ValueId bad : {ValueId{-2}, ValueId{5}, ValueId{1000000}}) {
    Graph graph = small_graph();
    graph.nodes[0].inputs[0] = bad;
    EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "names a value");
    graph = small_graph();
    graph.nodes[0].outputs[0] = bad;
    EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "names a value");
    graph = small_graph();
    graph.outputs[0].second = bad;
    EXPECT_ERROR(verify_graph(graph), ErrorCode::internal, "names a value");
  }
}

std::string in_place(const std::string& rest) {
  return R"(graph g {
  state %sum : f32[4]
  state %other : f32[4]
  input %x : f32[4]
)" + rest +
         "}";
}

TEST(Verify, OverwrittenThenRead) {
  EXPECT_NO_THROW(
      parse_graph(in_place("  %a : f32[4] = accumulate(%sum, %x)\n  %b : f32[4] = tanh(%a)\n  "
                           "update %sum = %a\n  return b = %b\n")));
  EXPECT_ERROR(parse_graph(in_place("  %a : f32[4] = accumulate(%sum, %x)\n  %b : f32[4] = "
                                    "tanh(%sum)\n  update %sum = %a\n  return b = %b\n")),
               ErrorCode::bad_format, "reads %sum after it was overwritten");
  EXPECT_ERROR(
      parse_graph(in_place(
          "  %a : f32[4] = accumulate(%sum, %x)\n  update %sum = %a\n  return b = %sum\n")),
      ErrorCode::bad_format, "%sum");
  EXPECT_ERROR(parse_graph(in_place("  %a : f32[4] = accumulate(%sum, %x)\n  %b : f32[4] = "
                                    "accumulate(%sum, %x)\n  update %sum = %b\n")),
               ErrorCode::bad_format, "reads %sum after it was overwritten");
}

TEST(Verify, OnlyStatesAndParametersAreOverwritten) {
  EXPECT_ERROR(
      parse_graph(in_place(
          "  %t : f32[4] = tanh(%x)\n  %a : f32[4] = accumulate(%t, %x)\n  return a = %a\n")),
      ErrorCode::bad_format, "overwrites %t");
  EXPECT_ERROR(parse_graph(in_place("  %a : f32[4] = accumulate(%x, %x)\n  return a = %a\n")),
               ErrorCode::bad_format, "overwrites %x");
}

TEST(Verify, Updates) {
  EXPECT_ERROR(
      parse_graph("graph g {\n  state %a : f32[4]\n  state %b : f32[5]\n  update %a = %b\n}"),
      ErrorCode::bad_format, "f32[4] and f32[5] differ");
  EXPECT_ERROR(parse_graph(in_place("  %a : f32[4] = tanh(%x)\n  update %x = %a\n")),
               ErrorCode::bad_format, "update of %x");
  EXPECT_ERROR(
      parse_graph(in_place("  %a : f32[4] = tanh(%x)\n  update %sum = %a\n  update %sum = %x\n")),
      ErrorCode::bad_format, "%sum is updated twice");
}

TEST(Graph, AppendNamesTheOpAndTheShapes) {
  Graph graph;
  const ValueId x = graph.input("x", {DType::f32, {3, 4}});
  const ValueId w = graph.parameter("w", {DType::f32, {5, 6}});
  EXPECT_ERROR(graph.apply("linear", {x, w}), ErrorCode::invalid_argument, "f32[3,4], f32[5,6]");
  EXPECT_ERROR(graph.apply("linear", {x}), ErrorCode::invalid_argument,
               "[linear] expected 2 to 3 inputs");
  EXPECT_ERROR(graph.apply("linaer", {x, w}), ErrorCode::invalid_argument, "linaer", "linear");
  EXPECT_ERROR(graph.input("x", {DType::f32, {1}}), ErrorCode::invalid_argument,
               "two values are named %x");
}

TEST(Graph, SortKeepsTheOrderThatItCan) {
  Graph graph = small_graph();
  std::swap(graph.nodes[0], graph.nodes[1]);
  graph.values[static_cast<std::size_t>(graph.find("t"))].producer = NodeId{1};
  graph.values[static_cast<std::size_t>(graph.find("u"))].producer = NodeId{0};
  graph.sort();
  EXPECT_NO_THROW(verify_graph(graph));
  EXPECT_EQ(graph.nodes[0].op, "tanh");
  // A cycle cannot be put in order.
  graph.nodes[0].inputs[0] = graph.find("u");
  EXPECT_ERROR(graph.sort(), ErrorCode::internal, "form a cycle");
}

TEST(Graph, RemoveDeadKeepsWhatIsNeeded) {
  Graph graph = small_graph();
  graph.outputs.erase(graph.outputs.begin() + 1);
  graph.remove_dead();
  EXPECT_EQ(
      print_graph(graph),
      "graph small {\n  input %x : f32[T,8]\n  %t : f32[T,8] = tanh(%x)\n  return t = %t\n}\n");
  EXPECT_EQ(graph.find("u"), none);
}

TEST(Dims, EvaluateAndPrint) {
  const ValueType type{DType::i32, {Dim("B", 1), 4}};
  EXPECT_EQ(to_string(type), "i32[B+1,4]");
  EXPECT_EQ(evaluate(type, {{"B", 7}}), (Shape{8, 4}));
  EXPECT_EQ(to_string(Dim("B", -2)), "B-2");
  EXPECT_ERROR(evaluate(type, {}), ErrorCode::invalid_argument, "'B' has no size");
}

}  // namespace
}  // namespace hone_test
