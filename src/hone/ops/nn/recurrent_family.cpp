// Recurrent networks over sequences x [S,B,I], one or both ways: rnn, gru and lstm. Weights of each
// direction stand one behind the other in dimension 0, gates in dimension 1 (gru: z, r, h; lstm: i,
// o, f, c); biases of the input, then those of the state; peepholes i, o, f.
//
// Source of the formulas: the definitions of RNN, GRU and LSTM in ONNX (operator set 14).
#include <algorithm>
#include <cmath>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/recurrent.hpp"

namespace hone {
namespace {
namespace recurrent_family {

// The steps of one direction: sums of gates are asked for and states are changed.
class Steps {
public:
  Steps(const OpCall& call, const RecurrentCell& cell)
      : call_(call),
        cell_(cell),
        x_(call.in(0)),
        steps_(x_.shape()[0]),
        batch_(x_.shape()[1]),
        inputs_(x_.shape()[2]),
        hidden_(call.in(2).shape()[2]),
        clip_(call.attributes->real("clip")),
        functions_(recurrent_functions(*call.attributes, cell, cell.name)) {}

  void run() {
    const std::int64_t ways = recurrent_ways(*call_.attributes);
    for (std::int64_t d = 0; d < ways; ++d)
      for (std::int64_t b = 0; b < batch_; ++b) run(d, b, ways);
  }

private:
  void run(std::int64_t d, std::int64_t b, std::int64_t ways) {
    const bool back = d == 1 || call_.attributes->text("direction") == "reverse";
    const auto size = static_cast<std::size_t>(hidden_);
    std::vector<double> h(size, 0.0), c(size, 0.0);
    const std::int64_t place = (d * batch_ + b) * hidden_;
    for (std::size_t i = 0; i < size; ++i) {
      const std::int64_t at = place + static_cast<std::int64_t>(i);
      if (call_.has(5)) h[i] = real_at(call_.in(5), at);
      if (call_.has(6)) c[i] = real_at(call_.in(6), at);
    }
    std::int64_t length = steps_;
    if (call_.has(4)) length = std::clamp<std::int64_t>(integer_at(call_.in(4), b), 0, steps_);
    for (std::int64_t s = 0; s < length; ++s) {
      const std::int64_t t = back ? length - 1 - s : s;
      step(d, b, t, h, c);
      for (std::size_t i = 0; i < size; ++i)
        set_real(call_.out(0),
                 ((t * ways + d) * batch_ + b) * hidden_ + static_cast<std::int64_t>(i), h[i]);
    }
    for (std::size_t i = 0; i < size; ++i) {
      set_real(call_.out(1), place + static_cast<std::int64_t>(i), h[i]);
      if (cell_.memory) set_real(call_.out(2), place + static_cast<std::int64_t>(i), c[i]);
    }
  }

  // Row g H + i of the weights times x, and of those of the state times h.
  double of_input(std::int64_t d, std::int64_t b, std::int64_t t, std::int64_t row) const {
    double sum = bias(d, row);
    const std::int64_t first = (d * rows() + row) * inputs_;
    for (std::int64_t k = 0; k < inputs_; ++k)
      sum += real_at(call_.in(1), first + k) * real_at(x_, (t * batch_ + b) * inputs_ + k);
    return sum;
  }
  double of_state(std::int64_t d, std::int64_t row, const std::vector<double>& h) const {
    double sum = bias(d, rows() + row);
    const std::int64_t first = (d * rows() + row) * hidden_;
    for (std::int64_t k = 0; k < hidden_; ++k)
      sum += real_at(call_.in(2), first + k) * h[static_cast<std::size_t>(k)];
    return sum;
  }
  double bias(std::int64_t d, std::int64_t row) const {
    return call_.has(3) ? real_at(call_.in(3), d * 2 * rows() + row) : 0.0;
  }
  double peephole(std::int64_t d, std::int64_t gate, std::int64_t i, double c) const {
    return call_.has(7) ? real_at(call_.in(7), (d * 3 + gate) * hidden_ + i) * c : 0.0;
  }
  std::int64_t rows() const { return static_cast<std::int64_t>(cell_.gates) * hidden_; }
  double clipped(double x) const { return clip_ > 0 ? std::clamp(x, -clip_, clip_) : x; }
  double apply(std::int64_t d, std::size_t which, double x) const {
    return functions_[static_cast<std::size_t>(d) * cell_.functions + which](clipped(x));
  }

