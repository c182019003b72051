// The largest number or the mean of each window of planes whose channels lie together, x [N,H,W,C].
#include <cmath>
#include <limits>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {

Window window_of_pool(const Options& attributes) {
  return window_of(attributes, integers_of(attributes, "kernel"), "pool_channels_last");
}

std::vector<ValueType> infer(const OpTypes& t) {
  const Window window = window_of_pool(*t.attributes);
  const std::vector<Dim>& x = t[0].dims;
  if (t[0].dtype != DType::f32 || x.size() != 4 || window.rank() != 2)
    fail_shapes("pool_channels_last", "x f32[N,H,W,C] and a window of two sizes", t);
  const std::vector<Dim> sizes =
      window_sizes({x[1], x[2]}, window, "pool_channels_last", t.attributes->boolean("up"));
  return {{DType::f32, {x[0], sizes[0], sizes[1], x[3]}}};
}

void reference(const OpCall& call) {
  const Shape &from = call.in(0).shape(), &to = call.out(0).shape();
  const Window window = window_of_pool(*call.attributes);
  const bool largest = call.attributes->text("kind") == "max";
  const bool pads = call.attributes->boolean("count_pads");
  if (call.out(0).size() == 0) return;
  std::int64_t i = 0;
  Shape at(4, 0);
  do {
    double result = largest ? -std::numeric_limits<double>::infinity() : 0;
    std::int64_t inside = 0, padded = 0;
    for (std::int64_t r = 0; r < window.kernel[0]; ++r)
      for (std::int64_t s = 0; s < window.kernel[1]; ++s) {
        const std::int64_t h = window_place(window, 0, at[1], r);
        const std::int64_t v = window_place(window, 1, at[2], s);
        padded += h < from[1] + window.after[0] && v < from[2] + window.after[1] ? 1 : 0;
        if (h < 0 || h >= from[1] || v < 0 || v >= from[2]) continue;
        ++inside;
        const double x =
            call.in(0).as<float>()[((at[0] * from[1] + h) * from[2] + v) * from[3] + at[3]];
        if (!largest)
          result += x;
        else if (std::isnan(x) || x > result)
          result = x;
      }
    const std::int64_t count = pads ? padded : inside;
    if (!largest) result = count == 0 ? 0 : result / static_cast<double>(count);
    call.out(0).as<float>()[i++] = static_cast<float>(result);
  } while (advance(at, to));
}

std::vector<OpSample> samples() {
  std::vector<OpSample> all;
  const auto text = [](const char* value) { return std::string(value); };
  for (const char* kind : {"max", "average"}) {
    const auto add = [&](const char* name, Shape x, Options attributes) {
      attributes.set("kind", std::string(kind));
      all.push_back({std::string(kind) + ", " + name,
                     {random_tensor(std::move(x), 1)},
                     std::move(attributes)});
    };
    add("plain", {2, 6, 6, 3}, {{"kernel", text("2,2")}, {"strides", text("2,2")}});
    add("padded", {1, 5, 7, 19},
        {{"kernel", text("3,3")}, {"strides", text("2,2")}, {"pads", text("1,1,1,1")}});
    add("up", {1, 6, 6, 16}, {{"kernel", text("3,3")}, {"strides", text("2,2")}, {"up", true}});
    add("no planes", {0, 6, 6, 8}, {{"kernel", text("2,2")}});
  }
  all.push_back({"average, pads count",
                 {random_tensor({1, 5, 5, 9}, 1)},
                 {{"kind", text("average")},
                  {"kernel", text("3,3")},
                  {"pads", text("1,1,1,1")},
                  {"count_pads", true}}});
  return all;
}

}  // namespace

Op op_pool_channels_last() {
  std::vector<OptionSpec> options = window_options();
  options.insert(options.begin(),
                 {"kernel", OptionType::text, {}, "sizes of the window, a dimension each"});
  OptionSpec kind{"kind", OptionType::text, std::string("max"), "what a window gives"};
  kind.choices = {"max", "average"};
  options.push_back(kind);
  options.push_back(
      {"up", OptionType::boolean, false, "a last window that is not full counts too"});
  options.push_back(
      {"count_pads", OptionType::boolean, false, "of means: places before and behind are zeros"});
  Op op{{"pool_channels_last", "the largest number or the mean of each window of x [N,H,W,C]",
         options},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
