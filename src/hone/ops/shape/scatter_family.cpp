// Numbers put where others name the place: the opposite of gather_elements and gather_nd (which is
// here too, and is gathered by whole indices). Places are counted from the end where negative.
#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/zeros.hpp"

namespace hone {
namespace {
namespace scatter_family {

OptionSpec reduce_option() {
  return {.name = "reduce",
          .type = OptionType::text,
          .default_value = std::string("none"),
          .help = "what becomes of the number that is there: replaced, or joined with the new one",
          .choices = {"none", "add", "mul", "max", "min"}};
}

bool names_places(DType dtype) { return dtype == DType::i32 || dtype == DType::i64; }

std::int64_t scatter_place(const Tensor& places, std::int64_t i, std::int64_t size,
                           const char* op) {
  const std::int64_t given = integer_at(places, i);
  const std::int64_t place = given < 0 ? given + size : given;
  if (place < 0 || place >= size)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] place {} of a dimension of size {}", op, given, size));
  return place;
}

void join(Tensor& y, std::int64_t to, const Tensor& from, std::int64_t i,
          const std::string& reduce) {
  if (reduce == "none") return copy_element(from, i, y, to);
  if (is_real(y.dtype())) {
    const double a = real_at(y, to), b = real_at(from, i);
    set_real(y, to,
             reduce == "add"   ? a + b
             : reduce == "mul" ? a * b
             : reduce == "max" ? std::max(a, b)
                               : std::min(a, b));
    return;
  }
  const std::int64_t a = integer_at(y, to), b = integer_at(from, i);
  set_integer(y, to,
              reduce == "add"   ? wrap_add(a, b)
              : reduce == "mul" ? wrap_mul(a, b)
              : reduce == "max" ? std::max(a, b)
                                : std::min(a, b));
}

void copy_all(const Tensor& from, Tensor& to) {
  for (std::int64_t i = 0; i < to.size(); ++i) copy_element(from, i, to, i);
}

// Of `none` and `add`; what the updates replace gets nothing. (Of places that are named twice each
// update gets the gradient, as if each were the one that stays.)
std::vector<ValueId> scatter_gradient(const GradientCall& call, const char* scatter,
                                      const char* gather) {
  Graph& g = call.graph;
  Options attributes = call.attributes();
  const std::string reduce = attributes.text("reduce");
  if (reduce != "none" && reduce != "add")
    throw Error(ErrorCode::unsupported,
                fmt::format("[{}] is not differentiated with reduce = {}", scatter, reduce));
  Options where = attributes;
  where.erase("reduce");
  const ValueId taken = g.apply(gather, {call.grad(), call.in(1)}, where);
  if (reduce == "add") return {call.grad(), none, taken};
  const ValueId zeros = zeros_like(g, taken);
  return {g.apply(scatter, {call.grad(), call.in(1), zeros}, attributes), none, taken};
}

std::vector<OpSample> with_reductions(const OpSample& sample) {
  std::vector<OpSample> samples;
  for (const char* reduce : {"none", "add", "mul", "max", "min"}) {
    OpSample one = sample;
    one.name = reduce;
    one.attributes.set("reduce", std::string(reduce));
    const std::string name = reduce;
    if (name == "none" || name == "add") one.differentiable = {0, 2};
    samples.push_back(std::move(one));
  }
  return samples;
}

Op scatter_elements() {
  Op op{{"scatter_elements",
         "each update goes to the place of a dimension that `places` names",
         {{"axis", OptionType::integer, {}, "the dimension", 0, 7}, reduce_option()}},
        3,
        3,
        {"x", "places", "updates"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (t.attributes->integer("axis") >= static_cast<std::int64_t>(t[0].dims.size()) ||
        !names_places(t[1].dtype) || t[0].dims.size() != t[1].dims.size() ||
        t[2].dtype != t[0].dtype || !(t[1].dims == t[2].dims))
      fail_shapes("scatter_elements",
                  "an axis of x, places i32 or i64, updates of x's type and one for each place", t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    Tensor& y = call.out(0);
    copy_all(call.in(0), y);
    const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
    const std::string& reduce = call.attributes->text("reduce");
    const std::vector<std::int64_t> steps = strides_of(y.shape());
    const Shape& shape = call.in(1).shape();
    std::vector<std::int64_t> index(shape.size(), 0);
    for (std::int64_t i = 0; i < call.in(1).size(); ++i) {
      std::int64_t to =
          scatter_place(call.in(1), i, y.shape()[axis], "scatter_elements") * steps[axis];
      for (std::size_t d = 0; d < shape.size(); ++d) {
        if (d == axis) continue;
        if (index[d] >= y.shape()[d])
          throw Error(ErrorCode::invalid_argument,
                      "[scatter_elements] more places than x has along a dimension");
        to += index[d] * steps[d];
      }
      join(y, to, call.in(2), i, reduce);
      advance(index, shape);
    }
  };
  op.gradient = [](const GradientCall& call) {
    return scatter_gradient(call, "scatter_elements", "gather_elements");
  };
  op.samples = [] {
    return with_reductions({"",
                            {random_tensor({3, 4}, 1), int_tensor({2, 3}, {0, 3, -2, 1, 2, 0}),
                             random_tensor({2, 3}, 2)},
                            {{"axis", std::int64_t{1}}}});
  };
  return op;
}

// places [..., K]: each names a place of the first K dimensions (behind `batch` common ones), of
// which there is one of `inner` elements.
struct Indices {
  std::int64_t batches, each, k, inner;  // each: places of one batch
};
Indices indices_of(const Shape& x, const Shape& places, std::size_t batch) {
  const auto k = static_cast<std::size_t>(places.back());
  Indices all{1, 1, static_cast<std::int64_t>(k), 1};
  for (std::size_t d = 0; d < batch; ++d) all.batches *= x[d];
  for (std::size_t d = batch; d + 1 < places.size(); ++d) all.each *= places[d];
  for (std::size_t d = batch + k; d < x.size(); ++d) all.inner *= x[d];
  return all;
}

// The first element of x that row `row` of the places names.
std::int64_t element_of(const Tensor& places, std::int64_t row, const Indices& all, const Shape& x,
                        std::size_t batch, const char* op) {
  std::int64_t at = row / all.each;
  for (std::int64_t i = 0; i < all.k; ++i) {
    const std::int64_t size = x[batch + static_cast<std::size_t>(i)];
    at = at * size + scatter_place(places, row * all.k + i, size, op);
  }
  return at * all.inner;
}

// The type of what places name of x.
ValueType named_type(const OpTypes& t, std::size_t batch, const char* op) {
  const std::vector<Dim>&x = t[0].dims, &places = t[1].dims;
  bool good = names_places(t[1].dtype) && !places.empty() && places.back().is_fixed() &&
              batch < places.size();
  const auto k = good ? static_cast<std::size_t>(places.back().offset) : 0;
  good = good && batch + k <= x.size();
  for (std::size_t d = 0; good && d < batch; ++d) good = x[d] == places[d];
  if (!good)
    fail_shapes(op, "places i32 or i64 [...,K], K dimensions of x behind those in common", t);
  ValueType named{t[0].dtype, {places.begin(), places.end() - 1}};
  named.dims.insert(named.dims.end(), x.begin() + static_cast<std::ptrdiff_t>(batch + k), x.end());
  return named;
}

Op scatter_nd() {
  Op op{{"scatter_nd",
         "each update goes to the place that a row of `places` names",
         {reduce_option()}},
        3,
        3,
        {"x", "places", "updates"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (!(named_type(t, 0, "scatter_nd") == t[2]))
      fail_shapes("scatter_nd", "updates of x's type, one for each place", t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    Tensor& y = call.out(0);
    copy_all(call.in(0), y);
    const std::string& reduce = call.attributes->text("reduce");
    const Indices all = indices_of(y.shape(), call.in(1).shape(), 0);
    for (std::int64_t row = 0; row < all.each; ++row) {
      const std::int64_t to = element_of(call.in(1), row, all, y.shape(), 0, "scatter_nd");
      for (std::int64_t i = 0; i < all.inner; ++i)
        join(y, to + i, call.in(2), row * all.inner + i, reduce);
    }
  };
  op.gradient = [](const GradientCall& call) {
    return scatter_gradient(call, "scatter_nd", "gather_nd");
  };
  op.samples = [] {
    return with_reductions({"",
                            {random_tensor({4, 3, 2}, 1), int_tensor({3, 2}, {0, 1, 3, -1, 2, 2}),
                             random_tensor({3, 2}, 2)},
                            {}});
  };
  return op;
}

Op gather_nd() {
  Op op{{"gather_nd",
         "the places of x that the rows of `places` name",
         {{"batch", OptionType::integer, std::int64_t{0}, "dimensions that both have in front", 0,
           7}}},
        2,
        2,
        {"x", "places"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    return {named_type(t, static_cast<std::size_t>(t.attributes->integer("batch")), "gather_nd")};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const auto batch = static_cast<std::size_t>(call.attributes->integer("batch"));
    const Indices all = indices_of(x.shape(), call.in(1).shape(), batch);
    for (std::int64_t row = 0; row < all.batches * all.each; ++row) {
      const std::int64_t from = element_of(call.in(1), row, all, x.shape(), batch, "gather_nd");
      for (std::int64_t i = 0; i < all.inner; ++i)
        copy_element(x, from + i, call.out(0), row * all.inner + i);
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    if (call.attributes().integer("batch") != 0)
      throw Error(ErrorCode::unsupported, "[gather_nd] is not differentiated with batch");
    Graph& g = call.graph;
    const ValueId zeros = zeros_like(g, call.in(0));
    return {
        g.apply("scatter_nd", {zeros, call.in(1), call.grad()}, {{"reduce", std::string("add")}}),
        none};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"rows", {random_tensor({3, 4}, 1), int_tensor({3, 1}, {2, 0, -3})}, {}, {0}},
            {"elements",
             {random_tensor({2, 3, 2}, 1),
              int_tensor({2, 2, 3}, {0, 1, 1, 1, -1, 0, 0, 0, 0, 1, 2, 1})},
             {},
             {0}},
            {"batches",
             {random_tensor({2, 3, 2}, 1), int_tensor({2, 1}, {2, 0})},
             {{"batch", std::int64_t{1}}}}};
  };
  return op;
}

// The first `lengths[b]` places of dimension `time` backwards, for each place b of `batch`.
Op reverse_sequence() {
  Op op{{"reverse_sequence",
         "the first places of a dimension backwards, as many as each sequence is long",
         {{"batch", OptionType::integer, std::int64_t{0}, "the dimension of sequences", 0, 7},
          {"time", OptionType::integer, std::int64_t{1}, "the dimension along them", 0, 7}}},
        2,
        2,
        {"x", "lengths"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::int64_t batch = t.attributes->integer("batch"), time = t.attributes->integer("time");
    const auto rank = static_cast<std::int64_t>(t[0].dims.size());
    if (batch >= rank || time >= rank || batch == time || !names_places(t[1].dtype) ||
        t[1].dims.size() != 1 || !(t[1].dims[0] == t[0].dims[static_cast<std::size_t>(batch)]))
      fail_shapes("reverse_sequence", "two dimensions of x, lengths i32 or i64 of each sequence",
                  t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const auto batch = static_cast<std::size_t>(call.attributes->integer("batch")),
               time = static_cast<std::size_t>(call.attributes->integer("time"));
    if (x.size() == 0) return;
    const std::int64_t step = strides_of(x.shape())[time];
    std::vector<std::int64_t> index(x.shape().size(), 0);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const std::int64_t length = std::min(integer_at(call.in(1), index[batch]), x.shape()[time]);
      const std::int64_t at = index[time];
      const std::int64_t from = at < length ? i + (length - 1 - 2 * at) * step : i;
      copy_element(x, from, call.out(0), i);
      advance(index, x.shape());
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("reverse_sequence", {call.grad(), call.in(1)}, call.attributes()),
            none};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"batch first", {random_tensor({3, 4, 2}, 1), int_tensor({3}, {4, 1, 3})}, {}, {0}},
            {"time first",
             {random_tensor({4, 3}, 1), int_tensor({3}, {0, 2, 4})},
             {{"batch", std::int64_t{1}}, {"time", std::int64_t{0}}},
             {0}}};
  };
  return op;
}

}  // namespace scatter_family
}  // namespace

std::vector<Op> op_scatter_family() {
  using namespace scatter_family;
  return {gather_nd(), reverse_sequence(), scatter_elements(), scatter_nd()};
}

}  // namespace hone
