#include "hone/train/evaluate.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/batch.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/nonfinite.hpp"

namespace hone {
namespace {

std::string name_of(std::int64_t sample, const EvaluateOptions& options) {
  return options.name_of ? options.name_of(sample) : fmt::format("sample {}", sample);
}

// Throws for the first sample of a batch whose logits are not finite. It is looked at alone, then,
// where it is finite alone, in its batch.
[[noreturn]] void refuse_nonfinite(const Executor& forward, const Samples& data,
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
    if (!found) found = find_nonfinite(forward, data.inputs(part));
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

void answer_batches(Executor& forward, const Samples& data,
                    const std::vector<std::vector<std::int64_t>>& batches,
                    const EvaluateOptions& options,
                    const std::function<void(SampleNumbers, const Tensor&)>& take) {
  std::int64_t done = 0;
  for (const std::vector<std::int64_t>& numbers : batches) {
    if (options.stop && options.stop())
      throw Error(ErrorCode::interrupted, "stopped while evaluating");
    const Tensor logits = forward.run(data.inputs(numbers)).at("logits");
    if (!is_finite(logits)) refuse_nonfinite(forward, data, numbers, logits, options);
    if (take) take(numbers, logits);
    done += static_cast<std::int64_t>(numbers.size());
    if (options.progress) options.progress(done);
  }
}

namespace {

// `check` (may be null) is asked for each sample before its logits are kept.
Tensor answer_all(Executor& forward, const Samples& data, const EvaluateOptions& options,
                  const std::function<void(std::int64_t number, std::int64_t logits)>& check) {
  if (data.size() == 0)
    throw Error(ErrorCode::invalid_argument, "there are no samples to evaluate on");
  Tensor all;
  answer_batches(forward, data,
                 cut_batches(data.data, sorted_by_length(data.data),
                             options.max_length > 0 ? options.max_length : data.together()),
                 options, [&](SampleNumbers numbers, const Tensor& logits) {
                   const std::int64_t width = logits.shape()[1];
                   if (all.empty()) all = Tensor(DType::f32, {data.size(), width});
                   for (std::size_t b = 0; b < numbers.size(); ++b) {
                     if (check) check(numbers[b], width);
                     std::copy_n(logits.as<float>() + static_cast<std::int64_t>(b) * width, width,
                                 all.as<float>() + numbers[b] * width);
                   }
                 });
  return all;
}

}  // namespace

Tensor answer(Executor& forward, const Samples& data, const EvaluateOptions& options) {
  return answer_all(forward, data, options, {});
}

Evaluation evaluate(Executor& forward, const Samples& data, const EvaluateOptions& options) {
  if (data.task->measure == nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("the model is for {} ({}): data do not say what is right for it",
                            data.task->name, data.task->summary));
  Evaluation result;
  const double begin = now_seconds();
  Tensor all = answer_all(forward, data, options, [&](std::int64_t number, std::int64_t logits) {
    const std::string why =
        data.task->refusal == nullptr ? "" : data.task->refusal(data.data, number, logits);
    if (!why.empty())
      throw Error(ErrorCode::invalid_argument, name_of(number, options) + ": " + why);
  });
  const double seconds = now_seconds() - begin;
  static_cast<Metrics&>(result) = data.task->measure(all, data.data);
  result.seconds = seconds;
  for (std::int64_t i = 0; i < data.size(); ++i) result.tokens += data.data.length(i);
  if (result.of_classes())
    result.labels.assign(data.data.label_names.begin(), data.data.label_names.end());
  for (std::size_t c = result.labels.size(); c < result.classes.size(); ++c)
    result.labels.push_back(fmt::format("LABEL_{}", c));
  result.logits = std::move(all);
  return result;
}

SplitFigures split_figures(const Evaluation& evaluation, const std::string& split) {
  SplitFigures figures{figures_of(evaluation, evaluation.labels), split};
  if (!(evaluation.seconds > 0)) return figures;
  figures.seconds = evaluation.seconds;
  figures.samples_per_second = static_cast<double>(evaluation.samples) / evaluation.seconds;
  return figures;
}

EvalEvent eval_event(const Evaluation& evaluation, const std::string& split, std::int64_t step,
                     double epoch) {
  return {split_figures(evaluation, split), step, epoch};
}

}  // namespace hone
