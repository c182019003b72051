// The contract of a stage: one transform or training of a model, as recipes list them. One file in
// recipes/stages/ a member.
//
//   [[stages]]
//   do = "prune"
//   sparsity = 0.5
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/error.hpp"
#include "hone/core/options.hpp"
#include "hone/graph/graph.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/recipes/train_run.hpp"

namespace hone {

// What a stage is told.
struct StageCall {
  std::string model;          // the folder that it starts from
  std::filesystem::path out;  // where its model goes
  // A folder of its own beside it; what a run that was cut off left is there.
  std::filesystem::path work;
  Options values;    // of the stage's options, as far as they are given
  Options training;  // settings of trainings that the stage's own do not replace
  std::string data, tokenizer;
  TextSettings data_settings;
  std::int64_t seed = 0, max_length = 0;
  std::string command;
  const RunWatcher& watcher;
};

// What can be known of a stage before any work.
struct StageCheck {
  const Options& values;  // as StageCall has them
  const Options& training;
  const Graph& graph;  // of the model that the first stage starts from
  std::string where;   // "file: line n": begins errors
};

struct Stage : Described {
  // Options that name a file: what is in it decides the result.
  std::vector<std::string> files = {};
  // Throws Error(invalid_argument) beginning with `where` for values that cannot be, whatever the
  // stages before it make; before any work. Null: those that their options allow all can.
  void (*check)(const StageCheck& call) = nullptr;
  // What it does, in a few words: "prune l1 0.5".
  std::string (*describe)(const Options& values) = nullptr;
  // Writes the model (and its tokenizer) into call.out. Returns the seconds of training. Throws
  // Error(interrupted) for a training that is to continue, and what the parts throw.
  double (*run)(const StageCall& call) = nullptr;
};

// Errors of `body` begin with the place of what they are about.
template <typename Body>
void at_place(const std::string& where, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    const bool said = error.message().rfind(where, 0) == 0;
    throw Error(error.code(), (said ? "" : where + ": ") + error.message(), error.hint());
  }
}

// Every stage (generated from the folder).
const std::vector<Stage>& stage_table();
// Throws Error(invalid_argument) naming the nearest known one.
const Stage& find_stage(const std::string& name, const std::string& where);

}  // namespace hone