  void step(std::int64_t d, std::int64_t b, std::int64_t t, std::vector<double>& h,
            std::vector<double>& c) const {
    std::vector<double> next(h.size());
    const auto gate = [&](std::int64_t g, std::int64_t i) {
      return of_input(d, b, t, g * hidden_ + i) + of_state(d, g * hidden_ + i, h);
    };
    if (cell_.gates == 1) {
      for (std::int64_t i = 0; i < hidden_; ++i)
        next[static_cast<std::size_t>(i)] = apply(d, 0, gate(0, i));
    } else if (cell_.gates == 3) {
      step_gru(d, b, t, h, next);
    } else {
      const bool coupled = call_.attributes->boolean("input_forget");
      for (std::int64_t i = 0; i < hidden_; ++i) {
        const auto k = static_cast<std::size_t>(i);
        const double in = apply(d, 0, gate(0, i) + peephole(d, 0, i, c[k]));
        const double forget = coupled ? 1 - in : apply(d, 0, gate(2, i) + peephole(d, 2, i, c[k]));
        c[k] = forget * c[k] + in * apply(d, 1, gate(3, i));
        const double out = apply(d, 0, gate(1, i) + peephole(d, 1, i, c[k]));
        next[k] = out * functions_[static_cast<std::size_t>(d) * cell_.functions + 2](c[k]);
      }
    }
    h = next;
  }

  void step_gru(std::int64_t d, std::int64_t b, std::int64_t t, const std::vector<double>& h,
                std::vector<double>& next) const {
    const bool before = call_.attributes->boolean("linear_before_reset");
    std::vector<double> reset(h.size()), part(h.size());
    for (std::int64_t i = 0; i < hidden_; ++i) {
      const auto k = static_cast<std::size_t>(i);
      reset[k] = apply(d, 0, of_input(d, b, t, hidden_ + i) + of_state(d, hidden_ + i, h));
      part[k] = reset[k] * h[k];
    }
    for (std::int64_t i = 0; i < hidden_; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const double update = apply(d, 0, of_input(d, b, t, i) + of_state(d, i, h));
      const double state =
          before ? reset[k] * of_state(d, 2 * hidden_ + i, h) : of_state(d, 2 * hidden_ + i, part);
      const double fresh = apply(d, 1, of_input(d, b, t, 2 * hidden_ + i) + state);
      next[k] = (1 - update) * fresh + update * h[k];
    }
  }

  const OpCall& call_;
  const RecurrentCell& cell_;
  const Tensor& x_;
  std::int64_t steps_, batch_, inputs_, hidden_;
  double clip_;
  std::vector<RecurrentFunction> functions_;
};

// By the op NAME_grad: one gradient for each input that is there.
std::vector<ValueId> recurrent_gradient(const GradientCall& call, const RecurrentCell& cell) {
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < 8; ++i) inputs.push_back(call.in(i));
  for (std::size_t i = 0; i < 3; ++i)
    inputs.push_back(i < call.output_gradients.size() ? call.output_gradients[i] : ValueId(none));
  const NodeId node =
      call.graph.append(std::string(cell.name) + "_grad", inputs, call.attributes());
  std::vector<ValueId> gradients = call.graph.node(node).outputs;
  gradients.insert(gradients.begin() + 4, none);  // of the lengths
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (call.in(i) == none) gradients[i] = none;
  gradients.resize(call.graph.node(call.node).inputs.size(), none);
  return gradients;
}

Op recurrent(const RecurrentCell& cell) {
  Op op{{cell.name, cell.summary, recurrent_options(cell)},
        3,
        cell.memory ? std::size_t{8} : std::size_t{6},
        {"x", "w", "r", "b", "lengths", "h"}};
  if (cell.memory) op.input_names.insert(op.input_names.end(), {"c", "p"});
  op.infer = [&cell](const OpTypes& t) {
    check_recurrent(t, cell, cell.name);
    return recurrent_results(t, cell);
  };
  op.reference = [&cell](const OpCall& call) { Steps(call, cell).run(); };
  op.gradient = [&cell](const GradientCall& call) { return recurrent_gradient(call, cell); };
  op.flop = [](const std::vector<Shape>& inputs, const Options&) {
    const double steps = static_cast<double>(inputs[0][0]) * static_cast<double>(inputs[0][1]);
    return 2.0 * steps * static_cast<double>(element_count(inputs[1]) + element_count(inputs[2]));
  };
  op.samples = [&cell] { return recurrent_samples(cell); };
  return op;
}

}  // namespace recurrent_family
}  // namespace

std::vector<Op> op_recurrent_family() {
  using namespace recurrent_family;
  return {recurrent(gru_cell), recurrent(lstm_cell), recurrent(rnn_cell)};
}

}  // namespace hone
