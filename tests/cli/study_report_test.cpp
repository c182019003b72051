// `hone report` of studies, as a user calls it.
#include <gmock/gmock.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::HasSubstr;

class StudyReports : public testing::Test {
protected:
  // A search of a shell program in its own run folder, as a user has it.
  void search(const std::string& name, int seed) {
    scratch_.write("o.sh", R"(while read -r line; do
x=${line#*\"x\": }; x=${x#*\"x\":}; x=${x%%[,\}]*}
echo "{\"values\": [$x], \"user_attrs\": {\"accuracy_low\": $x, \"accuracy_high\": $x}}"
done
)");
    scratch_.write(name + ".toml", "recipe = 'search'\nsampler = 'random'\ntrials = 8\nname = '" +
                                       name + "'\nseed = " + std::to_string(seed) +
                                       "\nobjectives = ['accuracy']\ndirections = ['maximize']\n"
                                       "objective_command = ['sh', 'o.sh']\n"
                                       "[space]\nx = { low = 1, high = 100 }\nidle = ['a', 'b']\n");
    const Outcome outcome = run_hone(scratch_, {"search", name + ".toml"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }

  ScratchDirectory scratch_;
};

TEST_F(StudyReports, OfAFolderAnAddressAndAFileAreTheSame) {
  search("mine", 1);
  std::vector<std::string> texts;
  for (const char* source :
       {"runs/mine", "sqlite:runs/mine/study.db", "sqlite:runs/mine/study.db#mine",
        "sqlite:///runs/mine/study.db", "runs/mine/study.db", "runs"}) {
    const Outcome outcome = run_hone(scratch_, {"report", source});
    ASSERT_EQ(outcome.code, 0) << source << ": " << outcome.err;
    texts.push_back(outcome.out);
    EXPECT_EQ(texts.back(), texts.front()) << source;
  }
  EXPECT_THAT(texts[0], HasSubstr("8 complete"));
  EXPECT_THAT(texts[0], HasSubstr("Importance"));
  EXPECT_THAT(texts[0], HasSubstr("idle"));
}

TEST_F(StudyReports, OfSeveralStudiesComparesThem) {
  search("first", 1);
  search("second", 2);
  const Outcome outcome =
      run_hone(scratch_, {"report", "runs/first", "runs/second", "--json", "-"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json studies = parse_json(outcome.out, "stdout").at("studies");
  EXPECT_THAT(studies.at("finding").text(), HasSubstr("best of 2 studies: "));
  ASSERT_EQ(studies.at("studies").size(), 2u);
  EXPECT_EQ(studies.at("studies")[0].at("trials").size(), 8u);
  // They differ in their seeds only: one curve.
  ASSERT_EQ(studies.at("curves").size(), 1u);
  EXPECT_EQ(studies.at("curves")[0].at("band"), Json(true));
}

TEST_F(StudyReports, WritesAPageOfRunsAndStudies) {
  search("mine", 1);
  ASSERT_EQ(run_hone(scratch_, train_words("trained", {"--steps", "2"})).code, 0);
  const Outcome outcome = run_hone(scratch_, {"report", "trained", "runs/mine", "-o", "page.html"});
  if (outcome.err.find("without plotly.js") != std::string::npos) GTEST_SKIP() << outcome.err;
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("trained"));
  EXPECT_THAT(outcome.out, HasSubstr("8 complete"));
  const std::string page = read_file((scratch_.path() / "page.html").string());
  EXPECT_THAT(page, HasSubstr("\"curves\":"));
}

TEST_F(StudyReports, OfTheSmallestNumbersIsWritten) {
  scratch_.write("tiny.sh", "while read -r line; do echo '{\"values\": [1e-320]}'; done\n");
  scratch_.write("tiny.toml",
                 "recipe = 'search'\nsampler = 'random'\ntrials = 3\ndirections = ['minimize']\n"
                 "objective_command = ['sh', 'tiny.sh']\n[space]\nx = { low = 1, high = 9 }\n");
  ASSERT_EQ(run_hone(scratch_, {"search", "tiny.toml"}).code, 0);
  const Outcome outcome = run_hone(scratch_, {"report", "runs/tiny", "-o", "page.html"});
  if (outcome.err.find("without plotly.js") != std::string::npos) GTEST_SKIP() << outcome.err;
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(StudyReports, WhatIsNotThereIsNamed) {
  search("mine", 1);
  for (const auto& [source, what] : std::vector<std::pair<std::string, std::string>>{
           {"sqlite:runs/none.db", "none.db"},
           {"sqlite:runs/mine/study.db#other", "other"},
           {"redis://host/db", "redis"},
           {"nothing", "nothing"}}) {
    const Outcome outcome = run_hone(scratch_, {"report", source});
    EXPECT_NE(outcome.code, 0) << source;
    EXPECT_THAT(outcome.err, HasSubstr(what));
  }
  // Reading makes no file.
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() / "runs/none.db"));
}

}  // namespace
}  // namespace hone_test
