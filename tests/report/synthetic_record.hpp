// A record as a training run would write it, with the sizes and the noise of a real one.
#pragma once

#include <cmath>
#include <filesystem>
#include <random>
#include <string>

#include <fmt/format.h>

#include "hone/core/json.hpp"
#include "hone/record/record.hpp"

namespace hone_test {

struct SyntheticRun {
  std::string command = "hone train bert-tiny --data reviews --out runs/a";
  std::string model = "bert-tiny";
  int steps = 2000;
  int epochs = 3;
  int layers = 30;
  int kernels = 25;
  int batch = 8;
  double accuracy = 0.86;  // of the last evaluation
  int test_samples = 25000;
  double learning_rate = 5e-4;
  unsigned seed = 1;
  bool ended = true;
};

inline hone::Json synthetic_eval(double epoch, int step, const std::string& split, int samples,
                                 double accuracy) {
  // Wilson's interval at 95 %.
  const double z = 1.959964, n = samples;
  const double middle = (accuracy + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n));
  return {{"event", "eval"},
          {"epoch", epoch},
          {"step", step},
          {"split", split},
          {"samples", samples},
          {"accuracy", accuracy},
          {"low", middle - half},
          {"high", middle + half},
          {"loss", 1.2 - accuracy},
          {"seconds", n / 2100},
          {"samples_per_second", 2100}};
}

inline void write_synthetic_layers(hone::Record& record, const SyntheticRun& run) {
  hone::Json layers = hone::Json::array();
  double parameters = 0;
  static const char* parts[] = {"attention.query",  "attention.key", "attention.value",
                                "attention.output", "intermediate",  "output",
                                "layer_norm"};
  for (int i = 0; i < run.layers; ++i) {
    const int part = i == 0 ? -1 : (i - 1) % 7;
    const double width = part < 0 ? 30522 : part == 4 || part == 5 ? 512 : part == 6 ? 2 : 128;
    const double count = width * 128 + (part == 6 ? 0 : 128);
    const std::string name = part < 0
                                 ? "embeddings.word_embeddings"
                                 : fmt::format("encoder.layer.{}.{}", (i - 1) / 7, parts[part]);
    layers.push_back({{"name", name},
                      {"op", part < 0    ? "embedding"
                             : part == 6 ? "layer_norm"
                                         : "linear"},
                      {"parameters", count},
                      {"bytes", 4 * count},
                      {"macs_per_token", part < 0 || part == 6 ? 0.0 : width * 128}});
    parameters += count;
  }
  record.write(
      {{"event", "model"}, {"name", run.model}, {"parameters", parameters}, {"layers", layers}});
}

inline void write_synthetic_timings(hone::Record& record, const SyntheticRun& run) {
  static const char* ops[] = {"linear",     "attention",    "linear_grad", "attention_grad",
                              "layer_norm", "gelu",         "dropout",     "adamw",
                              "embedding",  "cross_entropy"};
  for (int i = 0; i < run.kernels; ++i) {
    const std::string op = ops[i % 10];
    const double seconds = 60 * std::exp(-0.28 * i) * (1 + 0.05 * run.seed);
    record.write({{"event", "timing"},
                  {"kernel", fmt::format("{}_{}", op,
                                         i < 10   ? "xsmm"
                                         : i < 20 ? "hwy"
                                                  : "scalar")},
                  {"op", op},
                  {"calls", run.steps * (1 + i % 4)},
                  {"seconds", seconds},
                  {"flop", i % 10 < 4 ? seconds * 1e9 * (92 - 2.5 * i) : 0.0}});
  }
}

inline void write_synthetic_run(const std::filesystem::path& path, const SyntheticRun& run) {
  hone::Record record(path);
  record.write(
      {{"event", "run"},
       {"command", run.command},
       {"config",
        {{"model", run.model},
         {"data", "reviews"},
         {"batch", run.batch},
         {"lr", run.learning_rate},
         {"schedule", "linear"},
         {"warmup", 0.1},
         {"dropout", 0.1},
         {"max_length", 512},
         {"seed", run.seed},
         {"optimizer", {{"name", "adamw"}, {"betas", {0.9, 0.999}}, {"weight_decay", 0.01}}}}},
       {"machine", hone::describe_machine()},
       {"versions", hone::describe_versions()},
       {"started", "2026-01-05T10:00:00Z"}});
  write_synthetic_layers(record, run);
  std::mt19937 random(run.seed);
  std::normal_distribution<double> noise(0, 1);
  for (int step = 1; step <= run.steps; ++step) {
    const double done = static_cast<double>(step) / run.steps;
    const double floor = 1.05 - run.accuracy;
    record.write({{"event", "step"},
                  {"epoch", 1 + (step - 1) * run.epochs / run.steps},
                  {"step", step},
                  {"loss", std::max(0.01, floor + (0.69 - floor) * std::exp(-5 * done) +
                                              0.09 * noise(random))},
                  {"grad_norm", std::exp(0.4 * noise(random) + 0.5 + 0.8 * done)},
                  {"lr", run.learning_rate * (done < 0.1 ? done / 0.1 : (1 - done) / 0.9)},
                  {"tokens", 8 * 230 + static_cast<int>(200 * noise(random))},
                  {"samples", run.batch},
                  {"seconds", 0.07 + 0.005 * noise(random)}});
    if (step % (run.steps / run.epochs) != 0) continue;
    const int epoch = step / (run.steps / run.epochs);
    const double accuracy = run.accuracy - 0.05 * std::exp(-1.2 * epoch) * (run.epochs - epoch);
    record.write(synthetic_eval(epoch, step, "validation", 2500, accuracy + 0.01));
    record.write(synthetic_eval(epoch, step, "test", run.test_samples, accuracy));
  }
  if (!run.ended) return;
  write_synthetic_timings(record, run);
  record.write(
      {{"event", "memory"}, {"peak_bytes", 412.0 * 1048576}, {"arena_bytes", 96.0 * 1048576}});
  record.write({{"event", "end"}, {"status", "finished"}, {"seconds", 171.5}});
}

}  // namespace hone_test
