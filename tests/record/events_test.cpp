// Every event of a record: written and read back, with everything set and with nothing, by a table
// that a visitor of its own fills from the description.
#include <cmath>
#include <fstream>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/record/bench_events.hpp"
#include "hone/record/point_events.hpp"
#include "hone/record/record.hpp"
#include "hone/record/run_events.hpp"
#include "hone/record/training_events.hpp"
#include "hone/record/transform_events.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

const LinePlace place{"record.jsonl", 3};

// Sets every member to something of its own, and notes its key and kind.
class Filler final : public FieldVisitor {
public:
  explicit Filler(int seed) : next_(seed) {}
  std::map<std::string, const char*> kinds;  // by key, "" where it is not to be broken

  void number(const char* key, double& value, Presence) override {
    note(key, "a number");
    value = next() / 1000.0;
  }
  void count(const char* key, double& value, Presence) override {
    note(key, "a number");
    value = next();
  }
  void whole(const char* key, std::int64_t& value, Presence) override {
    note(key, "a whole number, 0 or more");
    value = next();
  }
  void text(const char* key, std::string& value, Presence) override {
    note(key, "text");
    // Kinds of points are of a few words; the point is given one before.
    if (std::string(key) != "kind") value = fmt::format("{} {}", key, next());
  }
  void flag(const char* key, bool& value, Presence) override {
    note(key, "true or false");
    value = true;
  }
  void object(const char* key, Json& value, Presence) override {
    note(key, "an object");
    value = Json::object();
    value["inside"] = Json::array({next(), "x"});
  }
  void array(const char* key, Json& value, Presence) override {
    note(key, "a list");
    value = Json::array({next(), "x"});
  }
  void texts(const char* key, std::vector<std::string>& values, Presence) override {
    note(key, "a list");
    values = {fmt::format("{}", next()), "b"};
  }
  void named_texts(const char* key, std::map<std::string, std::string>& values, Presence) override {
    note(key, "an object");
    values = {{"a", fmt::format("{}", next())}, {"b", "y"}};
  }
  void named_counts(const char* key, std::map<std::string, double>& values, Presence) override {
    note(key, "an object");
    values = {{"a", next()}, {"b", 0.5}};
  }
  void intervals(const char* key, NamedIntervals& values, Presence) override {
    note(key, "an object");
    values = {{"a", {0.25, next()}}};
  }
  void square(const char* key, std::vector<std::vector<std::int64_t>>& rows, Presence) override {
    note(key, "a list");
    rows = {{next(), 2}, {3, 4}};
  }
  void require(bool, const char*, const char*) override {}

protected:
  void objects(const char* key, std::size_t, const std::function<void(std::size_t)>& resize,
               const std::function<void(FieldVisitor&, std::size_t)>& visit, Presence) override {
    note(key, "a list");
    resize(2);
    for (std::size_t i = 0; i < 2; ++i) inside(fmt::format("{}.", key), [&] { visit(*this, i); });
  }
  void optional_object(const char* key, bool, const std::function<void()>& create,
                       const std::function<void(FieldVisitor&)>& visit) override {
    note(key, "an object");
    create();
    inside(fmt::format("{}.", key), [&] { visit(*this); });
  }

private:
  int next() { return next_ += 7; }
  void inside(const std::string& prefix, const std::function<void()>& visit) {
    const std::string before = std::exchange(prefix_, prefix_ + prefix);
    visit();
    prefix_ = before;
  }
  void note(const char* key, const char* kind) { kinds[prefix_ + key] = kind; }

  int next_;
  std::string prefix_;
};

// One row a struct that a record has: how to make one, and what is asked of any.
struct Row {
  std::string name;
  std::function<Json(const Json&)> again;  // read, and written
  std::function<Json()> empty;             // with nothing set, written
  std::function<std::pair<Json, std::map<std::string, const char*>>(int)> full;
};

template <class Event>
Row row(const std::string& kind = "") {
  const auto fresh = [kind] {
    Event event;
    if constexpr (std::derived_from<Event, MeasuredPoint>) event.kind = kind;
    return event;
  };
  return {Event::event_name + (kind.empty() ? "" : " " + kind),
          [](const Json& line) { return to_line(from_object<Event>(line, place)); },
          [fresh] { return to_line(fresh()); },
          [fresh](int seed) {
            Event event = fresh();
            Filler filler(seed);
            fields(filler, event);
            // Rules between members: low comes before high; a share is one.
            if constexpr (std::derived_from<Event, PruningPoint>) event.sparsity = 0.5;
            return std::pair(to_line(event), filler.kinds);
          }};
}

