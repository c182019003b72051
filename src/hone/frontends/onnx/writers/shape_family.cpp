// hone's ops that move, pick, join and reduce elements, as ONNX's.
#include <limits>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

OnnxAttribute truth_of(bool yes) { return onnx_value(std::int64_t{yes ? 1 : 0}); }
std::int64_t axis_of(OnnxExportCall& call) { return call.attributes().integer("axis"); }

void write_reshape(OnnxExportCall& call) {
  call.out(0, call.builder().reshaped(call.in(0), call.result_type().dims));
}

void write_transpose(OnnxExportCall& call) {
  const std::vector<std::int64_t> order = integers_of(call.attributes(), "order");
  call.out(0, call.add("Transpose", {call.in(0)}, {{"perm", onnx_value(order)}}));
}

// (A size of 1 takes that of what is repeated.)
void write_expand(OnnxExportCall& call) {
  std::vector<Dim> dims = call.result_type().dims;
  const std::vector<Dim>& own = call.type(0).dims;
  for (std::size_t back = 1; back <= own.size(); ++back)
    if (own[own.size() - back] == dims[dims.size() - back]) dims[dims.size() - back] = 1;
  call.out(0, call.add("Expand", {call.in(0), call.builder().sizes(dims)}));
}

void write_broadcast_rows(OnnxExportCall& call) {
  call.out(0, call.add("Expand", {call.in(0), call.builder().sizes(call.result_type().dims)}));
}

void write_concat(OnnxExportCall& call) {
  call.out(0, call.add("Concat", call.all(), {{"axis", onnx_value(axis_of(call))}}));
}

void write_slice(OnnxExportCall& call) {
  const Dim begin = parse_dim(call.attributes().text("begin"));
  const Dim end = parse_dim(call.attributes().text("end"));
  const std::int64_t step = call.attributes().integer("step");
  OnnxBuilder& b = call.builder();
  // (Backwards, -1 means before the first; there it is the last.)
  const bool whole = step < 0 && end.is_fixed() && end.offset < 0;
  const std::string to =
      whole ? b.integers({std::numeric_limits<std::int64_t>::min()}) : b.size(end);
  call.out(0, call.add("Slice", {call.in(0), b.size(begin), to, b.integers({axis_of(call)}),
                                 b.integers({step})}));
}

void write_pad(OnnxExportCall& call) {
  const Options& from = call.attributes();
  const std::string& mode = from.text("mode");
  const auto axis = static_cast<std::size_t>(axis_of(call));
  std::vector<Dim> pads(2 * call.type(0).dims.size(), Dim(0));
  pads[axis] = parse_dim(from.text("before"));
  pads[axis + pads.size() / 2] = parse_dim(from.text("after"));
  std::vector<std::string> inputs{call.in(0), call.builder().sizes(pads)};
  if (mode == "constant") inputs.push_back(call.number(from.real("value"), call.type(0).dtype));
  call.out(0, call.add("Pad", inputs, {{"mode", onnx_value(mode)}}, mode == "wrap" ? 19 : 13));
}

