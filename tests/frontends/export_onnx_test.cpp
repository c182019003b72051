// What hone writes as ONNX, read by hone again, computes what the graph does.
#include "hone/frontends/onnx/export_onnx.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "frontends/onnx_writer.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/onnx/onnx_builder.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/executor.hpp"
#include "hone/run/forward.hpp"
#include "support/expect_error.hpp"
#include "support/picture_model.hpp"

namespace hone_test {
namespace {

using namespace hone;
using testing::ElementsAre;
using testing::HasSubstr;

using Tensors = std::map<std::string, Tensor>;

Tensors run_reference(const Model& model, const Tensors& inputs) {
  return make_forward(model, Mode::reference).run(inputs);
}

// The largest difference, as a share of 1 + the larger magnitude; NaN stands for NaN.
double largest_difference(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return HUGE_VAL;
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double x = real_at(a, i), y = real_at(b, i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double share = std::abs(x - y) / (1 + std::max(std::abs(x), std::abs(y)));
    worst = std::max(worst, std::isnan(share) ? HUGE_VAL : share);
  }
  return worst;
}

class ExportOnnx : public testing::Test {
protected:
  Model again(const Model& model, const OnnxExport& settings = {}) {
    export_onnx(model, folder / "m.onnx", settings);
    return import_onnx(folder / "m.onnx");
  }
  OnnxFile written(const Model& model, const OnnxExport& settings = {}) {
    export_onnx(model, folder / "m.onnx", settings);
    return read_onnx(folder / "m.onnx");
  }
  TemporaryFolder folder;
};

std::vector<std::string> ops_of(const OnnxFile& file) {
  std::vector<std::string> ops;
  for (const OnnxNode& node : file.graph.nodes) ops.push_back(node.op);
  return ops;
}

// One node over inputs.
Model model_of(const Op& op, const OpSample& sample, Tensors& inputs) {
  Model model;
  model.name = op.name;
  model.task = tensors_task;
  model.graph.name = "one";
  std::vector<ValueId> ids;
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    const Tensor& tensor = sample.inputs[i];
    if (tensor.empty()) {
      ids.push_back(none);
      continue;
    }
    const std::string name = fmt::format("x{}", i);
    ValueType type{tensor.dtype(), {}};
    for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
    ids.push_back(model.graph.input(name, type));
    inputs[name] = tensor;
  }
  const NodeId node = model.graph.append(op.name, ids, sample.attributes);
  const std::vector<ValueId> outputs = model.graph.node(node).outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    model.graph.outputs.emplace_back(fmt::format("y{}", i), outputs[i]);
  return model;
}

// Every op that a file can hold, on the samples that its kernels are compared by, in the oldest and
// the newest operator set that take it.
TEST_F(ExportOnnx, EveryOpComesBackAsItIs) {
  std::set<std::string> without;
  for (const OnnxOpWriter& writer : onnx_writer_table()) {
    const Op& op = find_op(writer.name);
    int compared = 0;
    for (const OpSample& sample : op.samples == nullptr ? std::vector<OpSample>{} : op.samples()) {
      Tensors inputs;
      Model model;
      try {
        model = model_of(op, sample, inputs);
      } catch (const Error&) {
        continue;  // sizes that only references take
      }
      if (op.name == "layer_norm") model.graph.outputs.resize(1);
      if (op.name == "sparsify") model.graph.outputs.resize(1);
      const Tensors expected = run_reference(model, inputs);
      for (const std::int64_t opset : {oldest_exported_opset, newest_exported_opset}) {
        Tensors got;
        try {
          got = run_reference(again(model, {.opset = opset}), inputs);
        } catch (const Error& error) {
          const bool named = error.message().find("node 'y0'") != std::string::npos ||
                             error.message().find("node '" + op.name) != std::string::npos;
          EXPECT_TRUE(error.code() == ErrorCode::unsupported && named)
              << op.name << ", " << sample.name << ", " << opset << ": " << error.message();
          continue;
        }
        ++compared;
        for (const auto& [name, tensor] : expected)
          EXPECT_LE(largest_difference(got.at(name), tensor), 2e-5)
              << op.name << ", " << sample.name << ", " << opset << ", " << name;
      }
    }
    if (compared == 0) without.insert(op.name);
  }
  EXPECT_THAT(without, testing::IsEmpty());
}

Model export_bert(const std::string& name = "bert-tiny") {
  return load_model({.name = name,
                     .settings = {{"hidden_size", "8"},
                                  {"num_attention_heads", "2"},
                                  {"intermediate_size", "16"},
                                  {"max_position_embeddings", "16"},
                                  {"vocab_size", "30"}},
                     .seed = 3});
}

// Three sequences of 5, 1 and 3 tokens, end to end and as a batch filled up by what must not count.
Tensors packed_texts() {
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5, 6, 7, 8, 9}, types{0, 0, 1, 1, 1, 0, 0, 0, 1};
  const std::vector<std::int32_t> places{0, 1, 2, 3, 4, 0, 0, 1, 2}, offsets{0, 5, 6, 9};
  return {{"ids", Tensor::from<std::int32_t>(DType::i32, {9}, ids)},
          {"type_ids", Tensor::from<std::int32_t>(DType::i32, {9}, types)},
          {"positions", Tensor::from<std::int32_t>(DType::i32, {9}, places)},
          {"offsets", Tensor::from<std::int32_t>(DType::i32, {4}, offsets)},
          {"rng", Tensor(DType::u32, {3})}};
}
Tensors dense_texts() {
  const std::vector<std::int64_t> ids{1, 2, 3, 4, 5, 6, 29, 28, 27, 26, 7, 8, 9, 25, 24};
  const std::vector<std::int64_t> types{0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1};
  const std::vector<std::int64_t> mask{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0};
  return {{"input_ids", Tensor::from<std::int64_t>(DType::i64, {3, 5}, ids)},
          {"token_type_ids", Tensor::from<std::int64_t>(DType::i64, {3, 5}, types)},
          {"attention_mask", Tensor::from<std::int64_t>(DType::i64, {3, 5}, mask)}};
}

