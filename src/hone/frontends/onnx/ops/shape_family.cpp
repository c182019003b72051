// ONNX ops that move numbers without changing them, and those that say shapes.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// Sizes that only a run knows are known by their names without being computed.
std::vector<Dim> dims_of(OnnxCall& call, std::size_t i) { return call.type(i).dims; }

void convert_shape(OnnxCall& call) {
  std::vector<Dim> dims;
  if (!call.is_symbolic(0))
    dims = dims_of(call, 0);
  else if (!call.is_number(0))
    dims = {Dim(static_cast<std::int64_t>(call.find_sizes(0)->size()))};
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto place = [&](const char* name, std::int64_t otherwise) {
    const std::int64_t given = call.integer(name, otherwise);
    return std::clamp<std::int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  const std::int64_t begin = place("start", 0), end = std::max(begin, place("end", rank));
  call.out_sizes(0, {dims.begin() + begin, dims.begin() + end});
}

void convert_size(OnnxCall& call) { call.out_sizes(0, {product(dims_of(call, 0))}, true); }

// 0 keeps a size, -1 takes what is left.
void convert_reshape(OnnxCall& call) {
  if (call.is_symbolic(0)) {
    // Of sizes: one dimension, or none.
    const auto to_one = call.find_sizes(1);
    if (to_one && to_one->size() <= 1) {
      call.integer("allowzero", 0);
      call.out_sizes(0, *call.find_sizes(0), to_one->empty());
      return;
    }
  }
  const std::vector<Dim> from = dims_of(call, 0);
  const bool zero_is_zero = call.integer("allowzero", 0) != 0;
  std::vector<Dim> to;
  if (call.opset() >= 5)
    to = call.sizes(1, "sizes");
  else
    for (const std::int64_t size : call.integers("shape", std::nullopt)) to.emplace_back(size);
  std::ptrdiff_t open = -1;
  Dim known = 1;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == Dim(-1)) {
      if (open >= 0) call.fail("two sizes are -1");
      open = static_cast<std::ptrdiff_t>(i);
      continue;
    }
    if (to[i] == Dim(0) && !zero_is_zero) {
      if (i >= from.size()) call.fail(fmt::format("size {} is kept, and there is none", i));
      to[i] = from[i];
    }
    known = multiply(known, to[i]);
  }
  if (open >= 0) {
    try {
      to[static_cast<std::size_t>(open)] =
          known == Dim(0) ? Dim(0) : divide_exactly(product(from), known);
    } catch (const Error& error) {
      call.fail(error.message());
    }
  }
  call.out(0, call.reshaped(call.in(0), to));
}

void convert_flatten(OnnxCall& call) {
  const std::vector<Dim> from = dims_of(call, 0);
  const auto rank = static_cast<std::int64_t>(from.size());
  std::int64_t axis = call.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) call.fail(fmt::format("axis {} of {} dimensions", axis, rank));
  const std::span<const Dim> all = from;
  call.out(0, call.reshaped(call.in(0), {product(all.first(static_cast<std::size_t>(axis))),
                                         product(all.subspan(static_cast<std::size_t>(axis)))}));
}

// Axes as an attribute (to operator set 12) or as an input.
std::optional<std::vector<std::int64_t>> axes_given(OnnxCall& call, std::int64_t input_since) {
  if (call.opset() >= input_since) {
    if (!call.has(1)) return std::nullopt;
    return call.integers(1, "axes");
  }
  if (!call.has_attribute("axes")) return std::nullopt;
  return call.integers("axes", std::nullopt);
}

void convert_squeeze(OnnxCall& call) {
  if (call.is_symbolic(0)) {
    call.out_sizes(0, *call.find_sizes(0), true);
    if (call.opset() < 13) call.ignore("axes");
    return;
  }
  const std::vector<Dim> from = dims_of(call, 0);
  const auto given = axes_given(call, 13);
  std::vector<Dim> to;
  std::vector<std::int64_t> axes =
      given ? call.axes(*given, from.size()) : std::vector<std::int64_t>{};
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool named =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) != axes.end();
    if (named && !(from[i] == Dim(1)))
      call.refuse(fmt::format("dimension {} has the size {}, not 1", i, to_string(from[i])));
    if (!(named || (!given && from[i] == Dim(1)))) to.push_back(from[i]);
  }
  call.out(0, call.reshaped(call.in(0), to));
}

