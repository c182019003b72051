#include "hone/ops/detail/recurrent.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

struct Activation {
  const char* name;
  double alpha, beta;  // what ONNX takes where nothing is said
  double (*value)(double x, double alpha, double beta);
  double (*derivative)(double x, double alpha, double beta);
};

const std::vector<Activation>& activations() {
  using D = double;
  static const std::vector<Activation> all{
      {"Relu", 0, 0, [](D x, D, D) { return std::max(x, 0.0); },
       [](D x, D, D) { return x > 0 ? 1.0 : 0.0; }},
      {"Tanh", 0, 0, [](D x, D, D) { return std::tanh(x); },
       [](D x, D, D) { return 1 - std::tanh(x) * std::tanh(x); }},
      {"Sigmoid", 0, 0, [](D x, D, D) { return logistic(x); },
       [](D x, D, D) { return logistic(x) * logistic(-x); }},
      {"Affine", 1, 0, [](D x, D a, D b) { return a * x + b; }, [](D, D a, D) { return a; }},
      {"LeakyRelu", 0.01, 0, [](D x, D a, D) { return x >= 0 ? x : a * x; },
       [](D x, D a, D) { return x >= 0 ? 1.0 : a; }},
      {"ThresholdedRelu", 1, 0, [](D x, D a, D) { return x > a ? x : 0.0; },
       [](D x, D a, D) { return x > a ? 1.0 : 0.0; }},
      {"ScaledTanh", 1, 1, [](D x, D a, D b) { return a * std::tanh(b * x); },
       [](D x, D a, D b) { return a * b * (1 - std::tanh(b * x) * std::tanh(b * x)); }},
      {"HardSigmoid", 0.2, 0.5, [](D x, D a, D b) { return std::clamp(a * x + b, 0.0, 1.0); },
       [](D x, D a, D b) { return a * x + b > 0 && a * x + b < 1 ? a : 0.0; }},
      {"Elu", 1, 0, [](D x, D a, D) { return x >= 0 ? x : a * std::expm1(x); },
       [](D x, D a, D) { return x >= 0 ? 1.0 : a * std::exp(x); }},
      {"Softsign", 0, 0, [](D x, D, D) { return x / (1 + std::abs(x)); },
       [](D x, D, D) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); }},
      {"Softplus", 0, 0,
       [](D x, D, D) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); },
       [](D x, D, D) { return logistic(x); }}};
  return all;
}

std::vector<std::string> parts_of(const Options& attributes, const char* name) {
  const std::string& text = attributes.text(name);
  return text.empty() ? std::vector<std::string>{} : split(text, ',');
}

OpSample sample_of(const RecurrentCell& cell, const char* name, std::int64_t ways, bool all,
                   Options attributes) {
  const std::int64_t s = 4, b = 2, in = 3, h = 2;
  const auto gates = static_cast<std::int64_t>(cell.gates);
  std::string functions = cell.activations;
  if (ways == 2) functions += std::string(",") + cell.activations;
  attributes.set("activations", functions);
  OpSample sample{name,
                  {random_tensor({s, b, in}, 1), random_tensor({ways, gates * h, in}, 2, 0.5),
                   random_tensor({ways, gates * h, h}, 3, 0.5)},
                  std::move(attributes)};
  if (all) {
    sample.inputs.push_back(random_tensor({ways, 2 * gates * h}, 4));
    sample.inputs.push_back(int_tensor({b}, {3, 4}));
    sample.inputs.push_back(random_tensor({ways, b, h}, 5));
    if (cell.memory) {
      sample.inputs.push_back(random_tensor({ways, b, h}, 6));
      sample.inputs.push_back(random_tensor({ways, 3 * h}, 7));
    }
  }
  return sample;
}

}  // namespace

std::vector<OptionSpec> recurrent_options(const RecurrentCell& cell) {
  std::vector<OptionSpec> options{
      {.name = "direction",
       .type = OptionType::text,
       .default_value = std::string("forward"),
       .help = "from the first step, from the last, or both",
       .choices = {"forward", "reverse", "bidirectional"}},
      {"activations", OptionType::text, {}, "functions of the gates, e.g. Sigmoid,Tanh"},
      {"alphas", OptionType::text, std::string(), "numbers of the functions, in order"},
      {"betas", OptionType::text, std::string(), "numbers of the functions, in order"},
      {"clip", OptionType::real, 0.0, "bound of what the functions are given; 0: none", 0.0, 1e30}};
  if (cell.memory) options.push_back({"input_forget", OptionType::boolean, false, "f is 1 - i"});
  if (cell.gates == 3)
    options.push_back({"linear_before_reset", OptionType::boolean, false,
                       "the state is multiplied by r behind its weights, not before"});
  return options;
}

