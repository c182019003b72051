// Imported encoders of texts: packed sequences that answer as the file does on padded batches, are
// trained and pruned as built-in ones are; what cannot be packed is refused saying why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/frontends/onnx/export_onnx.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/graph/text.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/prune.hpp"
#include "hone/run/executor.hpp"
#include "hone/run/forward.hpp"
#include "hone/tasks/dense_texts.hpp"
#include "hone/train/evaluate.hpp"
#include "support/compare_models.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

class ImportTexts : public testing::Test {
protected:
  std::filesystem::path exported(const Model& model, std::int64_t opset = 0) {
    const auto file = scratch_.path() / "m.onnx";
    OnnxExport settings;
    if (opset > 0) settings.opset = opset;
    export_onnx(model, file, settings);
    return file;
  }

  const ScratchDirectory scratch_;
};

TEST_F(ImportTexts, ArePackedAndAnswerAsTheOriginal) {
  const Model original = small_bert();
  const TokenizedData data = random_sequences(30);
  const Tensor wanted = logits_of(original, data, Mode::reference);
  for (const std::int64_t opset : {0, 13}) {  // (Before 17 norms are written out.)
    const Model model =
        import_text_classifier(exported(original, opset), {"low", "middle", "high"});
    EXPECT_EQ(model.task, "text_classification");
    EXPECT_EQ(model.labels, original.labels);
    EXPECT_EQ(model.limits.vocabulary, 1100);
    EXPECT_EQ(model.limits.positions, 80);
    EXPECT_EQ(model.limits.token_types, 2);
    EXPECT_EQ(model.width, 36);
    for (const Mode mode : {Mode::reference, Mode::compiled})
      EXPECT_LT(largest_difference(wanted, logits_of(model, data, mode)), 1e-5) << opset;
    // All that is written out is one node again.
    for (const Node& node : model.graph.nodes)
      EXPECT_TRUE(node.op != "reshape" && node.op != "erf" && node.op != "mean") << node.op;
    std::size_t attentions = 0;
    for (const Node& node : model.graph.nodes) attentions += node.op == "attention" ? 1 : 0;
    EXPECT_EQ(attentions, 2u);
  }
}

TEST_F(ImportTexts, AreSavedPrunedAndExportedAgain) {
  const TokenizedData data = random_sequences(20);
  const Model model = import_text_classifier(exported(small_bert()), {});
  EXPECT_EQ(model.labels[2], "LABEL_2");
  save_model(scratch_.path() / "saved", model, model.tensors);
  const Model loaded = load_model({.name = (scratch_.path() / "saved").string()});
  EXPECT_TRUE(same_bits(logits_of(model, data), logits_of(loaded, data)));
  EXPECT_EQ(loaded.limits.positions, model.limits.positions);
  // Heads are found, as in a built-in encoder.
  EXPECT_FALSE(structures_of(model.graph, MaskGranularity::Kind::head,
                             weights_of_nodes(model.graph, prunable_nodes(model.graph, "")))
                   .empty());
  const Model again = import_text_classifier(exported(loaded), {});
  EXPECT_TRUE(same_bits(logits_of(model, data), logits_of(again, data)));
}

TEST_F(ImportTexts, LabelsMustFit) {
  EXPECT_ERROR(import_text_classifier(exported(small_bert()), {"one", "two"}),
               ErrorCode::unsupported, "2 labels are given, it has 3 classes");
}

// Graphs that look like an encoder of texts, with one part of it exchanged.
std::string encoder(const std::string& inputs, const std::string& mask, const std::string& output) {
  return "graph g {\n" + inputs +
         "  param %words : f32[9,4]\n"
         "  param %places : f32[5,4]\n"
         "  buffer %far : f32[]\n"
         "  buffer %zero : i64[]\n"
         "  param %w : f32[3,4]\n"
         "  %rows : i32[b,s] = cast(%input_ids) {to = \"i32\"}\n"
         "  %e : f32[b,s,4] = gather(%words, %rows) {axis = 0}\n"
         "  %i : i64[s] = iota() {size = \"s\"}\n"
         "  %p : f32[s,4] = gather(%places, %i) {axis = 0}\n"
         "  %pe : f32[b,s,4] = expand(%p) {shape = \"b,s,4\"}\n"
         "  %x : f32[b,s,4] = add(%e, %pe)\n"
         "  %q : f32[b,s,2,2] = reshape(%x) {shape = \"b,s,2,2\"}\n" +
         mask + output + "}\n";
}
const std::string usual_inputs =
    "  input %input_ids : i64[b,s]\n  input %attention_mask : i64[b,s]\n";