void expect_same_logits(const Model& packed, const Model& dense, double tolerance) {
  const Tensor expected = run_reference(packed, packed_texts()).at("logits");
  const Tensor got = run_reference(dense, dense_texts()).at("logits");
  EXPECT_LE(largest_difference(got, expected), tolerance);
  EXPECT_GT(largest_difference(Tensor(DType::f32, expected.shape()), expected), 1e-3);
}

TEST_F(ExportOnnx, PackedTextsBecomeBatchesWithAMask) {
  Model model = export_bert();
  model.labels = {"bad", "good"};
  for (const std::int64_t opset : {oldest_exported_opset, newest_exported_opset})
    expect_same_logits(model, again(model, {.opset = opset}), 1e-5);
  const OnnxFile file = written(model);
  std::vector<std::string> names;
  for (const OnnxValue& input : file.graph.inputs) {
    names.push_back(input.name);
    EXPECT_EQ(input.dims->at(0).name, "batch");
    EXPECT_EQ(input.dims->at(1).name, "sequence");
  }
  EXPECT_THAT(names,
              testing::UnorderedElementsAre("input_ids", "attention_mask", "token_type_ids"));
  EXPECT_TRUE(file.graph.initializers.contains("bert.pooler.dense.weight"));
  const std::string bytes = read_file(folder / "m.onnx");
  EXPECT_THAT(bytes, HasSubstr("[\"bad\",\"good\"]"));
}

void quantize_model(Model& model, const std::string& format,
                    std::vector<std::pair<std::string, std::string>> keys) {
  set_formats(model, select_formats(model.graph, {{.format = format, .keys = std::move(keys)}}));
  pack_weights(model);
}

std::size_t count_of(const std::vector<std::string>& all, const std::string& one) {
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), one));
}

