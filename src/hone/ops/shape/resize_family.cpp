// Another size of one dimension, by interpolation. Places are the means of a line of numbers: what
// an interpolation over several dimensions multiplies, one after the other does too.
//
// Source of the formulas: the definition of Resize in ONNX (operator set 19).
#include <algorithm>
#include <cmath>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace resize_family {

std::vector<OptionSpec> resize_options() {
  const auto choice = [](const char* name, const char* otherwise, const char* help,
                         std::vector<std::string> choices) {
    return OptionSpec{.name = name,
                      .type = OptionType::text,
                      .default_value = std::string(otherwise),
                      .help = help,
                      .choices = std::move(choices)};
  };
  return {{"axis", OptionType::integer, {}, "the dimension", 0, 7},
          {"size", OptionType::text, {}, "its new size, e.g. 14 or 2*H"},
          {"scale", OptionType::real, 0.0,
           "new size by old one, where it is not exactly that; else 0", 0.0, 1e9},
          choice("mode", "nearest", "the nearest number, or the mean of two or four",
                 {"nearest", "linear", "cubic"}),
          choice("coordinates", "half_pixel", "where a new place lies among the old ones",
                 {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                  "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"}),
          choice("rounding", "round_prefer_floor", "of mode nearest",
                 {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}),
          {"cubic_a", OptionType::real, -0.75, "the coefficient of mode cubic"},
          {"exclude_outside", OptionType::boolean, false,
           "places outside weigh nothing, instead of being the last one"},
          {"antialias", OptionType::boolean, false, "smaller sizes are means over wider windows"},
          {"begin", OptionType::real, 0.0, "of tf_crop_and_resize: where the part begins, 0 to 1"},
          {"end", OptionType::real, 1.0, "of tf_crop_and_resize: where it ends"},
          {"outside", OptionType::real, 0.0,
           "of tf_crop_and_resize: the number beyond the old places"}};
}

double cubic_weight(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// A new place: which old ones it is the weighted sum of; none: the number outside.
struct Weighted {
  std::int64_t from;
  double by;
};

class Resizing {
public:
  Resizing(const Options& attributes, std::int64_t from, std::int64_t to)
      : o_(attributes),
        from_(from),
        to_(to),
        mode_(attributes.text("mode")),
        coordinates_(attributes.text("coordinates")) {
    scale_ = o_.real("scale");
    if (scale_ == 0) scale_ = static_cast<double>(to) / static_cast<double>(from);
  }

  std::vector<Weighted> at(std::int64_t place) const {
    const double x = old_place(static_cast<double>(place));
    const auto last = from_ - 1;
    if (coordinates_ == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(last))) return {};
    if (mode_ == "nearest") return {{std::clamp<std::int64_t>(rounded(x), 0, last), 1.0}};
    const double narrow = o_.boolean("antialias") ? std::min(scale_, 1.0) : 1.0;
    const double reach = (mode_ == "linear" ? 1.0 : 2.0) / narrow;
    const auto low = static_cast<std::int64_t>(std::floor(x - reach)),
               high = static_cast<std::int64_t>(std::ceil(x + reach));
    const bool exclude = o_.boolean("exclude_outside");
    std::vector<Weighted> all;
    double sum = 0;
    for (std::int64_t i = low; i <= high; ++i) {
      const double distance = (static_cast<double>(i) - x) * narrow;
      double weight = mode_ == "linear" ? std::max(0.0, 1 - std::abs(distance))
                                        : cubic_weight(distance, o_.real("cubic_a"));
      if (exclude && (i < 0 || i > last)) weight = 0;
      if (weight == 0) continue;
      all.push_back({std::clamp<std::int64_t>(i, 0, last), weight});
      sum += weight;
    }
    for (Weighted& one : all) one.by /= sum;
    return all;
  }

private:
  double old_place(double x) const {
    const auto from = static_cast<double>(from_), to = static_cast<double>(to_);
    // (Not rounded, where a scale is given.)
    const double length = scale_ * from;
    if (coordinates_ == "half_pixel") return (x + 0.5) / scale_ - 0.5;
    if (coordinates_ == "half_pixel_symmetric")
      return from / 2 * (1 - to / (scale_ * from)) + (x + 0.5) / scale_ - 0.5;
    if (coordinates_ == "pytorch_half_pixel") return to_ > 1 ? (x + 0.5) / scale_ - 0.5 : 0;
    if (coordinates_ == "align_corners") return length == 1 ? 0 : x * (from - 1) / (length - 1);
    if (coordinates_ == "asymmetric") return x / scale_;
    if (coordinates_ == "tf_half_pixel_for_nn") return (x + 0.5) / scale_;
    const double begin = o_.real("begin"), end = o_.real("end");
    return length == 1 ? 0.5 * (begin + end) * (from - 1)
                       : begin * (from - 1) + x * (end - begin) * (from - 1) / (length - 1);
  }

  std::int64_t rounded(double x) const {
    const std::string& rounding = o_.text("rounding");
    if (rounding == "floor") return static_cast<std::int64_t>(std::floor(x));
    if (rounding == "ceil") return static_cast<std::int64_t>(std::ceil(x));
    if (rounding == "round_prefer_ceil") return static_cast<std::int64_t>(std::floor(x + 0.5));
    return static_cast<std::int64_t>(std::ceil(x - 0.5));
  }

  const Options& o_;
  std::int64_t from_, to_;
  const std::string &mode_, &coordinates_;
  double scale_ = 1;
};