void convert_unsqueeze(OnnxCall& call) {
  const auto given = axes_given(call, 13);
  if (!given) call.fail("it has no axes");
  if (call.is_symbolic(0)) {
    call.out_sizes(0, *call.find_sizes(0), false);
    return;
  }
  const std::vector<Dim> from = dims_of(call, 0);
  const std::size_t rank = from.size() + given->size();
  std::vector<std::int64_t> axes = call.axes(*given, rank);
  std::vector<Dim> to;
  auto next = from.begin();
  for (std::size_t i = 0; i < rank; ++i) {
    const bool added =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) != axes.end();
    to.push_back(added ? Dim(1) : *next++);
  }
  call.out(0, call.reshaped(call.in(0), to));
}

void convert_transpose(OnnxCall& call) {
  const std::size_t rank = call.rank(0);
  std::vector<std::int64_t> order;
  for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  order = call.axes(call.integers("perm", order), rank);
  if (order.size() != rank) call.fail("attribute 'perm' does not name each dimension once");
  call.out(0, call.transposed(call.in(0), order));
}

void convert_concat(OnnxCall& call) {
  bool symbolic = false;
  std::vector<Dim> sizes;
  bool known = true;
  for (std::size_t i = 0; i < call.count(); ++i) {
    symbolic = symbolic || call.is_symbolic(i);
    const auto own = call.find_sizes(i);
    known = known && own && !call.is_number(i);
    if (own) sizes.insert(sizes.end(), own->begin(), own->end());
  }
  if (symbolic && known) {
    call.integer("axis");
    call.out_sizes(0, sizes);
    return;
  }
  const std::int64_t given = call.opset() < 4 ? call.integer("axis", 1) : call.integer("axis");
  const std::int64_t axis = call.axis(given, call.rank(0));
  std::vector<ValueId> all;
  for (std::size_t i = 0; i < call.count(); ++i) all.push_back(call.in(i));
  call.out(0, all.size() == 1 ? all[0] : call.apply("concat", all, {{"axis", axis}}));
}

ValueId slice(OnnxCall& call, ValueId x, std::int64_t axis, const Dim& begin, const Dim& end,
              std::int64_t step = 1) {
  const Dim& size = call.graph().type(x).dims[static_cast<std::size_t>(axis)];
  if (step == 1 && begin == Dim(0) && end == size) return x;
  return call.apply(
      "slice", {x},
      {{"axis", axis}, {"begin", to_string(begin)}, {"end", to_string(end)}, {"step", step}});
}

void convert_split(OnnxCall& call) {
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  const Dim size = dims_of(call, 0)[static_cast<std::size_t>(axis)];
  const std::size_t count = call.node().outputs.size();
  std::vector<std::int64_t> parts;
  if (call.opset() >= 13 && call.has(1))
    parts = call.integers(1, "parts");
  else if (call.opset() < 13 && call.has_attribute("split"))
    parts = call.integers("split", std::nullopt);
  call.ignore("num_outputs");
  if (parts.empty()) {
    if (!size.is_fixed()) call.refuse("splits a size that only a run knows into equal parts");
    // The last one is smaller where it does not divide.
    const auto each =
        (size.offset + static_cast<std::int64_t>(count) - 1) / static_cast<std::int64_t>(count);
    for (std::size_t i = 0; i < count; ++i)
      parts.push_back(
          std::clamp<std::int64_t>(size.offset - static_cast<std::int64_t>(i) * each, 0, each));
  }
  if (parts.size() != count) call.fail(fmt::format("{} parts for {} outputs", parts.size(), count));
  std::int64_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    call.out(i, slice(call, call.in(0), axis, at, at + parts[i]));
    at += parts[i];
  }
  if (!size.is_fixed())
    call.refuse("splits a size that only a run knows into parts that are fixed");
  if (at != size.offset)
    call.fail(fmt::format("the parts come to {}, the dimension has {}", at, size.offset));
}