TEST_F(ExportOnnx, RoundedValuesAreTheSameAsArithmeticAndAsIntegers) {
  struct Case {
    const char* format;
    std::vector<std::pair<std::string, std::string>> keys;
    double tolerance;
    bool has_qdq;
  };
  const double step = 2e-2;  // a number between two of the format may go to either
  for (const Case& one : std::vector<Case>{
           {"integer", {{"width", "8"}, {"frac_width", "5"}}, step, true},
           {"integer", {{"width", "6"}, {"frac_width", "4"}}, step, true},
           {"integer",
            {{"width", "4"}, {"frac_width", "6"}, {"data_in_format", "none"}},
            1e-5,
            true},
           {"integer", {{"width", "12"}, {"frac_width", "8"}}, step, true},
           {"affine", {{"scale", "0.03"}}, step, true},
           {"affine",
            {{"symmetric", "false"}, {"scale", "0.03"}, {"zero_point", "100"}},
            step,
            true},
           {"affine", {{"data_in_format", "none"}}, 1e-5, true},
           {"affine", {{"symmetric", "false"}, {"data_in_format", "none"}}, 1e-5, true},
           {"affine", {{"granularity", "tensor"}, {"data_in_format", "none"}}, 1e-5, true},
           {"affine",
            {{"width", "4"},
             {"granularity", "group"},
             {"group_size", "3"},
             {"data_in_format", "none"}},
            1e-5,
            true},
           {"affine", {}, step, false},
           {"affine", {{"symmetric", "false"}}, step, false},
           {"mxint", {{"data_in_format", "none"}}, 1e-5, false}}) {
    Model model = export_bert();
    quantize_model(model, one.format, one.keys);
    SCOPED_TRACE(fmt::format("{} {}", one.format, one.keys.empty() ? "" : one.keys[0].second));
    expect_same_logits(model, again(model), one.tolerance);
    if (!one.has_qdq) {
      EXPECT_THROW(again(model, {.qdq = true}), Error);
      continue;
    }
    expect_same_logits(model, again(model, {.qdq = true}), one.tolerance);
    const OnnxFile file = written(model, {.qdq = true});
    // Of 8 bits all codes are unsigned; those of 4 are read as 8, and more as 16.
    const std::string integers = "bert.pooler.dense.weight.integers";
    const bool is_wide = !one.keys.empty() && one.keys[0].second == "12";
    const DType eight = file.graph.narrow.contains(integers) ? DType::i8 : DType::u8;
    EXPECT_EQ(file.graph.initializers.at(integers).dtype(), is_wide ? DType::i16 : eight);
    EXPECT_FALSE(file.graph.initializers.contains("bert.pooler.dense.weight"));
    const bool rounds_data = one.tolerance == step;
    EXPECT_EQ(count_of(ops_of(file), "QuantizeLinear") > 0, rounds_data);
  }
}

// Filters have a step each, data one of the channels of a place.
TEST_F(ExportOnnx, RoundedConvolutionsAreTheSame) {
  const Tensor pictures = random_tensor({2, 3, 16, 16}, 1);
  struct Case {
    const char* format;
    std::vector<std::pair<std::string, std::string>> keys;
    bool has_qdq;
  };
  for (const Case& one :
       std::vector<Case>{{"affine", {{"data_in_format", "none"}}, true},
                         {"affine", {{"width", "4"}, {"data_in_format", "none"}}, true},
                         {"affine", {}, false},
                         {"affine", {{"symmetric", "false"}}, false},
                         {"integer", {{"frac_width", "5"}}, true},
                         {"integer", {{"frac_width", "5"}, {"data_in_format", "none"}}, true},
                         {"integer", {{"frac_width", "5"}, {"bias_format", "none"}}, true}}) {
    Model model = drawn_picture_model();
    fold_batch_norm(model, convs_of(model.graph));
    quantize_model(model, one.format, one.keys);
    const Tensor wanted = answers(model, Mode::eager, pictures);
    const double tolerance = (one.keys.empty() || one.keys.back().second != "none" ? 2e-2 : 1e-5) *
                             (1 + largest_magnitude(wanted));
    for (const bool qdq : {false, true}) {
      if (qdq && !one.has_qdq) continue;
      export_onnx(model, folder / "conv.onnx", {.qdq = qdq});
      const Model again = import_onnx(folder / "conv.onnx");
      EXPECT_LT(largest_difference(wanted, answers(again, Mode::eager, pictures)), tolerance)
          << one.format << (qdq ? " as integers" : "");
    }
  }
  Model groups = drawn_picture_model();
  quantize_model(groups, "affine",
                 {{"granularity", "group"}, {"group_size", "9"}, {"data_in_format", "none"}});
  EXPECT_ERROR(export_onnx(groups, folder / "g.onnx", {.qdq = true}), ErrorCode::unsupported,
               "groups that cross the places of a filter", "granularity=channel");
}

