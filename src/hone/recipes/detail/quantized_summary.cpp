#include "hone/recipes/quantized_summary.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/int8_products.hpp"
#include "hone/passes/packing.hpp"
#include "hone/plan/plan.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

std::int64_t count_of(const Graph& graph, ValueId id) {
  return element_count(evaluate(graph.type(id), {}));
}

bool is_product(const std::string& op) {
  return op.rfind("linear", 0) == 0 || op.rfind("conv", 0) == 0 || op == "attention" ||
         op == "attention_int8";
}

// Options that calibration and training fit.
constexpr const char* fitted_options[] = {"frac_width", "exponent_bias", "scale", "zero_point"};

std::string without_fitted(FormatChoice choice) {
  Options options = parse_format_options(find_format(choice.format), choice.options);
  for (const char* name : fitted_options) options.erase(name);
  choice.options = format_options_text(options);
  return to_string(choice);
}

}  // namespace

FloatShare left_in_float32(const Model& model) {
  const Graph& graph = model.graph;
  std::set<std::string> rounded;
  for (const auto& [name, choice] : quantized_parameters(graph, formats_of(graph)))
    rounded.insert(name);
  FloatShare share;
  std::set<std::string> seen;
  std::map<std::string, std::int64_t> by_op;
  for (const Node& node : graph.nodes) {
    // (What a rounding reads beside its weight is its step.)
    if (find_op(node.op).stands_for >= 0) continue;
    for (const ValueId id : weights_of(graph, node)) {
      const std::string& name = graph.value(id).name;
      if (!seen.insert(name).second) continue;
      const std::int64_t count = count_of(graph, id);
      share.parameters += count;
      if (rounded.count(name) != 0) continue;
      share.float_parameters += count;
      by_op[node.op] += count;
    }
  }
  share.by_op = {by_op.begin(), by_op.end()};
  std::stable_sort(share.by_op.begin(), share.by_op.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return share;
}

std::string to_string(const FloatShare& share) {
  if (share.float_parameters == 0) return "nothing";
  std::vector<std::string> parts;
  for (const auto& [op, count] : share.by_op)
    parts.push_back(op + " " + format_count(static_cast<double>(count)));
  return fmt::format(
      "{} of {} parameters ({}): {}", format_count(static_cast<double>(share.float_parameters)),
      format_count(static_cast<double>(share.parameters)),
      format_percent(
          static_cast<double>(share.float_parameters) / static_cast<double>(share.parameters), 1),
      fmt::join(parts, ", "));
}

std::vector<FormatEntry> describe_formats(const Quantization& quantization) {
  // By the format without what is fitted: the formats as they are, their slots and nodes.
  struct Group {
    std::set<std::string> whole, slots, nodes;
  };
  std::map<std::string, Group> groups;
  for (const NodeFormats& node : quantization)
    for (const auto& [slot, choice] : node.slots) {
      Group& group = groups[without_fitted(choice)];
      group.whole.insert(to_string(choice));
      group.slots.insert(slot_names[static_cast<std::size_t>(slot)]);
      group.nodes.insert(node.node);
    }
  std::vector<FormatEntry> list;
  for (const auto& [common, group] : groups)
    list.push_back({.format = group.whole.size() == 1 ? *group.whole.begin()
                                                      : common + ", ranges of their own",
                    .slots = fmt::format("{}", fmt::join(group.slots, ", ")),
                    .nodes = static_cast<double>(group.nodes.size())});
  return list;
}

std::int64_t packed_bytes(const Model& model) {
  const Graph& graph = model.graph;
  double bits = 32.0 * static_cast<double>(left_in_float32(model).float_parameters);
  for (const auto& [name, choice] : quantized_parameters(graph, formats_of(graph))) {
    const ValueId id = graph.find(name);
    const Shape shape = evaluate(graph.type(id), {});
    bits += bind_for(graph, id, choice)->bits_per_value(shape) *
            static_cast<double>(element_count(shape));
  }
  return static_cast<std::int64_t>(std::ceil(bits / 8));
}

std::string describe_products(const Model& model) {
  if (!is_packed(model.graph))
    return "the numbers stay float32 and are rounded in every run: slower, not smaller";
  const Graph graph = make_forward_graph(model, Mode::compiled);
  const DimSizes sizes = all_sizes(graph, {{"T", 2048}, {"B", 8}, {"S", 1}, {"R", 1}});
  const Plan plan = make_plan(graph, sizes, PlanOptions{});
  int products = 0, codes = 0, wide = 0;
  std::string why;
  for (const PlanStep& step : plan.steps)
    for (const PlannedNode& planned : step.nodes) {
      const Node& node = graph.node(planned.node);
      if (!is_product(node.op)) continue;
      ++products;
      const bool on_codes =
          node.op == "linear_int8" || node.op == "attention_int8" || node.op == "conv_int8";
      codes += on_codes;
      wide += on_codes && planned.kernel != nullptr &&
              planned.kernel->name.find("vnni") != std::string::npos;
      if (!on_codes && why.empty()) why = why_not_int8(graph, node);
    }
  if (codes == 0)
    return fmt::format("no product runs on 8-bit codes{}: the model is smaller, not faster",
                       why.empty() ? "" : " (" + why + ")");
  if (wide == 0)
    return "this machine has no 8-bit dot products (AVX-512 VNNI): the model is smaller, not "
           "faster";
  return fmt::format("{} of {} products run on 8-bit instructions (AVX-512 VNNI)", wide, products);
}

QuantizedEvent describe_quantized(const Model& model) {
  const FloatShare share = left_in_float32(model);
  QuantizedEvent event;
  event.nodes = static_cast<double>(formats_of(model.graph).size());
  event.formats = describe_formats(formats_of(model.graph));
  event.parameters = static_cast<double>(share.parameters);
  event.float_parameters = static_cast<double>(share.float_parameters);
  for (const auto& [op, count] : share.by_op)
    event.left_in_float32[op] = static_cast<double>(count);
  return event;
}

}  // namespace hone