const std::vector<Row>& rows() {
  static const std::vector<Row> table{row<RunEvent>(),
                                      row<ModelEvent>(),
                                      row<StepEvent>(),
                                      row<EvalEvent>(),
                                      row<TimingEvent>(),
                                      row<MemoryEvent>(),
                                      row<QuantizedEvent>(),
                                      row<PrunedEvent>(),
                                      row<ResumeEvent>(),
                                      row<EndEvent>(),
                                      row<SweepPoint>("float"),
                                      row<SweepPoint>("qat"),
                                      row<PruningPoint>("float"),
                                      row<PruningPoint>("tuned"),
                                      row<CompressionPoint>("float"),
                                      row<CompressionPoint>("stage"),
                                      row<BenchPoint>()};
  return table;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_format);
    return error.message();
  }
  return "no error";
}

// The keys of a line, with those of objects in lists: the first of each list stands for all.
void collect_keys(const Json& object, const std::string& prefix, std::set<std::string>& keys) {
  for (const auto& [key, value] : object.items()) {
    keys.insert(prefix + key);
    if (value.is_array() && !value.empty() && value[0].is_object())
      collect_keys(value[0], prefix + key + ".", keys);
    if (value.is_object() && key == "trained") collect_keys(value, prefix + key + ".", keys);
  }
}

TEST(Events, EverythingThatIsWrittenIsReadBack) {
  for (const Row& event : rows())
    for (const int seed : {1, 1000, 123456}) {
      const auto [line, kinds] = event.full(seed);
      // Through text, as a file has it.
      EXPECT_EQ(event.again(parse_json(line.dump())).dump(), line.dump()) << event.name;
      // All members are in it, under the keys of the description and no others.
      std::set<std::string> keys, described{"event"};
      collect_keys(line, "", keys);
      for (const auto& [key, kind] : kinds) described.insert(key);
      EXPECT_EQ(keys, described) << event.name;
    }
}

// Absent and null are the same: not recorded.
TEST(Events, WhatIsNotSetStaysSo) {
  for (const Row& event : rows()) {
    if (event.name == "pruning_point tuned") continue;  // has to have a sparsity
    const Json line = event.empty();
    EXPECT_EQ(event.again(parse_json(line.dump())).dump(), line.dump()) << event.name;
    Json absent = Json::object(), null = Json::object();
    for (const auto& [key, kind] : event.full(1).second) {
      const bool kept = std::string(kind) == "a whole number, 0 or more" || key == "kind";
      if (kept && line.contains(key)) absent[key] = null[key] = line.at(key);
      if (!kept && key.find('.') == std::string::npos) null[key] = nullptr;
    }
    EXPECT_EQ(event.again(absent).dump(), line.dump()) << event.name;
    EXPECT_EQ(event.again(null).dump(), line.dump()) << event.name;
  }
}

// Each key that is written is read: a value of another kind is an error at its place.
TEST(Events, ValuesOfAnotherKindAreNamedByLineAndKey) {
  for (const Row& event : rows()) {
    const auto [line, kinds] = event.full(1);
    for (const auto& [key, kind] : kinds) {
      const std::size_t dot = key.find('.');
      // A number where none is wanted, a text elsewhere.
      const Json wrong =
          std::string(kind).find("number") == std::string::npos ? Json(1) : Json("x");
      Json broken = line;
      std::string shown = key;
      if (dot == std::string::npos) {
        broken[key] = wrong;
      } else if (Json& outer = broken[key.substr(0, dot)]; outer.is_array()) {
        outer[1][key.substr(dot + 1)] = wrong;
        shown = key.substr(0, dot) + "[1]" + key.substr(dot);
      } else {
        outer[key.substr(dot + 1)] = wrong;
      }
      EXPECT_EQ(error_of([&] { event.again(broken); }),
                fmt::format("record.jsonl: line 3: \"{}\" must be {}", shown, kind))
          << event.name;
    }
  }
}

TEST(Events, KeysThatAreNotDescribedAreNotRead) {
  for (const Row& event : rows()) {
    const Json line = event.full(1).first;
    Json more = line;
    more["weather"] = Json::array({"rain", 3});
    EXPECT_EQ(event.again(more).dump(), line.dump()) << event.name;
  }
}

TEST(Events, EachHasItsName) {
  std::set<std::string> names;
  for (const Row& event : rows()) {
    EXPECT_EQ(event_of(event.empty(), place), event.name.substr(0, event.name.find(' ')));
    names.insert(event.empty().at("event").text());
  }
  EXPECT_EQ(names.size(), 14u);
}