TEST_F(ExportOnnx, FormatsWithoutAMeaningAreRefusedByName) {
  Model model = export_bert();
  quantize_model(model, "mxint", {{"data_in_format", "none"}});
  expect_error([&] { again(model, {.qdq = true}); }, ErrorCode::unsupported,
               "layer0.q' (linear): the format mxint", "integer and affine");
  model = export_bert();
  quantize_model(model, "block_fp", {});
  expect_error([&] { again(model); }, ErrorCode::unsupported, "the format block_fp", "");
  model = export_bert();
  quantize_model(model, "affine", {});
  expect_error([&] { again(model, {.qdq = true}); }, ErrorCode::unsupported,
               "takes the steps of data from the data", "--calibrate");
  model = export_bert();
  quantize_model(model, "integer", {{"width", "12"}});
  expect_error([&] { again(model, {.opset = 20, .qdq = true}); }, ErrorCode::unsupported,
               "operator set 21", "--opset 21");
}

TEST_F(ExportOnnx, AttentionThatRoundsItsProbabilities) {
  Model model = export_bert();
  set_formats(model,
              select_formats(model.graph, {{.nodes = "attention",
                                            .format = "integer",
                                            .keys = {{"width", "8"},
                                                     {"frac_width", "5"},
                                                     {"probabilities_frac_width", "8"},
                                                     {"probabilities_is_signed", "false"}}}}));
  expect_same_logits(model, again(model), 2e-2);
  expect_same_logits(model, again(model, {.qdq = true}), 2e-2);
  // Signed and unsigned codes of 8 bits are both kept as unsigned ones.
  const OnnxFile file = written(model, {.qdq = true});
  std::set<double> zeros;
  for (const OnnxNode& node : file.graph.nodes) {
    if (node.op != "QuantizeLinear") continue;
    const Tensor& zero = file.graph.initializers.at(node.inputs[2]);
    EXPECT_EQ(zero.dtype(), DType::u8);
    zeros.insert(real_at(zero, 0));
  }
  EXPECT_THAT(zeros, ElementsAre(0, 128));
}

TEST_F(ExportOnnx, OperatorSetsOutsideAreRefused) {
  const Model model = export_bert();
  for (const std::int64_t opset : {oldest_exported_opset - 1, newest_exported_opset + 1})
    expect_error([&] { again(model, {.opset = opset}); }, ErrorCode::invalid_argument,
                 fmt::format("operator set {}", opset), "--opset");
}

// An imported network, whose names and named sizes stay.
class ExportImported : public ExportOnnx {
protected:
  Model network() {
    OnnxWriter w;
    w.input("x", {"batch", "2", "length"}).output("y", {"?", "3"}).output("s", {"?", "?"});
    w.integers("flat", {2}, {-1, 2});
    w.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
    w.floats("b", {3}, {10, 20, 30});
    auto& turned = w.node("Transpose", {"x"}, {"t"});
    auto* order = turned.add_attribute();
    order->set_name("perm");
    order->set_type(onnx::AttributeProto::INTS);
    for (const int d : {0, 2, 1}) order->add_ints(d);
    w.node("Reshape", {"t", "flat"}, {"rows"});
    OnnxWriter::set(w.node("Gemm", {"rows", "w", "b"}, {"g"}), "transB", std::int64_t{1});
    OnnxWriter::set(w.node("Softmax", {"g"}, {"y"}), "axis", std::int64_t{1});
    w.integers("begin", {1}, {1});
    w.integers("end", {1}, {std::numeric_limits<std::int64_t>::max()});
    w.integers("axis", {1}, {2});
    w.node("Slice", {"x", "begin", "end", "axis"}, {"cut"});
    w.integers("pairs", {3}, {0, -1, 1});
    w.node("Reshape", {"cut", "pairs"}, {"column"});
    w.integers("last", {1}, {2});
    w.node("Squeeze", {"column", "last"}, {"s"});
    return import_onnx(w.write(folder / "in.onnx"));
  }
  static Tensors input() {
    Tensor x(DType::f32, {3, 2, 4});
    for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = 0.1f * static_cast<float>(i % 7);
    return {{"x", x}};
  }
};

