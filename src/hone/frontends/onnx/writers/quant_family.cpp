// Rounding and dropped data, as QuantizeLinear and DequantizeLinear or as what they compute.
#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/frontends/onnx/onnx_rounding.hpp"
#include "hone/ops/detail/sparsify.hpp"

namespace hone {
namespace {

void write_quantize(OnnxExportCall& call) {
  call.out(0, rounded_data(call.builder(), call.in(0), call.type(0), call.attributes()));
}

// What is above a threshold, or of each row all but the smallest: those that TopK finds, put into
// zeros.
void write_sparsify(OnnxExportCall& call) {
  if (call.is_used(1)) call.refuse("which numbers stay is read");
  OnnxBuilder& b = call.builder();
  const std::string x = call.in(0), sizes = call.add("Abs", {x});
  const double threshold = call.attributes().real_or("threshold", -1);
  if (threshold >= 0) {
    const std::string small = call.add("LessOrEqual", {sizes, call.number(threshold, DType::f32)});
    return call.out(0, call.add("Where", {small, call.number(0, DType::f32), x}));
  }
  const std::int64_t columns = call.type(0).dims[1].offset;
  const std::int64_t kept = columns - dropped_of(columns, call.attributes().real_or("sparsity", 0));
  const auto largest = call.add_many("TopK", {sizes, b.integers({kept})},
                                     {{"axis", onnx_value(std::int64_t{1})}}, 2);
  const OnnxAttributes along{{"axis", onnx_value(std::int64_t{1})}};
  const std::string numbers = call.add("GatherElements", {x, largest[1]}, along);
  const std::string zeros =
      call.add("Expand", {call.number(0, DType::f32), b.sizes(call.type(0).dims)});
  call.out(0, call.add("ScatterElements", {zeros, largest[1], numbers}, along));
}

}  // namespace

std::vector<OnnxOpWriter> onnx_writer_quant_family() {
  return {make_onnx_writer("quantize", "QuantizeLinear", write_quantize),
          make_onnx_writer("quantize_tensor", "QuantizeLinear", write_quantize),
          make_onnx_writer("sparsify", "TopK, or Where", write_sparsify)};
}

}  // namespace hone
