// dq, dk, dv of attention. With p the probabilities, m the dropout factors, o = (p m) v:
// dv = (p m)^T do, dp = m (do v^T), ds = p (dp - sum(do o)), dq = scale ds k, dk = scale ds^T q.
// Where p is rounded to a number format, dv takes the rounded p; ds is the straight-through
// estimate.
#include "hone/ops/detail/attention.hpp"

namespace hone {
namespace {
namespace attention_grad_op {

std::vector<ValueType> infer(const OpTypes& t) {
  check_attention(t, 3, "attention_grad");
  if (!(t[0] == t[3]) || !(t[1] == t[3])) fail_shapes("attention_grad", "do and o shaped as q", t);
  return {t[3], t[4], t[5]};
}

void reference(const OpCall& call) {
  const std::int64_t width = row_size(call.in(0));
  const AttentionSizes sizes = attention_sizes(width, *call.attributes);
  const auto probabilities = bind_probabilities(*call.attributes);
  const std::uint32_t* rng = call.has(7) ? call.in(7).as<std::uint32_t>() : nullptr;
  std::vector<double> dk(static_cast<std::size_t>(call.out(1).size()), 0.0);
  std::vector<double> dv(dk.size(), 0.0);
  for (std::int64_t r = 0; r < row_count(call.in(0)); ++r) {
    const std::int64_t row = call.has(8) ? call.in(8).as<std::int32_t>()[r] : r;
    for (std::int64_t head = 0; head < sizes.heads; ++head) {
      const std::int64_t at = r * width + head * sizes.head_size;
      const float* q = call.in(3).as<float>() + at;
      const float* grad = call.in(0).as<float>() + at;
      const AttentionRow a =
          attention_row(q, call.in(4), call.in(6), rng, row, head, sizes, probabilities.get());
      double inner = 0;
      for (std::int64_t i = 0; i < sizes.head_size; ++i)
        inner += static_cast<double>(grad[i]) * call.in(1).as<float>()[at + i];
      std::vector<double> dq(static_cast<std::size_t>(sizes.head_size), 0.0);
      for (std::size_t j = 0; j < a.probability.size(); ++j) {
        const std::int64_t token =
            (a.begin + static_cast<std::int64_t>(j)) * width + head * sizes.head_size;
        double dp = 0;
        for (std::int64_t i = 0; i < sizes.head_size; ++i)
          dp += static_cast<double>(grad[i]) * call.in(5).as<float>()[token + i];
        const double ds = a.probability[j] * (a.keep[j] * dp - inner) * sizes.scale;
        for (std::int64_t i = 0; i < sizes.head_size; ++i) {
          dq[static_cast<std::size_t>(i)] += ds * call.in(4).as<float>()[token + i];
          dk[static_cast<std::size_t>(token + i)] += ds * q[i];
          dv[static_cast<std::size_t>(token + i)] += a.rounded[j] * a.keep[j] * grad[i];
        }
      }
      for (std::int64_t i = 0; i < sizes.head_size; ++i)
        call.out(0).as<float>()[at + i] = static_cast<float>(dq[static_cast<std::size_t>(i)]);
    }
  }
  for (std::size_t i = 0; i < dk.size(); ++i) {
    call.out(1).as<float>()[i] = static_cast<float>(dk[i]);
    call.out(2).as<float>()[i] = static_cast<float>(dv[i]);
  }
}

std::vector<OpSample> samples() {
  std::vector<OpSample> list = attention_samples();
  const Op& forward = find_op("attention");
  for (OpSample& sample : list) {
    std::vector<const Tensor*> inputs;
    for (const Tensor& tensor : sample.inputs) inputs.push_back(tensor.empty() ? nullptr : &tensor);
    std::vector<Tensor> results = evaluate_reference(forward, inputs, sample.attributes);
    std::vector<Tensor> all{random_tensor(results[0].shape(), 9), results[0], results[1]};
    for (Tensor& tensor : sample.inputs) all.push_back(std::move(tensor));
    sample.inputs = std::move(all);
    sample.differentiable.clear();
    sample.tolerance *= 2.5;
  }
  return list;
}

}  // namespace attention_grad_op
}  // namespace

Op op_attention_grad() {
  using namespace attention_grad_op;
  Op op{{"attention_grad", "gradient of attention", attention_options()},
        7,
        9,
        {"do", "o", "log_sum", "q", "k", "v", "offsets", "rng", "rows"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
