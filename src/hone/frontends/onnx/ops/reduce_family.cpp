// ONNX's reductions.
#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// How a reduction is made of hone's: of x, by `reduce`, which reduces over the node's axes.
using Reduce = std::function<ValueId(ValueId x, const char* op)>;
using Form = ValueId (*)(OnnxCall& call, ValueId x, const Reduce& reduce);

// Axes are an attribute up to an operator set, an input from it on; without any all dimensions go.
OnnxOp make(const char* name, std::int64_t input_since, Form form) {
  OnnxOp op{{name, "over dimensions"}};
  op.convert = [input_since, form](OnnxCall& call) {
    const std::size_t rank = call.rank(0);
    const bool keep = call.integer("keepdims", 1) != 0;
    std::vector<std::int64_t> axes;
    if (call.opset() >= input_since) {
      if (call.has(1)) axes = call.integers(1, "axes");
    } else {
      axes = call.integers("axes", std::vector<std::int64_t>{});
    }
    axes = call.axes(axes, rank);
    const bool nothing = call.integer("noop_with_empty_axes", 0) != 0;
    if (axes.empty() && !nothing)
      for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
    const Reduce reduce = [&](ValueId x, const char* by) {
      const Options over{{"axes", to_text(axes)}, {"keep", keep}};
      if (call.graph().type(x).dtype != DType::boolean) return call.apply(by, {x}, over);
      // All and any, as extremes of 0 and 1.
      return call.cast(call.apply(by, {call.cast(x, DType::u8)}, over), DType::boolean);
    };
    call.out(0, form(call, call.in(0), reduce));
  };
  return op;
}

OnnxOp make_place(const char* name, const char* by) {
  OnnxOp op{{name, "where an extreme is"}};
  op.convert = [by](OnnxCall& call) {
    const std::int64_t axis = call.axis(call.integer("axis", 0), call.rank(0));
    call.out(0, call.apply(by, {call.in(0)},
                           {{"axis", axis},
                            {"keep", call.integer("keepdims", 1) != 0},
                            {"last", call.integer("select_last_index", 0) != 0}}));
  };
  return op;
}

// log(sum(e^x)); e^x may overflow where the result would not, as in the definition.
ValueId log_sum_exp(OnnxCall& call, ValueId x, const Reduce& reduce) {
  return call.apply("log", {reduce(call.apply("exp", {x}), "sum")});
}

}  // namespace

std::vector<OnnxOp> onnx_reduce_family() {
  return {
      make("ReduceSum", 13, [](OnnxCall&, ValueId x, const Reduce& by) { return by(x, "sum"); }),
      make("ReduceMean", 18, [](OnnxCall&, ValueId x, const Reduce& by) { return by(x, "mean"); }),
      make("ReduceMax", 18, [](OnnxCall&, ValueId x, const Reduce& by) { return by(x, "max"); }),
      make("ReduceMin", 18, [](OnnxCall&, ValueId x, const Reduce& by) { return by(x, "min"); }),
      make("ReduceProd", 18, [](OnnxCall&, ValueId x, const Reduce& by) { return by(x, "prod"); }),
      make("ReduceL1", 18,
           [](OnnxCall& call, ValueId x, const Reduce& by) {
             return by(call.apply("abs", {x}), "sum");
           }),
      make("ReduceSumSquare", 18,
           [](OnnxCall& call, ValueId x, const Reduce& by) {
             return by(call.apply("mul", {x, x}), "sum");
           }),
      make("ReduceL2", 18,
           [](OnnxCall& call, ValueId x, const Reduce& by) {
             return call.apply("sqrt", {by(call.apply("mul", {x, x}), "sum")});
           }),
      make("ReduceLogSum", 18,
           [](OnnxCall& call, ValueId x, const Reduce& by) {
             return call.apply("log", {by(x, "sum")});
           }),
      make("ReduceLogSumExp", 18, log_sum_exp),
      make_place("ArgMax", "arg_max"),
      make_place("ArgMin", "arg_min")};
}

}  // namespace hone
