// hone import and hone infer, as programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "frontends/onnx_writer.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/array_files.hpp"

namespace hone_test {
namespace {

using hone::DType;
using hone::Tensor;
using hone::TensorStore;
using testing::ElementsAre;
using testing::HasSubstr;

// y = x w + b of any number of rows, and r = relu(x).
void write_model(const ScratchDirectory& scratch, const std::string& name) {
  OnnxWriter w;
  w.input("x", {"batch", "2"}).output("y", {"batch", "2"}).output("r", {"batch", "2"});
  w.floats("w", {2, 2}, {1, 2, 3, 4});
  w.floats("b", {2}, {10, 20});
  w.node("Gemm", {"x", "w", "b"}, {"y"});
  w.node("Relu", {"x"}, {"r"});
  w.write(scratch.path() / name);
}

void write_input(const ScratchDirectory& scratch, const std::string& name) {
  TensorStore store;
  const std::vector<float> values{1, -1, 2, 0, 0, 1};
  store.set(name.ends_with(".npy") ? "" : "x",
            Tensor::from<float>(DType::f32, {3, 2}, std::span<const float>(values)));
  hone::write_arrays(scratch.path() / name, store);
}

TEST(Infer, ImportedModelsRunOnEveryKindOfFile) {
  const ScratchDirectory scratch;
  write_model(scratch, "m.onnx");
  const Outcome imported = run_hone(scratch, {"import", "m.onnx", "--out", "model"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_THAT(imported.out, HasSubstr("f32[batch,2]"));
  for (const char* kind : {"in.npz", "in.safetensors", "in.npy"}) {
    write_input(scratch, kind);
    for (const char* model : {"model", "m.onnx"})
      for (const char* mode : {"reference", "eager", "compiled"}) {
        const Outcome outcome =
            run_hone(scratch, {"infer", model, "--in", kind, "--out", "out.npz", "--mode", mode});
        ASSERT_EQ(outcome.code, 0) << outcome.err;
        const TensorStore results = hone::read_arrays(scratch.path() / "out.npz");
        EXPECT_THAT(results.names(), testing::UnorderedElementsAre("r", "y"));
        const auto y = results.at("y").span<float>();
        EXPECT_THAT(std::vector<float>(y.begin(), y.end()), ElementsAre(8, 18, 12, 24, 13, 24));
      }
  }
}

TEST(Infer, ARefusalIsOneLineAndLeavesNothing) {
  const ScratchDirectory scratch;
  OnnxWriter w;
  w.input("x", {"2"}).output("y", {"2"});
  w.node("Sigmoyd", {"x"}, {"y"}).set_name("gate");
  w.write(scratch.path() / "m.onnx");
  const Outcome outcome = run_hone(scratch, {"import", "m.onnx", "--out", "model"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("error: m.onnx: node 'gate' (Sigmoyd)"));
  EXPECT_THAT(outcome.err, HasSubstr("\nhint: "));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "model"));
}

TEST(Infer, InputsThatDoNotFitAreNamed) {
  const ScratchDirectory scratch;
  write_model(scratch, "m.onnx");
  TensorStore store;
  store.set("z", Tensor(DType::f32, {3, 2}));
  hone::write_arrays(scratch.path() / "name.npz", store);
  const auto refused = [&](const char* file, const char* what) {
    const Outcome outcome = run_hone(scratch, {"infer", "m.onnx", "--in", file, "--out", "o.npz"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_FALSE(std::filesystem::exists(scratch.path() / "o.npz"));
  };
  refused("name.npz", "the model has no input 'z'");
  store = TensorStore();
  store.set("x", Tensor(DType::f32, {3, 5}));
  hone::write_arrays(scratch.path() / "shape.npz", store);
  refused("shape.npz", "input %x is f32[3,5], the graph wants f32[batch,2]");
  store = TensorStore();
  hone::write_arrays(scratch.path() / "none.npz", store);
  refused("none.npz", "input %x is missing");
  refused("absent.npz", "absent.npz");
}

TEST(Infer, JobsOfABatchAnswerALineEach) {
  const ScratchDirectory scratch;
  write_model(scratch, "m.onnx");
  write_input(scratch, "in.npz");
  scratch.write("jobs.jsonl",
                "{\"model\": \"m.onnx\", \"in\": \"in.npz\", \"out\": \"a.safetensors\"}\n"
                "{\"model\": \"absent.onnx\"}\n"
                "{\"model\": \"m.onnx\"}\n"
                "no json\n"
                "{\"model\": \"m.onnx\", \"in\": \"in.npz\"}\n");
  const Outcome outcome = run_hone(scratch, {"infer", "--batch", "jobs.jsonl"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::vector<std::string> states;
  for (const std::string& line : hone::split(outcome.out, '\n'))
    if (!line.empty()) states.push_back(hone::parse_json(line, "line").at("status").text());
  EXPECT_THAT(states, ElementsAre("ok", "refused", "ok", "refused", "refused"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() / "a.safetensors"));
}

}  // namespace
}  // namespace hone_test
