// Putting tensors together and taking them apart along dimensions: concat, slice, pad.
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/slice.hpp"

namespace hone {
namespace {
namespace pieces_family {

constexpr std::size_t most_pieces = 4096;

std::size_t axis_of(const Options& attributes, std::size_t rank) {
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(attributes.integer("axis"), 0, static_cast<std::int64_t>(rank)));
}

OptionSpec axis_option() { return {"axis", OptionType::integer, {}, "the dimension", 0, 7}; }

Op concat() {
  Op op{{"concat", "tensors one behind the other along a dimension", {axis_option()}},
        1,
        most_pieces,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes, t[0].dims.size());
    ValueType result = t[0];
    bool good = axis < result.dims.size();
    for (std::size_t i = 1; good && i < t.count(); ++i) {
      good = t.has(i) && t[i].dtype == result.dtype && t[i].dims.size() == result.dims.size();
      for (std::size_t d = 0; good && d < result.dims.size(); ++d)
        good = d == axis || t[i].dims[d] == result.dims[d];
      if (good) result.dims[axis] = add(result.dims[axis], t[i].dims[axis]);
    }
    if (!good) fail_shapes("concat", "one type, and one shape but for the axis", t);
    return {result};
  };
  op.reference = [](const OpCall& call) {
    Tensor& y = call.out(0);
    const std::size_t axis = axis_of(*call.attributes, y.shape().size());
    std::int64_t before = 1;
    for (std::size_t d = 0; d < axis; ++d) before *= y.shape()[d];
    const std::int64_t row = before == 0 ? 0 : y.size() / before;
    std::int64_t at = 0;
    for (const Tensor* x : call.inputs) {
      const std::int64_t own = before == 0 ? 0 : x->size() / before;
      for (std::int64_t r = 0; r < before; ++r)
        for (std::int64_t i = 0; i < own; ++i) copy_element(*x, r * own + i, y, r * row + at + i);
      at += own;
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Graph& g = call.graph;
    std::vector<ValueId> gradients;
    const std::vector<ValueId> inputs = g.node(call.node).inputs;
    const std::int64_t axis = call.attributes().integer("axis");
    Dim at = 0;
    for (const ValueId input : inputs) {
      const Dim end = add(at, g.type(input).dims[static_cast<std::size_t>(axis)]);
      gradients.push_back(
          g.apply("slice", {call.grad()},
                  {{"axis", axis}, {"begin", to_string(at)}, {"end", to_string(end)}}));
      at = end;
    }
    return gradients;
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"rows",
             {random_tensor({2, 3}, 1), random_tensor({4, 3}, 2)},
             {{"axis", std::int64_t{0}}},
             {0, 1}},
            {"channels",
             {random_tensor({2, 1, 3, 3}, 1), random_tensor({2, 2, 3, 3}, 2),
              random_tensor({2, 1, 3, 3}, 3)},
             {{"axis", std::int64_t{1}}},
             {0, 1, 2}},
            {"one", {random_tensor({3}, 1)}, {{"axis", std::int64_t{0}}}, {0}},
            {"empty",
             {random_tensor({0, 2}, 1), random_tensor({3, 2}, 1)},
             {{"axis", std::int64_t{0}}}}};
  };
  return op;
}

// Element begin, begin + step, ... before end, of one dimension; a step below 0 goes down to above
// end, which may be -1.
struct Range {
  Dim begin, end;
  std::int64_t step;
};
Range range_of(const Options& attributes) {
  return {parse_dim(attributes.text("begin")), parse_dim(attributes.text("end")),
          attributes.integer("step")};
}
Dim count_of(const Range& range) {
  const std::int64_t by = std::abs(range.step);
  const Dim length =
      range.step > 0 ? subtract(range.end, range.begin) : subtract(range.begin, range.end);
  return divide_down(add(length, Dim(by - 1)), by);
}

