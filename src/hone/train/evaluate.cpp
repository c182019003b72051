#include "hone/train/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/run/clock.hpp"
#include "hone/train/inputs.hpp"

namespace hone {

Interval wilson_interval(std::int64_t hits, std::int64_t count) {
  if (count == 0) return {0, 1};
  const double z = 1.959963984540054;
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(hits) / n;
  const double center = p + z * z / (2 * n);
  const double spread = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  return {std::max(0.0, (center - spread) / scale), std::min(1.0, (center + spread) / scale)};
}

Evaluation evaluate(Executor& forward, const TokenizedData& data, const EvaluateOptions& options) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to evaluate on");
  Evaluation result;
  const double begin = now_seconds();
  Batch batch;
  double loss = 0;
  std::int64_t classes = 0;
  for (const std::vector<std::int64_t>& indices :
       cut_batches(data, sorted_by_length(data), options.max_tokens)) {
    if (options.stop && options.stop())
      throw Error(ErrorCode::interrupted, "stopped while evaluating");
    make_batch(data, indices, batch);
    const Tensor logits = forward.run(batch_inputs(batch)).at("logits");
    if (result.logits.empty()) {
      classes = logits.shape()[1];
      result.logits = Tensor(DType::f32, {data.size(), classes});
    }
    for (std::size_t b = 0; b < indices.size(); ++b) {
      const float* row = logits.as<float>() + static_cast<std::int64_t>(b) * classes;
      std::copy(row, row + classes, result.logits.as<float>() + indices[b] * classes);
      const std::int32_t label = batch.labels[b];
      if (label < 0 || label >= classes)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("sample {}: label {} is outside the model's {} classes", indices[b],
                                label, classes));
      const float largest = *std::max_element(row, row + classes);
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c)
        sum += std::exp(static_cast<double>(row[c]) - largest);
      loss += largest + std::log(sum) - row[label];
      if (std::max_element(row, row + classes) - row == label) ++result.correct;
    }
    result.samples += static_cast<std::int64_t>(indices.size());
    result.tokens += batch.tokens;
    if (options.progress) options.progress(result.samples);
  }
  result.seconds = now_seconds() - begin;
  result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.samples);
  result.interval = wilson_interval(result.correct, result.samples);
  result.loss = loss / static_cast<double>(result.samples);
  return result;
}

}  // namespace hone