// One bound of a slice: from the end where negative, cut to what there is.
Dim bound(OnnxCall& call, const Dim& given, const Dim& size, std::int64_t low_extra,
          std::int64_t high_extra) {
  if (!given.is_fixed()) return given;
  const std::int64_t value = given.offset;
  if (size.is_fixed()) {
    const std::int64_t place = value < 0 ? value + size.offset : value;
    return std::clamp<std::int64_t>(place, low_extra, size.offset + high_extra);
  }
  // To the end, whatever it is.
  if (value >= std::numeric_limits<std::int32_t>::max()) return size;
  if (value < 0) return add(size, Dim(value));
  (void)call;
  return value;
}

void convert_slice(OnnxCall& call) {
  std::vector<Dim> starts, ends;
  std::vector<std::int64_t> axes, steps;
  const bool as_inputs = call.opset() >= 10;
  if (as_inputs) {
    starts = call.sizes(1, "starts");
    ends = call.sizes(2, "ends");
    if (call.has(3)) axes = call.integers(3, "axes");
    if (call.has(4)) steps = call.integers(4, "steps");
  } else {
    for (const std::int64_t one : call.integers("starts", std::nullopt)) starts.emplace_back(one);
    for (const std::int64_t one : call.integers("ends", std::nullopt)) ends.emplace_back(one);
    if (call.has_attribute("axes")) axes = call.integers("axes", std::nullopt);
  }
  const bool symbolic = call.is_symbolic(0);
  const std::size_t rank = symbolic ? 1 : call.rank(0);
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  axes = call.axes(axes, rank);
  if (starts.size() != ends.size() || axes.size() != starts.size() || steps.size() != starts.size())
    call.fail("starts, ends, axes and steps are not as many");
  if (symbolic) {
    const std::vector<Dim> all = *call.find_sizes(0);
    const Dim size(static_cast<std::int64_t>(all.size()));
    std::vector<Dim> taken;
    if (starts.size() != 1 || steps[0] <= 0)
      call.refuse("slices sizes that only a run knows backwards");
    const Dim begin = bound(call, starts[0], size, 0, 0), end = bound(call, ends[0], size, 0, 0);
    for (std::int64_t i = begin.offset; i < end.offset; i += steps[0])
      taken.push_back(all[static_cast<std::size_t>(i)]);
    call.out_sizes(0, taken);
    return;
  }
  ValueId y = call.in(0);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const Dim size = call.graph().type(y).dims[static_cast<std::size_t>(axes[i])];
    const std::int64_t step = steps[i];
    if (step == 0) call.fail("a step is 0");
    Dim begin, end;
    if (step > 0) {
      begin = bound(call, starts[i], size, 0, 0);
      end = bound(call, ends[i], size, 0, 0);
      if (begin.is_fixed() && end.is_fixed() && end.offset < begin.offset) end = begin;
      if (!begin.is_fixed() && !(end == size && step == 1))
        call.refuse("begins at a size that only a run knows and does not go to the end");
    } else {
      if (!size.is_fixed() || !starts[i].is_fixed() || !ends[i].is_fixed())
        call.refuse("slices a size that only a run knows backwards");
      begin = bound(call, starts[i], size, -1, -1);
      const std::int64_t given = ends[i].offset;
      const std::int64_t place = given < 0 ? given + size.offset : given;
      end = std::clamp<std::int64_t>(place, -1, size.offset - 1);
      if (end.offset > begin.offset) end = begin;
    }
    y = slice(call, y, axes[i], begin, end, step);
  }
  call.out(0, y);
}

