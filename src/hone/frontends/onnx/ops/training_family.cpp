// ONNX's optimizers (the domain ai.onnx.preview.training): steps of several tensors X at once, with
// gradients G and what is kept of them, after a learning rate R and a count of updates T.
#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

class Stepping {
public:
  // `kept`: tensors that are kept of each X beside it.
  Stepping(OnnxCall& call, std::size_t kept) : call_(call), each_((call.count() - 2) / (kept + 2)) {
    if (call.count() < 4 || (call.count() - 2) % (kept + 2) != 0)
      call.fail(fmt::format("{} inputs do not fall into {} a tensor", call.count(), kept + 2));
  }

  OnnxCall& call() { return call_; }
  std::size_t tensors() const { return each_; }
  // Of tensor i: X, G, and those kept.
  ValueId in(std::size_t group, std::size_t i) { return call_.in(2 + group * each_ + i); }
  void out(std::size_t group, std::size_t i, ValueId value) { call_.out(group * each_ + i, value); }
  // R, as an element type of one number.
  ValueId rate() { return call_.reshaped(call_.in(0), {}); }
  // T as a number of R's type.
  ValueId count() { return call_.cast(call_.reshaped(call_.in(1), {}), call_.type(0).dtype); }
  // One of two numbers by whether there was an update before.
  ValueId after_first(ValueId then, ValueId otherwise) {
    const ValueId t = count();
    const ValueId any = call_.apply("greater", {t, call_.number(0, call_.type(0).dtype)});
    return call_.apply("where", {any, then, otherwise});
  }
  ValueId one(double value) { return call_.number(value, call_.type(0).dtype); }
  // A number times a tensor.
  ValueId times(ValueId number, ValueId x) {
    const ValueType type = call_.graph().type(x);
    return call_.apply("mul", {x, call_.expanded(call_.cast(number, type.dtype), type.dims)});
  }
  ValueId scaled(double by, ValueId x) { return call_.apply("scale", {x}, {{"factor", by}}); }
  ValueId add(ValueId a, ValueId b) { return call_.apply("add", {a, b}); }
  ValueId square(ValueId x) { return call_.apply("mul", {x, x}); }
  // G plus the gradient of what holds X small.
  ValueId slope(std::size_t i, double norm) {
    return norm == 0 ? in(1, i) : add(scaled(norm, in(0, i)), in(1, i));
  }
  // a / (sqrt(b) + epsilon)
  ValueId by_root(ValueId a, ValueId b, double epsilon) {
    const ValueId root = call_.apply("sqrt", {b});
    return call_.apply("div", {a, call_.apply("offset", {root}, {{"by", epsilon}})});
  }

private:
  OnnxCall& call_;
  std::size_t each_;
};

void convert_momentum(OnnxCall& call) {
  Stepping step(call, 1);
  const double alpha = call.real("alpha"), beta = call.real("beta");
  const double norm = call.real("norm_coefficient");
  const std::string mode = call.text("mode");
  if (mode != "standard" && mode != "nesterov")
    call.fail("attribute 'mode' is standard or nesterov");
  const ValueId share = step.after_first(step.one(beta), step.one(1));
  for (std::size_t i = 0; i < step.tensors(); ++i) {
    const ValueId g = step.slope(i, norm);
    const ValueId v = step.add(step.scaled(alpha, step.in(2, i)), step.times(share, g));
    const ValueId move = mode == "standard" ? v : step.add(g, step.scaled(alpha, v));
    step.out(0, i, call.apply("sub", {step.in(0, i), step.times(step.rate(), move)}));
    step.out(1, i, v);
  }
}

void convert_adagrad(OnnxCall& call) {
  Stepping step(call, 1);
  const double norm = call.real("norm_coefficient", 0.0), epsilon = call.real("epsilon", 0.0);
  const ValueId later =
      call.apply("scale", {step.count()}, {{"factor", call.real("decay_factor", 0.0)}});
  const ValueId rate =
      call.apply("div", {step.rate(), call.apply("offset", {later}, {{"by", 1.0}})});
  for (std::size_t i = 0; i < step.tensors(); ++i) {
    const ValueId g = step.slope(i, norm);
    const ValueId h = step.add(step.in(2, i), step.square(g));
    const ValueId move = step.times(rate, step.by_root(g, h, epsilon));
    step.out(0, i, call.apply("sub", {step.in(0, i), move}));
    step.out(1, i, h);
  }
}

void convert_adam(OnnxCall& call) {
  Stepping step(call, 2);
  // (The default of the definition and that of its published examples differ.)
  if (!call.has_attribute("epsilon"))
    call.refuse("it names no epsilon", "give the attribute 'epsilon', e.g. 1e-8");
  const double alpha = call.real("alpha", 0.9), beta = call.real("beta", 0.999);
  const double norm = call.real("norm_coefficient", 0.0),
               after = call.real("norm_coefficient_post", 0.0), epsilon = call.real("epsilon");
  // R sqrt(1 - beta^T) / (1 - alpha^T)
  const ValueId t = step.count();
  const auto rest = [&](double base) {
    const ValueId power = call.apply("pow", {step.one(base), t});
    return call.apply("sub", {step.one(1), power});
  };
  const ValueId corrected = call.apply(
      "div", {call.apply("mul", {step.rate(), call.apply("sqrt", {rest(beta)})}), rest(alpha)});
  const ValueId rate = step.after_first(corrected, step.rate());
  for (std::size_t i = 0; i < step.tensors(); ++i) {
    const ValueId g = step.slope(i, norm);
    const ValueId v = step.add(step.scaled(alpha, step.in(2, i)), step.scaled(1 - alpha, g));
    const ValueId h =
        step.add(step.scaled(beta, step.in(3, i)), step.scaled(1 - beta, step.square(g)));
    const ValueId x =
        call.apply("sub", {step.in(0, i), step.times(rate, step.by_root(v, h, epsilon))});
    step.out(0, i, after == 0 ? x : step.scaled(1 - after, x));
    step.out(1, i, v);
    step.out(2, i, h);
  }
}

OnnxOp make_step(const char* name, void (*convert)(OnnxCall&)) {
  OnnxOp op{{name, "a step of training"}};
  op.domain = "ai.onnx.preview.training";
  op.convert = convert;
  return op;
}

}  // namespace

std::vector<OnnxOp> onnx_training_family() {
  return {make_step("Adagrad", convert_adagrad), make_step("Adam", convert_adam),
          make_step("Momentum", convert_momentum)};
}

}  // namespace hone
