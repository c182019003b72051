// Functions of one number, and their derivatives as ops of their own: NAME and NAME_grad (x, dy).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace unary_family {

using Function = double (*)(double x, const Options& attributes);

struct Unary {
  const char* name;
  const char* summary;
  Function value;
  Function slope = nullptr;  // null: it has none, or it is zero everywhere
  std::vector<OptionSpec> options = {};
  // Samples are normal numbers times this; `positive` ones above 0, `within_one` between -1 and 1.
  double scale = 2.0;
  bool positive = false, within_one = false;
  Elements elements = Elements::reals;
  // Where the slope jumps (by the options' defaults): samples keep away from there.
  std::vector<double> kinks = {};
};

// The largest float32 stands for no bound.
bool is_no_bound(double bound) { return std::abs(bound) >= 3.402823466385288598e38; }

OptionSpec real_option(const char* name, double value, const char* help) {
  return {name, OptionType::real, value, help};
}

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
// Rounds half to even.
double to_even(double x) { return std::nearbyint(x); }

const std::vector<Unary>& functions() {
  using O = const Options&;
  static const std::vector<Unary> all{
      {"exp",
       "e to the power of x",
       [](double x, O) { return std::exp(x); },
       [](double x, O) { return std::exp(x); },
       {},
       0.5},
      {"log",
       "natural logarithm",
       [](double x, O) { return std::log(x); },
       [](double x, O) { return 1 / x; },
       {},
       2.0,
       true},
      {"sqrt",
       "square root",
       [](double x, O) { return std::sqrt(x); },
       [](double x, O) { return 0.5 / std::sqrt(x); },
       {},
       2.0,
       true},
      {"reciprocal",
       "1 / x",
       [](double x, O) { return 1 / x; },
       [](double x, O) { return -1 / (x * x); },
       {},
       2.0,
       true},
      {"sin", "sine", [](double x, O) { return std::sin(x); },
       [](double x, O) { return std::cos(x); }},
      {"cos", "cosine", [](double x, O) { return std::cos(x); },
       [](double x, O) { return -std::sin(x); }},
      {"tan",
       "tangent",
       [](double x, O) { return std::tan(x); },
       [](double x, O) { return 1 + std::tan(x) * std::tan(x); },
       {},
       0.3},
      {"asin",
       "arc sine",
       [](double x, O) { return std::asin(x); },
       [](double x, O) { return 1 / std::sqrt(1 - x * x); },
       {},
       2.0,
       false,
       true},
      {"acos",
       "arc cosine",
       [](double x, O) { return std::acos(x); },
       [](double x, O) { return -1 / std::sqrt(1 - x * x); },
       {},
       2.0,
       false,
       true},
      {"atan", "arc tangent", [](double x, O) { return std::atan(x); },
       [](double x, O) { return 1 / (1 + x * x); }},
      {"sinh",
       "hyperbolic sine",
       [](double x, O) { return std::sinh(x); },
       [](double x, O) { return std::cosh(x); },
       {},
       0.5},
      {"cosh",
       "hyperbolic cosine",
       [](double x, O) { return std::cosh(x); },
       [](double x, O) { return std::sinh(x); },
       {},
       0.5},
      {"asinh", "inverse hyperbolic sine", [](double x, O) { return std::asinh(x); },
       [](double x, O) { return 1 / std::sqrt(x * x + 1); }},
      {"acosh",
       "inverse hyperbolic cosine, of x from 1 on",
       [](double x, O) { return std::acosh(x); },
       [](double x, O) { return 1 / std::sqrt(x * x - 1); },
       {},
       2.0,
       true},
      {"atanh",
       "inverse hyperbolic tangent",
       [](double x, O) { return std::atanh(x); },
       [](double x, O) { return 1 / (1 - x * x); },
       {},
       2.0,
       false,
       true},
      {"erf", "error function", [](double x, O) { return std::erf(x); },
       [](double x, O) { return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x); }},
      {"abs",
       "magnitude",
       [](double x, O) { return std::abs(x); },
       [](double x, O) { return x > 0   ? 1.0
                                : x < 0 ? -1.0
                                        : 0.0; },
       {},
       2.0,
       false,
       false,
       Elements::numbers},
      {"neg",
       "-x",
       [](double x, O) { return -x; },
       [](double, O) { return -1.0; },
       {},
       2.0,
       false,
       false,
       Elements::numbers},
      {"sign",
       "-1, 0 or 1",
       [](double x, O) { return x > 0   ? 1.0
                                : x < 0 ? -1.0
                                        : x; },
       nullptr,
       {},
       2.0,
       false,
       false,
       Elements::numbers},
      {"floor", "the whole number below", [](double x, O) { return std::floor(x); }},
      {"ceil", "the whole number above", [](double x, O) { return std::ceil(x); }},
      {"round", "the nearest whole number, ties to even", [](double x, O) { return to_even(x); }},
      {"sigmoid", "1 / (1 + e^-x)", [](double x, O) { return sigmoid(x); },
       [](double x, O) { return sigmoid(x) * sigmoid(-x); }},
      {"softplus", "log(1 + e^x)", [](double x, O) { return softplus(x); },
       [](double x, O) { return sigmoid(x); }},
      {"softsign", "x / (1 + |x|)", [](double x, O) { return x / (1 + std::abs(x)); },
       [](double x, O) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); }},
      {"mish", "x tanh(softplus(x))", [](double x, O) { return x * std::tanh(softplus(x)); },
       [](double x, O) {
         const double t = std::tanh(softplus(x));
         return t + x * (1 - t * t) * sigmoid(x);
       }},
      {"leaky_relu",
       "x, below 0 alpha x",
       [](double x, O o) { return x >= 0 ? x : o.real("alpha") * x; },
       [](double x, O o) { return x >= 0 ? 1.0 : o.real("alpha"); },
       {real_option("alpha", 0.01, "slope below 0")}},
      {"elu",
       "x, below 0 alpha (e^x - 1)",
       [](double x, O o) { return x >= 0 ? x : o.real("alpha") * std::expm1(x); },
       [](double x, O o) { return x >= 0 ? 1.0 : o.real("alpha") * std::exp(x); },
       {real_option("alpha", 1.0, "what it approaches, negated")}},
      {"celu",
       "x, below 0 alpha (e^(x / alpha) - 1)",
       [](double x, O o) {
         const double alpha = o.real("alpha");
         return x >= 0 ? x : alpha * std::expm1(x / alpha);
       },
       [](double x, O o) { return x >= 0 ? 1.0 : std::exp(x / o.real("alpha")); },
       {real_option("alpha", 1.0, "what it approaches, negated")}},
      {"selu",
       "gamma x, below 0 gamma alpha (e^x - 1)",
       [](double x, O o) {
         return o.real("gamma") * (x > 0 ? x : o.real("alpha") * std::expm1(x));
       },
       [](double x, O o) { return o.real("gamma") * (x > 0 ? 1 : o.real("alpha") * std::exp(x)); },
       {real_option("alpha", 1.67326319217681884765625, "below 0"),
        real_option("gamma", 1.05070102214813232421875, "of all")}},
      {"hard_sigmoid",
       "alpha x + beta between 0 and 1",
       [](double x, O o) { return std::clamp(o.real("alpha") * x + o.real("beta"), 0.0, 1.0); },
       [](double x, O o) {
         const double y = o.real("alpha") * x + o.real("beta");
         return y > 0 && y < 1 ? o.real("alpha") : 0.0;
       },
       {real_option("alpha", 0.2, "slope"), real_option("beta", 0.5, "value at 0")},
       2.0,
       false,
       false,
       Elements::reals,
       {-2.5, 2.5}},
      {"thresholded_relu",
       "x above alpha, else 0",
       [](double x, O o) { return x > o.real("alpha") ? x : 0.0; },
       [](double x, O o) { return x > o.real("alpha") ? 1.0 : 0.0; },
       {real_option("alpha", 1.0, "the threshold")},
       2.0,
       false,
       false,
       Elements::reals,
       {1.0}},
      {"shrink",
       "x without bias where |x| is above lambd, else 0",
       [](double x, O o) {
         const double lambd = o.real("lambd");
         return x < -lambd ? x + o.real("bias") : x > lambd ? x - o.real("bias") : 0.0;
       },
       [](double x, O o) { return std::abs(x) > o.real("lambd") ? 1.0 : 0.0; },
       {real_option("lambd", 0.5, "the threshold"), real_option("bias", 0.0, "taken off")},
       2.0,
       false,
       false,
       Elements::reals,
       {-0.5, 0.5}},
      {"clip",
       "between low and high",
       [](double x, O o) {
         // (As the published definition: the upper bound wins.)
         if (std::isinf(x) && (x > 0 ? is_no_bound(o.real("high")) : is_no_bound(o.real("low"))))
           return x;
         return std::isnan(x) ? x : std::min(std::max(x, o.real("low")), o.real("high"));
       },
       [](double x, O o) { return x >= o.real("low") && x <= o.real("high") ? 1.0 : 0.0; },
       {real_option("low", -3.402823466385288598e38, "the smallest"),
        real_option("high", 3.402823466385288598e38, "the largest")}},
      {"offset",
       "x + by",
       [](double x, O o) { return x + o.real("by"); },
       [](double, O) { return 1.0; },
       {real_option("by", 0.0, "added")}}};
  return all;
}

