// Gradients of rnn, gru and lstm: the steps once more, then backwards through them. Inputs are
// those of the network (x, w, r, b, lengths, h, c, p) and the gradients of its outputs (y, the last
// h, the last c), each of which may be absent; outputs are the gradients of x, w, r, b, h, and for
// lstm of c and p.
#include <algorithm>
#include <cmath>

#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/ops/detail/recurrent.hpp"

namespace hone {
namespace {
namespace recurrent_grad_family {

using Reals = std::vector<double>;

Reals reals_of(const OpCall& call, std::size_t i) {
  Reals all;
  if (!call.has(i)) return all;
  for (std::int64_t k = 0; k < call.in(i).size(); ++k) all.push_back(real_at(call.in(i), k));
  return all;
}

// Of one step, as it was computed.
struct Step {
  std::int64_t t;
  Reals before_h, before_c, c;
  Reals z, a;   // of every gate, before and behind its function
  Reals inner;  // gru: what the state gives to the new one before it is reset, where it is behind
};

class Backwards {
public:
  Backwards(const OpCall& call, const RecurrentCell& cell)
      : call_(call),
        cell_(cell),
        ways_(recurrent_ways(*call.attributes)),
        batch_(call.in(0).shape()[1]),
        steps_(call.in(0).shape()[0]),
        inputs_(call.in(0).shape()[2]),
        hidden_(call.in(2).shape()[2]),
        rows_(static_cast<std::int64_t>(cell.gates) * hidden_),
        clip_(call.attributes->real("clip")),
        functions_(recurrent_functions(*call.attributes, cell, std::string(cell.name) + "_grad")),
        behind_(cell.gates == 3 && call.attributes->boolean("linear_before_reset")),
        coupled_(cell.memory && call.attributes->boolean("input_forget")) {
    for (std::size_t i = 0; i < 11; ++i) in_.push_back(i == 4 ? Reals{} : reals_of(call, i));
    for (const Tensor* out : call.outputs)
      sums_.emplace_back(static_cast<std::size_t>(out->size()), 0.0);
  }

  void run() {
    for (std::int64_t d = 0; d < ways_; ++d)
      for (std::int64_t b = 0; b < batch_; ++b) run(d, b);
    for (std::size_t i = 0; i < sums_.size(); ++i)
      for (std::size_t k = 0; k < sums_[i].size(); ++k)
        set_real(call_.out(i), static_cast<std::int64_t>(k), sums_[i][k]);
  }

private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  double bias(std::int64_t d, std::int64_t row) const {
    return in_[3].empty() ? 0 : in_[3][at(d * 2 * rows_ + row)];
  }
  double peephole(std::int64_t d, std::int64_t gate, std::int64_t i) const {
    return in_[7].empty() ? 0 : in_[7][at((d * 3 + gate) * hidden_ + i)];
  }
  const RecurrentFunction& function(std::int64_t d, std::size_t which) const {
    return functions_[at(d) * cell_.functions + which];
  }
  double value(std::int64_t d, std::size_t which, double z) const {
    return function(d, which)(clip_ > 0 ? std::clamp(z, -clip_, clip_) : z);
  }
  double slope(std::int64_t d, std::size_t which, double z) const {
    return clip_ > 0 && std::abs(z) > clip_ ? 0 : function(d, which).slope(z);
  }
  double of_x(std::int64_t d, std::int64_t b, std::int64_t t, std::int64_t row) const {
    double sum = bias(d, row);
    for (std::int64_t k = 0; k < inputs_; ++k)
      sum +=
          in_[1][at((d * rows_ + row) * inputs_ + k)] * in_[0][at((t * batch_ + b) * inputs_ + k)];
    return sum;
  }
  double of_h(std::int64_t d, std::int64_t row, const Reals& h) const {
    double sum = bias(d, rows_ + row);
    for (std::int64_t k = 0; k < hidden_; ++k)
      sum += in_[2][at((d * rows_ + row) * hidden_ + k)] * h[at(k)];
    return sum;
  }

