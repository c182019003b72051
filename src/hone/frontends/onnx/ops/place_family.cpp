// ONNX ops that take or put numbers at places that others name, or in another order. Those whose
// sizes follow from their numbers are there for constants alone.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

const Tensor& known_tensor(OnnxCall& call, std::size_t i) {
  const Tensor* known = call.constant(i);
  if (known == nullptr)
    call.refuse("the sizes of its result follow from the data of a run, not from its shapes",
                "hone plans memory before it runs: it is computed of constants alone");
  return *known;
}

void cumulate(OnnxCall& call, const char* op) {
  const std::vector<std::int64_t> axis = call.integers(1, "axis");
  if (axis.size() != 1) call.fail("its axis is not one number");
  call.out(0, call.apply(op, {call.in(0)},
                         {{"axis", call.axis(axis[0], call.rank(0))},
                          {"exclusive", call.integer("exclusive", 0) != 0},
                          {"reverse", call.integer("reverse", 0) != 0}}));
}
void convert_cum_sum(OnnxCall& call) { cumulate(call, "cum_sum"); }
void convert_cum_prod(OnnxCall& call) { cumulate(call, "cum_prod"); }

void convert_top_k(OnnxCall& call) {
  const std::int64_t axis = call.axis(call.integer("axis", -1), call.rank(0));
  std::int64_t k = 0;
  if (call.opset() >= 10) {
    const std::vector<std::int64_t> given = call.integers(1, "number");
    if (given.size() != 1) call.fail("its k is not one number");
    k = given[0];
  } else {
    k = call.integer("k");
  }
  const bool largest = call.integer("largest", 1) != 0;
  call.ignore("sorted");  // (In order is one of those that are allowed where it is 0.)
  const NodeId node =
      call.append("top_k", {call.in(0)}, {{"axis", axis}, {"k", k}, {"largest", largest}});
  const std::vector<ValueId> outputs = call.graph().node(node).outputs;
  call.out(0, outputs[0]);
  call.out(1, outputs[1]);
}

std::string reduction_of(OnnxCall& call) { return call.text("reduction", "none"); }

void convert_scatter_elements(OnnxCall& call) {
  const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
  call.out(0, call.apply("scatter_elements", {call.in(0), call.in(1), call.in(2)},
                         {{"axis", axis}, {"reduce", reduction_of(call)}}));
}

void convert_scatter_nd(OnnxCall& call) {
  call.out(0, call.apply("scatter_nd", {call.in(0), call.in(1), call.in(2)},
                         {{"reduce", reduction_of(call)}}));
}

void convert_gather_nd(OnnxCall& call) {
  call.out(0, call.apply("gather_nd", {call.in(0), call.in(1)},
                         {{"batch", call.integer("batch_dims", 0)}}));
}

void convert_reverse_sequence(OnnxCall& call) {
  call.out(0, call.apply("reverse_sequence", {call.in(0), call.in(1)},
                         {{"batch", call.integer("batch_axis", 1)},
                          {"time", call.integer("time_axis", 0)}}));
}

Tensor integers_tensor(const std::vector<std::int64_t>& all) {
  return Tensor::from<std::int64_t>(DType::i64, {std::ssize(all)}, all);
}

// The places whose condition holds, of a dimension or of all numbers in one row.
void convert_compress(OnnxCall& call) {
  const Tensor& condition = known_tensor(call, 1);
  std::vector<std::int64_t> taken;
  for (std::int64_t i = 0; i < condition.size(); ++i)
    if (integer_at(condition, i) != 0) taken.push_back(i);
  ValueId x = call.in(0);
  std::int64_t axis = 0;
  if (call.has_attribute("axis"))
    axis = call.axis(call.integer("axis"), call.rank(0));
  else
    x = call.reshaped(x, {product(call.type(0).dims)});
  call.out(0, call.apply("gather", {x, call.buffer(integers_tensor(taken))}, {{"axis", axis}}));
}

