// The programs of examples/ do what docs/library.md says, and give what the hone program gives.
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Printed {
  int code = -1;
  std::string text;
};

class Examples : public testing::Test {
protected:
  Printed run(const std::string& line) const {
    Printed printed;
    const std::string whole = "cd '" + scratch_.path().string() + "' && " + line + " 2>&1";
    FILE* pipe = ::popen(whole.c_str(), "r");
    std::array<char, 4096> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
      printed.text.append(buffer.data(), count);
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) printed.code = WEXITSTATUS(status);
    return printed;
  }
  static std::string example(const std::string& name) {
    return HONE_EMULATOR " '" HONE_EXAMPLES "/" + name + "' ";
  }
  // A model that was trained by the example: milliseconds a step.
  void train() const {
    const Printed trained =
        run(example("train") +
            "model num_hidden_layers=1 hidden_size=32 intermediate_size=64 data.samples=240 "
            "steps=100 threads=1");
    ASSERT_EQ(trained.code, 0) << trained.text;
    EXPECT_THAT(trained.text, HasSubstr("step 100 of 100: loss "));
    EXPECT_THAT(trained.text, HasSubstr("100 steps, test accuracy "));
    EXPECT_THAT(trained.text, HasSubstr("on 1000 samples"));
  }
  std::string hone(const std::string& words) const {
    const Printed printed = run("'" HONE_PROGRAM "' " + words + " --json out.json");
    EXPECT_EQ(printed.code, 0) << printed.text;
    return hone::read_file(scratch_.path() / "out.json");
  }

  ScratchDirectory scratch_;
};

TEST_F(Examples, GiveWhatTheProgramGives) {
  train();
  const Printed predicted = run(example("predict") + "model 'a great film' 'so dull'");
  ASSERT_EQ(predicted.code, 0) << predicted.text;
  std::string expected;
  const hone::Json program = hone::parse_json(hone("predict model 'a great film' 'so dull'"));
  for (const hone::Json& one : program.at("predictions")) {
    expected += one.at("label").get<std::string>();
    for (const hone::Json& probability : one.at("probabilities"))
      expected += fmt::format(" {:.4f}", probability.get<double>());
    expected += "\n";
  }
  EXPECT_EQ(predicted.text, expected);

  const Printed quantized = run(example("quantize") + "model packed");
  ASSERT_EQ(quantized.code, 0) << quantized.text;
  const hone::Json result = hone::parse_json(
      hone("quantize model --format integer --set width=8 --set frac_width=6 --out other"));
  EXPECT_EQ(quantized.text, fmt::format("{} parameters: {} bytes, before {}\n",
                                        result.at("parameters").get<std::int64_t>(),
                                        result.at("bytes_after").get<std::int64_t>(),
                                        result.at("bytes_before").get<std::int64_t>()));

  const Printed compared = run(example("compare") + "model packed reviews");
  ASSERT_EQ(compared.code, 0) << compared.text;
  const hone::Json test = hone::parse_json(hone("compare model packed --data reviews"));
  EXPECT_THAT(compared.text,
              HasSubstr(fmt::format("p = {:.4f}", test.at("mcnemar").at("p").get<double>())));
  EXPECT_THAT(
      compared.text,
      HasSubstr(fmt::format("model: {:.4f}\n", test.at("models")[0].at("accuracy").get<double>())));
}

// Trains, quantizes, opens, predicts, judges and compares.
TEST_F(Examples, TheWholeInFifteenLines) {
  const Printed printed = run(example("whole") + "both");
  ASSERT_EQ(printed.code, 0) << printed.text;
  EXPECT_THAT(printed.text, testing::MatchesRegex("positive, accuracy 0\\.[89][0-9]* and "
                                                  "0\\.[89][0-9]*, p = [0-9.e-]+\n"));
  EXPECT_LE(
      std::ranges::count(hone::read_file(fs::path(HONE_SOURCE_DIR) / "examples/whole.cpp"), '\n'),
      15);
  EXPECT_EQ(run(example("whole") + "both").code, 1) << "the folder holds a run";
}

TEST_F(Examples, ErrorsAreHones) {
  for (const char* line : {"predict nowhere text", "quantize nowhere out", "compare a b reviews",
                           "train out lr=fast", "train out hidden_sise=3"}) {
    const std::string words = line;
    const std::size_t space = words.find(' ');
    const Printed printed = run(example(words.substr(0, space)) + words.substr(space));
    EXPECT_EQ(printed.code, 1) << line << printed.text;
    EXPECT_THAT(printed.text, testing::StartsWith("error: "));
  }
  EXPECT_EQ(run(example("predict")).code, 2);
  EXPECT_FALSE(fs::exists(scratch_.path() / "out"));
}

// The page shows the programs as they are: after "`examples/NAME.cpp`:" follows its text.
TEST(LibraryPage, ShowsTheExamples) {
  const fs::path source = HONE_SOURCE_DIR;
  const std::string page = hone::read_file(source / "docs/library.md");
  int count = 0;
  for (const auto& entry : fs::directory_iterator(source / "examples")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string name = entry.path().filename().string();
    EXPECT_THAT(page, HasSubstr("`examples/" + name + "`:\n\n```cpp\n" +
                                hone::read_file(entry.path()) + "```\n"))
        << name;
    ++count;
  }
  EXPECT_GE(count, 4);
}

}  // namespace
}  // namespace hone_test
