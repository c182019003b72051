// Takes statistics of what chosen nodes read and give, for calibration:
//
//   %y = linear(%x, %w)   =>   %x.seen = observe(%x.stats, %x)   %y = linear(%x, %w)
#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/numerics/value_stats.hpp"
#include "hone/passes/calibration.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace observe_pass {

int run(const PassCall& call) {
  Graph& graph = call.graph;
  int count = 0;
  for (const std::string& name : split(call.options.text("values"), ',')) {
    const ValueId id = graph.find(name);
    if (id == none)
      throw Error(ErrorCode::invalid_argument, "pass observe: there is no value %" + name);
    const ValueId stats =
        graph.add_value(stats_name(name), {DType::f64, {Dim(ValueStats::size)}}, ValueKind::state);
    graph.updates.emplace_back(stats, graph.apply("observe", {stats, id}, {}, name + ".seen"));
    ++count;
  }
  graph.sort();
  return count;
}

}  // namespace observe_pass
}  // namespace

Pass pass_observe() {
  using namespace observe_pass;
  Pass pass{{"observe",
             "takes statistics of values",
             {{"values", OptionType::text, std::nullopt, "their names, separated by commas"}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
