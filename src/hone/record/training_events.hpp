// What a record has of steps, evaluations, kernels and memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/record/fields.hpp"

namespace hone {

struct StepEvent {
  static constexpr const char* event_name = "step";
  std::int64_t step = 0;        // from 1
  double epoch = not_recorded;  // from 1
  double loss = not_recorded;
  double grad_norm = not_recorded;
  double lr = not_recorded;
  double tokens = not_recorded;
  double samples = not_recorded;
  double seconds = not_recorded;  // of this step
};
void fields(FieldVisitor& visitor, StepEvent& event);

// Of one class. Intervals: of precision, recall and f1, where they have one.
struct ClassFigures {
  std::string label;
  double support = not_recorded;    // samples of the class
  double predicted = not_recorded;  // samples that are given the class
  double precision = not_recorded, recall = not_recorded, f1 = not_recorded;
  NamedIntervals intervals;
};
void fields(FieldVisitor& visitor, ClassFigures& figures);

// What a model's answers are worth: figures of classes or of values (tasks/metrics.hpp says what
// each is); the others are not recorded.
struct EvalFigures {
  double samples = not_recorded;
  double loss = not_recorded;

  double accuracy = not_recorded;
  double low = not_recorded;  // 95 % interval of the accuracy
  double high = not_recorded;
  double macro_f1 = not_recorded;  // mean of the classes' F1
  double mcc = not_recorded;       // Matthews correlation
  double top5 = not_recorded;      // of more than five classes
  std::vector<std::string> labels;
  // Samples by [true class][predicted class]; may be empty.
  std::vector<std::vector<std::int64_t>> confusion;
  std::vector<ClassFigures> classes;

  double mse = not_recorded, mae = not_recorded, r2 = not_recorded;
  double pearson = not_recorded, spearman = not_recorded;

  NamedIntervals intervals;  // of all figures but the accuracy, where they have one

  bool has_interval() const { return accuracy == accuracy && low == low && high == high; }
};
void fields(FieldVisitor& visitor, EvalFigures& figures);

// Those of one split, and the time that they took where it is known (it was before a resumption).
struct SplitFigures : EvalFigures {
  std::string split;
  double seconds = not_recorded;
  double samples_per_second = not_recorded;
};
void fields(FieldVisitor& visitor, SplitFigures& figures);

struct EvalEvent : SplitFigures {
  static constexpr const char* event_name = "eval";
  std::int64_t step = 0;  // after how many
  double epoch = not_recorded;
};
void fields(FieldVisitor& visitor, EvalEvent& event);

// Of one kernel, in the whole run; all 0 or more.
struct TimingEvent {
  static constexpr const char* event_name = "timing";
  std::string kernel = {}, op = {};
  double calls = not_recorded;
  double seconds = not_recorded;
  double flop = not_recorded;  // 0: the kernel counts none
};
void fields(FieldVisitor& visitor, TimingEvent& event);

struct MemoryEvent {
  static constexpr const char* event_name = "memory";
  double peak_bytes = not_recorded;   // largest resident set of the process
  double arena_bytes = not_recorded;  // of the plans
};
void fields(FieldVisitor& visitor, MemoryEvent& event);

}  // namespace hone