Op slice() {
  Op op{{"slice",
         "some places of a dimension",
         {axis_option(),
          {"begin", OptionType::text, {}, "the first, e.g. 0 or S-1"},
          {"end", OptionType::text, {}, "behind the last; with a step below 0 before it, from -1"},
          {"step", OptionType::integer, std::int64_t{1}, "from one to the next, not 0"}}},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes, t[0].dims.size());
    const Range range = range_of(*t.attributes);
    bool good = axis < t[0].dims.size() && range.step != 0;
    ValueType result = t[0];
    if (good) {
      const Dim& size = t[0].dims[axis];
      const Dim count = count_of(range);
      good = !count.is_fixed() || count.offset >= 0;
      // What is known of the bounds.
      if (size.is_fixed() && range.begin.is_fixed() && range.end.is_fixed() && count.offset > 0) {
        const std::int64_t last = range.begin.offset + (count.offset - 1) * range.step;
        good = good && std::min(range.begin.offset, last) >= 0 &&
               std::max(range.begin.offset, last) < size.offset;
      }
      result.dims[axis] = count;
    }
    if (!good) fail_shapes("slice", "places that the dimension has", t);
    return {result};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    Tensor& y = call.out(0);
    const std::size_t axis = axis_of(*call.attributes, x.shape().size());
    const std::int64_t inner = strides_of(x.shape())[axis], size = x.shape()[axis];
    const std::int64_t count = y.shape()[axis];
    const std::int64_t step = call.attributes->integer("step");
    const std::int64_t first = first_of_slice(*call.attributes, count, size);
    if (y.size() == 0) return;
    const std::int64_t outer = x.size() / (inner * size);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < count; ++k)
        for (std::int64_t i = 0; i < inner; ++i)
          copy_element(x, (o * size + first + k * step) * inner + i, y,
                       (o * count + k) * inner + i);
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    const Range range = range_of(call.attributes());
    const Dim size = call.graph.type(call.in(0))
                         .dims[static_cast<std::size_t>(call.attributes().integer("axis"))];
    if (range.step != 1) {
      Options attributes = call.attributes();
      attributes.set("size", to_string(size));
      return {call.graph.apply("slice_grad", {call.grad()}, attributes)};
    }
    return {call.graph.apply("pad", {call.grad()},
                             {{"axis", call.attributes().integer("axis")},
                              {"before", to_string(range.begin)},
                              {"after", to_string(subtract(size, range.end))}})};
  };
  op.samples = []() -> std::vector<OpSample> {
    const auto make = [](const char* name, Shape shape, std::int64_t axis, const char* begin,
                         const char* end, std::int64_t step) {
      OpSample sample{name,
                      {random_tensor(std::move(shape), 1)},
                      {{"axis", axis},
                       {"begin", std::string(begin)},
                       {"end", std::string(end)},
                       {"step", step}}};
      sample.differentiable = {0};
      return sample;
    };
    return {make("columns", {3, 8}, 1, "2", "5", 1), make("channels", {2, 4, 3, 3}, 1, "1", "3", 1),
            make("every second", {3, 7}, 1, "0", "7", 2), make("backwards", {5}, 0, "4", "-1", -1),
            make("nothing", {3, 4}, 0, "1", "1", 1)};
  };
  return op;
}

// Zeros but for the places of a slice.
Op slice_grad() {
  Op op{{"slice_grad",
         "gradient of slice with a step: its places among zeros",
         {axis_option(),
          {"begin", OptionType::text, {}, "the first"},
          {"end", OptionType::text, {}, "behind the last"},
          {"step", OptionType::integer, std::int64_t{1}, "from one to the next, not 0"},
          {"size", OptionType::text, {}, "of the dimension that was cut"}}},
        1,
        1,
        {"dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes, t[0].dims.size());
    const Range range = range_of(*t.attributes);
    if (axis >= t[0].dims.size() || range.step == 0 || !(t[0].dims[axis] == count_of(range)))
      fail_shapes("slice_grad", "as many places as the slice has", t);
    ValueType dx = t[0];
    dx.dims[axis] = parse_dim(t.attributes->text("size"));
    return {dx};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& dy = call.in(0);
    Tensor& dx = call.out(0);
    const std::size_t axis = axis_of(*call.attributes, dy.shape().size());
    const std::int64_t inner = strides_of(dy.shape())[axis], count = dy.shape()[axis],
                       size = dx.shape()[axis];
    if (dy.size() == 0) return;
    const std::int64_t step = call.attributes->integer("step");
    const std::int64_t first = first_of_slice(*call.attributes, count, size);
    const std::int64_t outer = dy.size() / (inner * count);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < count; ++k)
        for (std::int64_t i = 0; i < inner; ++i)
          copy_element(dy, (o * count + k) * inner + i, dx,
                       (o * size + first + k * step) * inner + i);
  };
  op.samples = []() -> std::vector<OpSample> {
    const auto make = [](const char* name, Shape shape, std::int64_t axis, const char* begin,
                         const char* end, std::int64_t step, const char* size) {
      return OpSample{name,
                      {random_tensor(std::move(shape), 1)},
                      {{"axis", axis},
                       {"begin", std::string(begin)},
                       {"end", std::string(end)},
                       {"step", step},
                       {"size", std::string(size)}}};
    };
    return {make("every second", {3, 4}, 1, "0", "7", 2, "7"),
            make("backwards", {5}, 0, "4", "-1", -1, "5")};
  };
  return op;
}

