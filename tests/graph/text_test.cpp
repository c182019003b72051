#include "hone/graph/text.hpp"
#include "hone/core/json.hpp"

#include <gtest/gtest.h>

#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/passes/pass.hpp"
#include "hone/tasks/task.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

// The graphs of a BERT, at every stage of the pipeline.
std::vector<Graph> bert_graphs() {
  const Json config = builtin_bert_config("bert-tiny").to_json();
  const Blueprint bert = architecture_of(config, "test").make(config, "test");
  std::vector<Graph> graphs{bert.graph, bert.graph};
  append_loss(graphs.back(), find_task("text_classification"));
  for (const char* pass :
       {"push_gather", "differentiate", "append_optimizer", "sparse_embedding", "group_rows"}) {
    graphs.push_back(graphs.back());
    run_passes(graphs.back(), {{pass}});
  }
  return graphs;
}

TEST(GraphText, BertReadsBackAsItWasPrinted) {
  for (const Graph& graph : bert_graphs()) {
    const std::string text = print_graph(graph);
    const Graph again = parse_graph(text);
    EXPECT_EQ(print_graph(again), text);
    ASSERT_EQ(again.nodes.size(), graph.nodes.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      EXPECT_EQ(again.nodes[n].op, graph.nodes[n].op);
      EXPECT_EQ(again.nodes[n].attributes, graph.nodes[n].attributes);
      EXPECT_EQ(again.nodes[n].group, graph.nodes[n].group);
    }
    EXPECT_EQ(again.outputs.size(), graph.outputs.size());
    EXPECT_EQ(again.updates.size(), graph.updates.size());
  }
}

TEST(GraphText, HandWrittenFormsArePrintedOneWay) {
  const Graph graph = parse_graph(R"(# a comment
graph  small{ input %x: f32[ T , 8 ]  # sizes
  param %g : f32[8] param %b : f32[8]
  input %o : i32[B+1]
  %y :f32[T,8],%m: f32[T] , %r : f32[T]=layer_norm(%x,%g , %b){epsilon=0.001}@2
  %s : i32[B] = sequence_starts(%o)
  %z : f32[B,8] = gather_rows(%y, %s)
  %n : f32[1] = global_norm(_, %g)
  return out = %z return n=%n
})");
  const std::string expected = R"(graph small {
  input %x : f32[T,8]
  param %g : f32[8]
  param %b : f32[8]
  input %o : i32[B+1]
  %y : f32[T,8], %m : f32[T], %r : f32[T] = layer_norm(%x, %g, %b) {epsilon = 0.001} @2
  %s : i32[B] = sequence_starts(%o)
  %z : f32[B,8] = gather_rows(%y, %s)
  %n : f32[1] = global_norm(_, %g)
  return out = %z
  return n = %n
}
)";
  EXPECT_EQ(print_graph(graph), expected);
  EXPECT_EQ(print_graph(parse_graph(expected)), expected);
}

TEST(GraphText, DefaultsAreLeftOutAndExtremesSurvive) {
  const std::string text = R"(graph a {
  input %x : f32[3,4]
  %a : f32[3,4] = gelu(%x)
  %b : f32[3,4] = gelu(%x) {approximate = "tanh"}
  %c : f32[3,4] = scale(%x) {factor = 1e-30}
  %d : f32[3,4] = scale(%x) {factor = -0.1}
  return a = %a
  return b = %b
  return c = %c
  return d = %d
}
)";
  const Graph graph = parse_graph(text);
  EXPECT_EQ(print_graph(graph), text);
  EXPECT_EQ(graph.nodes[2].attributes.real("factor"), 1e-30);
  EXPECT_EQ(graph.nodes[3].attributes.real("factor"), -0.1);
  EXPECT_EQ(graph.nodes[0].attributes.text("approximate"), "none");
}

TEST(GraphText, AnEmptyGraphAndScalars) {
  const std::string text = "graph empty {\n  input %x : u32[]\n  return x = %x\n}\n";
  EXPECT_EQ(print_graph(parse_graph(text)), text);
  EXPECT_EQ(print_graph(parse_graph("graph nothing {}")), "graph nothing {\n}\n");
}

struct BadText {
  const char* text;
  const char* place;  // line and column
  const char* message;
};

// So that a failure shows the text, not its address.
void PrintTo(const BadText& bad, std::ostream* stream) {
  *stream << testing::PrintToString(bad.text);
}

