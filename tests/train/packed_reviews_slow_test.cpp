// What is packed is what was simulated, on the logits of real reviews and a trained model, in every
// format: 300 reviews, or as many as HONE_REVIEWS says (1000 take a minute and a half on two
// cores). Needs the shared material.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "hone/data/load.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/model/model.hpp"
#include "hone/numerics/format.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/evaluate.hpp"
#include "hone/train/trainer.hpp"
#include "support/scratch_directory.hpp"
#include "support/shared_data.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

const std::int64_t review_count = [] {
  const char* given = std::getenv("HONE_REVIEWS");
  return given == nullptr ? std::int64_t{300} : std::int64_t{std::atoi(given)};
}();

struct Trained {
  Model model;
  TokenizedData reviews;
};

Trained train_once() {
  const std::filesystem::path shared = shared_directory();
  const Tokenizer tokenizer = Tokenizer::load(shared / "data" / "bert-base-uncased");
  DataRequest request =
      parse_data("imdb:" + (shared / "data" / "imdb" / "aclImdb_v1_labeled.tar.gz").string());
  const TokenizedData data = load_tokenized(request, tokenizer);
  request.split = "test";
  const TokenizedData test = load_tokenized(request, tokenizer);
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < review_count; ++i) chosen.push_back(i * test.size() / review_count);
  TrainOptions options;
  options.batch = 8;
  options.lr = 5e-4;
  options.steps = 200;
  options.seed = 5;
  const ScratchDirectory scratch;
  Trained trained{load_model({.name = "bert-tiny", .seed = 5}), subset(test, chosen)};
  train(trained.model, samples_of(trained.model, data), nullptr, options, scratch.path() / "run",
        false, nullptr, {}, {});
  return trained;
}

Tensor logits_of(const Model& model, const TokenizedData& data, Mode mode) {
  Executor forward = make_forward(model, mode);
  return evaluate(forward, samples_of(model, data)).logits;
}

void compare(const Trained& trained, const std::string& format) {
  Model model = trained.model;
  const TokenizedData& reviews = trained.reviews;
  std::vector<std::pair<std::string, std::string>> keys;
  if (format == "integer") keys = {{"width", "8"}, {"weight_frac_width", "7"}};
  set_formats(model, select_formats(model.graph, {{"linear,embedding", format, keys}}));
  const Tensor simulated = logits_of(model, reviews, Mode::eager);
  pack_weights(model);
  const Tensor packed = logits_of(model, reviews, Mode::compiled);
  double largest = 0;
  std::vector<double> differences;
  std::int64_t same_label = 0;
  for (std::int64_t r = 0; r < review_count; ++r) {
    const float* a = simulated.as<float>() + 2 * r;
    const float* b = packed.as<float>() + 2 * r;
    same_label += (a[0] < a[1]) == (b[0] < b[1]);
    double worst = 0;
    for (int c = 0; c < 2; ++c) {
      largest = std::max(largest, std::abs(static_cast<double>(a[c])));
      worst = std::max(worst, std::abs(static_cast<double>(a[c]) - b[c]));
    }
    differences.push_back(worst);
  }
  const double difference = *std::max_element(differences.begin(), differences.end());
  const auto differing = std::count_if(differences.begin(), differences.end(),
                                       [&](double d) { return d > 1e-4 * largest; });
  std::printf("%s: largest difference %.1e of the largest logit, reviews beyond 1e-4: %td\n",
              format.c_str(), difference / largest, differing);
  // Products give the same numbers but for the order of their sums (which matters only where sums
  // are not exact), and so does attention for the rows that are read; now and then that turns the
  // rounding of one number the other way.
  EXPECT_LT(difference, 0.01 * largest);
  EXPECT_LT(differing, review_count / 10);
  EXPECT_GE(same_label, review_count - 1);
}

// One test, so that one training serves all.
TEST(PackedReviews, GiveTheSimulatedLogits) {
  HONE_REQUIRE_SHARED("data/imdb/aclImdb_v1_labeled.tar.gz");
  const ThreadScope threads(2);
  const Trained trained = train_once();
  for (const Format& format : format_table()) {
    SCOPED_TRACE(format.name);
    compare(trained, format.name);
  }
}

}  // namespace
}  // namespace hone_test
