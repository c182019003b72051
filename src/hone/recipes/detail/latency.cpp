#include "hone/recipes/latency.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"
#include "hone/data/dataset.hpp"
#include "hone/graph/dim.hpp"
#include "hone/recipes/bench_model.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"
#include "hone/tasks/task.hpp"

namespace hone {
namespace {

constexpr std::int64_t usual_tokens = 128;
constexpr int warm_up_rounds = 2;  // the first makes the plan and packs weights

// Of sorted numbers, between the two that lie nearest.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

// The largest k such that the k-th lowest and the k-th highest of n values hold the median between
// them with at least 95 %: P(Binomial(n, 1/2) < k) <= 2.5 %. 1 where n is too few.
std::size_t interval_rank(std::size_t n) {
  double term = std::pow(0.5, static_cast<double>(n)), below = term;
  std::size_t k = 0;
  while (below <= 0.025) {
    ++k;
    term *= static_cast<double>(n - k + 1) / static_cast<double>(k);
    below += term;
  }
  return std::max<std::size_t>(k, 1);
}

// One sample: a text, or of other models what their inputs take, drawn at random.
Inputs sample_inputs(const LatencyCandidate& candidate, std::int64_t tokens) {
  const Model& model = candidate.model;
  if (model.limits.vocabulary > 0)
    return random_texts(model, 1, latency_tokens(model.limits, tokens, candidate.name));
  std::map<std::string, Shape> shapes;
  for (const Value& value : model.graph.values) {
    if (value.kind != ValueKind::input) continue;
    Shape& shape = shapes[value.name];
    for (std::size_t i = 0; i < value.type.dims.size(); ++i) {
      const Dim& dim = value.type.dims[i];
      if (!dim.is_fixed() && i > 0)
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: how long one sample takes cannot be measured: the size {} of "
                                "input {} is not known",
                                candidate.name, to_string(dim), value.name),
                    "--no-measure");
      shape.push_back(dim.is_fixed() ? dim.offset : 1);
    }
  }
  return random_inputs(model, shapes);
}

}  // namespace

Inputs random_texts(const Model& model, std::int64_t sequences, std::int64_t tokens) {
  TokenizedData data;
  RandomStream random(17, 0);
  data.offsets = {0};
  std::vector<std::int64_t> all;
  for (std::int64_t s = 0; s < sequences; ++s) {
    for (std::int64_t t = 0; t < tokens; ++t)
      data.ids.push_back(static_cast<std::int32_t>(
          random.below(static_cast<std::uint32_t>(model.limits.vocabulary))));
    data.offsets.push_back(static_cast<std::int64_t>(data.ids.size()));
    data.labels.push_back(0);
    all.push_back(s);
  }
  return samples_of(model, data).inputs(all);
}

std::int64_t latency_tokens(const TextLimits& limits, std::int64_t tokens,
                            const std::string& name) {
  if (tokens > limits.positions)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} tokens are asked for, the model takes {}", name, tokens,
                            limits.positions),
                fmt::format("lower it to {}", limits.positions));
  return tokens > 0 ? tokens : std::min(usual_tokens, limits.positions);
}

std::vector<Latency> measure_latency(const std::vector<LatencyCandidate>& candidates,
                                     const LatencyOptions& options) {
  std::vector<Latency> latencies;
  std::vector<Executor> executors;
  std::vector<Inputs> inputs;
  for (const LatencyCandidate& candidate : candidates) {
    latencies.push_back({.name = candidate.name});
    executors.push_back(make_forward(candidate.model, Mode::compiled, candidate.disabled_passes));
    inputs.push_back(sample_inputs(candidate, options.tokens));
  }
  double spent = 0;
  const std::size_t count = candidates.size();
  for (int round = -warm_up_rounds; round < options.max_rounds && count > 0; ++round) {
    if (round >= options.min_rounds && spent >= options.seconds) break;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = (i + static_cast<std::size_t>(round + warm_up_rounds)) % count;
      const double begin = now_seconds();
      executors[at].run(inputs[at]);
      const double taken = now_seconds() - begin;
      if (round < 0) continue;
      latencies[at].seconds.push_back(taken);
      spent += taken;
    }
  }
  for (Latency& latency : latencies) {
    const std::vector<double> times = sorted(latency.seconds);
    latency.median = quantile(times, 0.5);
    latency.low = quantile(times, 0.1);
    latency.high = quantile(times, 0.9);
  }
  return latencies;
}

Speedup speedup(const Latency& base, const Latency& changed) {
  if (base.seconds.empty() || base.seconds.size() != changed.seconds.size())
    throw Error(ErrorCode::internal, "latencies of different measurements are compared");
  std::vector<double> ratios;
  for (std::size_t i = 0; i < base.seconds.size(); ++i)
    ratios.push_back(base.seconds[i] / changed.seconds[i]);
  ratios = sorted(std::move(ratios));
  const std::size_t rank = interval_rank(ratios.size());
  return {quantile(ratios, 0.5), ratios[rank - 1], ratios[ratios.size() - rank]};
}

std::string to_string(const Speedup& speedup) {
  const auto with_range = [&](const char* verdict) {
    return fmt::format("{} ({:.2f} x, {:.2f} to {:.2f})", verdict, speedup.ratio, speedup.low,
                       speedup.high);
  };
  if (speedup.faster())
    return fmt::format("{:.2f} x as fast ({:.2f} to {:.2f})", speedup.ratio, speedup.low,
                       speedup.high);
  return with_range(speedup.slower() ? "slower" : "no faster");
}

std::vector<LatencyEntry> latency_entries(std::span<const Latency> latencies) {
  std::vector<LatencyEntry> entries;
  for (const Latency& latency : latencies) {
    LatencyEntry& entry = entries.emplace_back();
    entry.name = latency.name;
    entry.median = latency.median;
    entry.low = latency.low;
    entry.high = latency.high;
    entry.rounds = static_cast<double>(latency.seconds.size());
    if (&latency == &latencies.front()) continue;
    const Speedup against = speedup(latencies.front(), latency);
    entry.against = to_string(against);
    entry.faster = against.faster();
    entry.speedup = against.ratio;
    entry.speedup_low = against.low;
    entry.speedup_high = against.high;
  }
  return entries;
}

}  // namespace hone