const std::string usual_mask =
    "  %m : f32[b,s] = cast(%attention_mask) {to = \"f32\"}\n"
    "  %less : f32[b,s] = offset(%m) {by = -1.0}\n"
    "  %low : f32[b,s] = scale(%less) {factor = 30000.0}\n"
    "  %mask : f32[b,1,1,s] = reshape(%low) {shape = \"b,1,1,s\"}\n"
    "  %a : f32[b,s,2,2], %log : f32[b,2,s] = dense_attention(%q, %q, %q, %mask) {scale = 1.0, "
    "heads_last = true}\n"
    "  %y : f32[b,s,4] = reshape(%a) {shape = \"b,s,4\"}\n";
const std::string usual_output =
    "  %first : f32[b,4] = gather(%y, %zero) {axis = 1}\n"
    "  %logits : f32[b,3] = linear(%first, %w)\n"
    "  return logits = %logits\n";

TensorStore encoder_tensors(float far = -30000) {
  TensorStore tensors;
  tensors.set("words", random_tensor({9, 4}, 1));
  tensors.set("places", random_tensor({5, 4}, 2));
  tensors.set("w", random_tensor({3, 4}, 3));
  Tensor number(DType::f32, {});
  number.as<float>()[0] = far;
  tensors.set("far", number);
  tensors.set("zero", Tensor(DType::i64, {}));
  return tensors;
}

Graph packed(const std::string& text, TensorStore tensors) {
  Graph graph = parse_graph(text, "test");
  run_passes(graph, {{"pack_sequences"}}, {}, &tensors);
  return graph;
}

