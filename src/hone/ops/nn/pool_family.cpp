// Pooling: the largest, the mean or the norm of the numbers in each window of each plane; and what
// gives back to the places of the windows.
#include <cmath>
#include <limits>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/window.hpp"

namespace hone {
namespace {
namespace pool_family {

std::vector<OptionSpec> pool_options() {
  std::vector<OptionSpec> options = window_options();
  options.insert(options.begin(),
                 {"kernel", OptionType::text, {}, "sizes of the window, a dimension each"});
  options.push_back(
      {"up", OptionType::boolean, false, "a last window that is not full counts too"});
  return options;
}

Window window_of_pool(const Options& attributes, const std::string& op) {
  return window_of(attributes, integers_of(attributes, "kernel"), op);
}

ValueType infer_pool(const OpTypes& t, const std::string& op) {
  const Window window = window_of_pool(*t.attributes, op);
  const std::vector<Dim>& x = t[0].dims;
  if (t[0].dtype == DType::boolean || window.rank() < 1 || x.size() != window.rank() + 2)
    fail_shapes(op, "numbers [N,C,...] with a size of the window for each dimension behind", t);
  ValueType y{t[0].dtype, {x[0], x[1]}};
  for (Dim& size : window_sizes({x.begin() + 2, x.end()}, window, op, t.attributes->boolean("up")))
    y.dims.push_back(size);
  return y;
}

// Calls begin(), then take(place in x) for each number in the window, then end(place in y, numbers
// of the window that lie inside x or its pads).
template <typename Begin, typename Take, typename End>
void for_each_window(const Tensor& x, const Tensor& y, const Window& window, const Begin& begin,
                     const Take& take, const End& end) {
  const Shape from(x.shape().begin() + 2, x.shape().end()),
      to(y.shape().begin() + 2, y.shape().end());
  const std::int64_t plane = element_count(from), places = element_count(to);
  if (y.size() == 0) return;
  const std::vector<std::int64_t> steps = strides_of(from);
  for (std::int64_t c = 0; c < y.size() / places; ++c) {
    std::vector<std::int64_t> place(to.size(), 0);
    for (std::int64_t p = 0; p < places; ++p) {
      begin();
      std::vector<std::int64_t> tap(from.size(), 0);
      std::int64_t padded = 0;
      do {
        std::int64_t at = 0;
        bool inside = true, in_pads = true;
        for (std::size_t d = 0; d < from.size(); ++d) {
          const std::int64_t i = window_place(window, d, place[d], tap[d]);
          inside = inside && i >= 0 && i < from[d];
          in_pads = in_pads && i < from[d] + window.after[d];
          at += i * steps[d];
        }
        if (inside) take(c * plane + at);
        padded += in_pads ? 1 : 0;
      } while (advance(tap, window.kernel));
      end(c * places + p, padded);
      advance(place, to);
    }
  }
}

std::vector<OpSample> samples(const Options& more) {
  const auto make = [&](const char* name, Shape x, Options attributes) {
    for (const auto& [key, value] : more.values()) attributes.set(key, value);
    return OpSample{name, {random_tensor(std::move(x), 1)}, std::move(attributes), {0}};
  };
  return {make("plane", {2, 3, 6, 6},
               {{"kernel", std::string("2,2")}, {"strides", std::string("2,2")}}),
          make("padded", {1, 2, 5, 5},
               {{"kernel", std::string("3,3")},
                {"strides", std::string("2,2")},
                {"pads", std::string("1,1,1,1")}}),
          make("up", {1, 1, 6, 6},
               {{"kernel", std::string("3,3")}, {"strides", std::string("2,2")}, {"up", true}}),
          make("line", {2, 1, 7}, {{"kernel", std::string("3")}, {"dilations", std::string("2")}})};
}

// Samples of gradients: of what the op gives for its own samples.
std::vector<OpSample> gradient_samples(const std::string& of) {
  std::vector<OpSample> all;
  for (OpSample& sample : samples({})) {
    const Op& op = find_op(of);
    const Tensor x = sample.inputs[0];
    const Tensor y =
        evaluate_reference(op, {&x}, complete_options(op.options, sample.attributes, op.name))[0];
    const Tensor dy = random_tensor(y.shape(), 5);
    sample.differentiable.clear();
    if (of == "average_pool") {
      sample.attributes.set("shape", to_text(x.shape()));
      sample.inputs = {dy};
    } else {
      sample.inputs = {x, y, dy};
    }
    all.push_back(std::move(sample));
  }
  return all;
}

Op max_pool() {
  Op op{{"max_pool", "the largest number of each window, and where in the tensor it is",
         pool_options()},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const ValueType y = infer_pool(t, "max_pool");
    return {y, {DType::i64, y.dims}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    std::int64_t best = -1;
    for_each_window(
        x, call.out(0), window_of_pool(*call.attributes, "max_pool"), [&] { best = -1; },
        [&](std::int64_t at) {
          if (best < 0 || real_at(x, at) > real_at(x, best) || std::isnan(real_at(x, at)))
            best = at;
        },
        [&](std::int64_t to, std::int64_t) {
          if (best < 0) {
            set_real(call.out(0), to, -std::numeric_limits<double>::infinity());
            return;
          }
          copy_element(x, best, call.out(0), to);
          set_integer(call.out(1), to, best);
        });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {
        call.graph.apply("max_unpool", {call.grad(), call.out(1)},
                         {{"shape", to_string(call.graph.type(call.in(0)).dims)}, {"add", true}})};
  };
  // No two numbers of a window so near that a small change makes another one the largest.
  op.samples = [] {
    std::vector<OpSample> all = samples({});
    for (OpSample& sample : all) {
      float* x = sample.inputs[0].as<float>();
      const std::int64_t count = sample.inputs[0].size();
      for (std::int64_t i = 0; i < count; ++i)
        x[i] = 0.2f * std::pow(1.1f, static_cast<float>(i * 7 % 37));
    }
    return all;
  };
  return op;
}

Op average_pool() {
  std::vector<OptionSpec> options = pool_options();
  options.push_back(
      {"count_pads", OptionType::boolean, false, "places before and behind count as zeros"});
  Op op{{"average_pool", "the mean of each window", options}, 1, 1, {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    return {infer_pool(t, "average_pool")};
  };
  op.reference = [](const OpCall& call) {
    const bool pads = call.attributes->boolean("count_pads");
    double sum = 0;
    std::int64_t count = 0;
    for_each_window(
        call.in(0), call.out(0), window_of_pool(*call.attributes, "average_pool"),
        [&] { sum = 0, count = 0; },
        [&](std::int64_t at) { sum += real_at(call.in(0), at), ++count; },
        [&](std::int64_t to, std::int64_t padded) {
          const std::int64_t by = pads ? padded : count;
          set_real(call.out(0), to, by == 0 ? 0 : sum / static_cast<double>(by));
        });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Options attributes = call.attributes();
    attributes.set("shape", to_string(call.graph.type(call.in(0)).dims));
    return {call.graph.apply("average_pool_grad", {call.grad()}, attributes)};
  };
  op.samples = [] {
    std::vector<OpSample> all = samples({});
    for (OpSample& sample : samples({{"count_pads", true}})) {
      sample.name += ", pads count";
      all.push_back(std::move(sample));
    }
    return all;
  };
  return op;
}

// The tensor that was pooled: the attribute `shape`.
OptionSpec pooled_shape() {
  return {"shape", OptionType::text, {}, "sizes of what was pooled, e.g. N,64,56,56"};
}

// dx: each window gives its slope to its numbers in equal parts.
Op average_pool_grad() {
  std::vector<OptionSpec> options = pool_options();
  options.push_back(
      {"count_pads", OptionType::boolean, false, "places before and behind count as zeros"});
  options.push_back(pooled_shape());
  Op op{{"average_pool_grad", "gradient of average_pool", options}, 1, 1, {"dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const ValueType x{t[0].dtype, parse_dims(t.attributes->text("shape"))};
    const OpTypes pooled{{&x}, t.attributes};
    if (!is_real(t[0].dtype) || !(infer_pool(pooled, "average_pool_grad") == t[0]))
      fail_shapes("average_pool_grad", "reals of what is pooled from [" + to_string(x.dims) + "]",
                  t);
    return {x};
  };
  op.reference = [](const OpCall& call) {
    const bool pads = call.attributes->boolean("count_pads");
    std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()), 0.0);
    std::vector<std::int64_t> taken;
    for_each_window(
        call.out(0), call.in(0), window_of_pool(*call.attributes, "average_pool_grad"),
        [&] { taken.clear(); }, [&](std::int64_t at) { taken.push_back(at); },
        [&](std::int64_t from, std::int64_t padded) {
          const auto by = static_cast<double>(pads ? padded : std::ssize(taken));
          for (const std::int64_t at : taken)
            sums[static_cast<std::size_t>(at)] += real_at(call.in(0), from) / by;
        });
    for (std::size_t i = 0; i < sums.size(); ++i)
      set_real(call.out(0), static_cast<std::int64_t>(i), sums[i]);
  };
  op.samples = [] { return gradient_samples("average_pool"); };
  return op;
}

// dx = dy sign(x) (|x| / y)^(p-1), summed over the windows.
Op lp_pool_grad() {
  std::vector<OptionSpec> options = pool_options();
  options.push_back({"p", OptionType::integer, std::int64_t{2}, "of the norm", 1, 64});
  Op op{{"lp_pool_grad", "gradient of lp_pool", options}, 3, 3, {"x", "y", "dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (!is_real(t[0].dtype) || !(infer_pool(t, "lp_pool_grad") == t[1]) || !(t[1] == t[2]))
      fail_shapes("lp_pool_grad", "reals x, and y and dy of what is pooled from it", t);
    return {t[0]};
  };
  op.reference = [](const OpCall& call) {
    const auto p = static_cast<double>(call.attributes->integer("p"));
    std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()), 0.0);
    std::vector<std::int64_t> taken;
    for_each_window(
        call.out(0), call.in(1), window_of_pool(*call.attributes, "lp_pool_grad"),
        [&] { taken.clear(); }, [&](std::int64_t at) { taken.push_back(at); },
        [&](std::int64_t from, std::int64_t) {
          const double y = real_at(call.in(1), from), dy = real_at(call.in(2), from);
          for (const std::int64_t at : taken) {
            const double x = real_at(call.in(0), at);
            if (x != 0)
              sums[static_cast<std::size_t>(at)] +=
                  dy * std::copysign(std::pow(std::abs(x) / y, p - 1), x);
          }
        });
    for (std::size_t i = 0; i < sums.size(); ++i)
      set_real(call.out(0), static_cast<std::int64_t>(i), sums[i]);
  };
  op.samples = [] { return gradient_samples("lp_pool"); };
  return op;
}

// Zeros but for the numbers of x, each where `places` says, counted over the whole tensor.
Op max_unpool() {
  Op op{{"max_unpool",
         "numbers back at the places that max_pool names",
         {pooled_shape(),
          {"add", OptionType::boolean, false, "numbers of one place add up; else the last stays"}}},
        2,
        2,
        {"x", "places"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (t[0].dtype == DType::boolean || t[1].dtype != DType::i64 || !(t[0].dims == t[1].dims))
      fail_shapes("max_unpool", "numbers, and a place i64 for each", t);
    return {{t[0].dtype, parse_dims(t.attributes->text("shape"))}};
  };
  op.reference = [](const OpCall& call) {
    Tensor& y = call.out(0);
    const bool add = call.attributes->boolean("add");
    for (std::int64_t i = 0; i < call.in(0).size(); ++i) {
      const std::int64_t place = integer_at(call.in(1), i);
      if (place < 0 || place >= y.size())
        throw Error(ErrorCode::invalid_argument, "[max_unpool] place " + std::to_string(place) +
                                                     " of a tensor of " + std::to_string(y.size()));
      if (add)
        set_real(y, place, real_at(y, place) + real_at(call.in(0), i));
      else
        copy_element(call.in(0), i, y, place);
    }
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    Graph& g = call.graph;
    const std::vector<Dim> dims = g.type(call.grad()).dims;
    const ValueId flat = g.apply("reshape", {call.grad()}, {{"shape", to_string(product(dims))}});
    return {g.apply("gather", {flat, call.in(1)}, {{"axis", std::int64_t{0}}}), none};
  };
  op.samples = []() -> std::vector<OpSample> {
    Tensor places(DType::i64, {1, 1, 2, 2});
    for (std::int64_t i = 0; i < 4; ++i) set_integer(places, i, 3 * i + 2);
    Tensor twice = places.clone();
    set_integer(twice, 3, 2);
    const std::string shape = "1,1,4,4";
    return {{"apart", {random_tensor({1, 1, 2, 2}, 1), places}, {{"shape", shape}}, {0}},
            {"together",
             {random_tensor({1, 1, 2, 2}, 1), twice},
             {{"shape", shape}, {"add", true}},
             {0}}};
  };
  return op;
}

Op lp_pool() {
  std::vector<OptionSpec> options = pool_options();
  options.push_back({"p", OptionType::integer, std::int64_t{2}, "of the norm", 1, 64});
  Op op{{"lp_pool", "the p-norm of each window", options}, 1, 1, {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> { return {infer_pool(t, "lp_pool")}; };
  op.reference = [](const OpCall& call) {
    const auto p = static_cast<double>(call.attributes->integer("p"));
    double sum = 0;
    for_each_window(
        call.in(0), call.out(0), window_of_pool(*call.attributes, "lp_pool"), [&] { sum = 0; },
        [&](std::int64_t at) { sum += std::pow(std::abs(real_at(call.in(0), at)), p); },
        [&](std::int64_t to, std::int64_t) { set_real(call.out(0), to, std::pow(sum, 1 / p)); });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("lp_pool_grad", {call.in(0), call.out(0), call.grad()},
                             call.attributes())};
  };
  op.samples = [] { return samples({}); };
  return op;
}

}  // namespace pool_family
}  // namespace

std::vector<Op> op_pool_family() {
  using namespace pool_family;
  return {average_pool(), average_pool_grad(), lp_pool(), lp_pool_grad(), max_pool(), max_unpool()};
}

}  // namespace hone