// What files of before have: whole numbers without a fraction, null where a figure is undefined,
// nothing where it does not apply.
TEST(Events, NumbersAsFilesHaveThem) {
  EXPECT_EQ(
      to_line(StepEvent{.step = 3, .epoch = 1, .loss = 2, .tokens = 4096, .samples = 8}).dump(),
      R"({"epoch":1,"event":"step","grad_norm":null,"loss":2.0,"lr":null,"samples":8,)"
      R"("seconds":null,"step":3,"tokens":4096})");
  EXPECT_EQ(to_line(ResumeEvent{12}).dump(), R"({"event":"resume","step":12})");
  EXPECT_EQ(to_line(EndEvent{.status = "failed", .seconds = 0.5, .message = "why"}).dump(),
            R"({"event":"end","message":"why","seconds":0.5,"status":"failed"})");
  EXPECT_EQ(to_line(EndEvent{.status = "finished", .seconds = 0.5, .kept = "best", .kept_step = 4})
                .dump(),
            R"({"event":"end","kept":"best","kept_step":4,"out_of_patience":false,"seconds":0.5,)"
            R"("status":"finished"})");
  EXPECT_EQ(to_line(SweepPoint{{.kind = "ptq", .seed = 0}, "", 4}).dump(),
            R"({"event":"point","kind":"ptq","seed":0,"width":4})");
  EXPECT_EQ(to_object(EvalFigures{.samples = 2, .loss = 1, .mse = 1}).dump(),
            R"({"loss":1.0,"mae":null,"mse":1.0,"pearson":null,"r2":null,"samples":2,)"
            R"("spearman":null})");
  for (const double large : {9007199254740993.0, 1e300, -1e300, 0.5})
    EXPECT_EQ(from_object<MemoryEvent>(to_line(MemoryEvent{.peak_bytes = large}), place).peak_bytes,
              large);
  // No number at all in JSON.
  EXPECT_TRUE(to_line(MemoryEvent{.peak_bytes = INFINITY}).dump().find("null") !=
              std::string::npos);
}

TEST(Events, RulesBetweenMembers) {
  const auto message = [](const Json& line) {
    return error_of([&] { from_object<EvalEvent>(line, place); });
  };
  EXPECT_EQ(message({{"step", 1}, {"low", 0.6}, {"high", 0.4}}),
            "record.jsonl: line 3: \"low\" must be no more than \"high\"");
  EXPECT_THAT(message({{"step", 1}, {"confusion", {{1, 2}, {3}}}}),
              HasSubstr("a square of counts"));
  EXPECT_THAT(message({{"step", 1}, {"confusion", {{1, -2}, {3, 4}}}}),
              HasSubstr("a square of counts"));
  EXPECT_THAT(message({{"step", 1}, {"confusion", {{1, 18446744073709551615u}, {3, 4}}}}),
              HasSubstr("a square of counts"));
  EXPECT_THAT(message({{"step", 1}, {"intervals", {{"mcc", {0.5}}}}}),
              HasSubstr("\"intervals.mcc\" must be two numbers"));
  EXPECT_THAT(error_of([] {
                from_object<SweepPoint>({{"kind", "other"}, {"seed", 0}}, place);
              }),
              HasSubstr("\"kind\" must be float, ptq or qat"));
  EXPECT_THAT(error_of([] {
                from_object<SweepPoint>({{"kind", "qat"}, {"seed", 0}}, place);
              }),
              HasSubstr("\"width\" must be a whole number"));
  // A whole file is named without a line.
  EXPECT_EQ(error_of([] { from_object<ResumeEvent>(Json::object(), {"result.json"}); }),
            "result.json: \"step\" must be a whole number, 0 or more");
}

TEST(Record, EventsAreWrittenAsLinesAndAppended) {
  const hone_test::ScratchDirectory scratch;
  const auto path = scratch.path() / "record.jsonl";
  Record(path).write(begin_run("hone train", {{"lr", 0.5}}));
  std::ofstream(path, std::ios::app) << R"({"event":"st)";
  Record(path, true).write(ResumeEvent{4});
  const std::vector<Json> lines = Record::read(path);
  ASSERT_EQ(lines.size(), 2u);
  const auto run = from_object<RunEvent>(lines[0], place);
  EXPECT_EQ(run.command, "hone train");
  EXPECT_EQ(run.config.at("lr"), 0.5);
  EXPECT_EQ(run.machine, describe_machine());
  EXPECT_EQ(run.versions, describe_versions());
  EXPECT_FALSE(lines[0].contains("changed"));
  EXPECT_EQ(run.started.size(), std::string("2025-01-31T12:00:00Z").size());
  EXPECT_EQ(from_object<ResumeEvent>(lines[1], place).step, 4);
}

}  // namespace
}  // namespace hone
