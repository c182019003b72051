// Takes statistics of what chosen nodes read and give, for calibration:
//
//   %y = linear(%x, %w)   =>   %x.seen = observe(%x.stats, %x)   %y = linear(%x, %w)
#include <set>

#include "hone/core/json.hpp"
#include "hone/graph/op.hpp"
#include "hone/numerics/value_stats.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

int run(Graph& graph, const Options& options) {
  const Quantization quantization = quantization_from_json(
      parse_json(options.text("nodes"), "pass observe: nodes"), "pass observe: nodes");
  std::set<ValueId> seen;
  for (const NodeFormats& formats : quantization)
    for (ValueId id : observed_values(graph, formats)) seen.insert(id);
  for (ValueId id : seen) {
    const std::string name = graph.value(id).name;
    const ValueId stats =
        graph.add_value(stats_name(name), {DType::f64, {Dim(ValueStats::size)}}, ValueKind::state);
    graph.updates.emplace_back(stats, graph.apply("observe", {stats, id}, {}, name + ".seen"));
  }
  graph.sort();
  return static_cast<int>(seen.size());
}

}  // namespace

Pass pass_observe() {
  Pass pass{{"observe",
             "takes statistics of what chosen nodes read and give",
             {{"nodes", OptionType::text, std::string("[]"), "JSON: formats by node and slot"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
