// The library on one page: open a model, say what it takes texts for, judge it, train it, quantize
// it. docs/library.md leads through it; the folders below (src/hone/README.md) are there for
// everything else.
//
// Nothing here prints or ends the process. What goes wrong is a hone::Error that says what to do;
// what a long job has to tell goes to the functions of a RunWatcher, which may also stop it.
// Threads: set_thread_count() of hone/core/threads.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/paired_test.hpp"
#include "hone/tasks/prediction.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {

// Settings as the program takes them (--set): "lr" -> "5e-4", "data.samples" -> "1000".
using SettingMap = std::map<std::string, std::string>;

struct OpenOptions {
  std::string tokenizer;        // a folder or file; "": the model's own
  std::int64_t max_length = 0;  // tokens of a text, the rest is cut; 0: what the model takes
};

// Metrics, logits, and which samples were right.
struct Judgement : Evaluation {
  std::vector<bool> correct;
};

// A model with its tokenizer, ready to run. Copies share the model. Used by one thread at a time.
class TextClassifier {
public:
  const std::string& name() const;
  // Of the classes, by number.
  const std::vector<std::string>& labels() const;
  std::int64_t parameters() const;  // numbers, packed ones included
  std::int64_t bytes() const;       // that they take

  // One prediction a text, in their order. With `pairs` (as many) each is a text and its second
  // text. Throws Error(bad_format) for a text that is not UTF-8.
  std::vector<Prediction> predict(const std::vector<std::string>& texts,
                                  const std::vector<std::string>& pairs = {}) const;
  // Metrics on a labelled split of data as --data names it: "reviews", "csv:reviews.csv". Without a
  // split: test, or all of a single file. `settings` are those of the data, without "data.".
  Judgement evaluate(const std::string& data, const std::string& split = "",
                     const SettingMap& settings = {}, const RunWatcher& watcher = {}) const;

private:
  struct State;
  friend TextClassifier open(const std::string& model, const OpenOptions& options);
  explicit TextClassifier(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// A folder that hone or transformers saved. Throws Error(not_found | bad_format | unsupported)
// naming it.
TextClassifier open(const std::string& model, const OpenOptions& options = {});

// Do two models differ on the same samples, or is it noise? Throws Error(invalid_argument) when
// they were not judged on as many.
PairedTest compare(const Judgement& first, const Judgement& second);

// What `hone train` takes.
struct TrainJob {
  std::string model = "bert-tiny";  // a folder or a built-in name
  std::string data;                 // "reviews", "imdb:PATH", "csv:FILE", ...
  std::string out;                  // the folder of the results: the model, checkpoints, the record
  std::string tokenizer = "";       // a folder or file; "": found
  SettingMap settings = {};         // hone train --help names them
  std::string evaluate_split = "";  // judged once at the end; "": none
  bool resume = false;              // continues the run in `out`
  bool overwrite = false;           // replaces the run in `out`
};
TrainOutcome train(const TrainJob& job, const RunWatcher& watcher = {});

// What `hone quantize` takes.
struct QuantizeJob {
  std::string model;               // a folder
  std::string format;              // hone format list
  std::string out;                 // the folder of the packed model
  SettingMap options = {};         // of the format, for all slots ("width") or one ("weight_width")
  std::string nodes = "layers";    // what takes it: op types, names, regular expressions, by commas
  std::string calibrate = "";      // data to fit ranges to; "": none
  std::string train_on = "";       // data to train on with the rounding; "": rounded only
  SettingMap train_settings = {};  // of that training
};
QuantizeOutcome quantize(const QuantizeJob& job, const RunWatcher& watcher = {});

}  // namespace hone