TEST_F(ExportImported, ComesBackEqual) {
  const Model model = network();
  const Tensors expected = run_reference(model, input());
  for (std::int64_t opset = oldest_exported_opset; opset <= newest_exported_opset; ++opset) {
    const Model back = again(model, {.opset = opset});
    const Tensors got = run_reference(back, input());
    for (const auto& [name, tensor] : expected)
      EXPECT_LE(largest_difference(got.at(name), tensor), 1e-6) << name << ", " << opset;
    EXPECT_EQ(to_string(back.graph.type(back.graph.find("x"))), "f32[batch,2,length]");
  }
  // A product with a transposed weight and its bias are one node, so is softmax; weights keep their
  // names, and are trained again.
  const OnnxFile file = written(model);
  EXPECT_EQ(count_of(ops_of(file), "Gemm"), 1u);
  EXPECT_EQ(count_of(ops_of(file), "Softmax"), 1u);
  EXPECT_EQ(count_of(ops_of(file), "Exp"), 0u);
  const Model back = again(model);
  for (const char* name : {"w", "b"})
    EXPECT_EQ(back.graph.value(back.graph.find(name)).kind, ValueKind::parameter) << name;
}

TEST_F(ExportImported, ManyBytesLieBesideTheFile) {
  const Model model = network();
  const Tensors expected = run_reference(model, input());
  export_onnx(model, folder / "m.onnx", {.most_bytes = 8});
  ASSERT_TRUE(std::filesystem::exists(folder / "m.onnx.data"));
  const Tensors got = run_reference(import_onnx(folder / "m.onnx"), input());
  EXPECT_LE(largest_difference(got.at("y"), expected.at("y")), 1e-6);
  // A file that holds its weights leaves none of another's beside it.
  export_onnx(model, folder / "m.onnx");
  EXPECT_FALSE(std::filesystem::exists(folder / "m.onnx.data"));
}

TEST_F(ExportImported, AFullDiskLeavesTheOldFile) {
  const Model model = network();
  export_onnx(model, folder / "m.onnx");
  const std::string before = read_file(folder / "m.onnx");
  {
    const FullDisk full(64);
    EXPECT_THROW(export_onnx(model, folder / "m.onnx"), Error);
  }
  EXPECT_EQ(read_file(folder / "m.onnx"), before);
}

// What an earlier file had beside it is replaced with it; what is somebody else's stays.
TEST_F(ExportImported, ForeignDataBesideTheFileStays) {
  const Model model = network();
  const std::filesystem::path data = folder / "m.onnx.data";
  std::ofstream(data) << "mine";
  export_onnx(model, folder / "m.onnx");
  export_onnx(model, folder / "m.onnx");  // over a file that names no data
  EXPECT_EQ(read_file(data), "mine");
  expect_error([&] { export_onnx(model, folder / "m.onnx", {.most_bytes = 8}); },
               ErrorCode::invalid_argument, "is no data of", "another name");
  EXPECT_EQ(read_file(data), "mine");
  std::filesystem::remove(data);
  export_onnx(model, folder / "m.onnx", {.most_bytes = 8});
  export_onnx(model, folder / "m.onnx", {.most_bytes = 0});
  EXPECT_EQ(import_onnx(folder / "m.onnx").graph.outputs.size(), 2u);
}

