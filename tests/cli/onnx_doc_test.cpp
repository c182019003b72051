// docs/onnx.md lists what the program has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/text.hpp"

namespace hone_test {
namespace {

TEST(OnnxDoc, ListsTheOpsThatThereAre) {
  const ScratchDirectory scratch;
  const Outcome listed = run_hone(scratch, {"list", "onnx-ops", "--json", "-"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  std::string table = "| op | operator sets | |\n| --- | --- | --- |\n";
  const hone::Json all = hone::parse_json(listed.out, "list");
  for (const hone::Json& op : all.at("onnx-ops")) {
    const std::string& summary = op.at("summary").text();
    const std::size_t colon = summary.find(": ");
    table += "| " + op.at("name").text() + " | " + summary.substr(0, colon) + " | " +
             summary.substr(colon + 2) + " |\n";
  }
  const std::string page = hone::read_file(std::string(HONE_SOURCE_DIR) + "/docs/onnx.md");
  EXPECT_NE(page.find(table), std::string::npos) << "docs/onnx.md should end with this table:\n"
                                                 << table;
}

}  // namespace
}  // namespace hone_test
