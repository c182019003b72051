// y[r] = the numbers of a format that stand for x[r]. The gradient passes straight through (Bengio
// et al., arXiv 1308.3432) unless the format says otherwise.
#include "hone/core/error.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace quantize_op {

std::vector<ValueType> infer(const OpTypes& t) {
  if (!is_matrix(t[0]) || (t.has(1) && !is_vector(t[1], DType::u32)))
    fail_shapes("quantize", "x f32[R,C], rng u32[3]", t);
  if (!t[0].dims[1].is_fixed() || !bind_quantizer(*t.attributes)->by_rows(t[0].dims[1].offset))
    throw Error(ErrorCode::invalid_argument,
                "[quantize] the rows of this format depend on each other", "use quantize_tensor");
  return {t[0]};
}

void reference(const OpCall& call) {
  const auto quantizer = bind_quantizer(*call.attributes);
  const std::int64_t rows = row_count(call.in(0));
  const std::int64_t columns = row_size(call.in(0));
  if (call.has(1) && quantizer->is_stochastic()) {
    const std::uint32_t* rng = call.in(1).as<std::uint32_t>();
    quantizer->quantize(call.in(0).as<float>(), call.out(0).as<float>(), rows, columns,
                        {rng[0] | std::uint64_t{rng[1]} << 32, rng[2],
                         static_cast<std::uint32_t>(call.attributes->integer("stream")), 0});
    return;
  }
  quantizer->quantize(call.in(0).as<float>(), call.out(0).as<float>(), rows, columns);
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
  const auto make = [](const char* name, Shape shape, const char* format, const char* options) {
    return OpSample{
        name, {random_tensor(std::move(shape), 1)}, format_options(format, options), {}, 1e-12};
  };
  return {make("integer", {7, 19}, "integer", "width=8 frac_width=4"),
          make("one row", {1, 5}, "integer", "width=4"),
          make("no rows", {0, 8}, "integer", ""),
          make("blocks", {130, 96}, "mxint", ""),
          make("odd blocks", {9, 37}, "block_fp", "width=6"),
          make("groups", {5, 70}, "affine", "width=4 granularity=group group_size=16"),
          make("floats", {33, 64}, "minifloat_ieee", "width=8 exponent_width=4"),
          make("powers", {12, 40}, "log", "width=5"),
          make("signs", {3, 130}, "binary_scaling", "")};
}

}  // namespace quantize_op
}  // namespace

Op op_quantize() {
  using namespace quantize_op;
  std::vector<OptionSpec> options = format_attributes();
  options.push_back({"stream", OptionType::integer, std::int64_t{0},
                     "of random numbers, where the format draws them", 0, 1e9});
  options.push_back(slot_attribute());
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
