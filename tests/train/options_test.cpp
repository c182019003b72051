// The table of training options, and those of optimizers and schedules that it takes in.
#include "hone/train/options.hpp"

#include <cstring>
#include <set>

#include "hone/graph/op.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/train/optimizers/optimizer.hpp"
#include "hone/train/schedules/schedule.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

// A value that is not the default, and that the option takes.
OptionValue another(const OptionSpec& spec, const std::string& order_file) {
  if (spec.name == "order") return order_file;
  if (spec.type == OptionType::boolean) return true;
  if (spec.type == OptionType::integer)
    return std::max<std::int64_t>(7, static_cast<std::int64_t>(spec.minimum));
  if (spec.type == OptionType::real)
    return std::min(0.5, spec.maximum) == 0.5 ? 0.5 : spec.maximum / 2;
  for (const std::string& choice : spec.choices)
    if (!spec.default_value || OptionValue(choice) != *spec.default_value) return choice;
  return std::string("group_rows");
}

// The member of a table that has the option.
template <typename Table>
std::string owner_of(const Table& table, const std::string& option) {
  for (const auto& member : table)
    for (const OptionSpec& spec : member.options)
      if (spec.name == option) return member.name;
  return "";
}

TEST(TrainOptionTable, EveryOptionIsTakenAndDecidesWhetherARunMayResume) {
  const ScratchDirectory scratch;
  scratch.write("order.json", "[2, 0, 1]");
  // What a run may change when it resumes, or what its data decide.
  const std::set<std::string> others{"keep", "metric", "checkpoint_every", "class_weights"};
  std::set<std::string> names;
  for (const TrainOption& row : train_options()) {
    if (row.spec.name.empty()) continue;
    SCOPED_TRACE(row.spec.name);
    EXPECT_TRUE(names.insert(row.spec.name).second);
    EXPECT_EQ(row.set == nullptr, row.spec.name == "class_weights");
    if (!row.set) continue;
    Options base;
    if (const std::string owner = owner_of(optimizer_table(), row.spec.name); !owner.empty())
      base.set("optimizer", owner);
    if (const std::string owner = owner_of(schedule_table(), row.spec.name); !owner.empty())
      base.set("schedule", owner);
    if (row.spec.name == "nesterov") base.set("momentum", 0.9);
    Options given = base;
    given.set(row.spec.name, another(row.spec, (scratch.path() / "order.json").string()));
    const Json before = describe(make_train_options(base));
    const Json after = describe(make_train_options(given));
    if (others.count(row.spec.name) == 0)
      EXPECT_NE(before.dump(), after.dump());
    else
      EXPECT_EQ(before.dump(), after.dump());
  }
  EXPECT_GT(names.size(), 30u);
}

TEST(TrainOptionTable, TheOthersReachTheStruct) {
  const TrainOptions options = make_train_options(
      {{"keep", "last"}, {"metric", "mcc"}, {"checkpoint_every", std::int64_t{12}}});
  EXPECT_EQ(static_cast<int>(options.keep), static_cast<int>(Keep::last));
  EXPECT_EQ(options.metric, "mcc");
  EXPECT_EQ(options.checkpoint_every, 12);
}

TEST(TrainOptionTable, DefaultsAreThoseOfTheTables) {
  const Json json = describe(make_train_options({}));
  EXPECT_EQ(json.at("optimizer").text(), "adamw");
  EXPECT_EQ(json.at("beta1").get<double>(), 0.9);
  EXPECT_EQ(json.at("beta2").get<double>(), 0.999);
  EXPECT_EQ(json.at("epsilon").get<double>(), 1e-8);
  EXPECT_EQ(json.at("weight_decay").get<double>(), 0.01);
  EXPECT_FALSE(json.contains("momentum"));
  EXPECT_FALSE(json.contains("power"));
  const Json other =
      describe(make_train_options({{"optimizer", "sgd"}, {"schedule", "polynomial"}}));
  EXPECT_EQ(other.at("momentum").get<double>(), 0);
  EXPECT_EQ(other.at("power").get<double>(), 1);
  EXPECT_FALSE(other.contains("beta1"));
  // What a description does not name was at its default.
  EXPECT_EQ(default_description("momentum").get<double>(), 0);
  EXPECT_EQ(default_description("lr_end").get<double>(), 1e-7);
  EXPECT_TRUE(default_description("patience").is_null());
}