void convert_pad(OnnxCall& call) {
  const std::string mode = call.text("mode", "constant");
  std::vector<std::int64_t> pads, axes;
  double value = 0;
  ValueId of_run = none;  // a value that is data of a run
  if (call.opset() >= 11) {
    pads = call.integers(1, "pads");
    if (call.has(2)) {
      const Tensor* known = call.constant(2);
      if (known == nullptr)
        of_run = call.in(2);
      else
        value = known->size() == 0 ? 0 : real_at(*known, 0);
    }
    if (call.has(3)) axes = call.integers(3, "axes");
  } else {
    pads = call.integers(call.opset() < 2 ? "paddings" : "pads", std::nullopt);
    value = call.real("value", 0.0);
  }
  const std::size_t rank = call.rank(0);
  if (axes.empty())
    for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
  axes = call.axes(axes, rank);
  if (pads.size() != 2 * axes.size()) call.fail("its pads do not fit the dimensions");
  const auto padded = [&](ValueId y, double by) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::int64_t before = pads[i], after = pads[i + axes.size()];
      const Dim size = call.graph().type(y).dims[static_cast<std::size_t>(axes[i])];
      // Less than nothing takes away.
      if (before < 0 || after < 0)
        y = slice(call, y, axes[i], std::max<std::int64_t>(0, -before),
                  add(size, Dim(std::min<std::int64_t>(0, after))));
      if (before > 0 || after > 0)
        y = call.apply("pad", {y},
                       {{"axis", axes[i]},
                        {"before", std::to_string(std::max<std::int64_t>(0, before))},
                        {"after", std::to_string(std::max<std::int64_t>(0, after))},
                        {"mode", mode},
                        {"value", by}});
    }
    return y;
  };
  ValueId y = padded(call.in(0), value);
  if (of_run != none && mode == "constant") {
    const ValueId inside = padded(call.number(1, DType::u8, dims_of(call, 0)), 0);
    const std::vector<Dim> all = call.graph().type(y).dims;
    y = call.apply("where", {call.cast(inside, DType::boolean), y,
                             call.expanded(call.reshaped(of_run, {}), all)});
  }
  call.out(0, y);
}

void convert_expand(OnnxCall& call) {
  const std::vector<Dim> dims = call.broadcast_dims(dims_of(call, 0), call.sizes(1, "sizes"));
  call.out(0, call.expanded(call.in(0), dims));
}

void convert_tile(OnnxCall& call) {
  const std::vector<Dim> from = dims_of(call, 0);
  std::vector<Dim> times;
  if (call.opset() >= 6) {
    times = call.sizes(1, "repeats");
  } else {  // of one dimension
    const std::vector<std::int64_t> axis = call.integers(2, "axis");
    const std::vector<Dim> repeats = call.sizes(1, "repeats");
    if (axis.size() != 1 || repeats.size() != 1) call.fail("its repeats or axis are no number");
    times.assign(from.size(), Dim(1));
    times[static_cast<std::size_t>(call.axis(axis[0], from.size()))] = repeats[0];
  }
  if (times.size() != from.size()) call.fail("its repeats do not fit the dimensions");
  // [a, b] becomes [1, a, 1, b], is repeated, and becomes [ta, ub].
  std::vector<Dim> apart, repeated, together;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!(times[i] == Dim(1))) {
      apart.push_back(1);
      repeated.push_back(times[i]);
    }
    apart.push_back(from[i]);
    repeated.push_back(from[i]);
    together.push_back(multiply(times[i], from[i]));
  }
  if (apart.size() > 8) call.refuse("repeats so many dimensions");
  const ValueId wide = call.expanded(call.reshaped(call.in(0), apart), repeated);
  call.out(0, call.reshaped(wide, together));
}

// Of sizes: some of them.
void convert_gather(OnnxCall& call) {
  if (call.is_symbolic(0)) {
    const std::vector<Dim> all = *call.find_sizes(0);
    call.integer("axis", 0);
    std::vector<Dim> taken;
    for (std::int64_t i : call.integers(1, "places")) {
      if (i < 0) i += static_cast<std::int64_t>(all.size());
      if (i < 0 || i >= static_cast<std::int64_t>(all.size()))
        call.fail("a place that is not there");
      taken.push_back(all[static_cast<std::size_t>(i)]);
    }
    call.out_sizes(0, taken, call.is_number(1));
    return;
  }
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  call.out(0, call.apply("gather", {call.in(0), call.in(1)}, {{"axis", axis}}));
}