// The packed graph on texts of 3, 1 and 4 tokens against the dense one on a padded batch.
TEST(PackSequences, PaddedRowsAreNotComputedAndNotMissed) {
  TensorStore tensors = encoder_tensors();
  const std::vector<std::int64_t> ids{1, 2, 3, 0, 8, 0, 0, 0, 4, 5, 6, 7},
      mask{1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  const auto bind = [&](Executor& executor) {
    for (const Value& value : executor.graph().values)
      if (is_tensor_of_model(value.kind)) executor.bind(value.name, tensors.at(value.name));
  };
  Executor dense(parse_graph(encoder(usual_inputs, usual_mask, usual_output), "test"), {});
  bind(dense);
  const Tensor wanted =
      dense
          .run({{"input_ids", Tensor::from<std::int64_t>(DType::i64, {3, 4}, ids)},
                {"attention_mask", Tensor::from<std::int64_t>(DType::i64, {3, 4}, mask)}})
          .at("logits");
  Executor executor(packed(encoder(usual_inputs, usual_mask, usual_output), tensors), {});
  bind(executor);
  const auto i32 = [](const std::vector<std::int32_t>& list) {
    return Tensor::from<std::int32_t>(DType::i32, {std::ssize(list)}, list);
  };
  const Tensor got = executor
                         .run({{"ids", i32({1, 2, 3, 8, 4, 5, 6, 7})},
                               {"type_ids", i32({0, 0, 0, 0, 0, 0, 0, 0})},
                               {"positions", i32({0, 1, 2, 0, 0, 1, 2, 3})},
                               {"offsets", i32({0, 3, 4, 8})}})
                         .at("logits");
  EXPECT_LT(largest_difference(wanted, got), 1e-5);
}

TEST(PackSequences, WhatCannotBePackedIsRefused) {
  const auto with = [](const std::string& inputs, std::string mask, const std::string& from,
                       const std::string& to, const std::string& output = usual_output) {
    if (!from.empty()) mask.replace(mask.find(from), from.size(), to);
    return encoder(inputs, mask, output);
  };
  const auto refused = [](const std::string& text, const std::string& message) {
    EXPECT_ERROR(packed(text, encoder_tensors()), ErrorCode::unsupported, message);
  };
  refused(with("  input %input_ids : i64[b,s]\n  input %other : i64[b,s]\n", usual_mask,
               "%attention_mask", "%other"),
          "what %other is beside %input_ids is not known");
  refused(with("  input %input_ids : i64[b,s]\n  input %attention_mask : i64[b,7]\n", usual_mask,
               "%m : f32[b,s] = cast(%attention_mask)", "%m : f32[b,s] = cast(%input_ids)"),
          "whole numbers [batch,sequence] of any sizes");
  // A mask turned around, one that hardly masks, none, one of other numbers, and one over queries.
  refused(with(usual_inputs, usual_mask, "by = -1.0", "by = 0.0"), "is not known to be what");
  refused(with(usual_inputs, usual_mask, "factor = 30000.0", "factor = 3.0"),
          "is not known to be what");
  refused(with(usual_inputs, usual_mask, ", %mask) ", ") "), "attends to what fills texts up");
  refused(with(usual_inputs, usual_mask, "cast(%attention_mask)", "cast(%input_ids)"),
          "is not known to be what");
  refused(with(usual_inputs, usual_mask, "", "", "  return logits = %y\n"),
          "one row for each text is wanted");
  refused(with(usual_inputs, usual_mask, "", "",
               "  %mean : f32[b,4] = mean(%y) {axes = \"1\"}\n"
               "  %logits : f32[b,3] = linear(%mean, %w)\n"
               "  return logits = %logits\n"),
          "%mean");
}

// As torch.onnx writes a softmax: NaN become 0. What is chosen by anything else stays.
TEST(FuseAttention, SeesThroughTheGuardOfNaN) {
  const std::string text = R"(graph g {
  input %x : f32[B,S,4,8]
  input %k : f32[B,T,4,8]
  input %v : f32[B,T,4,8]
  buffer %zero : f32[]
  buffer %true : bool[]
  %qt : f32[B,4,S,8] = transpose(%x) {order = "0,2,1,3"}
  %k1 : f32[B,4,T,8] = transpose(%k) {order = "0,2,1,3"}
  %k2 : f32[4*B,T,8] = reshape(%k1) {shape = "4*B,T,8"}
  %k3 : f32[4*B,8,T] = transpose(%k2) {order = "0,2,1"}
  %kt : f32[B,4,8,T] = reshape(%k3) {shape = "B,4,8,T"}
  %vt : f32[B,4,T,8] = transpose(%v) {order = "0,2,1,3"}
  %a : f32[B,4,S,T] = batch_matmul(%qt, %kt)
  %l : f32[B,4,S,1] = max(%a) {axes = "3", keep = true}
  %le : f32[B,4,S,T] = expand(%l) {shape = "B,4,S,T"}
  %d : f32[B,4,S,T] = sub(%a, %le)
  %e : f32[B,4,S,T] = exp(%d)
  %t : f32[B,4,S,1] = sum(%e) {axes = "3", keep = true}
  %te : f32[B,4,S,T] = expand(%t) {shape = "B,4,S,T"}
  %p : f32[B,4,S,T] = div(%e, %te)
  %same : bool[B,4,S,T] = equal(%p, %p)
  %yes : bool[B,4,S,T] = expand(%true) {shape = "B,4,S,T"}
  %odd : bool[B,4,S,T] = xor(%same, %yes)
  %none : f32[B,4,S,T] = expand(%zero) {shape = "B,4,S,T"}
  %g : f32[B,4,S,T] = where(%odd, %none, %p)
  %o : f32[B,4,S,8] = batch_matmul(%g, %vt)
  %y : f32[B,S,4,8] = transpose(%o) {order = "0,2,1,3"}
  return y = %y
})";
  for (const bool guard : {true, false}) {
    Graph graph = parse_graph(text, "test");
    TensorStore tensors;
    tensors.set("zero", Tensor(DType::f32, {}));
    Tensor truth(DType::boolean, {});
    truth.as<std::uint8_t>()[0] = guard ? 1 : 0;
    tensors.set("true", truth);
    EXPECT_EQ(run_passes(graph, {{"fuse_attention"}}, {}, &tensors)[0].changes, guard ? 1 : 0);
  }
}

