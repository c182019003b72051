// hone's ops of pictures, signals and texts, as ONNX's.
#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

void write_grid_sample(OnnxExportCall& call) {
  const Options& from = call.attributes();
  std::string mode = from.text("mode");
  if (call.opset() < 20 && mode != "nearest") mode = mode == "linear" ? "bilinear" : "bicubic";
  const std::int64_t since = call.type(0).dims.size() == 4 ? 16 : 20;
  call.out(0, call.add("GridSample", call.all(),
                       {{"mode", onnx_value(mode)},
                        {"padding_mode", onnx_value(from.text("outside"))},
                        {"align_corners", onnx_value(std::int64_t{from.boolean("corners")})}},
                       since));
}

void write_roi_align(OnnxExportCall& call) {
  const Options& from = call.attributes();
  const bool half = from.boolean("half_pixel");
  OnnxAttributes attributes{{"mode", onnx_value(from.text("mode"))},
                            {"output_height", onnx_value(from.integer("height"))},
                            {"output_width", onnx_value(from.integer("width"))},
                            {"sampling_ratio", onnx_value(from.integer("samples"))},
                            {"spatial_scale", onnx_value(from.real("scale"))}};
  if (call.opset() >= 16)
    attributes["coordinate_transformation_mode"] =
        onnx_value(std::string(half ? "half_pixel" : "output_half_pixel"));
  call.out(0, call.add("RoiAlign", call.all(), attributes, half ? 16 : 10));
}

void write_det(OnnxExportCall& call) { call.out(0, call.add("Det", {call.in(0)})); }

void write_dft(OnnxExportCall& call) {
  const Options& from = call.attributes();
  OnnxAttributes attributes{{"inverse", onnx_value(std::int64_t{from.boolean("inverse")})},
                            {"onesided", onnx_value(std::int64_t{from.boolean("half")})}};
  const std::int64_t length = from.integer("length"), axis = from.integer("axis");
  std::vector<std::string> inputs{
      call.in(0), length > 0 ? call.number(static_cast<double>(length), DType::i64) : ""};
  if (call.opset() >= 20)
    inputs.push_back(call.number(static_cast<double>(axis), DType::i64));
  else
    attributes["axis"] = onnx_value(axis);
  call.out(0, call.add("DFT", inputs, attributes, 17));
}

void write_count_ngrams(OnnxExportCall& call) {
  const Options& from = call.attributes();
  call.out(0, call.add("TfIdfVectorizer", {call.in(0)},
                       {{"mode", onnx_value(std::string("TF"))},
                        {"pool_int64s", onnx_value(integers_of(from, "pool"))},
                        {"ngram_counts", onnx_value(integers_of(from, "starts"))},
                        {"ngram_indexes", onnx_value(integers_of(from, "places"))},
                        {"min_gram_length", onnx_value(from.integer("shortest"))},
                        {"max_gram_length", onnx_value(from.integer("longest"))},
                        {"max_skip_count", onnx_value(from.integer("skips"))}}));
}

}  // namespace

std::vector<OnnxOpWriter> onnx_writer_vision_family() {
  return {make_onnx_writer("count_ngrams", "TfIdfVectorizer", write_count_ngrams),
          make_onnx_writer("det", "Det", write_det), make_onnx_writer("dft", "DFT", write_dft),
          make_onnx_writer("grid_sample", "GridSample", write_grid_sample),
          make_onnx_writer("roi_align", "RoiAlign", write_roi_align)};
}

}  // namespace hone