TEST(TrainOptionTable, AnOptionOfAnotherMemberIsRefused) {
  const auto refuse = [](const Options& given, const char* message, const char* hint) {
    EXPECT_ERROR(make_train_options(given), ErrorCode::invalid_argument, message, hint);
  };
  refuse({{"momentum", 0.9}}, "momentum changes nothing: the optimizer is adamw",
         "set optimizer=sgd");
  refuse({{"optimizer", "sgd"}, {"beta1", 0.8}}, "beta1 changes nothing: the optimizer is sgd",
         "set optimizer=adamw");
  refuse({{"power", 2.0}}, "power changes nothing: the schedule is linear",
         "set schedule=polynomial");
  refuse({{"schedule", "cosine"}, {"cycles", std::int64_t{4}}},
         "cycles changes nothing: the schedule is cosine", "set schedule=cosine_with_restarts");
  refuse({{"beta1", 1.0}}, "beta1", "");
  refuse({{"epochs", 1.0}, {"steps", std::int64_t{3}}}, "both given", "one of them");
  // A program that sets the struct gets the same answer.
  TrainOptions options;
  options.optimizer_options.set("momentum", 0.5);
  EXPECT_ERROR(optimizer_options(options), ErrorCode::invalid_argument,
               "optimizer adamw: unknown key 'momentum'");
  options.optimizer = "adam";
  EXPECT_ERROR(optimizer_options(options), ErrorCode::invalid_argument, "unknown optimizer 'adam'",
               "adamw");
}

// Whether a step of the op gives other numbers with these attributes.
bool changes_a_step(const Op& op, const Options& attributes) {
  for (const OpSample& sample : op.samples()) {
    std::vector<const Tensor*> inputs;
    for (const Tensor& tensor : sample.inputs) inputs.push_back(tensor.empty() ? nullptr : &tensor);
    Options other = sample.attributes;
    for (const auto& [name, value] : attributes.values()) other.set(name, value);
    const auto a =
        evaluate_reference(op, inputs, complete_options(op.options, sample.attributes, ""));
    const auto b = evaluate_reference(op, inputs, complete_options(op.options, other, ""));
    for (std::size_t i = 0; i < a.size(); ++i)
      if (std::memcmp(a[i].data(), b[i].data(), a[i].bytes()) != 0) return true;
  }
  return false;
}

TEST(Optimizers, OptionsAreAttributesOfTheUpdateThatDoSomething) {
  for (const Optimizer& optimizer : optimizer_table()) {
    SCOPED_TRACE(optimizer.name);
    const Op& update = find_op(optimizer.update);
    // p and the states are overwritten; g, clip, schedule and step are read.
    EXPECT_EQ(update.in_place.size() + 4, update.input_names.size());
    for (const OptionSpec& spec : optimizer.options) {
      SCOPED_TRACE(spec.name);
      const OptionSpec& attribute = find_option(update.options, spec.name, optimizer.update);
      EXPECT_GE(spec.minimum, attribute.minimum);
      EXPECT_LE(spec.maximum, attribute.maximum);
      const bool is_switch = spec.type == OptionType::boolean;
      EXPECT_TRUE(
          changes_a_step(update, {{spec.name, is_switch ? OptionValue(true) : OptionValue(0.37)}}));
    }
    for (const OptionSpec& attribute : update.options)
      if (attribute.name != "keep_sign")
        EXPECT_NO_THROW(find_option(optimizer.options, attribute.name, optimizer.name));
  }
}

TEST(Optimizers, NesterovNeedsAMomentum) {
  EXPECT_ERROR(make_train_options({{"optimizer", std::string("sgd")}, {"nesterov", true}}),
               ErrorCode::invalid_argument, "nesterov changes nothing");
  EXPECT_NO_THROW(make_train_options(
      {{"optimizer", std::string("sgd")}, {"nesterov", true}, {"momentum", 0.9}}));
}

TEST(TrainOptionTable, SettingsOfARunAreTheTableAndAFewMore) {
  std::set<std::string> names;
  for (const OptionSpec& spec : train_settings()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_FALSE(spec.help.empty()) << spec.name;
  }
  for (const TrainOption& row : train_options())
    if (!row.spec.name.empty()) EXPECT_EQ(names.count(row.spec.name), 1u) << row.spec.name;
  for (const Optimizer& optimizer : optimizer_table())
    for (const OptionSpec& spec : optimizer.options) EXPECT_EQ(names.count(spec.name), 1u);
  for (const Schedule& schedule : schedule_table())
    for (const OptionSpec& spec : schedule.options) EXPECT_EQ(names.count(spec.name), 1u);
  for (const std::string& flag : train_flags()) EXPECT_EQ(names.count(flag), 1u) << flag;
}

}  // namespace
}  // namespace hone_test
