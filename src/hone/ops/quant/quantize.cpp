// y[r] = the numbers of a format that stand for x[r]. The gradient passes straight through (Bengio
// et al., arXiv 1308.3432) unless the format says otherwise.
#include "hone/core/error.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace quantize_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const TensorRows rows = rows_of(*t.attributes);
  if (t[0].dtype != DType::f32 || t[0].dims.size() < 2 ||
      (t.has(1) && !is_vector(t[1], DType::u32)))
    fail_shapes("quantize", "x f32[R,...,C], rng u32[3]", t);
  const auto quantizer = bind_quantizer(*t.attributes);
  const std::optional<std::int64_t> length = fixed_row_length(t[0].dims, rows);
  if (!quantizer->by_elements() && (!length || !quantizer->by_rows(*length)))
    throw Error(ErrorCode::invalid_argument,
                "[quantize] the rows of this format depend on each other", "use quantize_tensor");
  return {t[0]};
}

void reference(const OpCall& call) {
  const auto quantizer = bind_quantizer(*call.attributes);
  RandomDraws draws;
  if (call.has(1)) {
    const std::uint32_t* rng = call.in(1).as<std::uint32_t>();
    draws = {rng[0] | std::uint64_t{rng[1]} << 32, rng[2],
             static_cast<std::uint32_t>(call.attributes->integer("stream")), 0};
  }
  quantize_by_rows(*quantizer, rows_of(*call.attributes), call.in(0).shape(),
                   call.in(0).as<float>(), call.out(0).as<float>(), call.has(1) ? &draws : nullptr);
}

std::vector<ValueId> gradient(const GradientCall& call) {
  if (!bind_quantizer(call.attributes())->has_gradient()) return {call.grad(), none};
  Options attributes = call.attributes();
  attributes.set("stream", std::int64_t{0});
  return {
      call.graph.apply("quantize_grad", {call.in(0), call.grad()},
                       format_options(attributes.text("format"), attributes.text_or("options", ""),
                                      attributes.text_or("rule", "exact"))),
      none};
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, const char* format, const char* options,
                       const char* rows = "last") {
    Options attributes = format_options(format, options);
    attributes.set("rows", std::string(rows));
    return OpSample{name, {random_tensor(std::move(shape), 1)}, std::move(attributes), {}, 1e-12};
  };
  return {make("integer", {7, 19}, "integer", "width=8 frac_width=4"),
          make("one row", {1, 5}, "integer", "width=4"),
          make("no rows", {0, 8}, "integer", ""),
          make("blocks", {130, 96}, "mxint", ""),
          make("odd blocks", {9, 37}, "block_fp", "width=6"),
          make("groups", {5, 70}, "affine", "width=4 granularity=group group_size=16"),
          make("floats", {33, 64}, "minifloat_ieee", "width=8 exponent_width=4"),
          make("powers", {12, 40}, "log", "width=5"),
          make("signs", {3, 130}, "binary_scaling", ""),
          make("three dimensions", {3, 5, 70}, "mxint", ""),
          make("planes", {2, 5, 4, 3}, "mxint", "block_size=4", "channels"),
          make("a channel", {3, 1, 2, 2}, "affine", "width=4", "channels"),
          make("filters", {6, 5, 3, 3}, "affine", "width=4", "filters"),
          make("no planes", {0, 4, 2, 2}, "mxint", "", "channels")};
}

}  // namespace quantize_op
}  // namespace

Op op_quantize() {
  using namespace quantize_op;
  std::vector<OptionSpec> options = format_attributes();
  options.push_back({"stream", OptionType::integer, std::int64_t{0},
                     "of random numbers, where the format draws them", 0, 1e9});
  options.push_back(slot_attribute());
  options.push_back(rows_attribute());
  Op op{{"quantize", "rounds rows to the numbers of a format", std::move(options)},
        1,
        2,
        {"x", "rng"},
        RowRule::rows};
  op.cheap = true;
  op.straight_through = true;
  op.stands_for = 0;
  op.infer = infer;
  op.reference = reference;
  op.gradient = gradient;
  op.samples = samples;
  return op;
}

}  // namespace hone
