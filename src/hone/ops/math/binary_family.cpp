// Functions of two numbers of one type: arithmetic, comparisons (to bool), logic and bits.
#include <algorithm>
#include <cmath>

#include "hone/ops/detail/elementwise.hpp"

namespace hone {
namespace {
namespace binary_family {

using Real = double (*)(double a, double b);
using Whole = std::int64_t (*)(std::int64_t a, std::int64_t b);
using Gradient = std::vector<ValueId> (*)(const GradientCall& call);

struct Binary {
  const char* name;
  const char* summary;
  Elements elements;
  Real real;    // null: there are no reals
  Whole whole;  // of integers and booleans; null: as reals
  bool to_boolean = false;
  Gradient gradient = nullptr;
  bool differentiable = false;
  bool positive = false;  // samples
};

// e^y log: a^b from the powers of a.
std::vector<ValueId> pow_gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId below = g.apply("offset", {call.in(1)}, {{"by", -1.0}});
  const ValueId slope = g.apply("mul", {call.in(1), g.apply("pow", {call.in(0), below})});
  const ValueId log = g.apply("log", {call.in(0)});
  return {g.apply("mul", {call.grad(), slope}),
          g.apply("mul", {call.grad(), g.apply("mul", {call.out(0), log})})};
}

// The gradient goes to the one that was taken; of equal ones to the first.
std::vector<ValueId> extreme_gradient(const GradientCall& call) {
  Graph& g = call.graph;
  const ValueId first = g.apply("equal", {call.out(0), call.in(0)});
  const ValueId zero = g.apply("scale", {call.grad()}, {{"factor", 0.0}});
  return {g.apply("where", {first, call.grad(), zero}),
          g.apply("where", {first, zero, call.grad()})};
}

// As Python's %: the sign of b.
std::int64_t floor_mod(std::int64_t a, std::int64_t b) {
  if (b == 0 || b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// To the right integers with a sign keep it; by their width or more (or less than 0) all bits go.
std::int64_t shifted(std::int64_t a, std::int64_t by, bool left) {
  if (by < 0 || by > 63) return left || a >= 0 ? 0 : -1;
  return left ? static_cast<std::int64_t>(static_cast<std::uint64_t>(a) << by) : a >> by;
}

const std::vector<Binary>& functions() {
  using I = std::int64_t;
  static const std::vector<Binary> all{
      {"pow", "a to the power of b", Elements::numbers,
       [](double a, double b) { return std::pow(a, b); }, nullptr, false, pow_gradient, true, true},
      {"maximum", "the larger one; NaN where one is NaN", Elements::numbers,
       [](double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b); },
       [](I a, I b) { return std::max(a, b); }, false, extreme_gradient, true},
      {"minimum", "the smaller one; NaN where one is NaN", Elements::numbers,
       [](double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b); },
       [](I a, I b) { return std::min(a, b); }, false, extreme_gradient, true},
      {"mod", "what is left of a / b, with the sign of b", Elements::numbers,
       [](double a, double b) {
         const double rest = std::fmod(a, b);
         return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
       },
       floor_mod, false},
      {"fmod", "what is left of a / b, with the sign of a", Elements::numbers,
       [](double a, double b) { return std::fmod(a, b); },
       [](I a, I b) { return b == 0 || b == -1 ? I{0} : a % b; }, false},
      {"equal", "a = b", Elements::all, [](double a, double b) { return double(a == b); },
       [](I a, I b) { return I{a == b}; }, true},
      {"less", "a < b", Elements::numbers, [](double a, double b) { return double(a < b); },
       [](I a, I b) { return I{a < b}; }, true},
      {"less_equal", "a <= b", Elements::numbers, [](double a, double b) { return double(a <= b); },
       [](I a, I b) { return I{a <= b}; }, true},
      {"greater", "a > b", Elements::numbers, [](double a, double b) { return double(a > b); },
       [](I a, I b) { return I{a > b}; }, true},
      {"greater_equal", "a >= b", Elements::numbers,
       [](double a, double b) { return double(a >= b); }, [](I a, I b) { return I{a >= b}; }, true},
      {"and", "both", Elements::booleans, nullptr, [](I a, I b) { return I{a && b}; }, true},
      {"or", "one of both", Elements::booleans, nullptr, [](I a, I b) { return I{a || b}; }, true},
      {"xor", "one and not the other", Elements::booleans, nullptr,
       [](I a, I b) { return I{(a != 0) != (b != 0)}; }, true},
      {"bit_and", "bits that both have", Elements::integers, nullptr,
       [](I a, I b) { return a & b; }, false},
      {"bit_or", "bits that one has", Elements::integers, nullptr, [](I a, I b) { return a | b; },
       false},
      {"bit_xor", "bits that one alone has", Elements::integers, nullptr,
       [](I a, I b) { return a ^ b; }, false},
      {"shift_left", "bits of a moved up by b", Elements::integers, nullptr,
       [](I a, I b) { return shifted(a, b, true); }, false},
      {"shift_right", "bits of a moved down by b; the sign follows", Elements::integers, nullptr,
       [](I a, I b) { return shifted(a, b, false); }, false}};
  return all;
}

// Whole numbers, equal ones among them.
Tensor whole_sample(DType dtype, Shape shape, std::uint32_t seed) {
  const Tensor random = random_tensor(shape, seed, 3.0);
  Tensor tensor(dtype, std::move(shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    set_integer(tensor, i,
                dtype == DType::boolean ? random.as<float>()[i] > 0
                                        : std::llround(std::abs(random.as<float>()[i])));
  return tensor;
}

std::vector<OpSample> samples_of(const Binary& one) {
  std::vector<OpSample> samples;
  if (one.real != nullptr) {
    samples = elementwise_samples(2);
    for (OpSample& sample : samples) {
      if (!one.differentiable) sample.differentiable.clear();
      if (!one.positive) continue;
      for (float& x : sample.inputs[0].span<float>()) x = std::abs(x) / 4 + 0.5f;
      for (float& x : sample.inputs[1].span<float>()) x = std::clamp(x, -3.0f, 3.0f);
    }
  }
  if (takes(one.elements, DType::i64))
    samples.push_back({"whole numbers",
                       {whole_sample(DType::i64, {3, 7}, 3), whole_sample(DType::i64, {3, 7}, 4)}});
  if (one.elements == Elements::booleans || one.elements == Elements::all)
    samples.push_back(
        {"booleans",
         {whole_sample(DType::boolean, {5, 3}, 5), whole_sample(DType::boolean, {5, 3}, 6)}});
  return samples;
}

Op op_of(const Binary& one) {
  Op op{{one.name, one.summary}, 2, 2, {"a", "b"}, RowRule::rows, 3};
  op.elementwise = true;
  op.infer = [&one](const OpTypes& t) {
    std::vector<ValueType> types = infer_elementwise(t, one.name, one.elements);
    if (one.to_boolean) types[0].dtype = DType::boolean;
    return types;
  };
  op.reference = [&one](const OpCall& call) {
    const bool real = one.whole == nullptr || (one.real != nullptr && is_real(call.in(0).dtype()));
    Tensor& y = call.out(0);
    for (std::int64_t i = 0; i < y.size(); ++i) {
      if (real)
        set_real(y, i, one.real(real_at(call.in(0), i), real_at(call.in(1), i)));
      else
        set_integer(y, i, one.whole(integer_at(call.in(0), i), integer_at(call.in(1), i)));
    }
  };
  op.gradient = one.gradient;
  op.zero_gradient = one.gradient == nullptr;
  op.samples = [&one] { return samples_of(one); };
  return op;
}

}  // namespace binary_family
}  // namespace

std::vector<Op> op_binary_family() {
  using namespace binary_family;
  std::vector<Op> ops;
  for (const Binary& one : functions()) ops.push_back(op_of(one));
  return ops;
}

}  // namespace hone
