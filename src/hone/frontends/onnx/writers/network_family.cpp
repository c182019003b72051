// hone's ops of networks, as ONNX's: products, convolutions, pooling, norms, lookups, recurrence.
#include <fmt/format.h>

#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/lora.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {

OnnxAttribute yes_or_no(bool yes) { return onnx_value(std::int64_t{yes ? 1 : 0}); }

// Of two matrices by Gemm, which reads them transposed; else by MatMul.
void write_product(OnnxExportCall& call) {
  if (call.result_type().dims.size() == 2 && call.result_type().dtype == DType::f32) {
    const auto a = call.operand(call.id(0)), b = call.operand(call.id(1));
    if (a.is_transposed != 0 || b.is_transposed != 0)
      return call.out(0, call.add("Gemm", {a.name, b.name},
                                  {{"transA", onnx_value(a.is_transposed)},
                                   {"transB", onnx_value(b.is_transposed)}}));
  }
  call.out(0, call.add("MatMul", call.broadcast_in_front()));
}

void write_linear(OnnxExportCall& call) {
  call.out(0, call.add("Gemm", call.all(), {{"transB", yes_or_no(true)}}));
}

// base + factor x a^T b^T.
void write_lora(OnnxExportCall& call) {
  const double factor = lora_factor(call.attributes(), call.type(2).dims[0].offset);
  const std::string low = call.add("Gemm", {call.in(1), call.in(2)}, {{"transB", yes_or_no(true)}});
  call.out(0, call.add("Gemm", {low, call.in(3), call.in(0)},
                       {{"transB", yes_or_no(true)}, {"alpha", onnx_value(factor)}}));
}

// bias + g (x - bias).
void write_rescale(OnnxExportCall& call) {
  if (!call.has(2)) return call.out(0, call.add("Mul", {call.in(0), call.in(1)}));
  const std::string bare = call.add("Sub", {call.in(0), call.in(2)});
  call.out(0, call.add("Add", {call.add("Mul", {bare, call.in(1)}), call.in(2)}));
}

OnnxAttributes window_attributes(const Options& from, const std::vector<std::int64_t>& kernel,
                                 const std::string& op) {
  const Window window = window_of(from, kernel, op);
  std::vector<std::int64_t> pads = window.before;
  pads.insert(pads.end(), window.after.begin(), window.after.end());
  return {{"kernel_shape", onnx_value(kernel)},
          {"strides", onnx_value(window.strides)},
          {"dilations", onnx_value(window.dilations)},
          {"pads", onnx_value(pads)}};
}

std::vector<std::int64_t> kernel_of(OnnxExportCall& call) {
  std::vector<std::int64_t> kernel;
  const std::vector<Dim>& dims = call.type(1).dims;
  for (std::size_t d = 2; d < dims.size(); ++d) kernel.push_back(dims[d].offset);
  return kernel;
}

void write_conv(OnnxExportCall& call) {
  OnnxAttributes attributes = window_attributes(call.attributes(), kernel_of(call), "conv");
  attributes["group"] = onnx_value(call.attributes().integer("groups"));
  call.out(0, call.add("Conv", call.all(), attributes));
}

void write_conv_transpose(OnnxExportCall& call) {
  const std::vector<std::int64_t> kernel = kernel_of(call);
  OnnxAttributes attributes = window_attributes(call.attributes(), kernel, "conv_transpose");
  attributes["group"] = onnx_value(call.attributes().integer("groups"));
  const Window window = window_of(call.attributes(), kernel, "conv_transpose");
  std::vector<std::int64_t> more;
  for (std::size_t d = 0; d < kernel.size(); ++d) {
    const Dim reached =
        add(multiply(subtract(call.type(0).dims[d + 2], Dim(1)), Dim(window.strides[d])),
            Dim((kernel[d] - 1) * window.dilations[d] + 1 - window.before[d] - window.after[d]));
    const Dim rest = subtract(call.result_type().dims[d + 2], reached);
    if (!rest.is_fixed()) call.refuse("its sizes follow from those of a run");
    more.push_back(rest.offset);
  }
  attributes["output_padding"] = onnx_value(more);
  call.out(0, call.add("ConvTranspose", call.all(), attributes));
}

OnnxAttributes pool_window(OnnxExportCall& call) {
  const Options& from = call.attributes();
  OnnxAttributes attributes = window_attributes(from, integers_of(from, "kernel"), call.node().op);
  attributes["ceil_mode"] = yes_or_no(from.boolean("up"));
  return attributes;
}

void write_max_pool(OnnxExportCall& call) {
  const auto made =
      call.add_many("MaxPool", {call.in(0)}, pool_window(call), call.is_used(1) ? 2 : 1);
  for (std::size_t i = 0; i < made.size(); ++i) call.out(i, made[i]);
}

// (What every operator set has is left out where it says nothing.)
bool is_dilated(const OnnxAttributes& attributes) {
  for (const std::int64_t one : attributes.at("dilations").integers)
    if (one != 1) return true;
  return false;
}

