// ONNX ops that are made of others: triangles, one-hot, blocks of depth, 8-bit rounding.
#include <algorithm>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// 0, 1, 2, ... along one dimension of `dims`.
ValueId places(OnnxCall& call, const std::vector<Dim>& dims, std::size_t axis, DType dtype) {
  std::vector<Dim> wide(dims.size(), Dim(1));
  wide[axis] = dims[axis];
  const ValueId numbers = call.cast(call.iota(dims[axis]), dtype);
  return call.expanded(call.reshaped(numbers, wide), dims);
}

void convert_gather_elements(OnnxCall& call) {
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  call.out(0, call.apply("gather_elements", {call.in(0), call.in(1)}, {{"axis", axis}}));
}

// The places on or above (below) a diagonal.
ValueId triangle(OnnxCall& call, const std::vector<Dim>& dims, std::int64_t diagonal,
                 const char* op) {
  const std::size_t rank = dims.size();
  const ValueId row = places(call, dims, rank - 2, DType::i64);
  const ValueId column = places(call, dims, rank - 1, DType::i64);
  const ValueId shifted =
      call.apply("add", {row, call.number(static_cast<double>(diagonal), DType::i64, dims)});
  return call.apply(op, {column, shifted});
}

void convert_trilu(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  if (dims.size() < 2) call.fail("it has less than two dimensions");
  std::int64_t diagonal = 0;
  if (call.has(1))
    diagonal = std::clamp<std::int64_t>(call.integers(1, "diagonal").at(0),
                                        -(std::int64_t{1} << 40), std::int64_t{1} << 40);
  const bool upper = call.integer("upper", 1) != 0;
  const ValueId x = call.in(0);
  const ValueId zero = call.number(0, call.type(0).dtype, dims);
  call.out(0, call.apply("where",
                         {triangle(call, dims, diagonal, upper ? "greater_equal" : "less_equal"), x,
                          zero}));
}

void convert_eye_like(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  if (dims.size() != 2) call.fail("it is no matrix");
  DType dtype = call.type(0).dtype;
  if (call.has_attribute("dtype")) {
    const std::int64_t number = call.integer("dtype");
    const auto known = dtype_of_onnx(number);
    if (!known) call.refuse("is of " + name_of_onnx_dtype(number));
    dtype = *known;
  }
  call.out(0, call.cast(triangle(call, dims, call.integer("k", 0), "equal"), dtype));
}

// Where `index` (with a dimension of size 1 at the axis) names the place.
ValueId one_hot(OnnxCall& call, ValueId index, std::size_t axis, std::int64_t depth) {
  std::vector<Dim> dims = call.dims(index);
  dims[axis] = depth;
  const DType dtype = call.graph().type(index).dtype;
  return call.apply("equal", {places(call, dims, axis, dtype), call.expanded(index, dims)});
}

void convert_one_hot(OnnxCall& call) {
  const Tensor* known = call.constant(1);
  if (known == nullptr || known->size() != 1) call.refuse("its depth is data of a run");
  const std::int64_t depth = integer_at(*known, 0);
  ValueId index = call.cast(call.in(0), DType::i64);
  std::vector<Dim> dims = call.dims(index);
  const std::int64_t axis = call.axis(call.integer("axis", -1), dims.size() + 1);
  dims.insert(dims.begin() + axis, Dim(1));
  index = call.reshaped(index, dims);
  // Counted from the end where negative; what lies outside is nowhere.
  const ValueId negative = call.apply("less", {index, call.number(0, DType::i64, dims)});
  const ValueId moved =
      call.apply("add", {index, call.number(static_cast<double>(depth), DType::i64, dims)});
  const ValueId hot = one_hot(call, call.apply("where", {negative, moved, index}),
                              static_cast<std::size_t>(axis), depth);
  const std::vector<Dim> all = call.dims(hot);
  const ValueId values = call.in(2);
  const auto value = [&](const char* from, const char* to) {
    const ValueId one = call.apply(
        "slice", {values},
        {{"axis", std::int64_t{0}}, {"begin", std::string(from)}, {"end", std::string(to)}});
    return call.expanded(call.reshaped(one, {}), all);
  };
  const ValueId off = value("0", "1");
  call.out(0, call.apply("where", {hot, value("1", "2"), off}));
}