void write_resize(OnnxExportCall& call) {
  const Options& from = call.attributes();
  const std::string& mode = from.text("mode");
  const std::string& coordinates = from.text("coordinates");
  const auto axis = static_cast<std::size_t>(axis_of(call));
  const std::size_t rank = call.type(0).dims.size();
  OnnxAttributes attributes{{"mode", onnx_value(mode)},
                            {"coordinate_transformation_mode", onnx_value(coordinates)}};
  if (mode == "nearest") attributes["nearest_mode"] = onnx_value(from.text("rounding"));
  if (mode == "cubic") attributes["cubic_coeff_a"] = onnx_value(from.real("cubic_a"));
  if (from.boolean("exclude_outside")) attributes["exclude_outside"] = truth_of(true);
  std::int64_t since = 13;
  if (from.boolean("antialias")) {
    attributes["antialias"] = truth_of(true);
    since = 18;
  }
  if (coordinates == "half_pixel_symmetric") since = 19;
  std::string roi;
  if (coordinates == "tf_crop_and_resize") {
    attributes["extrapolation_value"] = onnx_value(from.real("outside"));
    Tensor regions(DType::f32, {2 * static_cast<std::int64_t>(rank)});
    for (std::size_t d = 0; d < rank; ++d) {
      regions.as<float>()[d] = d == axis ? static_cast<float>(from.real("begin")) : 0.0f;
      regions.as<float>()[rank + d] = d == axis ? static_cast<float>(from.real("end")) : 1.0f;
    }
    roi = call.builder().tensor(std::move(regions), "region");
  }
  std::string scales, sizes;
  if (from.real("scale") != 0) {
    Tensor by(DType::f32, {static_cast<std::int64_t>(rank)});
    for (std::size_t d = 0; d < rank; ++d)
      by.as<float>()[d] = d == axis ? static_cast<float>(from.real("scale")) : 1.0f;
    scales = call.builder().tensor(std::move(by), "scales");
  } else {
    sizes = call.builder().sizes(call.result_type().dims);
  }
  call.out(0, call.add("Resize", {call.in(0), roi, scales, sizes}, attributes, since));
}

OnnxOpWriter make_gather(const char* op, const char* name) {
  return make_onnx_writer(op, name, [name](OnnxExportCall& call) {
    call.out(0, call.add(name, call.all(), {{"axis", onnx_value(axis_of(call))}}));
  });
}

void write_gather_rows(OnnxExportCall& call) { call.out(0, call.add("Gather", call.all())); }

void write_gather_nd(OnnxExportCall& call) {
  call.out(0, call.add("GatherND", call.all(),
                       {{"batch_dims", onnx_value(call.attributes().integer("batch"))}}));
}

OnnxOpWriter make_scatter(const char* op, const char* name, bool has_axis) {
  return make_onnx_writer(op, name, [name, has_axis](OnnxExportCall& call) {
    const std::string& reduce = call.attributes().text("reduce");
    OnnxAttributes attributes;
    if (has_axis) attributes["axis"] = onnx_value(axis_of(call));
    if (reduce != "none") attributes["reduction"] = onnx_value(reduce);
    const std::int64_t since = reduce == "none" ? 11 : reduce == "max" || reduce == "min" ? 18 : 16;
    call.out(0, call.add(name, call.all(), attributes, since));
  });
}

// Places of a tensor of zeros that `places` names, counted through the whole of it.
void write_max_unpool(OnnxExportCall& call) {
  OnnxBuilder& b = call.builder();
  Tensor zero(call.type(0).dtype, {1});
  const std::string zeros = b.add(
      "Expand", {b.tensor(std::move(zero), "zero"), b.size(product(call.result_type().dims))});
  const auto flat = [&](std::size_t i) { return b.add("Reshape", {call.in(i), b.integers({-1})}); };
  OnnxAttributes attributes{{"axis", onnx_value(std::int64_t{0})}};
  const bool adds = call.attributes().boolean("add");
  if (adds) attributes["reduction"] = onnx_value(std::string("add"));
  const std::string filled =
      call.add("ScatterElements", {zeros, flat(1), flat(0)}, attributes, adds ? 16 : 13);
  call.out(0, b.reshaped(filled, call.result_type().dims));
}

OnnxOpWriter make_reduction(const char* op, const char* name) {
  return make_onnx_writer(op, name, [name](OnnxExportCall& call) {
    std::vector<std::int64_t> axes = integers_of(call.attributes(), "axes");
    if (axes.empty()) return call.out(0, call.add("Identity", {call.in(0)}));
    call.out(0, call.builder().reduce(name, call.in(0), std::move(axes),
                                      call.attributes().boolean("keep")));
  });
}

// Over one axis of a matrix.
OnnxOpWriter make_row_reduction(const char* op, const char* name, std::int64_t axis) {
  return make_onnx_writer(op, name, [name, axis](OnnxExportCall& call) {
    call.out(0, call.builder().reduce(name, call.in(0), {axis}, false));
  });
}

