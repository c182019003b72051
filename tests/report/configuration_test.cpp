#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

using testing::HasSubstr;

// A long configuration is cut on a terminal, but never what somebody chose.
TEST(Configuration, WhatIsNotAtItsDefaultComesFirst) {
  Json config = Json::object();
  for (int i = 0; i < 40; ++i) config[fmt::format("a{:02}", i)] = i;
  config["zeta"] = 0.125;
  config["zone"] = Json{{"inner", 7}};
  const std::vector<Json> lines{{{"event", "run"},
                                 {"config", config},
                                 {"changed", Json::array({"zeta", "zone.inner", "a39"})}}};
  const std::vector<RunSummary> runs{summarize(lines, "record.jsonl")};
  for (const std::size_t most : {std::size_t{1}, std::size_t{5}}) {
    const std::string text = render_terminal(runs, {.most_rows = most});
    EXPECT_THAT(text, HasSubstr("0.125"));
    for (const char* changed : {"zeta", "zone.inner", "a39"})
      EXPECT_LT(text.find(changed), text.find("a00")) << changed;
    EXPECT_NE(text.find("a20"), std::string::npos) << "the table is never cut";
  }
  const std::vector<Json> wrong{{{"event", "run"}, {"changed", Json::array({3})}}};
  EXPECT_THROW(summarize(wrong, "record.jsonl"), Error);
}

}  // namespace
}  // namespace hone