// Which place of a dimension stands at place `at` of the padded one, counted from its first; -1:
// a number of its own.
std::int64_t padded_from(std::int64_t at, std::int64_t size, const std::string& mode) {
  if (at >= 0 && at < size) return at;
  if (mode == "edge") return std::clamp<std::int64_t>(at, 0, size - 1);
  if (mode == "wrap") return (at % size + size) % size;
  if (mode == "reflect") return at < 0 ? -at : 2 * (size - 1) - at;
  return -1;
}

Op pad() {
  Op op{{"pad",
         "more places before and behind those of a dimension",
         {axis_option(),
          {"before", OptionType::text, {}, "how many"},
          {"after", OptionType::text, {}, "how many"},
          {.name = "mode",
           .type = OptionType::text,
           .default_value = std::string("constant"),
           .help = "what stands there: a number, the mirror image, the last one, the other end",
           .choices = {"constant", "reflect", "edge", "wrap"}},
          {"value", OptionType::real, 0.0, "of mode constant"}}},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes, t[0].dims.size());
    const Dim before = parse_dim(t.attributes->text("before"));
    const Dim after = parse_dim(t.attributes->text("after"));
    const std::string& mode = t.attributes->text("mode");
    bool good = axis < t[0].dims.size() && (!before.is_fixed() || before.offset >= 0) &&
                (!after.is_fixed() || after.offset >= 0);
    if (good && mode != "constant" && t[0].dims[axis].is_fixed()) {
      const std::int64_t size = t[0].dims[axis].offset, most = mode == "reflect" ? size - 1 : size;
      const std::int64_t needed = std::max(before.offset, after.offset);
      good = needed == 0 || (size > 0 && (mode == "edge" || mode == "wrap" || needed <= most));
    }
    if (!good) fail_shapes("pad", "an axis, and as much as its mode can give", t);
    ValueType result = t[0];
    result.dims[axis] = add(result.dims[axis], add(before, after));
    return {result};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    Tensor& y = call.out(0);
    const std::size_t axis = axis_of(*call.attributes, x.shape().size());
    const std::string& mode = call.attributes->text("mode");
    const std::int64_t inner = strides_of(x.shape())[axis], size = x.shape()[axis];
    const std::int64_t count = y.shape()[axis];
    const Dim before = parse_dim(call.attributes->text("before"));
    const Dim after = parse_dim(call.attributes->text("after"));
    const std::int64_t first = before.is_fixed() ? before.offset : count - size - after.offset;
    const double value = call.attributes->real("value");
    if (y.size() == 0) return;
    const std::int64_t outer = y.size() / (inner * count);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t from = padded_from(k - first, size, mode);
        for (std::int64_t i = 0; i < inner; ++i) {
          const std::int64_t to = (o * count + k) * inner + i;
          if (from < 0)
            set_real(y, to, value);
          else
            copy_element(x, (o * size + from) * inner + i, y, to);
        }
      }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    const Dim before = parse_dim(call.attributes().text("before"));
    const std::int64_t axis = call.attributes().integer("axis");
    const Dim size = call.graph.type(call.in(0)).dims[static_cast<std::size_t>(axis)];
    if (call.attributes().text("mode") != "constant") {
      Options attributes = call.attributes();
      attributes.erase("value");
      attributes.set("size", to_string(size));
      return {call.graph.apply("pad_grad", {call.grad()}, attributes)};
    }
    return {call.graph.apply(
        "slice", {call.grad()},
        {{"axis", axis}, {"begin", to_string(before)}, {"end", to_string(add(before, size))}})};
  };
  op.samples = []() -> std::vector<OpSample> {
    const auto make = [](const char* name, Shape shape, std::int64_t axis, const char* before,
                         const char* after, const char* mode) {
      OpSample sample{name,
                      {random_tensor(std::move(shape), 1)},
                      {{"axis", axis},
                       {"before", std::string(before)},
                       {"after", std::string(after)},
                       {"mode", std::string(mode)}}};
      sample.differentiable = {0};
      return sample;
    };
    return {make("columns", {3, 4}, 1, "1", "2", "constant"),
            make("planes", {2, 1, 3, 3}, 3, "2", "0", "constant"),
            make("mirror", {2, 5}, 1, "2", "3", "reflect"),
            make("edge", {2, 3}, 0, "2", "1", "edge"), make("wrap", {2, 3}, 1, "2", "1", "wrap")};
  };
  return op;
}

