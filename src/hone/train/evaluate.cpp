#include "hone/train/evaluate.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/nonfinite.hpp"
#include "hone/train/inputs.hpp"

namespace hone {
namespace {

std::string name_of(std::int64_t sample, const EvaluateOptions& options) {
  return options.name_of ? options.name_of(sample) : fmt::format("sample {}", sample);
}

// Throws for the first sample of a batch whose logits are not finite. It is looked at alone, then,
// where it is finite alone, in its batch.
[[noreturn]] void refuse_nonfinite(const Executor& forward, const TokenizedData& data,
                                   const std::vector<std::int64_t>& indices, const Tensor& logits,
                                   const EvaluateOptions& options) {
  const std::int64_t classes = logits.shape()[1];
  std::size_t row = 0;
  while (row + 1 < indices.size() && is_finite({DType::f32,
                                                {classes},
                                                nullptr,
                                                const_cast<float*>(logits.as<float>()) +
                                                    static_cast<std::int64_t>(row) * classes}))
    ++row;
  std::optional<NonFinite> found;
  for (const std::vector<std::int64_t>& part : {std::vector<std::int64_t>{indices[row]}, indices}) {
    Batch batch;
    make_batch(data, part, batch);
    if (!found) found = find_nonfinite(forward, batch_inputs(batch));
  }
  const std::string what =
      name_of(indices[row], options) + ": the model's answer is not a finite number";
  if (!found)
    throw Error(ErrorCode::numeric, what + "; node by node it is",
                "its numbers lie at the edge of float32: compare with --mode eager");
  throw Error(ErrorCode::numeric, fmt::format("{}: it begins in {}", what, found->text()),
              found->bad_weights()
                  ? "the weights are damaged, or training diverged: use an earlier checkpoint"
                  : "the weights are finite, the computation leaves the range of float32: training "
                    "diverged, or the weights are damaged");
}

}  // namespace

Evaluation evaluate(Executor& forward, const TokenizedData& data, const EvaluateOptions& options) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to evaluate on");
  Evaluation result;
  const double begin = now_seconds();
  Batch batch;
  std::int64_t done = 0, tokens = 0;
  Tensor all;
  for (const std::vector<std::int64_t>& indices :
       cut_batches(data, sorted_by_length(data), options.max_tokens)) {
    if (options.stop && options.stop())
      throw Error(ErrorCode::interrupted, "stopped while evaluating");
    make_batch(data, indices, batch);
    const Tensor logits = forward.run(batch_inputs(batch)).at("logits");
    const std::int64_t classes = logits.shape()[1];
    if (all.empty()) all = Tensor(DType::f32, {data.size(), classes});
    if (!is_finite(logits)) refuse_nonfinite(forward, data, indices, logits, options);
    for (std::size_t b = 0; b < indices.size(); ++b) {
      const float* row = logits.as<float>() + static_cast<std::int64_t>(b) * classes;
      std::copy(row, row + classes, all.as<float>() + indices[b] * classes);
      const std::int32_t label = batch.labels[b];
      if (data.targets.empty() && (label < 0 || label >= classes))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: label {} is outside the model's {} classes",
                                name_of(indices[b], options), label, classes));
    }
    done += static_cast<std::int64_t>(indices.size());
    tokens += batch.tokens;
    if (options.progress) options.progress(done);
  }
  const double seconds = now_seconds() - begin;
  static_cast<Metrics&>(result) =
      data.targets.empty() ? measure_classes(all, data.labels) : measure_values(all, data.targets);
  result.seconds = seconds;
  result.tokens = tokens;
  if (result.of_classes()) result.labels = data.label_names;
  for (std::size_t c = result.labels.size(); c < result.classes.size(); ++c)
    result.labels.push_back(fmt::format("LABEL_{}", c));
  result.logits = std::move(all);
  return result;
}

}  // namespace hone