void convert_hardmax(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const bool old = call.opset() < 13;
  const std::int64_t axis = call.axis(call.integer("axis", old ? 1 : -1), dims.size());
  const DType dtype = call.type(0).dtype;
  ValueId x = call.in(0);
  std::size_t at = static_cast<std::size_t>(axis);
  if (old) {
    const std::span<const Dim> all = dims;
    x = call.reshaped(x, {product(all.first(at)), product(all.subspan(at))});
    at = 1;
  }
  const std::vector<Dim> shape = call.dims(x);
  if (!shape[at].is_fixed()) call.refuse("over a size that only a run knows");
  const ValueId best =
      call.apply("arg_max", {x}, {{"axis", static_cast<std::int64_t>(at)}, {"keep", true}});
  call.out(0, call.reshaped(call.cast(one_hot(call, best, at, shape[at].offset), dtype), dims));
}

// [N, C, H, W] in blocks of b x b.
struct Blocks {
  Dim n, c, h, w;
  std::int64_t b;
};
Blocks blocks_of(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  if (dims.size() != 4) call.fail("it has not four dimensions");
  const std::int64_t b = call.integer("blocksize");
  if (b < 1) call.fail("attribute 'blocksize' is below 1");
  return {dims[0], dims[1], dims[2], dims[3], b};
}

void convert_depth_to_space(OnnxCall& call) {
  const auto [n, c, h, w, b] = blocks_of(call);
  const std::string mode = call.text("mode", "DCR");
  const Dim less = divide_exactly(c, Dim(b * b));
  const ValueId x = call.in(0);
  ValueId y;
  if (mode == "DCR")
    y = call.transposed(call.reshaped(x, {n, b, b, less, h, w}), {0, 3, 4, 1, 5, 2});
  else
    y = call.transposed(call.reshaped(x, {n, less, b, b, h, w}), {0, 1, 4, 2, 5, 3});
  call.out(0, call.reshaped(y, {n, less, multiply(h, Dim(b)), multiply(w, Dim(b))}));
}

void convert_space_to_depth(OnnxCall& call) {
  const auto [n, c, h, w, b] = blocks_of(call);
  const Dim down = divide_exactly(h, Dim(b)), right = divide_exactly(w, Dim(b));
  const std::string mode = call.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") call.fail("attribute 'mode' is DCR or CRD");
  const std::vector<std::int64_t> order = mode == "DCR"
                                              ? std::vector<std::int64_t>{0, 3, 5, 1, 2, 4}
                                              : std::vector<std::int64_t>{0, 1, 3, 5, 2, 4};
  const ValueId x = call.reshaped(call.in(0), {n, c, down, b, right, b});
  call.out(0, call.reshaped(call.transposed(x, order), {n, multiply(c, Dim(b * b)), down, right}));
}

// The middle of a dimension, or zeros around it.
void convert_center_crop_pad(OnnxCall& call) {
  const std::vector<Dim> sizes = call.sizes(1, "sizes");
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < call.rank(0); ++i) axes.push_back(static_cast<std::int64_t>(i));
  axes = call.axes(call.integers("axes", axes), call.rank(0));
  if (sizes.size() != axes.size()) call.fail("its sizes do not fit the dimensions");
  ValueId y = call.in(0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Dim size = call.dims(y)[static_cast<std::size_t>(axes[i])];
    if (size == sizes[i]) continue;
    const Dim more = subtract(sizes[i], size);
    if (!more.is_fixed()) call.refuse("crops or pads by what only a run knows");
    const std::int64_t first = std::abs(more.offset) / 2;
    if (more.offset > 0)
      y = call.apply("pad", {y},
                     {{"axis", axes[i]},
                      {"before", std::to_string(first)},
                      {"after", std::to_string(more.offset - first)}});
    else
      y = call.apply("slice", {y},
                     {{"axis", axes[i]},
                      {"begin", std::to_string(first)},
                      {"end", to_string(add(sizes[i], Dim(first)))}});
  }
  call.out(0, y);
}