  Step forward(std::int64_t d, std::int64_t b, std::int64_t t, Reals& h, Reals& c) const {
    Step s{t, h, c, c, Reals(at(rows_)), Reals(at(rows_)), Reals(at(hidden_))};
    const auto gate = [&](std::int64_t g, std::int64_t i, std::size_t which, double more) {
      const std::int64_t row = g * hidden_ + i;
      s.z[at(row)] = of_x(d, b, t, row) + more;
      s.a[at(row)] = value(d, which, s.z[at(row)]);
      return s.a[at(row)];
    };
    const auto plain = [&](std::int64_t g, std::int64_t i) {
      return of_h(d, g * hidden_ + i, s.before_h);
    };
    for (std::int64_t i = 0; i < hidden_; ++i) {
      if (cell_.gates == 1) h[at(i)] = gate(0, i, 0, plain(0, i));
      if (cell_.gates == 3) {
        gate(0, i, 0, plain(0, i));
        gate(1, i, 0, plain(1, i));
      }
      if (cell_.gates != 4) continue;
      const double old = s.before_c[at(i)];
      const double in = gate(0, i, 0, plain(0, i) + peephole(d, 0, i) * old);
      const double forget =
          coupled_ ? 1 - in : gate(2, i, 0, plain(2, i) + peephole(d, 2, i) * old);
      c[at(i)] = forget * old + in * gate(3, i, 1, plain(3, i));
      const double out = gate(1, i, 0, plain(1, i) + peephole(d, 1, i) * c[at(i)]);
      h[at(i)] = out * function(d, 2)(c[at(i)]);
    }
    if (cell_.gates == 3) {
      Reals part(at(hidden_));
      for (std::int64_t i = 0; i < hidden_; ++i)
        part[at(i)] = s.a[at(hidden_ + i)] * s.before_h[at(i)];
      for (std::int64_t i = 0; i < hidden_; ++i) {
        s.inner[at(i)] = of_h(d, 2 * hidden_ + i, behind_ ? s.before_h : part);
        const double fresh =
            gate(2, i, 1, behind_ ? s.a[at(hidden_ + i)] * s.inner[at(i)] : s.inner[at(i)]);
        const double update = s.a[at(i)];
        h[at(i)] = (1 - update) * fresh + update * s.before_h[at(i)];
      }
    }
    s.c = c;
    return s;
  }

  // dz of a gate's row to x and its weights.
  void give_x(std::int64_t d, std::int64_t b, std::int64_t t, std::int64_t row, double dz) {
    for (std::int64_t k = 0; k < inputs_; ++k) {
      const std::size_t w = at((d * rows_ + row) * inputs_ + k),
                        x = at((t * batch_ + b) * inputs_ + k);
      sums_[0][x] += dz * in_[1][w];
      sums_[1][w] += dz * in_[0][x];
    }
    sums_[3][at(d * 2 * rows_ + row)] += dz;
  }
  // ... to a state and its weights.
  void give_h(std::int64_t d, std::int64_t row, double dz, const Reals& h, Reals& dh) {
    for (std::int64_t k = 0; k < hidden_; ++k) {
      const std::size_t r = at((d * rows_ + row) * hidden_ + k);
      dh[at(k)] += dz * in_[2][r];
      sums_[2][r] += dz * h[at(k)];
    }
    sums_[3][at(d * 2 * rows_ + rows_ + row)] += dz;
  }
  void give(std::int64_t d, std::int64_t b, const Step& s, std::int64_t row, double dz, Reals& dh) {
    give_x(d, b, s.t, row, dz);
    give_h(d, row, dz, s.before_h, dh);
  }
  // ... and through a peephole.
  void peep(std::int64_t d, std::int64_t gate, std::int64_t i, double dz, double c, double& dc) {
    if (in_[7].empty()) return;
    dc += dz * peephole(d, gate, i);
    sums_[6][at((d * 3 + gate) * hidden_ + i)] += dz * c;
  }

