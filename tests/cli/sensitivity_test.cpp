// hone sensitivity: every node alone, the worst first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"

#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using testing::HasSubstr;

TEST(Sensitivity, EveryNodeAloneWorstFirst) {
  const ScratchDirectory scratch;
  ASSERT_EQ(run_hone(scratch, train_words("m", {"--steps", "60", "--lr", "1e-3"})).code, 0);
  const Outcome outcome = run_hone(
      scratch, {"sensitivity", "m", "--format", "integer", "--set", "width=5", "--data", "reviews",
                "--split", "test", "--set", "data.test_samples=60", "--json", "s.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto result = json_of(scratch, "s.json");
  const auto& nodes = result.at("nodes");
  ASSERT_EQ(nodes.size(), 8u);  // six linear layers of the encoder, pooler, logits
  std::int64_t saved = 0;
  const auto bytes = [](const hone::Json& row) { return row.at("bytes").get<std::int64_t>(); };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    saved += bytes(result.at("float")) - bytes(nodes[i]);
    if (i > 0) {
      EXPECT_LE(nodes[i - 1].at("accuracy").get<double>(), nodes[i].at("accuracy").get<double>());
    }
  }
  // What each node saves is what all of them save.
  EXPECT_EQ(saved, bytes(result.at("float")) - bytes(result.at("all")));
  EXPECT_THAT(outcome.out, HasSubstr("all of these nodes"));
  EXPECT_THAT(outcome.out, HasSubstr("float32"));
  // The same by hand.
  const std::string name = nodes[0].at("node").text();
  ASSERT_EQ(run_hone(scratch, {"quantize", "m", "--format", "integer", "--set", "width=5",
                               "--nodes", name, "--out", "one"})
                .code,
            0);
  ASSERT_EQ(run_hone(scratch, {"eval", "one", "--data", "reviews", "--set", "data.test_samples=60",
                               "--json", "e.json"})
                .code,
            0);
  const auto one = json_of(scratch, "e.json");
  EXPECT_EQ(one.at("accuracy"), nodes[0].at("accuracy"));
  EXPECT_NEAR(one.at("loss").get<double>(), nodes[0].at("loss").get<double>(), 1e-6);
  // Without --split: the validation part of train.
  const Outcome validation =
      run_hone(scratch, {"sensitivity", "m", "--format", "affine", "--nodes", "layer0.q,pooler",
                         "--data", "reviews", "--set", "data.samples=240", "--json", "v.json"});
  ASSERT_EQ(validation.code, 0) << validation.err;
  const auto shown = json_of(scratch, "v.json");
  EXPECT_EQ(shown.at("split"), "validation");
  EXPECT_EQ(shown.at("nodes").size(), 2u);
  EXPECT_EQ(shown.at("float").at("samples"), 24);

  const auto error_of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"sensitivity"});
    words.insert(words.end(), {"--data", "reviews"});
    const Outcome failed = run_hone(scratch, words);
    EXPECT_NE(failed.code, 0);
    return failed.err;
  };
  EXPECT_THAT(error_of({"one", "--format", "integer"}), HasSubstr("one: is quantized already"));
  EXPECT_THAT(error_of({"m"}), HasSubstr("--format is missing"));
  EXPECT_THAT(error_of({"m", "--format", "integer", "--set", "data.test_samples=9"}),
              HasSubstr("data.test_samples changes nothing on the split validation"));
  EXPECT_THAT(error_of({"m", "--format", "binary", "--set", "stochastic=true"}),
              HasSubstr("changes nothing without training"));
  EXPECT_THAT(error_of({"m", "--format", "integr"}), HasSubstr("'integer'"));
  EXPECT_THAT(error_of({"m", "--format", "integer", "--set", "width=99"}), HasSubstr("width"));
  EXPECT_THAT(error_of({"m", "--format", "integer", "--nodes", "layer9.q"}),
              HasSubstr("'layer9.q' matches no node"));
}

}  // namespace
}  // namespace hone_test
