// Any text as a graph: it is refused with an Error, or it prints to a text that parses to itself,
// can be rewritten by the passes and planned. Nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hone/core/error.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/pass.hpp"
#include "hone/plan/plan.hpp"

namespace {

void rewrite_and_plan(hone::Graph graph) {
  hone::DimSizes sizes;
  for (const hone::Value& value : graph.values)
    for (const hone::Dim& dim : value.type.dims)
      if (!dim.is_fixed()) sizes[dim.symbol] = 5;
  for (const char* pass : {"push_gather", "group_rows"}) hone::run_passes(graph, {{pass}});
  hone::make_plan(graph, sizes, {.threads = 2});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  hone::Graph graph;
  try {
    graph = hone::parse_graph(text, "fuzz");
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
    return 0;
  }
  const std::string printed = hone::print_graph(graph);
  if (hone::print_graph(hone::parse_graph(printed, "printed")) != printed) __builtin_trap();
  try {
    rewrite_and_plan(graph);
  } catch (const hone::Error& error) {
    // A size may be too large to plan; a pass that breaks a graph is a defect.
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  try {
    hone::run_passes(graph, {{"differentiate"}, {"append_optimizer"}, {"sparse_embedding"}});
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
