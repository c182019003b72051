// A record: append-only JSON lines that say what a run measured. Reports are drawn from records
// alone. Every line is an object with an "event":
//
//   run     {command, config{...}, changed[keys of config that are not at their default],
//            machine{cpu, cores, threads, isa}, versions{hone, ...},
//            started (ISO 8601, UTC)}                                       first line of a run
//   model   {name, parameters, layers[{name, op, parameters, bytes, macs_per_token,
//            formats{slot: format}}]}
//   step    {epoch, step, loss, grad_norm, lr, tokens, samples, seconds}    seconds of this step;
//           epoch and step count from 1
//   eval    {epoch, step, split, samples, loss, seconds, samples_per_second}, and what
//           to_json(Metrics) (train/metrics.hpp) has of classes: {accuracy, low, high, macro_f1,
//           mcc, intervals{...}, labels[...], confusion[true][predicted], classes[{label, support,
//           predicted, precision, recall, f1, intervals{...}}]}, or of values: {mse, mae, r2,
//           pearson, spearman, intervals{...}}; low..high is the 95 % Wilson interval of the
//           accuracy
//   timing  {kernel, op, calls, seconds, flop}                              per kernel, whole run
//   memory  {peak_bytes, arena_bytes}
//   point   {kind: float | ptq | qat, format, width, seed, samples, accuracy, low, high, loss,
//   bytes,
//            bits_per_weight, seconds, p_float, p_ptq}                      of a sweep over widths
//   quantized {nodes, formats[{format, slots, nodes}], parameters, float_parameters,
//            left_in_float32{op: parameters}, bytes_before, bytes_after (packed; of a training:
//            what packing will give), packed, learned_steps, calibration{data, samples, range,
//            percentile}, trained{steps, epochs, samples, seconds, parameters}, products}
//   pruned  {layers[{name, numbers, dropped, sparsity}], numbers, dropped, sparsity, parameters,
//            sparsity_of_all, activations[{node, dropped}], packed, trained{steps, samples,
//            seconds}, disk_bytes_before, disk_bytes (of the files of weights); where structures
//            were taken out removed (true), heads[{node, before, after}], neurons[{...}],
//            branches[names], parameters_after, bytes_before, bytes_after; where it was measured
//            verdict, latency[{name: dense | masked | removed, median, low, high, rounds, and
//            against dense: against, faster, speedup, speedup_low, speedup_high}], latency_tokens,
//            latency_threads, products, sparse_products, dense_because}
//   resume  {step}                                                          a continued run
//   end     {status: finished | interrupted | failed, seconds, message; of a finished training also
//           kept: best | last, kept_step, out_of_patience}
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/json.hpp"

namespace hone {

class Record {
public:
  // Creates the file, or appends to it with `append` (a torn last line of a killed run is cut off).
  explicit Record(const std::filesystem::path& path, bool append = false);
  // Writes one line and hands it to the operating system at once: a killed process loses nothing.
  void write(const Json& line);
  const std::filesystem::path& path() const { return path_; }

  // All lines of a record; a torn last line is ignored, any other broken line is Error(bad_format).
  static std::vector<Json> read(const std::filesystem::path& path);

private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

// Now, as records have it: 2025-01-31T12:00:00Z.
std::string utc_now();
// What the machine is: {cpu, cores, threads, isa}; and {hone, compiler, libraries...}.
Json describe_machine();
Json describe_versions();

}  // namespace hone