class GraphTextErrors : public testing::TestWithParam<BadText> {};

TEST_P(GraphTextErrors, NameThePlace) {
  const BadText& bad = GetParam();
  EXPECT_ERROR(parse_graph(bad.text, "file.graph"), ErrorCode::bad_format,
               std::string("file.graph: ") + bad.place);
  EXPECT_ERROR(parse_graph(bad.text), ErrorCode::bad_format, bad.message);
}

INSTANTIATE_TEST_SUITE_P(
    All, GraphTextErrors,
    testing::Values(
        BadText{"", "line 1, column 1", "expected 'graph'"},
        BadText{"graf x {}", "line 1, column 1", "expected 'graph'"},
        BadText{"graph {}", "line 1, column 7", "the graph's name"},
        BadText{"graph g", "line 1, column 8", "expected '{'"},
        BadText{"graph g {\n", "line 2, column 1", "expected '}'"},
        BadText{"graph g {} more", "line 1, column 12", "nothing may follow"},
        BadText{"graph g {\n  input x : f32[1]\n}", "line 2, column 9", "expected '%'"},
        BadText{"graph g {\n  input % : f32[1]\n}", "line 2, column 11", "a value's name"},
        BadText{"graph g {\n  input %x f32[1]\n}", "line 2, column 12", "expected ':'"},
        BadText{"graph g {\n  input %x : f31[1]\n}", "line 2, column 17", "f31"},
        BadText{"graph g {\n  input %x : f32\n}", "line 3, column 1", "expected '['"},
        BadText{"graph g {\n  input %x : f32[2\n}", "line 3, column 1", "expected ']'"},
        BadText{"graph g {\n  input %x : f32[,]\n}", "line 2, column 18", "expected a size"},
        BadText{"graph g {\n  input %x : f32[-1]\n}", "line 2, column 18", "cannot be negative"},
        BadText{"graph g {\n  input %x : f32[99999999999999999999]\n}", "line 2, column 18",
                "whole number"},
        BadText{"graph g {\n  input %x : f32[T+]\n}", "line 2, column 18", "'T+' is no size"},
        BadText{"graph g {\n  input %x : f32[1]\n  param %x : f32[1]\n}", "line 3, column 11",
                "%x is defined twice"},
        BadText{"graph g {\n  %y : f32[1] = tanh(%x)\n}", "line 2, column 24",
                "%x is not defined before"},
        BadText{"graph g {\n  return a = %x\n}", "line 2, column 16", "%x is not defined before"},
        BadText{"graph g {\n  return = %x\n}", "line 2, column 10", "an output's name"},
        BadText{"graph g {\n  update %x = %x\n}", "line 2, column 12", "%x is not defined before"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = taanh(%x)\n}", "line 3, column 17",
                "did you mean 'tanh'"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = tanh %x\n}", "line 3, column 22",
                "expected '('"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = tanh(%x\n}", "line 4, column 1",
                "expected ')'"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[2] = tanh(%x)\n}", "line 3, column 17",
                "written as f32[2]"},
        BadText{"graph g {\n  input %x : f32[1]\n  %x : f32[1] = tanh(%x)\n}", "line 3, column 5",
                "%x is defined twice"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1], %z : f32[1] = tanh(%x)\n}",
                "line 3, column 30", "1 outputs, 2 are named"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = tanh(%x, %x)\n}",
                "line 3, column 17", "1 to 1 inputs"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = tanh(_)\n}", "line 3, column 17",
                "input"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = scale(%x)\n}", "line 3, column 17",
                "factor"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = scale(%x) {facto = 1}\n}",
                "line 3, column 35", "did you mean 'factor'"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = scale(%x) {factor 1}\n}",
                "line 3, column 35", "expected '='"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = scale(%x) {factor = big}\n}",
                "line 3, column 40", "factor"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = scale(%x) {factor = 1\n}",
                "line 4, column 2", "expected '}'"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = gelu(%x) {approximate = \"tan",
                "line 3", "expected '\"'"},
        BadText{"graph g {\n  input %x : f32[1]\n  %y : f32[1] = tanh(%x) @x\n}",
                "line 3, column 27", "whole number"},
        BadText{"graph g {\n  param %x : f32[2]\n  param %y : f32[3]\n  update %x = %y\n}",
                "graph g", "f32[2] and f32[3] differ"}),
    [](const auto& instance) { return "Text" + std::to_string(instance.index); });

}  // namespace
}  // namespace hone_test
