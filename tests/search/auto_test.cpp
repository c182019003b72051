#include <gtest/gtest.h>

#include "search/sampling.hpp"

namespace hone {
namespace {

using namespace hone_test;

struct Case {
  Space space;
  std::size_t objectives;
  std::int64_t budget;
  std::string picked;
};

TEST(Auto, PicksBySpaceAndBudgetAndSaysWhy) {
  const auto reals = [](int count) {
    std::vector<Dimension> made;
    for (int i = 0; i < count; ++i) made.push_back(real("x" + std::to_string(i), 0, 1));
    return Space(std::move(made));
  };
  const auto choices = [](int count) {
    std::vector<Dimension> made;
    for (int i = 0; i < count; ++i) made.push_back(choice("c" + std::to_string(i), {0, 1, 2}));
    return Space(std::move(made));
  };
  const Space conditional({choice("c", {0, 1}), when(real("x", 0, 1), "c", {1})});
  const std::vector<Case> cases{{choices(3), 1, 27, "grid"},  {choices(3), 1, 26, "tpe"},
                                {choices(52), 1, 100, "tpe"}, {reals(4), 1, 50, "gp"},
                                {reals(4), 1, 500, "tpe"},    {reals(40), 1, 50, "tpe"},
                                {reals(4), 2, 50, "gp"},      {reals(4), 2, 5000, "nsga2"},
                                {conditional, 1, 50, "tpe"},  {reals(4), 1, 0, "tpe"}};
  for (const Case& one : cases) {
    MemoryStudy study{one.space, std::vector<Direction>(one.objectives, Direction::minimize)};
    study.budget = one.budget;
    const Sample sample = study.next(*make_sampling("auto"));
    EXPECT_EQ(sample.why.substr(0, sample.why.find(':')), one.picked) << sample.why;
    EXPECT_EQ(sample.values, study.next(*make_sampling(one.picked)).values);
  }
}

}  // namespace
}  // namespace hone