void write_average_pool(OnnxExportCall& call) {
  OnnxAttributes attributes = pool_window(call);
  attributes["count_include_pad"] = yes_or_no(call.attributes().boolean("count_pads"));
  const bool dilated = is_dilated(attributes);
  if (!dilated) attributes.erase("dilations");
  call.out(0, call.add("AveragePool", {call.in(0)}, attributes, dilated ? 19 : 11));
}

void write_lp_pool(OnnxExportCall& call) {
  OnnxAttributes attributes = pool_window(call);
  attributes["p"] = onnx_value(call.attributes().integer("p"));
  const bool newer = is_dilated(attributes) || call.attributes().boolean("up");
  if (!newer) {
    attributes.erase("dilations");
    attributes.erase("ceil_mode");
  }
  call.out(0, call.add("LpPool", {call.in(0)}, attributes, newer ? 18 : 11));
}

void write_batch_norm(OnnxExportCall& call) {
  if (call.attributes().integer("axis") != 1) call.refuse("its channels are not dimension 1");
  call.out(0, call.add("BatchNormalization", call.all(),
                       {{"epsilon", onnx_value(call.attributes().real("epsilon"))}}));
}

// By LayerNormalization, or before it was there by what it is.
void write_layer_norm(OnnxExportCall& call) {
  if (call.is_used(1) || call.is_used(2)) call.refuse("its means are read");
  const double epsilon = call.attributes().real("epsilon");
  if (call.opset() >= 17)
    return call.out(
        0,
        call.add("LayerNormalization", call.all(),
                 {{"axis", onnx_value(std::int64_t{-1})}, {"epsilon", onnx_value(epsilon)}}, 17));
  OnnxBuilder& b = call.builder();
  const std::string centred =
      call.add("Sub", {call.in(0), b.reduce("ReduceMean", call.in(0), {-1}, true)});
  const std::string variance =
      b.reduce("ReduceMean", call.add("Mul", {centred, centred}), {-1}, true);
  const std::string root =
      call.add("Sqrt", {call.add("Add", {variance, call.number(epsilon, DType::f32)})});
  const std::string scaled = call.add("Mul", {call.add("Div", {centred, root}), call.in(1)});
  call.out(0, call.add("Add", {scaled, call.in(2)}));
}

void write_softmax_rows(OnnxExportCall& call) {
  call.out(0, call.add("Softmax", {call.in(0)}, {{"axis", onnx_value(std::int64_t{-1})}}));
}

void write_embedding(OnnxExportCall& call) {
  call.out(0, call.add("Gather", {call.in(0), call.in(1)}));
}

std::vector<std::string> split_texts(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

OnnxOpWriter make_recurrent_writer(const char* op, const char* name, const char* own) {
  return make_onnx_writer(op, name, [name, own](OnnxExportCall& call) {
    const Options& from = call.attributes();
    OnnxAttributes attributes{{"direction", onnx_value(from.text("direction"))},
                              {"hidden_size", onnx_value(call.type(2).dims[2].offset)}};
    if (const auto names = split_texts(from.text_or("activations", "")); !names.empty())
      attributes["activations"] = onnx_value(names);
    for (const auto& [key, to] :
         {std::pair{"alphas", "activation_alpha"}, std::pair{"betas", "activation_beta"}}) {
      std::vector<double> numbers;
      for (const std::string& one : split_texts(from.text_or(key, "")))
        numbers.push_back(std::stod(one));
      if (!numbers.empty()) attributes[to] = onnx_value(numbers);
    }
    if (from.real_or("clip", 0) > 0) attributes["clip"] = onnx_value(from.real("clip"));
    if (own != nullptr) attributes[own] = yes_or_no(from.boolean_or(own, false));
    const std::size_t count = call.node().outputs.size();
    const auto made = call.add_many(name, call.all(), attributes, count);
    for (std::size_t i = 0; i < count; ++i) call.out(i, made[i]);
  });
}

}  // namespace

std::vector<OnnxOpWriter> onnx_writer_network_family() {
  return {make_onnx_writer("average_pool", "AveragePool", write_average_pool),
          make_onnx_writer("batch_matmul", "MatMul, or Gemm", write_product),
          make_onnx_writer("batch_norm", "BatchNormalization", write_batch_norm),
          make_onnx_writer("conv", "Conv", write_conv),
          make_onnx_writer("conv_transpose", "ConvTranspose", write_conv_transpose),
          make_onnx_writer("embedding", "Gather", write_embedding),
          make_onnx_writer("layer_norm", "LayerNormalization", write_layer_norm),
          make_onnx_writer("linear", "Gemm", write_linear),
          make_onnx_writer("lora", "two Gemm", write_lora),
          make_onnx_writer("lp_pool", "LpPool", write_lp_pool),
          make_onnx_writer("matmul", "MatMul", write_product),
          make_onnx_writer("max_pool", "MaxPool", write_max_pool),
          make_onnx_writer("rescale", "Mul around a bias", write_rescale),
          make_onnx_writer("softmax", "Softmax", write_softmax_rows),
          make_recurrent_writer("gru", "GRU", "linear_before_reset"),
          make_recurrent_writer("lstm", "LSTM", "input_forget"),
          make_recurrent_writer("rnn", "RNN", nullptr)};
}

}  // namespace hone