std::vector<OpSample> samples_of(const Unary& one, bool of_gradient) {
  std::vector<OpSample> samples = elementwise_samples(
      of_gradient ? 2 : 1, complete_options(one.options, {}, one.name), one.scale);
  for (OpSample& sample : samples) {
    if (one.slope == nullptr || of_gradient) sample.differentiable.clear();
    for (float& x : sample.inputs[0].span<float>()) {
      if (one.positive) x = std::abs(x) + 1.25f;
      if (one.within_one) x = std::clamp(0.1f * x, -0.9f, 0.9f);
      for (const double kink : one.kinks) {
        const double margin = 0.06 * (1 + std::abs(kink));
        if (std::abs(x - kink) < margin)
          x = static_cast<float>(kink + (x < kink ? -margin : margin));
      }
    }
  }
  return samples;
}

Op function_op(const Unary& one) {
  Op op{{one.name, one.summary, one.options}, 1, 1, {"x"}, RowRule::rows, 1};
  op.elementwise = true;
  op.infer = [&one](const OpTypes& t) { return infer_elementwise(t, one.name, one.elements); };
  op.reference = [&one](const OpCall& call) {
    map_elements(call, [&](double x) { return one.value(x, *call.attributes); });
  };
  // (Of those without a slope it is zero: differentiate stops there.)
  op.zero_gradient = one.slope == nullptr;
  if (one.slope != nullptr)
    op.gradient = [&one](const GradientCall& call) -> std::vector<ValueId> {
      return {call.graph.apply(std::string(one.name) + "_grad", {call.in(0), call.grad()},
                               call.attributes())};
    };
  op.samples = [&one] { return samples_of(one, false); };
  return op;
}

Op gradient_op(const Unary& one) {
  Op op{{std::string(one.name) + "_grad", std::string("gradient of ") + one.name, one.options},
        2,
        2,
        {"x", "dy"},
        RowRule::rows,
        3};
  op.linear_rows = 2;
  op.infer = [&one, name = op.name](const OpTypes& t) {
    return infer_elementwise(t, name, Elements::reals);
  };
  op.reference = [&one](const OpCall& call) {
    map_elements(call, [&](double x, double dy) { return dy * one.slope(x, *call.attributes); });
  };
  op.samples = [&one] { return samples_of(one, true); };
  return op;
}

}  // namespace unary_family
}  // namespace

std::vector<Op> op_unary_family() {
  using namespace unary_family;
  std::vector<Op> ops;
  for (const Unary& one : functions()) {
    ops.push_back(function_op(one));
    if (one.slope != nullptr) ops.push_back(gradient_op(one));
  }
  return ops;
}

}  // namespace hone
