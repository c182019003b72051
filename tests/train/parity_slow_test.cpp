// The same mathematics as PyTorch: a recorded run of Hugging Face's BertForSequenceClassification,
// step by step. Needs the shared material.
#include <fstream>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/data/load.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/model/model.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/trainer.hpp"
#include "support/scratch_directory.hpp"
#include "support/shared_data.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

void expect_logits(Model& model, Mode mode, const TokenizedData& batch, const Json& expected) {
  Executor forward = make_forward(model, mode);
  const Tensor logits = evaluate(forward, samples_of(model, batch)).logits;
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (std::size_t c = 0; c < 2; ++c)
      EXPECT_NEAR(logits.as<float>()[2 * i + c], expected[i][c].get<double>(), 1e-4)
          << "sample " << i;
}

TEST(Parity, SixtyStepsOfBertTiny) {
  HONE_REQUIRE_SHARED("parity/bert_tiny_trace/trace.json");
  const std::filesystem::path shared = shared_directory();
  const ScratchDirectory scratch;
  const ThreadScope threads(2);
  const Json trace = parse_json(read_file(shared_path), shared_path.string());
  const Tokenizer tokenizer = Tokenizer::load(shared / "data" / "bert-base-uncased");
  const TokenizedData data = load_tokenized(
      parse_data("imdb:" + (shared / "data" / "imdb" / "aclImdb_v1_labeled.tar.gz").string()),
      tokenizer);
  TrainOptions options;
  options.batch = 8;
  options.lr = trace["lr"].get<double>();
  options.optimizer_options.set("weight_decay", trace["weight_decay"].get<double>());
  options.decay_all = true;
  options.schedule = "constant";
  options.clip = 1;
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0;
  options.order = trace["sample_order"].get<std::vector<std::int64_t>>();
  const TokenizedData first_batch = subset(data, std::span(options.order).first(8));
  for (const Mode mode : {Mode::compiled, Mode::eager}) {
    SCOPED_TRACE(mode == Mode::compiled ? "compiled" : "eager");
    options.mode = mode;
    ModelRequest request;
    request.name = (shared / "parity" / "bert_tiny_trace").string();
    Model model = load_model(request);
    expect_logits(model, mode, first_batch, trace["logits_first_batch_before"]);
    double worst_loss = 0;
    double worst_norm = 0;
    TrainEvents events;
    events.on_step = [&](const StepReport& report) {
      const Json& step = trace["loss_and_grad_norm"][static_cast<std::size_t>(report.step - 1)];
      const double loss = step[0].get<double>();
      const double norm = step[1].get<double>();
      EXPECT_NEAR(report.loss, loss, 1e-5) << "step " << report.step;
      EXPECT_NEAR(report.grad_norm, norm, 2e-4 * norm) << "step " << report.step;
      worst_loss = std::max(worst_loss, std::abs(report.loss - loss));
      worst_norm = std::max(worst_norm, std::abs(report.grad_norm - norm) / norm);
    };
    const TrainResult result = train(model, samples_of(model, data), nullptr, options,
                                     scratch.path() / "out", false, nullptr, events, {});
    EXPECT_EQ(result.steps, 60);
    expect_logits(model, mode, first_batch, trace["logits_first_batch_after"]);
    std::printf("worst loss difference %.1e, worst relative norm difference %.1e\n", worst_loss,
                worst_norm);
  }
}

}  // namespace
}  // namespace hone_test