// [rank, found]: the indices of what is not 0, in order.
void convert_non_zero(OnnxCall& call) {
  const Tensor& x = known_tensor(call, 0);
  std::vector<std::vector<std::int64_t>> found(x.shape().size());
  std::vector<std::int64_t> index(x.shape().size(), 0);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (real_at(x, i) != 0)
      for (std::size_t d = 0; d < index.size(); ++d) found[d].push_back(index[d]);
    advance(index, x.shape());
  }
  std::vector<std::int64_t> all;
  for (const auto& one : found) all.insert(all.end(), one.begin(), one.end());
  const auto rank = std::ssize(found);
  call.out(
      0, Tensor::from<std::int64_t>(DType::i64, {rank, rank == 0 ? 0 : std::ssize(found[0])}, all));
}

// Of numbers or, with an axis, of what lies at each of its places: each once; where it is first;
// which one each is; how often it is.
void convert_unique(OnnxCall& call) {
  const Tensor& x = known_tensor(call, 0);
  const bool sorted = call.integer("sorted", 1) != 0;
  Shape shape = x.shape();
  std::size_t axis = 0;
  if (call.has_attribute("axis"))
    axis = static_cast<std::size_t>(call.axis(call.integer("axis"), shape.size()));
  else
    shape = {x.size()};
  const std::int64_t inner = strides_of(shape)[axis], size = shape[axis];
  const std::int64_t outer = size == 0 ? 0 : x.size() / (inner * size);
  const auto compare = [&](std::int64_t a, std::int64_t b) {
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i) {
        const double p = real_at(x, (o * size + a) * inner + i),
                     q = real_at(x, (o * size + b) * inner + i);
        if (p != q) return p < q ? -1 : 1;
      }
    return 0;
  };
  std::vector<std::int64_t> order(static_cast<std::size_t>(size)), first, which(order.size()),
      counts;
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return compare(a, b) < 0; });
  for (const std::int64_t place : order) {
    if (first.empty() || compare(first.back(), place) != 0) {
      first.push_back(place);
      counts.push_back(0);
    }
    which[static_cast<std::size_t>(place)] = std::ssize(first) - 1;
    ++counts.back();
  }
  if (!sorted) {  // in the order of their first places
    std::vector<std::size_t> by(first.size());
    std::iota(by.begin(), by.end(), std::size_t{0});
    std::sort(by.begin(), by.end(),
              [&](std::size_t a, std::size_t b) { return first[a] < first[b]; });
    std::vector<std::int64_t> place_of(by.size()), ordered_first, ordered_counts;
    for (std::size_t i = 0; i < by.size(); ++i) {
      place_of[by[i]] = static_cast<std::int64_t>(i);
      ordered_first.push_back(first[by[i]]);
      ordered_counts.push_back(counts[by[i]]);
    }
    for (std::int64_t& one : which) one = place_of[static_cast<std::size_t>(one)];
    first = ordered_first;
    counts = ordered_counts;
  }
  Shape result = shape;
  result[axis] = std::ssize(first);
  Tensor y(x.dtype(), result);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::size_t k = 0; k < first.size(); ++k)
      for (std::int64_t i = 0; i < inner; ++i)
        copy_element(x, (o * size + first[k]) * inner + i, y,
                     (o * std::ssize(first) + static_cast<std::int64_t>(k)) * inner + i);
  call.out(0, y);
  call.out(1, integers_tensor(first));
  call.out(2, integers_tensor(which));
  call.out(3, integers_tensor(counts));
}

