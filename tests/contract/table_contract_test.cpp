// What holds for every table: names are given once, options can be what they default to.
#include <set>

#include <gtest/gtest.h>

#include "hone/backend/kernel.hpp"
#include "hone/data/dataset.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/sparsity/pruner.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/optimizers/optimizer.hpp"
#include "hone/train/schedules/schedule.hpp"

namespace hone_test {
namespace {

using namespace hone;

// Every member of every table, as "table/name".
std::vector<std::pair<std::string, const Described*>> all_members() {
  std::vector<std::pair<std::string, const Described*>> list;
  const auto add = [&](const std::string& table, const auto& members) {
    for (const auto& member : members) list.emplace_back(table, &member);
  };
  add("op", op_table());
  add("kernel", cpu_kernel_table());
  add("pass", pass_table());
  add("dataset", dataset_table());
  add("architecture", architecture_table());
  add("pruner", pruner_table());
  add("recipe", recipe_table());
  add("stage", stage_table());
  add("task", task_table());
  add("optimizer", optimizer_table());
  add("schedule", schedule_table());
  return list;
}

TEST(Tables, NamesAreGivenOnceAndDescribed) {
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& [table, member] : all_members()) {
    EXPECT_TRUE(names.emplace(table, member->name).second)
        << table << " " << member->name << " is there twice";
    EXPECT_FALSE(member->name.empty());
    EXPECT_FALSE(member->summary.empty()) << table << " " << member->name;
    EXPECT_NE(member->summary.back(), '.') << "summaries are no sentences: " << member->summary;
  }
  EXPECT_GT(names.size(), 80u);
}

TEST(Tables, OptionsAreNamedOnceAndDefaultsAreAllowed) {
  for (const auto& [table, member] : all_members()) {
    std::set<std::string> names;
    for (const OptionSpec& spec : member->options) {
      SCOPED_TRACE(table + " " + member->name + ": option " + spec.name);
      EXPECT_TRUE(names.insert(spec.name).second);
      EXPECT_FALSE(spec.help.empty());
      EXPECT_LE(spec.minimum, spec.maximum);
      if (!spec.default_value) continue;
      OptionValue value;
      EXPECT_NO_THROW(value = check_option(spec, *spec.default_value, "default"));
      EXPECT_EQ(value, *spec.default_value) << "the default has another type";
      // What a default prints as reads back as it.
      EXPECT_EQ(parse_option(spec, to_string(value), "default"), value);
    }
  }
}

TEST(Tables, EveryKernelComputesAKnownOp) {
  for (const Kernel& kernel : cpu_kernel_table())
    EXPECT_NO_THROW(find_op(kernel.op)) << kernel.name;
}

}  // namespace
}  // namespace hone_test
