#include "hone/plan/plan.hpp"

#include <set>

#include <gtest/gtest.h>

#include "hone/frontends/bert_config.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/pass.hpp"
#include "hone/tasks/task.hpp"
#include "support/expect_error.hpp"

namespace hone_test {
namespace {

using namespace hone;

Graph training_graph(bool compiled) {
  const Json config = builtin_architecture("bert-tiny").builtin("bert-tiny", {});
  const Blueprint bert = architecture_of(config, "test").make(config, "test");
  Graph graph = bert.graph;
  append_loss(graph, find_task("text_classification"));
  if (compiled)
    run_passes(graph, {{"push_gather"},
                       {"differentiate"},
                       {"append_optimizer"},
                       {"sparse_embedding"},
                       {"group_rows"}});
  else
    run_passes(graph, {{"differentiate"}, {"append_optimizer"}});
  return graph;
}

const DimSizes sizes{{"T", 512}, {"B", 8}, {"S", 100}};

std::int64_t bytes_of(const Graph& graph, ValueId id) {
  return element_count(evaluate(graph.type(id), sizes)) *
         static_cast<std::int64_t>(size_of(graph.type(id).dtype));
}

// The steps in which a value is written first and read last.
struct Lifetime {
  int begin = -1, end = -1;
};
std::vector<Lifetime> lifetimes(const Graph& graph, const Plan& plan) {
  std::vector<Lifetime> list(graph.values.size());
  for (std::size_t s = 0; s < plan.steps.size(); ++s)
    for (const PlannedNode& planned : plan.steps[s].nodes) {
      for (ValueId id : graph.node(planned.node).outputs)
        list[static_cast<std::size_t>(id)] = {static_cast<int>(s), static_cast<int>(s)};
      for (ValueId id : graph.node(planned.node).inputs)
        if (id != none) list[static_cast<std::size_t>(id)].end = static_cast<int>(s);
    }
  for (const auto& [name, id] : graph.outputs)
    list[static_cast<std::size_t>(id)].end = static_cast<int>(plan.steps.size());
  return list;
}

TEST(Plan, EveryNodeRunsOnceInOrder) {
  for (const bool compiled : {false, true}) {
    const Graph graph = training_graph(compiled);
    const Plan plan = make_plan(graph, sizes, {.threads = 2});
    std::vector<bool> done(graph.nodes.size(), false);
    for (const PlanStep& step : plan.steps)
      for (const PlannedNode& planned : step.nodes) {
        EXPECT_FALSE(done[static_cast<std::size_t>(planned.node)]);
        for (ValueId id : graph.node(planned.node).inputs)
          if (id != none && graph.value(id).producer != none) {
            EXPECT_TRUE(done[static_cast<std::size_t>(graph.value(id).producer)]);
          }
        done[static_cast<std::size_t>(planned.node)] = true;
        EXPECT_FALSE(planned.reason.empty());
        // Only what works on a number or two a sample is left to the references.
        if (planned.kernel == nullptr)
          for (ValueId id : graph.node(planned.node).outputs)
            EXPECT_LE(bytes_of(graph, id), 64)
                << graph.node(planned.node).op << ": " << planned.reason;
      }
    EXPECT_EQ(std::count(done.begin(), done.end(), true),
              static_cast<std::ptrdiff_t>(graph.nodes.size()));
  }
}

TEST(Plan, LiveTensorsOfTheArenaNeverOverlap) {
  for (const bool compiled : {false, true})
    for (int threads : {1, 3}) {
      const Graph graph = training_graph(compiled);
      const Plan plan = make_plan(graph, sizes, {.threads = threads});
      const std::vector<Lifetime> lives = lifetimes(graph, plan);
      for (std::size_t a = 0; a < graph.values.size(); ++a) {
        if (plan.locations[a].place != Place::arena) continue;
        const std::int64_t begin_a = plan.locations[a].offset;
        const std::int64_t end_a = begin_a + bytes_of(graph, static_cast<ValueId>(a));
        EXPECT_EQ(begin_a % 64, 0);
        EXPECT_LE(end_a, plan.arena_bytes);
        for (std::size_t b = 0; b < a; ++b) {
          if (plan.locations[b].place != Place::arena || lives[a].end < lives[b].begin ||
              lives[b].end < lives[a].begin)
            continue;
          const std::int64_t begin_b = plan.locations[b].offset;
          const std::int64_t end_b = begin_b + bytes_of(graph, static_cast<ValueId>(b));
          EXPECT_TRUE(end_a <= begin_b || end_b <= begin_a)
              << graph.values[a].name << " and " << graph.values[b].name;
        }
      }
    }
}

// What is read inside one group only never reaches memory; what another step reads does.
TEST(Plan, ValuesInsideAGroupLiveInTiles) {
  const Graph graph = training_graph(true);
  const Plan plan = make_plan(graph, sizes, {.threads = 2});
  const std::vector<Lifetime> lives = lifetimes(graph, plan);
  int in_tiles = 0;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    if (!plan.steps[s].tiled) continue;
    EXPECT_EQ(plan.steps[s].tile_rows, 64);
    for (const PlannedNode& planned : plan.steps[s].nodes) {
      if (find_op(graph.node(planned.node).op).rows != RowRule::rows) continue;
      for (ValueId id : graph.node(planned.node).outputs) {
        const bool inside = lives[static_cast<std::size_t>(id)].end == static_cast<int>(s);
        EXPECT_EQ(plan.locations[static_cast<std::size_t>(id)].place,
                  inside ? Place::tile : Place::arena)
            << graph.value(id).name;
        in_tiles += inside ? 1 : 0;
      }
    }
  }
  EXPECT_GT(in_tiles, 20);
  EXPECT_LT(plan.arena_bytes, make_plan(training_graph(false), sizes, {.threads = 2}).arena_bytes);
}

TEST(Plan, InPlaceResultsStayWithTheirOwner) {
  const Graph graph = training_graph(true);
  const Plan plan = make_plan(graph, sizes, {.threads = 2});
  for (const auto& [target, id] : graph.updates) {
    const Location& at = plan.locations[static_cast<std::size_t>(id)];
    EXPECT_EQ(at.place, Place::external) << graph.value(id).name;
    EXPECT_EQ(at.offset, static_cast<std::int64_t>(target)) << graph.value(id).name;
  }
}

TEST(Plan, ReferenceModeTakesNoKernel) {
  const Graph graph = training_graph(true);
  const Plan plan = make_plan(graph, sizes, {.threads = 2, .use_kernels = false});
  for (const PlanStep& step : plan.steps) {
    EXPECT_FALSE(step.tiled);
    for (const PlannedNode& planned : step.nodes) {
      EXPECT_EQ(planned.kernel, nullptr);
      EXPECT_EQ(planned.reason, "reference mode");
    }
  }
}

TEST(Plan, SaysWhyAKernelWasRefused) {
  const Graph graph = parse_graph(R"(graph g {
  input %q : f32[B,8]
  input %k : f32[T,8]
  input %o : i32[B+1]
  input %rows : i32[B]
  %a : f32[B,8], %l : f32[B,2] = attention(%q, %k, %k, %o, _, %rows) {heads = 2}
  return a = %a
})");
  const KernelChoice choice = choose_kernel({graph, graph.nodes[0], sizes, 2});
  ASSERT_NE(choice.kernel, nullptr);
  EXPECT_EQ(choice.kernel->name, "cpu.attention_picked");
  EXPECT_NE(choice.reason.find("cpu.attention refused: takes all queries of a sequence"),
            std::string::npos)
      << choice.reason;
}

