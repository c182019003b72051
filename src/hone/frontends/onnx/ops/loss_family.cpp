// ONNX's losses of classification, made of gathers, products and sums.
#include <optional>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// log(e^x / sum of e^x) over the classes, dimension 1.
ValueId log_probabilities(OnnxCall& call, ValueId x) {
  const std::vector<Dim> dims = call.graph().type(x).dims;
  const Options over{{"axes", std::string("1")}, {"keep", true}};
  const ValueId largest = call.apply("max", {x}, over);
  const ValueId shifted = call.apply("sub", {x, call.expanded(largest, dims)});
  const ValueId sum = call.apply("sum", {call.apply("exp", {shifted})}, over);
  return call.apply("sub", {shifted, call.expanded(call.apply("log", {sum}), dims)});
}

// -w[t] x[n,t,...] for the class t that input 1 names of each place; places of `ignore_index` count
// as nothing. Input 2, where given, holds a weight w a class. Of mean: over the weights.
ValueId likelihood_loss(OnnxCall& call, ValueId x) {
  const std::string reduction = call.text("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    call.fail("attribute 'reduction' is none, sum or mean");
  const std::vector<Dim> dims = call.graph().type(x).dims;
  const DType dtype = call.graph().type(x).dtype;
  if (dims.size() < 2) call.fail("it has no dimension of classes");
  ValueId target = call.in(1);
  const std::vector<Dim> places = call.graph().type(target).dims;
  std::vector<Dim> column = places;
  if (column.empty()) call.fail("its labels have no dimension");
  column.insert(column.begin() + 1, Dim(1));
  target = call.cast(target, DType::i64);
  ValueId ignored = none;
  if (call.has_attribute("ignore_index")) {
    const auto label = static_cast<double>(call.integer("ignore_index"));
    ignored = call.apply("equal", {target, call.number(label, DType::i64, places)});
    target = call.apply("where", {ignored, call.number(0, DType::i64, places), target});
  }
  const ValueId taken =
      call.reshaped(call.apply("gather_elements", {x, call.reshaped(target, column)},
                               {{"axis", std::int64_t{1}}}),
                    places);
  ValueId weight = none;
  if (call.has(2)) weight = call.apply("gather", {call.in(2), target}, {{"axis", std::int64_t{0}}});
  if (ignored != none)
    weight = call.apply("where", {ignored, call.number(0, dtype, places),
                                  weight == none ? call.number(1, dtype, places) : weight});
  ValueId loss = call.apply("neg", {taken});
  if (weight != none) loss = call.apply("mul", {loss, weight});
  if (reduction == "none") return loss;
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < places.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  const Options over{{"axes", to_text(axes)}, {"keep", false}};
  if (reduction == "mean" && weight == none) return call.apply("mean", {loss}, over);
  const ValueId sum = call.apply("sum", {loss}, over);
  return reduction == "sum" ? sum : call.apply("div", {sum, call.apply("sum", {weight}, over)});
}

void convert_likelihood(OnnxCall& call) { call.out(0, likelihood_loss(call, call.in(0))); }

void convert_cross_entropy(OnnxCall& call) {
  if (call.rank(0) < 2) call.fail("it has no dimension of classes");
  const ValueId logarithms = log_probabilities(call, call.in(0));
  call.out(0, likelihood_loss(call, logarithms));
  call.out(1, logarithms);
}

}  // namespace

std::vector<OnnxOp> onnx_loss_family() {
  return {make_onnx_op("NegativeLogLikelihoodLoss", "of logarithms of probabilities",
                       convert_likelihood, 12),
          make_onnx_op("SoftmaxCrossEntropyLoss", "of scores", convert_cross_entropy, 12)};
}

}  // namespace hone
