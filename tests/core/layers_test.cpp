// The layer rule: a folder of src/hone includes only folders of smaller rank, or itself.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

namespace hone_test {
namespace {

const std::map<std::string, int>& ranks() {
  // "hone" are hone.hpp and hone.cpp, the library on one page.
  static const std::map<std::string, int> table{
      {"core", 0},      {"record", 1}, {"numerics", 1}, {"data", 1},   {"sparsity", 1},
      {"graph", 2},     {"ops", 3},    {"model", 4},    {"passes", 5}, {"backend", 5},
      {"frontends", 6}, {"plan", 6},   {"run", 7},      {"tasks", 8},  {"train", 9},
      {"search", 9},    {"report", 9}, {"recipes", 10}, {"hone", 11},  {"cli", 12}};
  return table;
}

std::string first_part(const std::string& path) { return path.substr(0, path.find_first_of("/.")); }

// Why a file in `from` (relative to src/hone) may not include `to`; empty: it may.
std::string refuse(const std::string& from, const std::string& to) {
  const std::string own = first_part(from);
  const std::string other = first_part(to);
  if (ranks().count(own) == 0) return "the folder '" + own + "' has no rank";
  if (ranks().count(other) == 0) return "the folder '" + other + "' has no rank";
  if (own == other) {
    const bool cpu = from.rfind("backend/cpu/", 0) == 0;
    const bool cuda = from.rfind("backend/cuda/", 0) == 0;
    if ((cpu && to.rfind("backend/cuda/", 0) == 0) || (cuda && to.rfind("backend/cpu/", 0) == 0))
      return "backend/cpu and backend/cuda never meet";
    return "";
  }
  return ranks().at(other) < ranks().at(own)
             ? ""
             : "rank " + std::to_string(ranks().at(own)) + " may not include rank " +
                   std::to_string(ranks().at(other));
}

TEST(Layers, TheRuleItself) {
  EXPECT_EQ(refuse("train/loop.cpp", "run/executor.hpp"), "");
  EXPECT_EQ(refuse("frontends/zoo/bert.cpp", "frontends/model.hpp"), "");
  EXPECT_EQ(refuse("backend/cpu/nn/gelu.cpp", "backend/kernel.hpp"), "");
  EXPECT_NE(refuse("run/executor.cpp", "train/loop.hpp"), "");
  EXPECT_NE(refuse("passes/fuse.cpp", "backend/kernel.hpp"), "");
  EXPECT_NE(refuse("backend/cpu/a.cpp", "backend/cuda/b.hpp"), "");
  EXPECT_NE(refuse("strange/a.cpp", "core/error.hpp"), "");
}

TEST(Layers, EveryIncludeFollowsTheRule) {
  const std::filesystem::path root = std::filesystem::path(HONE_SOURCE_DIR) / "src" / "hone";
  const std::regex include(
      R"re(^\s*#\s*(?:include|define HWY_TARGET_INCLUDE)\s*["<]hone/([^">]+)[">])re");
  int files = 0;
  int includes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".cpp" && extension != ".hpp" && extension != ".cu") continue;
    ++files;
    const std::string from = std::filesystem::relative(entry.path(), root).string();
    std::ifstream file(entry.path());
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      ++includes;
      EXPECT_EQ(refuse(from, match[1]), "") << from << ":" << number << ": " << line;
      EXPECT_TRUE(std::filesystem::exists(root / match[1].str()))
          << from << ":" << number << ": " << line;
    }
  }
  EXPECT_GT(files, 100);
  EXPECT_GT(includes, 200);
}

}  // namespace
}  // namespace hone_test