OnnxOpWriter make_arg(const char* op, const char* name) {
  return make_onnx_writer(op, name, [name](OnnxExportCall& call) {
    const Options& from = call.attributes();
    call.out(0, call.add(name, {call.in(0)},
                         {{"axis", onnx_value(axis_of(call))},
                          {"keepdims", truth_of(from.boolean("keep"))},
                          {"select_last_index", truth_of(from.boolean("last"))}}));
  });
}

void write_top_k(OnnxExportCall& call) {
  const std::string k = call.integers({call.attributes().integer("k")});
  const auto made = call.add_many("TopK", {call.in(0), k},
                                  {{"axis", onnx_value(axis_of(call))},
                                   {"largest", truth_of(call.attributes().boolean("largest"))}},
                                  2);
  for (std::size_t i = 0; i < 2; ++i) call.out(i, made[i]);
}

OnnxOpWriter make_cumulative(const char* op, const char* name, std::int64_t since) {
  return make_onnx_writer(op, name, [name, since](OnnxExportCall& call) {
    const std::string axis = call.number(static_cast<double>(axis_of(call)), DType::i64);
    call.out(0, call.add(name, {call.in(0), axis},
                         {{"exclusive", truth_of(call.attributes().boolean("exclusive"))},
                          {"reverse", truth_of(call.attributes().boolean("reverse"))}},
                         since));
  });
}

void write_iota(OnnxExportCall& call) {
  OnnxBuilder& b = call.builder();
  const Dim& size = call.result_type().dims[0];
  const std::string end = size.is_fixed() ? b.number(static_cast<double>(size.offset), DType::i64)
                                          : b.add("Squeeze", {b.size(size), b.integers({0})});
  call.out(0, call.add("Range", {b.number(0, DType::i64), end, b.number(1, DType::i64)}));
}

void write_reverse_sequence(OnnxExportCall& call) {
  call.out(0, call.add("ReverseSequence", call.all(),
                       {{"batch_axis", onnx_value(call.attributes().integer("batch"))},
                        {"time_axis", onnx_value(call.attributes().integer("time"))}}));
}

}  // namespace

std::vector<OnnxOpWriter> onnx_writer_shape_family() {
  return {make_arg("arg_max", "ArgMax"),
          make_arg("arg_min", "ArgMin"),
          make_onnx_writer("broadcast_rows", "Expand", write_broadcast_rows),
          make_onnx_writer("concat", "Concat", write_concat),
          make_cumulative("cum_prod", "CumProd", 26),
          make_cumulative("cum_sum", "CumSum", 11),
          make_onnx_writer("expand", "Expand", write_expand),
          make_gather("gather", "Gather"),
          make_gather("gather_elements", "GatherElements"),
          make_onnx_writer("gather_nd", "GatherND", write_gather_nd),
          make_onnx_writer("gather_rows", "Gather", write_gather_rows),
          make_onnx_writer("iota", "Range", write_iota),
          make_reduction("max", "ReduceMax"),
          make_onnx_writer("max_unpool", "ScatterElements", write_max_unpool),
          make_reduction("mean", "ReduceMean"),
          make_reduction("min", "ReduceMin"),
          make_onnx_writer("pad", "Pad", write_pad),
          make_reduction("prod", "ReduceProd"),
          make_row_reduction("reduce_mean", "ReduceMean", -1),
          make_row_reduction("reduce_sum", "ReduceSum", -1),
          make_onnx_writer("reshape", "Reshape", write_reshape),
          make_onnx_writer("resize", "Resize", write_resize),
          make_onnx_writer("reverse_sequence", "ReverseSequence", write_reverse_sequence),
          make_scatter("scatter_elements", "ScatterElements", true),
          make_scatter("scatter_nd", "ScatterND", false),
          make_onnx_writer("slice", "Slice", write_slice),
          make_reduction("sum", "ReduceSum"),
          make_row_reduction("sum_rows", "ReduceSum", 0),
          make_onnx_writer("top_k", "TopK", write_top_k),
          make_onnx_writer("transpose", "Transpose", write_transpose)};
}

}  // namespace hone