// Counts of the n-grams of a pool, weighted.
void convert_tf_idf(OnnxCall& call) {
  const std::string mode = call.text("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    call.fail("attribute 'mode' is TF, IDF or TFIDF");
  if (call.has_attribute("pool_strings")) call.refuse("n-grams of texts");
  const std::vector<std::int64_t> places = call.integers("ngram_indexes", std::nullopt);
  ValueId y = call.apply("count_ngrams", {call.in(0)},
                         {{"pool", to_text(call.integers("pool_int64s", std::nullopt))},
                          {"starts", to_text(call.integers("ngram_counts", std::nullopt))},
                          {"places", to_text(places)},
                          {"shortest", call.integer("min_gram_length")},
                          {"longest", call.integer("max_gram_length")},
                          {"skips", call.integer("max_skip_count")}});
  const std::vector<Dim> dims = call.dims(y);
  if (mode == "IDF")
    y = call.cast(call.apply("greater", {y, call.number(0, DType::f32, dims)}), DType::f32);
  const std::vector<double> weights = call.reals("weights", std::vector<double>{});
  if (mode != "TF" && !weights.empty()) {
    Tensor all(DType::f32, {std::ssize(weights)});
    for (std::int64_t i = 0; i < all.size(); ++i)
      set_real(all, i, weights[static_cast<std::size_t>(i)]);
    y = call.apply("mul", {y, call.expanded(call.buffer(all), dims)});
  }
  call.out(0, y);
}

// A scale or zero point of the whole tensor, of each place of an axis, or of each block of `block`
// places of it.
ValueId spread(OnnxCall& call, ValueId v, const std::vector<Dim>& dims, std::int64_t axis,
               std::int64_t block) {
  if (block != 0) {
    const std::vector<Dim> own = call.dims(v);
    const auto at = static_cast<std::size_t>(axis);
    if (own.size() != dims.size()) call.fail("its scale has not the dimensions of its blocks");
    if (!dims[at].is_fixed() || !own[at].is_fixed())
      call.refuse("blocks of a size that only a run knows");
    std::vector<Dim> apart = own, wide = own, whole = own;
    apart.insert(apart.begin() + axis + 1, Dim(1));
    wide.insert(wide.begin() + axis + 1, Dim(block));
    whole[at] = own[at].offset * block;
    if (block < 1 || whole[at].offset < dims[at].offset)
      call.fail(fmt::format("its blocks of {} do not cover the dimension", block));
    const ValueId repeated = call.reshaped(call.expanded(call.reshaped(v, apart), wide), whole);
    if (whole[at] == dims[at]) return repeated;
    return call.apply("slice", {repeated},
                      {{"axis", axis}, {"begin", std::string("0")}, {"end", to_string(dims[at])}});
  }
  if (call.dims(v).empty() || dims.empty()) return call.expanded(call.reshaped(v, {}), dims);
  if (call.dims(v) == std::vector<Dim>{1}) return call.expanded(call.reshaped(v, {}), dims);
  if (call.dims(v).size() != 1) call.fail("its scale has too many dimensions");
  std::vector<Dim> wide(dims.size(), Dim(1));
  wide[static_cast<std::size_t>(axis)] = call.dims(v)[0];
  return call.expanded(call.reshaped(v, wide), dims);
}

void convert_quantize_linear(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t axis =
      dims.empty() ? 0
                   : call.axis(std::min<std::int64_t>(call.integer("axis", 1),
                                                      static_cast<std::int64_t>(dims.size()) - 1),
                               dims.size());
  for (const char* name : {"saturate", "precision"}) call.ignore(name);
  const std::int64_t block = call.integer("block_size", 0);
  DType to = DType::u8;
  if (const std::int64_t number = call.integer("output_dtype", 0); number != 0) {
    const auto known = dtype_of_onnx(number);
    if (!known) call.refuse("gives " + name_of_onnx_dtype(number));
    to = *known;
  }
  if (call.has(2)) to = call.type(2).dtype;
  if (to != DType::u8 && to != DType::i8 && to != DType::i16)
    call.refuse(fmt::format("gives {}", name_of(to)));
  const ValueId x = call.cast(call.in(0), DType::f32);
  const ValueId scale = spread(call, call.cast(call.in(1), DType::f32), dims, axis, block);
  ValueId y = call.apply("round", {call.apply("div", {x, scale})});
  if (call.has(2))
    y = call.apply("add", {y, spread(call, call.cast(call.in(2), DType::f32), dims, axis, block)});
  // (The cast saturates.)
  call.out(0, call.cast(y, to));
}

void convert_dequantize_linear(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  const std::int64_t axis =
      dims.empty() ? 0
                   : call.axis(std::min<std::int64_t>(call.integer("axis", 1),
                                                      static_cast<std::int64_t>(dims.size()) - 1),
                               dims.size());
  const std::int64_t block = call.integer("block_size", 0);
  DType to = call.type(1).dtype;
  if (const std::int64_t number = call.integer("output_dtype", 0); number != 0) {
    const auto known = dtype_of_onnx(number);
    if (!known) call.refuse("gives " + name_of_onnx_dtype(number));
    to = *known;
  }
  ValueId x = call.cast(call.in(0), DType::f32);
  if (call.has(2))
    x = call.apply("sub", {x, spread(call, call.cast(call.in(2), DType::f32), dims, axis, block)});
  const ValueId y =
      call.apply("mul", {x, spread(call, call.cast(call.in(1), DType::f32), dims, axis, block)});
  call.out(0, call.cast(y, to));
}

// u8 of the range that the numbers have, which holds 0: what it gives, its scale and its zero
// point.
void convert_dynamic_quantize(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < dims.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  const Options over{{"axes", to_text(axes)}, {"keep", false}};
  const ValueId x = call.in(0), zero = call.number(0, DType::f32);
  const ValueId high = call.apply("maximum", {call.apply("max", {x}, over), zero});
  const ValueId low = call.apply("minimum", {call.apply("min", {x}, over), zero});
  const ValueId range = call.apply("sub", {high, low});
  const ValueId scale = call.apply("div", {range, call.number(255, DType::f32)});
  const ValueId nothing = call.apply("equal", {range, zero});
  const ValueId by = call.apply("where", {nothing, call.number(1, DType::f32), scale});
  const ValueId point = call.cast(
      call.apply("round", {call.apply("div", {call.apply("neg", {low}), by})}), DType::u8);
  const ValueId y = call.apply("round", {call.apply("div", {x, call.expanded(by, dims)})});
  const ValueId moved = call.apply("add", {y, call.expanded(call.cast(point, DType::f32), dims)});
  call.out(0, call.cast(moved, DType::u8));
  call.out(1, scale);
  call.out(2, point);
}

}  // namespace

std::vector<OnnxOp> onnx_arrange_family() {
  return {
      make_onnx_op("GatherElements", "places that are named, one each", convert_gather_elements),
      make_onnx_op("Trilu", "a triangle of a matrix", convert_trilu),
      make_onnx_op("EyeLike", "ones on a diagonal", convert_eye_like),
      make_onnx_op("OneHot", "one at the place that is named", convert_one_hot),
      make_onnx_op("CenterCropPad", "the middle, or zeros around it", convert_center_crop_pad, 18),
      make_onnx_op("TfIdfVectorizer", "counts of n-grams", convert_tf_idf, 9),
      make_onnx_op("Hardmax", "one where the largest is", convert_hardmax),
      make_onnx_op("DepthToSpace", "channels become places", convert_depth_to_space),
      make_onnx_op("SpaceToDepth", "places become channels", convert_space_to_depth),
      make_onnx_op("DynamicQuantizeLinear", "rounded to 8 bits of its range",
                   convert_dynamic_quantize, 11),
      make_onnx_op("QuantizeLinear", "rounded to 8 bits", convert_quantize_linear, 10),
      make_onnx_op("DequantizeLinear", "what 8 bits stand for", convert_dequantize_linear, 10)};
}

}  // namespace hone
