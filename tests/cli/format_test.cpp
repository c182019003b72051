// hone format: lists, shows and applies number formats; whole manifests of test vectors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "hone/core/json.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/format.hpp"
#include "support/shared_data.hpp"

namespace hone_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

hone::Tensor numbers(hone::Shape shape, std::initializer_list<float> values) {
  return hone::Tensor::from<float>(hone::DType::f32, std::move(shape),
                                   std::span(values.begin(), values.size()));
}

TEST(FormatCommand, ListsAndShowsEveryFormat) {
  const ScratchDirectory scratch;
  const Outcome list = run_hone(scratch, {"format", "list", "--json", "l.json"});
  ASSERT_EQ(list.code, 0) << list.err;
  EXPECT_EQ(json_of(scratch, "l.json").at("formats").size(), hone::format_table().size());
  for (const char* format : {"integer", "mxfp", "ternary"}) {
    EXPECT_THAT(list.out, HasSubstr(format));
    const Outcome show = run_hone(scratch, {"format", "show", format});
    EXPECT_EQ(show.code, 0) << show.err;
    EXPECT_THAT(show.out, AllOf(HasSubstr("bits a number"), HasSubstr("rules")));
  }
  const Outcome show = run_hone(scratch, {"format", "show", "mxfp", "--set", "exponent_width=2",
                                          "--set", "frac_width=1", "--json", "s.json"});
  ASSERT_EQ(show.code, 0) << show.err;
  const auto json = json_of(scratch, "s.json");
  EXPECT_EQ(json.at("values"), hone::Json({0, 0.5, 1, 1.5, 2, 3, 4, 6}));
  EXPECT_EQ(json.at("largest"), 6);
  EXPECT_EQ(json.at("smallest"), 0.5);
}

TEST(FormatCommand, AppliesAFormatToTheFloatTensors) {
  const ScratchDirectory scratch;
  hone::TensorStore tensors;
  tensors.set("a", numbers({2, 2}, {0.3f, -0.3f, 5.0f, -9.0f}));
  hone::Tensor ids(hone::DType::i32, {2});
  ids.as<std::int32_t>()[1] = 7;
  tensors.set("ids", ids);
  hone::write_safetensors(scratch.path() / "x.safetensors", tensors);
  const Outcome outcome =
      run_hone(scratch, {"format", "apply", "integer", "--set", "width=4", "--set", "frac_width=1",
                         "--in", "x.safetensors", "--out", "y.safetensors", "--json", "r.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto y = hone::read_safetensors(scratch.path() / "y.safetensors");
  EXPECT_THAT(y.at("a").span<float>(), testing::ElementsAre(0.5f, -0.5f, 3.5f, -4.0f));
  EXPECT_EQ(y.at("ids").as<std::int32_t>()[1], 7);
  const auto json = json_of(scratch, "r.json");
  EXPECT_EQ(json.at("tensors"), 1);
  EXPECT_EQ(json.at("largest_error"), 5);
  EXPECT_THAT(outcome.out, HasSubstr("kept as they are, no real numbers: ids (i32)"));
  const Outcome positive =
      run_hone(scratch, {"format", "apply", "integer", "--set", "is_signed=false", "--in",
                         "x.safetensors", "--out", "z.safetensors"});
  EXPECT_THAT(positive.out, HasSubstr("2 of the numbers are negative"));
  EXPECT_THAT(run_hone(scratch, {"format", "apply", "integer", "--in", "x.safetensors", "--out",
                                 "./x.safetensors"})
                  .err,
              HasSubstr("./x.safetensors: the same file as --in"));
}

TEST(FormatCommand, RunsAManifest) {
  const ScratchDirectory scratch;
  hone::TensorStore tensors;
  tensors.set("x", numbers({3}, {1.0f, 0.0f, -0.26f}));
  hone::write_safetensors(scratch.path() / "inputs.safetensors", tensors);
  scratch.write("m.json", R"({"cases": [
    {"id": "a", "format": "integer_floor", "params": {"width": 4, "frac_width": null},
     "input": "x", "output": "y0"},
    {"id": "b", "format": "unknown_format", "params": {}, "input": "x", "output": "y1"}]})");
  const Outcome outcome = run_hone(scratch, {"format", "apply", "--manifest", "m.json", "--out",
                                             "y.safetensors", "--json", "r.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("1 of 2 cases"), HasSubstr("1 cases of unknown_format")));
  const auto y = hone::read_safetensors(scratch.path() / "y.safetensors");
  EXPECT_THAT(y.at("y0").span<float>(), testing::ElementsAre(1.0f, 0.0f, -0.5f));
  EXPECT_FALSE(y.contains("y1"));
  EXPECT_EQ(json_of(scratch, "r.json").at("skipped").at("unknown_format"), 1);

  scratch.write("bad.json", R"({"cases": [{"id": "a", "format": "log", "params": {"width": 99},
    "input": "x", "output": "y"}]})");
  const Outcome bad =
      run_hone(scratch, {"format", "apply", "--manifest", "bad.json", "--out", "y.safetensors"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out, HasSubstr("width"));
}

TEST(FormatCommand, SaysWhatIsWrong) {
  const ScratchDirectory scratch;
  const auto expect_usage = [&](std::vector<std::string> words, const std::string& part) {
    words.insert(words.begin(), "format");
    const Outcome outcome = run_hone(scratch, words);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr(part));
  };
  expect_usage({"shwo"}, "show");
  expect_usage({"show"}, "FORMAT is missing");
  expect_usage({"show", "integr"}, "integer");
  expect_usage({"show", "integer", "--set", "widht=3"}, "width");
  expect_usage({"show", "integer", "--set", "width=70"}, "1 to 64");
  expect_usage({"show", "integer", "--set", "width=40"}, "the most under rule exact");
  expect_usage({"show", "integer", "--rule", "microxcaling"}, "no rule");
  expect_usage({"show", "block_fp", "--set", "skip_first_dim=true"}, "changes nothing");
  expect_usage({"apply", "integer", "--in", "x.safetensors"}, "--out is missing");
  expect_usage({"apply", "integer", "--out", "x.safetensors"}, "--in is missing");
  expect_usage({"apply", "integer", "--manifest", "m.json", "--out", "y"}, "change nothing");
  expect_usage({"list", "--rule", "mase"}, "changes nothing");
  expect_usage({"list", "integer"}, "takes no FORMAT");
  expect_usage({"docs", "--set", "width=3"}, "--set changes nothing");
}

// The committed page is the one that the table makes.
TEST(FormatCommand, ReferencePageIsUpToDate) {
  const ScratchDirectory scratch;
  const Outcome outcome = run_hone(scratch, {"format", "docs"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, hone::read_file(std::string(HONE_SOURCE_DIR) + "/docs/formats.md"))
      << "run: build/release/hone format docs > docs/formats.md";
}

}  // namespace
}  // namespace hone_test
