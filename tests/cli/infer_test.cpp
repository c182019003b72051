// hone import and hone infer, as programs.
#include <limits>

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

// What a mask is made of.
TEST(Infer, ImportedModelsMayHoldInfinities) {
  const ScratchDirectory scratch;
  OnnxWriter w;
  w.input("x", {"n", "2"}).output("y", {"n", "2"});
  w.floats("low", {1, 2}, {-std::numeric_limits<float>::infinity(), 0.25F});
  w.node("Max", {"x", "low"}, {"y"});
  w.write(scratch.path() / "m.onnx");
  TensorStore inputs;
  Tensor x(DType::f32, {1, 2});
  x.as<float>()[0] = -3;
  inputs.set("x", x);
  hone::write_arrays(scratch.path() / "in.npz", inputs);
  ASSERT_EQ(run_hone(scratch, {"import", "m.onnx", "--out", "model"}).code, 0);
  const Outcome done = run_hone(scratch, {"infer", "model", "--in", "in.npz", "--out", "out.npz"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto y = hone::read_arrays(scratch.path() / "out.npz").at("y");
  EXPECT_EQ(y.as<float>()[0], -3);
  EXPECT_EQ(y.as<float>()[1], 0.25F);
}

// An imported model is a model like any other: its products with weights are layers.
TEST(Infer, ImportedModelsAreQuantizedPrunedAndWrittenAgain) {
  const ScratchDirectory scratch;
  OnnxWriter w;
  w.input("x", {"batch", "3", "2"}).output("y", {"batch", "3", "2"});
  w.floats("w", {2, 4}, {0.1F, 0.2F, -0.3F, 0.4F, 0.7F, 0.01F, 0.3F, -0.9F});
  w.floats("v", {4, 2}, {0.5F, -0.6F, 0.7F, 0.8F, 0.1F, 0.2F, 0.3F, -0.4F});
  w.node("MatMul", {"x", "w"}, {"h"});
  w.node("Relu", {"h"}, {"r"});
  w.node("MatMul", {"r", "v"}, {"y"});
  w.write(scratch.path() / "m.onnx");
  TensorStore inputs;
  Tensor x(DType::f32, {5, 3, 2});
  for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = 0.1F * static_cast<float>(i % 13);
  inputs.set("x", x);
  hone::write_arrays(scratch.path() / "in.npz", inputs);
  const auto infer = [&](const char* model) {
    const Outcome done = run_hone(scratch, {"infer", model, "--in", "in.npz", "--out", "out.npz"});
    EXPECT_EQ(done.code, 0) << done.err;
    const TensorStore results = hone::read_arrays(scratch.path() / "out.npz");
    const auto y = results.at("y").span<float>();
    return std::vector<float>(y.begin(), y.end());
  };
  const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b, float by) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], by);
  };
  const auto run = [&](const std::vector<std::string>& words) {
    const Outcome done = run_hone(scratch, words);
    EXPECT_EQ(done.code, 0) << done.err;
  };
  const std::vector<float> plain = infer("m.onnx");
  run({"import", "m.onnx", "--out", "model"});
  run({"quantize", "model", "--format", "affine", "--calibrate", "in.npz", "--out", "int8"});
  const std::vector<float> rounded = infer("int8");
  expect_near(rounded, plain, 0.02F);
  EXPECT_NE(rounded, plain);
  run({"export", "int8", "-o", "int8.onnx", "--qdq"});
  expect_near(infer("int8.onnx"), rounded, 0.01F);
  run({"prune", "model", "--sparsity", "0.5", "--out", "half"});
  const std::vector<float> half = infer("half");
  EXPECT_NE(half, plain);
  run({"export", "half", "-o", "half.onnx"});
  expect_near(infer("half.onnx"), half, 1e-5F);
  const Outcome missing = run_hone(scratch, {"export", "half", "-o", "half.txt"});
  EXPECT_NE(missing.code, 0);
  EXPECT_THAT(missing.err, HasSubstr(".onnx"));
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

TEST(Infer, WhatIsReadIsNotOverwritten) {
  const ScratchDirectory scratch;
  write_model(scratch, "m.onnx");
  write_input(scratch, "in.npz");
  const std::string model = hone::read_file(scratch.path() / "m.onnx");
  const std::string input = hone::read_file(scratch.path() / "in.npz");
  const Outcome one = run_hone(scratch, {"infer", "m.onnx", "--in", "in.npz", "--out", "./in.npz"});
  EXPECT_EQ(one.code, 2);
  EXPECT_THAT(one.err, HasSubstr("the same file as --in"));
  scratch.write("jobs.jsonl", R"({"model": "m.onnx", "in": "in.npz", "out": "./in.npz"})");
  const Outcome batch = run_hone(scratch, {"infer", "--batch", "jobs.jsonl"});
  EXPECT_EQ(batch.code, 0) << batch.err;
  EXPECT_THAT(batch.out, HasSubstr("the same file as the inputs"));
  const Outcome written = run_hone(scratch, {"export", "m.onnx", "-o", "./m.onnx"});
  EXPECT_EQ(written.code, 2);
  EXPECT_THAT(written.err, HasSubstr("is the model that is read"));
  EXPECT_EQ(hone::read_file(scratch.path() / "m.onnx"), model);
  EXPECT_EQ(hone::read_file(scratch.path() / "in.npz"), input);
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