// The longest text is as long as what masks and places were tried with.
TEST(PackSequences, TablesEndWhereMasksDo) {
  std::string text = encoder(usual_inputs, usual_mask, usual_output);
  const auto exchange = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
  };
  // (Places from a buffer of nine, a table of twenty.)
  exchange("  %i : i64[s] = iota() {size = \"s\"}\n",
           "  buffer %places : i64[9]\n"
           "  %i : i64[s] = slice(%places) {axis = 0, begin = \"0\", end = \"s\"}\n");
  exchange("  param %places : f32[5,4]\n", "  param %table : f32[20,4]\n");
  exchange("gather(%places, %i)", "gather(%table, %i)");
  TensorStore tensors = encoder_tensors();
  tensors.set("table", random_tensor({20, 4}, 2));
  Tensor places(DType::i64, {9});
  for (std::int64_t i = 0; i < 9; ++i) places.as<std::int64_t>()[i] = i;
  tensors.set("places", places);
  Graph graph = parse_graph(text, "test");
  run_passes(graph, {{"pack_sequences"}}, {}, &tensors);
  EXPECT_EQ(graph.type(graph.find("table")).dims[0], Dim(9));
  EXPECT_EQ(tensors.at("table").shape(), (Shape{9, 4}));
  // Places that stop counting are none.
  places.as<std::int64_t>()[8] = 7;
  Graph stopped = parse_graph(text, "test");
  tensors.set("table", random_tensor({20, 4}, 2));
  EXPECT_ERROR(run_passes(stopped, {{"pack_sequences"}}, {}, &tensors), ErrorCode::unsupported,
               "which rows of %table are picked");
}

TEST(PackSequences, MasksAndPlacesOfIdsAndTypesAreRefused) {
  const std::string types = "  input %token_type_ids : i64[b,s]\n";
  // A mask that looks at types too.
  std::string mask = usual_mask;
  const std::string from = "  %less : f32[b,s] = offset(%m) {by = -1.0}\n";
  mask.replace(mask.find(from), from.size(),
               "  %kind : f32[b,s] = cast(%token_type_ids) {to = \"f32\"}\n"
               "  %own : f32[b,s] = sub(%m, %kind)\n"
               "  %less : f32[b,s] = offset(%own) {by = -1.0}\n");
  EXPECT_ERROR(packed(encoder(usual_inputs + types, mask, usual_output), encoder_tensors()),
               ErrorCode::unsupported, "is not known to be what the mask means");
  // Names of what packed texts read are free; numbers that count tokens are places.
  std::string text = encoder(usual_inputs, usual_mask, usual_output);
  for (const auto& [name, other] : {std::pair{"%words", "%positions"}, {"%w)", "%ids)"}})
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos;)
      text.replace(at, std::string_view(name).size(), other);
  text.replace(text.find("param %w "), 9, "param %ids ");
  TensorStore tensors = encoder_tensors();
  tensors.set("positions", tensors.at("words"));
  tensors.set("ids", tensors.at("w"));
  Graph graph = parse_graph(text, "test");
  run_passes(graph, {{"pack_sequences"}}, {}, &tensors);
  for (const Value& value : graph.values)
    if (is_tensor_of_model(value.kind)) EXPECT_TRUE(tensors.contains(value.name)) << value.name;
}

TEST(DenseTexts, WhatIsNoPaddedBatchIsRefused) {
  const ScratchDirectory scratch;
  const auto file = scratch.path() / "m.onnx";
  export_onnx(small_bert(), file);
  const Model model = import_text_classifier(file, {});
  const auto batch = [](const std::vector<std::int64_t>& numbers) {
    return Tensor::from<std::int64_t>(DType::i64, {2, std::ssize(numbers) / 2}, numbers);
  };
  const auto refused = [&](const Inputs& given, const std::string& message) {
    ASSERT_TRUE(are_dense_texts(model, given));
    EXPECT_ERROR(pack_dense_texts(model, given), ErrorCode::invalid_argument, message);
  };
  const Tensor ids = batch({5, 6, 7, 8});
  refused({{"input_ids", ids}, {"attention_mask", batch({0, 1, 1, 1})}}, "has a 0 before a 1");
  refused({{"input_ids", ids}, {"attention_mask", batch({2, 0, 1, 1})}}, "it is 0 or 1");
  refused({{"input_ids", ids}, {"attention_mask", batch({0, 0, 1, 1})}}, "has no tokens");
  refused({{"input_ids", batch({5, 6, 7, 1100})}}, "the model has 0 to 1099");
  refused({{"input_ids", batch({5, 6, 7, 4294967301})}}, "the model has 0 to 1099");
  refused({{"input_ids", ids}, {"token_type_ids", batch({0, 0, 0, 2})}}, "the model has 0 to 1");
  refused({{"attention_mask", ids}}, "'input_ids' is missing");
  refused({{"input_ids", ids}, {"more", ids}}, "is no part of a batch of texts");
  const Inputs good =
      pack_dense_texts(model, {{"input_ids", ids}, {"attention_mask", batch({1, 0, 1, 1})}});
  EXPECT_EQ(good.at("ids").size(), 3);
  EXPECT_EQ(good.at("offsets").as<std::int32_t>()[1], 1);
}

}  // namespace
}  // namespace hone_test
