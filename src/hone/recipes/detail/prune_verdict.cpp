#include "hone/recipes/prune_verdict.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/remove.hpp"
#include "hone/passes/sparse_products.hpp"

namespace hone {
namespace {

// The model with its structures taken out; nothing where there are none, or where they cannot be.
std::optional<Model> try_removing(const Model& masked) {
  Model smaller = masked;
  try {
    remove_structures(smaller);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument && error.code() != ErrorCode::unsupported)
      throw;
    return std::nullopt;
  }
  return smaller;
}

std::string against_dense(const Speedup& speed) {
  if (speed.faster())
    return fmt::format("{:.2f} x as fast as dense ({:.2f} to {:.2f})", speed.ratio, speed.low,
                       speed.high);
  return fmt::format("{} than dense ({:.2f} x, {:.2f} to {:.2f})",
                     speed.slower() ? "slower" : "no faster", speed.ratio, speed.low, speed.high);
}

std::string describe(const PruningVerdict& verdict) {
  const Latency &dense = verdict.latencies.front(), &last = verdict.latencies.back();
  if (verdict.removed) return against_dense(speedup(dense, last));
  // As it runs: on sparse kernels where there are some.
  const Latency& masked = verdict.latencies[verdict.sparse > 0 ? 2 : 1];
  std::string text = against_dense(speedup(dense, masked));
  if (verdict.sparse > 0)
    text += fmt::format(": {} of {} products run on the numbers that are left", verdict.sparse,
                        verdict.products);
  else if (!verdict.dense_because.empty())
    text += ": " + verdict.dense_because;
  if (&last != &masked && speedup(masked, last).faster())
    text += fmt::format("; removed (hone prune --remove) it would be {}",
                        against_dense(speedup(dense, last)));
  return text;
}

}  // namespace

PruningVerdict judge_pruning(const Model& masked, const Model* removed, std::int64_t tokens) {
  PruningVerdict verdict;
  verdict.tokens = latency_tokens(masked.limits, tokens, masked.name);
  verdict.threads = thread_count();
  verdict.removed = removed != nullptr;
  for (const ProductNote& note : describe_sparse_products(masked)) {
    ++verdict.products;
    verdict.sparse += note.sparse;
    if (note.masked && !note.sparse && verdict.dense_because.empty())
      verdict.dense_because = note.reason;
  }
  Model dense = masked;
  drop_pruning(dense);
  std::vector<LatencyCandidate> candidates{{"dense", std::move(dense)},
                                           {"masked", masked, {"fuse_sparse"}}};
  if (verdict.sparse > 0) candidates.push_back({"sparse", masked});
  if (removed != nullptr)
    candidates.push_back({"removed", *removed});
  else if (std::optional<Model> smaller = try_removing(masked))
    candidates.push_back({"removed", std::move(*smaller)});
  verdict.latencies = measure_latency(candidates, {.tokens = verdict.tokens});
  verdict.text = describe(verdict);
  if (!pruned_data_of(masked.graph).empty())
    verdict.text += "; dropping data takes time in every run and saves none";
  return verdict;
}

void add_verdict(PrunedEvent& event, const PruningVerdict& verdict) {
  event.verdict = verdict.text;
  event.latency = latency_entries(verdict.latencies);
  event.latency_tokens = static_cast<double>(verdict.tokens);
  event.latency_threads = verdict.threads;
  event.products = static_cast<double>(verdict.products);
  event.sparse_products = static_cast<double>(verdict.sparse);
  event.dense_because = verdict.dense_because;
}

}  // namespace hone