TEST_F(ExportImported, TheModelThatIsReadStays) {
  export_onnx(network(), folder / "m.onnx", {.most_bytes = 8});
  std::filesystem::copy(folder / "m.onnx", folder / "other.onnx");  // of the data of m.onnx
  const Model model = import_onnx(folder / "other.onnx");
  const std::string before = read_file(folder / "m.onnx.data");
  for (const std::int64_t most_bytes : {8, 1000000})
    expect_error(
        [&] {
          export_onnx(model, folder / "m.onnx",
                      {.most_bytes = most_bytes, .source = folder / "other.onnx"});
        },
        ErrorCode::invalid_argument, "m.onnx.data: belongs to", "another name");
  expect_error(
      [&] { export_onnx(model, folder / "other.onnx", {.source = folder / "other.onnx"}); },
      ErrorCode::invalid_argument, "the model that is read", "another name");
  EXPECT_EQ(read_file(folder / "m.onnx.data"), before);
  export_onnx(model, folder / "third.onnx", {.source = folder / "other.onnx"});
  EXPECT_EQ(import_onnx(folder / "third.onnx").graph.outputs.size(), 2u);
}

const OnnxNode* maker_of(const OnnxFile& file, const std::string& value) {
  for (const OnnxNode& node : file.graph.nodes)
    if (std::count(node.outputs.begin(), node.outputs.end(), value) > 0) return &node;
  return nullptr;
}

// Casts of hone's saturate and those of ONNX do not: the range stands in front of them.
TEST_F(ExportOnnx, CastsToIntegersAreBoundedBefore) {
  struct Case {
    DType from, to;
    double low, high;
  };
  for (const Case& one :
       {Case{DType::f32, DType::u8, 0, 255}, Case{DType::f32, DType::i8, -128, 127},
        Case{DType::f64, DType::i16, -32768, 32767}, Case{DType::f16, DType::u8, 0, 255},
        Case{DType::f32, DType::i32, -2147483648.0, 2147483647.0},
        Case{DType::f32, DType::u32, 0, 4294967295.0},
        Case{DType::f32, DType::i64, -0x1p63, 0x1.fffffffffffffp62}}) {
    SCOPED_TRACE(std::string(name_of(one.from)) + " to " + std::string(name_of(one.to)));
    Model model;
    model.task = tensors_task;
    const ValueId x = model.graph.input("x", {one.from, {Dim(4)}});
    const NodeId node = model.graph.append("cast", {x}, {{"to", std::string(name_of(one.to))}});
    model.graph.outputs.emplace_back("y", model.graph.node(node).outputs[0]);
    const OnnxFile file = written(model);
    const OnnxNode* cast = maker_of(file, "y");
    ASSERT_TRUE(cast != nullptr && cast->op == "Cast");
    const OnnxNode* clip = maker_of(file, cast->inputs[0]);
    ASSERT_TRUE(clip != nullptr && clip->op == "Clip");
    EXPECT_EQ(real_at(file.graph.initializers.at(clip->inputs[1]), 0), one.low);
    EXPECT_EQ(real_at(file.graph.initializers.at(clip->inputs[2]), 0), one.high);
  }
}

// An output that a schema requires has a name, whether it is read or not.
TEST_F(ExportOnnx, RequiredOutputsThatNobodyReadsStay) {
  const auto outputs_of = [&](const std::string& op, const Options& attributes, Shape shape,
                              std::size_t read) {
    Model model;
    model.task = tensors_task;
    ValueType type{DType::f32, {}};
    for (const std::int64_t size : shape) type.dims.emplace_back(size);
    const NodeId node = model.graph.append(op, {model.graph.input("x", type)}, attributes);
    model.graph.outputs.emplace_back("y", model.graph.node(node).outputs[read]);
    const OnnxFile file = written(model);
    EXPECT_NO_THROW(import_onnx(folder / "m.onnx"));
    return maker_of(file, "y")->outputs;
  };
  const Options top{{"axis", std::int64_t{1}}, {"k", std::int64_t{2}}, {"largest", true}};
  EXPECT_THAT(outputs_of("top_k", top, {3, 5}, 0), ElementsAre("y", testing::Not("")));
  EXPECT_THAT(outputs_of("top_k", top, {3, 5}, 1), ElementsAre(testing::Not(""), "y"));
  const Options pool{{"kernel", std::string("2,2")}};
  EXPECT_THAT(outputs_of("max_pool", pool, {1, 2, 4, 4}, 0), ElementsAre("y"));
  EXPECT_THAT(outputs_of("max_pool", pool, {1, 2, 4, 4}, 1), ElementsAre(testing::Not(""), "y"));
}

