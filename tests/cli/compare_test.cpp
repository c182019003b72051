// hone compare: error by layer, accuracy of both, one clear error for what cannot be compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<std::string> few_tests{"--data", "reviews", "--set", "data.test_samples=40"};

Outcome compare(const ScratchDirectory& scratch, std::vector<std::string> words,
                const std::vector<std::string>& data = few_tests) {
  words.insert(words.begin(), "compare");
  words.insert(words.end(), data.begin(), data.end());
  return run_hone(scratch, words);
}

TEST(Compare, LargestErrorFirst) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("a", {"--steps", "30", "--lr", "5e-4"})).code, 0);
  ASSERT_EQ(run_hone(scratch, {"quantize", "a", "--format", "affine", "--set", "width=4", "--nodes",
                               "linear,embedding", "--out", "b"})
                .code,
            0);
  const Outcome outcome = compare(scratch, {"a", "b", "--samples", "16", "--json", "c.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto result = json_of(scratch, "c.json");
  EXPECT_EQ(result.at("samples"), 16);
  double before = -1e300;
  std::size_t with_format = 0;
  for (const auto& node : result.at("nodes")) {
    const auto& output = node.at("output");
    const double sqnr = output.at("exact").get<bool>() ? 1e300 : output.at("sqnr").get<double>();
    EXPECT_GE(sqnr, before) << node.at("node");
    before = sqnr;
    if (!node.contains("format")) continue;
    ++with_format;
    // Four bits of weights by channel: the error is there, and bounded.
    EXPECT_GT(node.at("weights").at("sqnr").get<double>(), 8) << node.at("node");
    EXPECT_LT(node.at("weights").at("sqnr").get<double>(), 40) << node.at("node");
    EXPECT_LE(node.at("weights").at("cosine").get<double>(), 1);
  }
  EXPECT_EQ(with_format, 8u + 3u);
  EXPECT_EQ(result.at("models")[1].at("samples"), 40);
  EXPECT_LT(result.at("models")[1].at("bytes").get<double>(),
            result.at("models")[0].at("bytes").get<double>() / 4);
  // The accuracies are those of hone eval.
  std::vector<std::string> eval{"eval", "b", "--json", "e.json"};
  eval.insert(eval.end(), few_tests.begin(), few_tests.end());
  ASSERT_EQ(run_hone(scratch, eval).code, 0);
  EXPECT_EQ(json_of(scratch, "e.json").at("accuracy"), result.at("models")[1].at("accuracy"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("layer0.wide"), HasSubstr("affine width=4"),
                                 HasSubstr("McNemar's test")));
  // A model and itself.
  const Outcome same = compare(scratch, {"a", "a", "--json", "s.json"});
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("p = 1.0000: no difference detected"));
  const auto exact = json_of(scratch, "s.json");
  for (const auto& node : exact.at("nodes")) EXPECT_TRUE(node.at("output").at("exact").get<bool>());
}

TEST(Compare, RefusesWhatCannotBeCompared) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("a", {"--steps", "1"})).code, 0);
  ASSERT_EQ(
      run_hone(scratch, train_words("wide", {"--steps", "1", "--set", "intermediate_size=96"}))
          .code,
      0);
  const Outcome wide = compare(scratch, {"a", "wide"});
  EXPECT_EQ(wide.code, 1);
  EXPECT_THAT(wide.err, AllOf(HasSubstr("a and wide are not of the same architecture"),
                              HasSubstr("[64,32] and [96,32]")));
  const Outcome no_data = run_hone(scratch, {"compare", "a", "a"});
  EXPECT_EQ(no_data.code, 2);
  EXPECT_THAT(no_data.err, HasSubstr("--data is missing"));
  EXPECT_THAT(run_hone(scratch, {"compare", "a"}).err, HasSubstr("B is missing"));
  EXPECT_THAT(compare(scratch, {"a", "nowhere"}).err, HasSubstr("nowhere"));
  scratch.write("one.csv", "text,label\ngood,positive\nfine,positive\n");
  EXPECT_EQ(compare(scratch, {"a", "a"}, {"--data", "csv:one.csv"}).code, 0);
  scratch.write("one.csv", "text,label\ngood,odd\n");
  const Outcome one = compare(scratch, {"a", "a"}, {"--data", "csv:one.csv"});
  EXPECT_EQ(one.code, 1);
  EXPECT_THAT(one.err, HasSubstr("one.csv: line 2: column 'label': a has no class 'odd'"));
  EXPECT_THAT(compare(scratch, {"a", "a", "--samples", "0"}).err, HasSubstr("--samples"));
}

}  // namespace
}  // namespace hone_test