void convert_constant(OnnxCall& call) {
  std::optional<Tensor> value = call.tensor("value");
  if (call.has_attribute("value_int"))
    value = Tensor::from<std::int64_t>(DType::i64, {},
                                       std::vector<std::int64_t>{call.integer("value_int")});
  if (call.has_attribute("value_ints")) {
    const std::vector<std::int64_t> all = call.integers("value_ints", std::nullopt);
    value = Tensor::from<std::int64_t>(DType::i64, {static_cast<std::int64_t>(all.size())}, all);
  }
  if (call.has_attribute("value_float")) {
    value = Tensor(DType::f32, {});
    set_real(*value, 0, call.real("value_float"));
  }
  if (call.has_attribute("value_floats")) {
    const std::vector<double> all = call.reals("value_floats", std::nullopt);
    value = Tensor(DType::f32, {static_cast<std::int64_t>(all.size())});
    for (std::size_t i = 0; i < all.size(); ++i)
      set_real(*value, static_cast<std::int64_t>(i), all[i]);
  }
  if (!value) call.refuse("its value is a text or a sparse tensor");
  call.out(0, *value);
}

void convert_constant_of_shape(OnnxCall& call) {
  Tensor value(DType::f32, {1});
  if (const auto given = call.tensor("value")) value = *given;
  if (value.size() != 1) call.fail("attribute 'value' is not one number");
  const std::vector<Dim> dims = call.sizes(0, "sizes");
  call.out(0, call.expanded(call.buffer(value.reshaped({})), dims));
}

// start + step i, where the length is made of sizes.
bool convert_range_of_sizes(OnnxCall& call) {
  if (!call.is_symbolic(0) && !call.is_symbolic(1)) return false;
  const auto start = call.find_sizes(0), limit = call.find_sizes(1), step = call.find_sizes(2);
  if (!start || !limit || !step || !(step->at(0) == Dim(1))) return false;
  const std::vector<Dim> length{subtract(limit->at(0), start->at(0))};
  ValueId all = call.iota(length[0]);
  if (!(start->at(0) == Dim(0)))
    all = call.apply("add", {all, call.expanded(call.reshaped(call.in(0), {Dim(1)}), length)});
  call.out(0, all);
  return true;
}

void convert_range(OnnxCall& call) {
  if (convert_range_of_sizes(call)) return;
  for (std::size_t i = 0; i < 3; ++i)
    if (call.constant(i) == nullptr) call.refuse("its length follows from the data of a run");
  for (std::size_t i = 0; i < 3; ++i)
    if (call.constant(i)->size() != 1) call.fail(fmt::format("input {} is not one number", i));
  const Tensor& start = *call.constant(0);
  const double first = real_at(start, 0), step = real_at(*call.constant(2), 0);
  const double count = std::ceil((real_at(*call.constant(1), 0) - first) / step);
  if (!(count < 1e7)) call.refuse("it is too long");
  Tensor all(start.dtype(), {std::max<std::int64_t>(0, static_cast<std::int64_t>(count))});
  for (std::int64_t i = 0; i < all.size(); ++i) {
    if (is_real(start.dtype()))
      set_real(all, i, first + static_cast<double>(i) * step);
    else
      set_integer(all, i, integer_at(start, 0) + i * integer_at(*call.constant(2), 0));
  }
  call.out(0, all);
}

}  // namespace

std::vector<OnnxOp> onnx_shape_family() {
  return {make_onnx_op("Shape", "the sizes", convert_shape),
          make_onnx_op("Size", "how many", convert_size),
          make_onnx_op("Reshape", "another shape", convert_reshape),
          make_onnx_op("Flatten", "two dimensions", convert_flatten),
          make_onnx_op("Squeeze", "without dimensions of size 1", convert_squeeze),
          make_onnx_op("Unsqueeze", "with dimensions of size 1", convert_unsqueeze),
          make_onnx_op("Transpose", "dimensions in another order", convert_transpose),
          make_onnx_op("Concat", "one behind the other", convert_concat),
          make_onnx_op("Split", "in parts", convert_split),
          make_onnx_op("Slice", "some places", convert_slice),
          make_onnx_op("Pad", "more places", convert_pad),
          make_onnx_op("Expand", "repeated", convert_expand),
          make_onnx_op("Tile", "repeated as a whole", convert_tile),
          make_onnx_op("Gather", "places that are named", convert_gather),
          make_onnx_op("Constant", "numbers", convert_constant),
          make_onnx_op("ConstantOfShape", "one number everywhere", convert_constant_of_shape),
          make_onnx_op("Range", "equal steps", convert_range)};
}

}  // namespace hone