TEST(Plan, SaysThatNoKernelTakesANode) {
  const Graph graph = parse_graph(
      "graph g {\n  input %x : i8[T,8]\n  input %r : i32[B]\n  %y : i8[B,8] = gather_rows(%x, "
      "%r)\n  return y = %y\n}");
  const KernelChoice choice = choose_kernel({graph, graph.nodes[0], sizes, 2});
  EXPECT_EQ(choice.kernel, nullptr);
  EXPECT_NE(choice.reason.find("elements are not 32 bits wide"), std::string::npos)
      << choice.reason;
}

TEST(Plan, RefusesWhatItCannotPlan) {
  const std::string head = "graph g {\n  input %x : f32[T,8]\n  input %o : i32[B+1]\n";
  const Graph apart = parse_graph(head + R"(  %a : f32[T,8] = tanh(%x) @0
  %s : i32[B] = sequence_starts(%o)
  %b : f32[T,8] = relu(%a) @0
  return b = %b
  return s = %s
})");
  EXPECT_ERROR(make_plan(apart, sizes, {}), ErrorCode::internal,
               "the nodes of group 0 do not stand together");
  EXPECT_ERROR(make_plan(training_graph(true), {{"T", 8}}, {}), ErrorCode::invalid_argument,
               "has no size");
  const Graph mixed = parse_graph(R"(graph g {
  input %x : f32[T,8]
  input %y : f32[B,8]
  %a : f32[T,8] = tanh(%x) @0
  %b : f32[B,8] = tanh(%y) @0
  return a = %a
  return b = %b
})");
  EXPECT_ERROR(make_plan(mixed, sizes, {}), ErrorCode::internal, "group 0");
  const Graph whole = parse_graph(
      "graph g {\n  input %o : i32[B+1]\n  %s : i32[B] = sequence_starts(%o) @0\n  return s = "
      "%s\n}");
  EXPECT_ERROR(make_plan(whole, sizes, {}), ErrorCode::internal, "group 0");
  // A sum over rows is complete only after the last tile.
  const Graph early = parse_graph(R"(graph g {
  input %x : f32[T,8]
  %s : f32[8] = sum_rows(%x) @0
  %b : f32[T,8] = broadcast_rows(%s, %x) @0
  return b = %b
})");
  EXPECT_ERROR(make_plan(early, sizes, {}), ErrorCode::internal, "group 0");
  EXPECT_ERROR(make_plan(training_graph(true), sizes, {.threads = 0}), ErrorCode::invalid_argument,
               "thread");
}

TEST(Plan, TileRowsCanBeChosen) {
  for (std::int64_t rows : {1, 7, 1000}) {
    const Plan plan = make_plan(training_graph(true), sizes, {.threads = 1, .tile_rows = rows});
    for (const PlanStep& step : plan.steps)
      if (step.tiled) EXPECT_EQ(step.tile_rows, rows);
  }
}

}  // namespace
}  // namespace hone_test