  // Gradients of the state behind the step become those of the one before it.
  void backward(std::int64_t d, std::int64_t b, const Step& s, Reals& dh, Reals& dc) {
    Reals before(at(hidden_), 0.0);
    if (cell_.gates == 1)
      for (std::int64_t i = 0; i < hidden_; ++i)
        give(d, b, s, i, dh[at(i)] * slope(d, 0, s.z[at(i)]), before);
    if (cell_.gates == 3) backward_gru(d, b, s, dh, before);
    for (std::int64_t i = 0; cell_.gates == 4 && i < hidden_; ++i) {
      const auto row = [&](std::int64_t g) { return at(g * hidden_ + i); };
      const double old = s.before_c[at(i)], now = s.c[at(i)];
      const RecurrentFunction& squash = function(d, 2);
      const double dz_out = dh[at(i)] * squash(now) * slope(d, 0, s.z[row(1)]);
      double change = dc[at(i)] + dh[at(i)] * s.a[row(1)] * squash.slope(now);
      peep(d, 1, i, dz_out, now, change);
      const double in = s.a[row(0)], forget = coupled_ ? 1 - in : s.a[row(2)];
      const double dz_in =
          (change * s.a[row(3)] - (coupled_ ? change * old : 0)) * slope(d, 0, s.z[row(0)]);
      const double dz_new = change * in * slope(d, 1, s.z[row(3)]);
      double rest = change * forget;
      peep(d, 0, i, dz_in, old, rest);
      give(d, b, s, i, dz_in, before);
      give(d, b, s, hidden_ + i, dz_out, before);
      give(d, b, s, 3 * hidden_ + i, dz_new, before);
      if (!coupled_) {
        const double dz_forget = change * old * slope(d, 0, s.z[row(2)]);
        peep(d, 2, i, dz_forget, old, rest);
        give(d, b, s, 2 * hidden_ + i, dz_forget, before);
      }
      dc[at(i)] = rest;
    }
    dh = before;
  }

  void backward_gru(std::int64_t d, std::int64_t b, const Step& s, const Reals& dh, Reals& before) {
    Reals part(at(hidden_)), d_part(at(hidden_), 0.0), d_reset(at(hidden_), 0.0);
    for (std::int64_t i = 0; i < hidden_; ++i)
      part[at(i)] = s.a[at(hidden_ + i)] * s.before_h[at(i)];
    for (std::int64_t i = 0; i < hidden_; ++i) {
      const double update = s.a[at(i)], reset = s.a[at(hidden_ + i)];
      const std::int64_t row = 2 * hidden_ + i;
      const double dz = dh[at(i)] * (1 - update) * slope(d, 1, s.z[at(row)]);
      give_x(d, b, s.t, row, dz);
      if (behind_) {
        give_h(d, row, dz * reset, s.before_h, before);
        d_reset[at(i)] += dz * s.inner[at(i)];
      } else {
        give_h(d, row, dz, part, d_part);
      }
      const double d_update = dh[at(i)] * (s.before_h[at(i)] - s.a[at(row)]);
      before[at(i)] += dh[at(i)] * update;
      give(d, b, s, i, d_update * slope(d, 0, s.z[at(i)]), before);
    }
    for (std::int64_t i = 0; i < hidden_; ++i) {
      before[at(i)] += d_part[at(i)] * s.a[at(hidden_ + i)];
      d_reset[at(i)] += d_part[at(i)] * s.before_h[at(i)];
      give(d, b, s, hidden_ + i, d_reset[at(i)] * slope(d, 0, s.z[at(hidden_ + i)]), before);
    }
  }

