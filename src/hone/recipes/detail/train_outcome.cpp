// What a training run gave, as results have it.
#include <cinttypes>
#include <cstdio>
#include <fstream>

#include <fmt/format.h>

#include "hone/core/json.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

Json to_json(const Evaluation& evaluation, const std::string& split) {
  return to_object(split_figures(evaluation, split));
}

Json to_json(const TrainOutcome& outcome, const std::filesystem::path& out) {
  const TrainResult& r = outcome.result;
  const auto rate = [&](double amount) {
    return r.train_seconds > 0 ? Json(amount / r.train_seconds) : Json(nullptr);
  };
  Json json{{"finished", r.finished},
            {"steps", r.steps},
            {"total_steps", outcome.total_steps},
            {"samples_per_second", rate(static_cast<double>(r.samples))},
            {"tokens_per_second", rate(static_cast<double>(r.tokens))},
            {"flops_per_second", rate(r.flop)},
            {"loss", r.last_loss},
            {"train_seconds", r.train_seconds},
            {"seconds", outcome.seconds},
            {"peak_bytes", outcome.peak_bytes},
            {"arena_bytes", r.arena_bytes},
            {"parameters", outcome.parameters},
            {"out", out.string()}};
  if (r.samples == 0) json["loss"] = nullptr;
  if (r.finished) {
    json["kept"] = r.kept_best ? "best" : "last";
    json["kept_step"] = r.kept_step;
    json["out_of_patience"] = r.out_of_patience;
  }
  if (r.validation) json["validation"] = to_json(*r.validation, "validation");
  if (r.best) json["best"] = to_json(*r.best, "validation");
  if (outcome.test) json["test"] = to_json(*outcome.test, outcome.test_split);
  return json;
}

std::int64_t peak_memory() {
  // (Not from getrusage: that counts what the process that started this one had, too.)
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::int64_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %" SCNd64, &kilobytes) == 1) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace hone