// Boxes [picture, class, box] of each picture and class, the best first, without those that overlap
// a better one by more than the threshold.
void convert_non_max_suppression(OnnxCall& call) {
  const Tensor &boxes = known_tensor(call, 0), &scores = known_tensor(call, 1);
  if (boxes.shape().size() != 3 || scores.shape().size() != 3 || boxes.shape()[2] != 4 ||
      boxes.shape()[0] != scores.shape()[0] || boxes.shape()[1] != scores.shape()[2])
    call.fail("its boxes [N,B,4] and scores [N,C,B] do not fit");
  const auto number = [&](std::size_t i, double otherwise) {
    return call.has(i) && known_tensor(call, i).size() > 0 ? real_at(known_tensor(call, i), 0)
                                                           : otherwise;
  };
  const double most = number(2, 0), overlap = number(3, 0);
  const double least = number(4, -std::numeric_limits<double>::infinity());
  const bool centres = call.integer("center_point_box", 0) != 0;
  struct Box {
    double top, left, bottom, right;
    double area() const { return (bottom - top) * (right - left); }
  };
  const auto box_at = [&](std::int64_t n, std::int64_t b) {
    double v[4];
    for (std::int64_t i = 0; i < 4; ++i) v[i] = real_at(boxes, (n * boxes.shape()[1] + b) * 4 + i);
    if (centres) return Box{v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
    return Box{std::min(v[0], v[2]), std::min(v[1], v[3]), std::max(v[0], v[2]),
               std::max(v[1], v[3])};
  };
  std::vector<std::int64_t> all;
  const std::int64_t classes = scores.shape()[1], count = scores.shape()[2];
  for (std::int64_t n = 0; n < scores.shape()[0]; ++n)
    for (std::int64_t c = 0; c < classes; ++c) {
      const auto score = [&](std::int64_t b) {
        return real_at(scores, (n * classes + c) * count + b);
      };
      std::vector<std::int64_t> order;
      for (std::int64_t b = 0; b < count; ++b)
        if (score(b) > least) order.push_back(b);
      std::stable_sort(order.begin(), order.end(),
                       [&](std::int64_t a, std::int64_t b) { return score(a) > score(b); });
      std::vector<std::int64_t> kept;
      for (const std::int64_t b : order) {
        if (static_cast<double>(kept.size()) >= most) break;
        const Box own = box_at(n, b);
        const bool free = std::none_of(kept.begin(), kept.end(), [&](std::int64_t k) {
          const Box other = box_at(n, k);
          const double height = std::min(own.bottom, other.bottom) - std::max(own.top, other.top);
          const double width = std::min(own.right, other.right) - std::max(own.left, other.left);
          if (height <= 0 || width <= 0) return false;
          const double common = height * width;
          return common / (own.area() + other.area() - common) > overlap;
        });
        if (!free) continue;
        kept.push_back(b);
        all.insert(all.end(), {n, c, b});
      }
    }
  call.out(0, Tensor::from<std::int64_t>(DType::i64, {std::ssize(all) / 3, 3}, all));
}

}  // namespace

std::vector<OnnxOp> onnx_place_family() {
  return {
      make_onnx_op("CumSum", "sums so far", convert_cum_sum, 11),
      make_onnx_op("CumProd", "products so far", convert_cum_prod),
      make_onnx_op("TopK", "the largest in order", convert_top_k),
      make_onnx_op("ScatterElements", "put at places, one each", convert_scatter_elements, 11),
      make_onnx_op("Scatter", "put at places, one each", convert_scatter_elements, 9),
      make_onnx_op("ScatterND", "put at places", convert_scatter_nd, 11),
      make_onnx_op("GatherND", "places of several dimensions", convert_gather_nd, 11),
      make_onnx_op("ReverseSequence", "the first places backwards", convert_reverse_sequence, 10),
      make_onnx_op("Compress", "places whose condition is constant", convert_compress, 9),
      make_onnx_op("NonZero", "where constants are not 0", convert_non_zero, 9),
      make_onnx_op("Unique", "constants, each once", convert_unique, 11),
      make_onnx_op("NonMaxSuppression", "boxes that are constant", convert_non_max_suppression,
                   10)};
}

}  // namespace hone