// Each place of the padded dimension gives to the one that it came from.
Op pad_grad() {
  Op op{{"pad_grad",
         "gradient of pad with copies: they add up where they came from",
         {axis_option(),
          {"before", OptionType::text, {}, "how many"},
          {"after", OptionType::text, {}, "how many"},
          {.name = "mode",
           .type = OptionType::text,
           .default_value = std::string("reflect"),
           .help = "the mirror image, the last one, the other end",
           .choices = {"reflect", "edge", "wrap"}},
          {"size", OptionType::text, {}, "of the dimension that was padded"}}},
        1,
        1,
        {"dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::size_t axis = axis_of(*t.attributes, t[0].dims.size());
    const Dim size = parse_dim(t.attributes->text("size"));
    const Dim all = add(
        size, add(parse_dim(t.attributes->text("before")), parse_dim(t.attributes->text("after"))));
    if (axis >= t[0].dims.size() || !is_real(t[0].dtype) || !(t[0].dims[axis] == all))
      fail_shapes("pad_grad", "reals of the padded size", t);
    ValueType dx = t[0];
    dx.dims[axis] = size;
    return {dx};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& dy = call.in(0);
    Tensor& dx = call.out(0);
    const std::size_t axis = axis_of(*call.attributes, dy.shape().size());
    const std::string& mode = call.attributes->text("mode");
    const std::int64_t inner = strides_of(dy.shape())[axis], count = dy.shape()[axis],
                       size = dx.shape()[axis];
    const Dim before = parse_dim(call.attributes->text("before"));
    const Dim after = parse_dim(call.attributes->text("after"));
    const std::int64_t first = before.is_fixed() ? before.offset : count - size - after.offset;
    if (dy.size() == 0) return;
    std::vector<double> sums(static_cast<std::size_t>(dx.size()), 0.0);
    const std::int64_t outer = dy.size() / (inner * count);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t to = padded_from(k - first, size, mode);
        for (std::int64_t i = 0; i < inner; ++i)
          sums[static_cast<std::size_t>((o * size + to) * inner + i)] +=
              real_at(dy, (o * count + k) * inner + i);
      }
    for (std::size_t i = 0; i < sums.size(); ++i)
      set_real(dx, static_cast<std::int64_t>(i), sums[i]);
  };
  op.samples = []() -> std::vector<OpSample> {
    const auto make = [](const char* mode) {
      return OpSample{mode,
                      {random_tensor({2, 9}, 1)},
                      {{"axis", std::int64_t{1}},
                       {"before", std::string("2")},
                       {"after", std::string("3")},
                       {"mode", std::string(mode)},
                       {"size", std::string("4")}}};
    };
    return {make("reflect"), make("edge"), make("wrap")};
  };
  return op;
}

}  // namespace pieces_family
}  // namespace

std::vector<Op> op_pieces_family() {
  using namespace pieces_family;
  return {concat(), pad(), pad_grad(), slice(), slice_grad()};
}

}  // namespace hone
