#include "hone/passes/pipelines.hpp"

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

// Up to the gradients.
std::vector<PassRequest> backward_pipeline(const TrainingLowering& lowering) {
  std::vector<PassRequest> passes{{"set_dropout",
                                   {{"training", true},
                                    {"hidden", lowering.dropout.hidden},
                                    {"attention", lowering.dropout.attention},
                                    {"classifier", lowering.dropout.classifier}}}};
  if (lowering.mode == Mode::compiled) {
    passes.push_back({"round_gathered"});
    for (const char* name : {"fuse_layer_norm", "fuse_gelu", "fuse_attention"})
      passes.push_back({name, {{"training", true}}});
    for (const char* name : {"push_gather", "channels_last"}) passes.push_back({name});
  }
  passes.push_back({"train_batch_norm"});
  passes.push_back({"differentiate"});
  if (lowering.mode == Mode::compiled) passes.push_back({"push_scatter"});
  return passes;
}

}  // namespace

Mode parse_mode(const std::string& text) {
  if (text == "reference") return Mode::reference;
  if (text == "eager") return Mode::eager;
  if (text == "compiled") return Mode::compiled;
  const std::vector<std::string> known{"compiled", "eager", "reference"};
  throw Error(ErrorCode::invalid_argument, "unknown mode '" + text + "'",
              did_you_mean(text, known));
}

std::vector<PassRequest> inference_pipeline(Mode mode) {
  std::vector<PassRequest> passes{{"set_dropout", {{"training", false}}}};
  if (mode == Mode::compiled)
    for (const char* name :
         {"round_gathered", "fold_weights", "fold_batch_norm", "fuse_clip", "fuse_bias",
          "fuse_layer_norm", "fuse_gelu", "fuse_attention", "channels_last", "fuse_conv",
          "fuse_conv_int8", "hand_on_codes", "fold_weights", "push_gather", "fuse_packed",
          "fuse_sparse", "group_rows"})
      passes.push_back({name});
  return passes;
}

std::vector<PassRequest> gradient_pipeline() {
  return {{"set_dropout", {{"training", false}}}, {"differentiate"}};
}

std::vector<PassRequest> export_pipeline(bool packed_texts) {
  std::vector<PassRequest> passes{{"set_dropout", {{"training", false}}}};
  if (packed_texts) passes.push_back({"dense_sequences"});
  return passes;
}

std::vector<PassRequest> training_pipeline(const TrainingLowering& lowering) {
  std::vector<PassRequest> passes = backward_pipeline(lowering);
  passes.push_back({"append_optimizer", lowering.optimizer});
  if (lowering.mode == Mode::compiled)
    for (const char* name : {"sparse_embedding", "group_rows"}) passes.push_back({name});
  return passes;
}

std::vector<PassRequest> accumulating_pipeline(const TrainingLowering& lowering) {
  std::vector<PassRequest> passes = backward_pipeline(lowering);
  passes.push_back({"accumulate_gradients"});
  if (lowering.mode == Mode::compiled) passes.push_back({"group_rows"});
  return passes;
}

std::vector<PassRequest> update_pipeline(const TrainingLowering& lowering) {
  return {{"append_optimizer", lowering.optimizer}};
}

}  // namespace hone