// `types` of either op: x with a dimension of the size that the attribute `key` says.
std::vector<ValueType> infer_size(const OpTypes& t, const std::string& op, const char* key,
                                  bool any_type) {
  const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
  const Dim size = parse_dim(t.attributes->text(key));
  if (axis >= t[0].dims.size() || !(any_type || is_real(t[0].dtype)) ||
      (size.is_fixed() && size.offset < 0) || (t[0].dims[axis] == Dim(0) && !(size == Dim(0))))
    fail_shapes(op, "an axis of x that is not empty; reals but for mode nearest", t);
  ValueType y = t[0];
  y.dims[axis] = size;
  return {y};
}

// Calls f(element of the resized tensor, element of the other, weight), and end(element of the
// resized one, whether anything was taken).
template <typename F, typename End>
void for_each_weight(const Options& attributes, const Shape& from, const Shape& to, const F& f,
                     const End& end) {
  if (element_count(to) == 0 || element_count(from) == 0) return;
  const auto axis = static_cast<std::size_t>(attributes.integer("axis"));
  const std::int64_t inner = strides_of(to)[axis], count = to[axis], size = from[axis];
  const std::int64_t outer = element_count(to) / (inner * count);
  const Resizing resizing(attributes, size, count);
  for (std::int64_t k = 0; k < count; ++k) {
    const std::vector<Weighted> taken = resizing.at(k);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i) {
        const std::int64_t place = (o * count + k) * inner + i;
        for (const Weighted& one : taken) f(place, (o * size + one.from) * inner + i, one.by);
        end(place, !taken.empty());
      }
  }
}

OpSample resize_sample(const char* name, Shape shape, std::int64_t axis, const char* size,
                       Options more) {
  Options attributes{{"axis", axis}, {"size", std::string(size)}};
  for (const auto& [key, value] : more.values()) attributes.set(key, value);
  OpSample sample{name, {random_tensor(std::move(shape), 1)}, std::move(attributes)};
  sample.differentiable = {0};
  return sample;
}

std::vector<OpSample> resize_samples() {
  const auto text = [](const char* value) { return OptionValue(std::string(value)); };
  return {resize_sample("nearest", {2, 3, 4}, 2, "7", {}),
          resize_sample("linear", {2, 5, 3}, 1, "8", {{"mode", text("linear")}}),
          resize_sample("corners", {2, 5}, 1, "3",
                        {{"mode", text("linear")}, {"coordinates", text("align_corners")}}),
          resize_sample("cubic", {1, 6}, 1, "4",
                        {{"mode", text("cubic")}, {"exclude_outside", true}, {"scale", 0.7}}),
          resize_sample("smooth", {9, 2}, 0, "4", {{"mode", text("linear")}, {"antialias", true}}),
          resize_sample("part", {1, 5}, 1, "6",
                        {{"mode", text("linear")},
                         {"coordinates", text("tf_crop_and_resize")},
                         {"begin", 0.25},
                         {"end", 1.5},
                         {"outside", 3.0}})};
}

Op resize() {
  Op op{{"resize", "another size of a dimension, by interpolation", resize_options()}, 1, 1, {"x"}};
  op.infer = [](const OpTypes& t) {
    return infer_size(t, "resize", "size", t.attributes->text("mode") == "nearest");
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    Tensor& y = call.out(0);
    const bool nearest = call.attributes->text("mode") == "nearest";
    const double outside = call.attributes->real("outside");
    double sum = 0;
    for_each_weight(
        *call.attributes, x.shape(), y.shape(),
        [&](std::int64_t to, std::int64_t from, double weight) {
          if (nearest)
            copy_element(x, from, y, to);
          else
            sum += weight * real_at(x, from);
        },
        [&](std::int64_t to, bool any) {
          if (!nearest || !any) set_real(y, to, any ? sum : outside);
          sum = 0;
        });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Options attributes = call.attributes();
    const auto axis = static_cast<std::size_t>(attributes.integer("axis"));
    attributes.set("from", to_string(call.graph.type(call.in(0)).dims[axis]));
    return {call.graph.apply("resize_grad", {call.grad()}, attributes)};
  };
  op.samples = resize_samples;
  return op;
}

Op resize_grad() {
  std::vector<OptionSpec> options = resize_options();
  options.push_back({"from", OptionType::text, {}, "the size that was resized"});
  Op op{{"resize_grad", "gradient of resize: gives back by the weights", options}, 1, 1, {"dy"}};
  op.infer = [](const OpTypes& t) { return infer_size(t, "resize_grad", "from", false); };
  op.reference = [](const OpCall& call) {
    const Tensor& dy = call.in(0);
    Tensor& dx = call.out(0);
    std::vector<double> sums(static_cast<std::size_t>(dx.size()), 0.0);
    for_each_weight(
        *call.attributes, dx.shape(), dy.shape(),
        [&](std::int64_t from, std::int64_t to, double weight) {
          sums[static_cast<std::size_t>(to)] += weight * real_at(dy, from);
        },
        [](std::int64_t, bool) {});
    for (std::int64_t i = 0; i < dx.size(); ++i) set_real(dx, i, sums[static_cast<std::size_t>(i)]);
  };
  op.samples = [] {
    std::vector<OpSample> samples = resize_samples();
    for (OpSample& sample : samples) {
      const auto axis = static_cast<std::size_t>(sample.attributes.integer("axis"));
      Shape shape = sample.inputs[0].shape();
      sample.attributes.set("from", std::to_string(shape[axis]));
      shape[axis] = parse_dim(sample.attributes.text("size")).offset;
      sample.inputs[0] = random_tensor(shape, 2);
      sample.differentiable.clear();
    }
    return samples;
  };
  return op;
}

}  // namespace resize_family
}  // namespace

std::vector<Op> op_resize_family() {
  using namespace resize_family;
  return {resize(), resize_grad()};
}

}  // namespace hone
