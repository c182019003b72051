// What a new user types first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"

namespace hone_test {
namespace {

// The words of the first example of `hone COMMAND --help`, without the program's name.
std::vector<std::string> first_example(const ScratchDirectory& scratch,
                                       const std::string& command) {
  const std::string help = run_hone(scratch, {command, "--help"}).out;
  const std::size_t at = help.find("  hone " + command + " ", help.find("\nExample"));
  std::vector<std::string> words;
  for (const std::string& word :
       hone::split(help.substr(at + 2, help.find('\n', at) - at - 2), ' '))
    words.push_back(word);
  words.erase(words.begin());
  return words;
}

// As typed, it learns: on texts that it did not see.
TEST(FirstExample, OfTrainLearns) {
  const ScratchDirectory scratch;
  std::filesystem::create_directories(scratch.path() / "runs");
  const std::vector<std::string> words = first_example(scratch, "train");
  EXPECT_EQ(words, (std::vector<std::string>{"train", "bert-tiny", "--data", "reviews", "--out",
                                             "runs/first"}));
  const Outcome train = run_hone(scratch, words);
  ASSERT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.err,
              testing::HasSubstr("the weights start at random: --lr 0.00025, --epochs 8"));
  const Outcome eval =
      run_hone(scratch, {"eval", "runs/first", "--data", "reviews", "--json", "eval.json"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  const hone::Json result = json_of(scratch, "eval.json");
  EXPECT_EQ(result.at("samples"), 1000);
  // The whole interval.
  EXPECT_GT(result.at("low").get<double>(), 0.95) << result.at("accuracy").dump();
}

}  // namespace
}  // namespace hone_test