  void run(std::int64_t d, std::int64_t b) {
    const bool back = d == 1 || call_.attributes->text("direction") == "reverse";
    const std::int64_t place = (d * batch_ + b) * hidden_;
    const auto state = [&](std::size_t i) {
      Reals all(at(hidden_), 0.0);
      for (std::int64_t k = 0; !in_[i].empty() && k < hidden_; ++k)
        all[at(k)] = in_[i][at(place + k)];
      return all;
    };
    Reals h = state(5), c = state(6);
    std::int64_t length = steps_;
    if (call_.has(4)) length = std::clamp<std::int64_t>(integer_at(call_.in(4), b), 0, steps_);
    std::vector<Step> all;
    for (std::int64_t s = 0; s < length; ++s)
      all.push_back(forward(d, b, back ? length - 1 - s : s, h, c));
    Reals dh = state(9), dc = state(10);
    for (auto s = all.rbegin(); s != all.rend(); ++s) {
      for (std::int64_t k = 0; !in_[8].empty() && k < hidden_; ++k)
        dh[at(k)] += in_[8][at(((s->t * ways_ + d) * batch_ + b) * hidden_ + k)];
      backward(d, b, *s, dh, dc);
    }
    for (std::int64_t k = 0; k < hidden_; ++k) {
      sums_[4][at(place + k)] = dh[at(k)];
      if (cell_.memory) sums_[5][at(place + k)] = dc[at(k)];
    }
  }

  const OpCall& call_;
  const RecurrentCell& cell_;
  std::int64_t ways_, batch_, steps_, inputs_, hidden_, rows_;
  double clip_;
  std::vector<RecurrentFunction> functions_;
  bool behind_, coupled_;
  std::vector<Reals> in_;
  std::vector<Reals> sums_;  // of the outputs
};

std::vector<ValueType> infer_gradients(const OpTypes& t, const RecurrentCell& cell) {
  const std::string op = std::string(cell.name) + "_grad";
  check_recurrent(t, cell, op);
  const std::vector<ValueType> results = recurrent_results(t, cell);
  for (std::size_t i = 0; i < 3; ++i)
    if (t.has(8 + i) && (i >= results.size() || !(t[8 + i] == results[i])))
      fail_shapes(op, "gradients of the network's outputs", t);
  const Dim ways = recurrent_ways(*t.attributes), hidden = t[2].dims[2];
  const auto gates = static_cast<std::int64_t>(cell.gates);
  const ValueType state = results[1];
  std::vector<ValueType> gradients{
      t[0], t[1], t[2], {t[0].dtype, {ways, multiply(hidden, Dim(2 * gates))}}, state};
  if (cell.memory) {
    gradients.push_back(state);
    gradients.push_back({t[0].dtype, {ways, multiply(hidden, Dim(3))}});
  }
  return gradients;
}

Op recurrent_grad(const RecurrentCell& cell) {
  Op op{{std::string(cell.name) + "_grad", std::string("gradients of ") + cell.name,
         recurrent_options(cell)},
        3,
        11,
        {"x", "w", "r", "b", "lengths", "h", "c", "p", "dy", "dh", "dc"}};
  op.infer = [&cell](const OpTypes& t) { return infer_gradients(t, cell); };
  op.reference = [&cell](const OpCall& call) { Backwards(call, cell).run(); };
  op.samples = [&cell] {
    std::vector<OpSample> samples = recurrent_samples(cell);
    for (OpSample& sample : samples) {
      sample.differentiable.clear();
      sample.inputs.resize(8);
      const Shape x = sample.inputs[0].shape(), r = sample.inputs[2].shape();
      sample.inputs.push_back(random_tensor({x[0], r[0], x[1], r[2]}, 9));
      sample.inputs.push_back(random_tensor({r[0], x[1], r[2]}, 10));
    }
    return samples;
  };
  return op;
}

}  // namespace recurrent_grad_family
}  // namespace

std::vector<Op> op_recurrent_grad_family() {
  using namespace recurrent_grad_family;
  return {recurrent_grad(gru_cell), recurrent_grad(lstm_cell), recurrent_grad(rnn_cell)};
}

}  // namespace hone