std::int64_t recurrent_ways(const Options& attributes) {
  return attributes.text("direction") == "bidirectional" ? 2 : 1;
}

// "Sigmoid,Tanh,Tanh", a direction behind the other; alphas and betas for those that come first.
std::vector<RecurrentFunction> recurrent_functions(const Options& attributes,
                                                   const RecurrentCell& cell,
                                                   const std::string& op) {
  const std::size_t count = cell.functions * static_cast<std::size_t>(recurrent_ways(attributes));
  const std::vector<std::string> names = parts_of(attributes, "activations");
  const std::vector<std::string> alphas = parts_of(attributes, "alphas"),
                                 betas = parts_of(attributes, "betas");
  if (names.size() != count)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] {} activations, it takes {}", op, names.size(), count));
  std::vector<RecurrentFunction> all;
  const auto real = [&](const std::vector<std::string>& texts, std::size_t i, double otherwise) {
    if (i >= texts.size()) return otherwise;
    OptionSpec spec;
    spec.type = OptionType::real;
    return std::get<double>(parse_option(spec, texts[i], "[" + op + "] alphas and betas"));
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = std::find_if(activations().begin(), activations().end(),
                                    [&](const Activation& one) { return one.name == names[i]; });
    if (found == activations().end())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[{}] no activation '{}'", op, printable(names[i], 40)));
    all.push_back({found->value, found->derivative, real(alphas, i, found->alpha),
                   real(betas, i, found->beta)});
  }
  return all;
}

void check_recurrent(const OpTypes& t, const RecurrentCell& cell, const std::string& op) {
  const Dim ways = recurrent_ways(*t.attributes);
  const std::vector<Dim>& x = t[0].dims;
  const auto gates = static_cast<std::int64_t>(cell.gates);
  bool good =
      is_real(t[0].dtype) && x.size() == 3 && t[2].dims.size() == 3 && t[2].dims[2].is_fixed();
  const std::int64_t hidden = good ? t[2].dims[2].offset : 0;
  const auto fits = [&](std::size_t i, std::vector<Dim> dims, DType dtype) {
    return !t.has(i) || (t[i].dtype == dtype && t[i].dims == dims);
  };
  if (good) {
    const DType dtype = t[0].dtype;
    const std::vector<Dim> state{ways, x[1], hidden};
    good = fits(1, {ways, gates * hidden, x[2]}, dtype) &&
           fits(2, {ways, gates * hidden, hidden}, dtype) &&
           fits(3, {ways, 2 * gates * hidden}, dtype) && fits(4, {x[1]}, DType::i32) &&
           fits(5, state, dtype) && fits(6, state, dtype) && fits(7, {ways, 3 * hidden}, dtype);
  }
  if (!good)
    fail_shapes(op,
                fmt::format("x [S,B,I], w [D,{0}H,I], r [D,{0}H,H], b [D,{1}H], lengths i32[B], "
                            "states [D,B,H] of one real type",
                            cell.gates, 2 * cell.gates),
                t);
  recurrent_functions(*t.attributes, cell, op);
}

std::vector<ValueType> recurrent_results(const OpTypes& t, const RecurrentCell& cell) {
  const Dim ways = recurrent_ways(*t.attributes), hidden = t[2].dims[2];
  const std::vector<Dim>& x = t[0].dims;
  const ValueType state{t[0].dtype, {ways, x[1], hidden}};
  std::vector<ValueType> results{{t[0].dtype, {x[0], ways, x[1], hidden}}, state};
  if (cell.memory) results.push_back(state);
  return results;
}

std::vector<OpSample> recurrent_samples(const RecurrentCell& cell) {
  std::vector<OpSample> all{
      sample_of(cell, "forward", 1, false, {}), sample_of(cell, "all inputs", 1, true, {}),
      sample_of(cell, "both ways", 2, true, {{"direction", std::string("bidirectional")}}),
      sample_of(cell, "clipped", 1, true, {{"direction", std::string("reverse")}, {"clip", 0.5}})};
  if (cell.gates == 3)
    all.push_back(sample_of(cell, "reset behind", 1, true, {{"linear_before_reset", true}}));
  if (cell.memory) all.push_back(sample_of(cell, "coupled", 1, true, {{"input_forget", true}}));
  for (OpSample& sample : all) {
    // (Behind a bound there is a kink.)
    if (sample.attributes.contains("clip")) continue;
    for (std::size_t i = 0; i < sample.inputs.size(); ++i)
      if (i != 4) sample.differentiable.push_back(static_cast<int>(i));
  }
  return all;
}

}  // namespace hone