// Symmetric codes of 8 bits end at -127; QuantizeLinear's end at -128.
TEST_F(ExportOnnx, SymmetricCodesEndWhereHonesDo) {
  Model model;
  model.task = tensors_task;
  const ValueId x = model.graph.input("x", {DType::f32, {Dim(4)}});
  const NodeId node = model.graph.append(
      "quantize_tensor", {x},
      {{"format", std::string("affine")}, {"options", std::string("scale=0.5")}});
  model.graph.outputs.emplace_back("y", model.graph.node(node).outputs[0]);
  const Tensors inputs{
      {"x", Tensor::from<float>(DType::f32, {4}, std::vector<float>{-64, -1000, 1, 1000})}};
  const Tensor expected = run_reference(model, inputs).at("y");
  EXPECT_EQ(expected.as<float>()[1], -63.5f);
  const Tensor got = run_reference(again(model, {.qdq = true}), inputs).at("y");
  EXPECT_EQ(largest_difference(got, expected), 0);
}

// Sizes of windows over sizes that only a run knows.
TEST_F(ExportOnnx, HalvesOfNamedSizesAreComputed) {
  OnnxWriter w;
  w.input("x", {"batch", "2", "height", "width"}).output("y", {"?", "?", "?"});
  w.floats("w", {3, 2, 3, 3}, std::vector<float>(54, 0.1f));
  w.node("Conv", {"x", "w"}, {"c"});
  auto& pool = w.node("MaxPool", {"c"}, {"p"});
  OnnxWriter::set(pool, "kernel_shape", std::vector<std::int64_t>{3, 3});
  for (onnx::NodeProto* node :
       {&w.graph().mutable_node()->at(0), &w.graph().mutable_node()->at(1)}) {
    OnnxWriter::set(*node, "strides", std::vector<std::int64_t>{2, 2});
    OnnxWriter::set(*node, "pads", std::vector<std::int64_t>{1, 1, 1, 1});
  }
  w.integers("flat", {3}, {0, 3, -1});
  w.node("Reshape", {"p", "flat"}, {"f"});
  w.node("Shape", {"f"}, {"s"});
  w.node("Expand", {"f", "s"}, {"y"});
  const Model model = import_onnx(w.write(folder / "in.onnx"));
  for (const std::int64_t opset : {oldest_exported_opset, newest_exported_opset}) {
    const Model back = again(model, {.opset = opset});
    for (const auto& [height, width] : {std::pair{7, 12}, std::pair{8, 9}, std::pair{1, 2}}) {
      Tensor x(DType::f32, {2, 2, height, width});
      for (std::int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = static_cast<float>(i % 11);
      EXPECT_LE(largest_difference(run_reference(back, {{"x", x}}).at("y"),
                                   run_reference(model, {{"x", x}}).at("y")),
                1e-6);
    }
  }
}

// Integers of 4 bits are weights; what rounds to them is refused.
TEST_F(ExportOnnx, FourBitsAreReadAsWeightsAlone) {
  for (const char* op : {"DequantizeLinear", "Cast"}) {
    OnnxWriter w(21);
    w.output("y", {"3"});
    auto* codes = w.graph().add_initializer();
    codes->set_name("codes");
    codes->set_data_type(22);
    codes->add_dims(3);
    codes->set_raw_data(std::string("\x7f\x08", 2));  // -1, 7 above it, then -8
    w.floats("step", {}, {0.5});
    if (std::string(op) == "Cast") {
      OnnxWriter::set(w.node(op, {"codes"}, {"y"}), "to", std::int64_t{1});
      const auto file = w.write(folder / "m.onnx");
      expect_error([&] { import_onnx(file); }, ErrorCode::unsupported, "elements of 4 bits",
                   "DequantizeLinear");
      continue;
    }
    w.node(op, {"codes", "step"}, {"y"});
    const Model model = import_onnx(w.write(folder / "m.onnx"));
    const Tensor y = run_reference(model, {}).at("y");
    EXPECT_THAT(std::vector<float>(y.as<float>(), y.as<float>() + 3), ElementsAre(-0.5, 3.5, -4));
  }
}

}  // namespace
}  // namespace hone_test
