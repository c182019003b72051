// A BERT that trains in milliseconds, and token sequences for it.
#pragma once

#include <string>

#include "hone/core/philox.hpp"
#include "hone/data/dataset.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/model/model.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/tasks/task.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {

// Two layers, three heads of twelve; the table is large enough for sparse_embedding.
inline hone::Model small_bert(std::uint64_t seed = 3) {
  hone::ModelRequest request;
  request.name = "bert-tiny";
  request.settings = {
      {"hidden_size", "36"},       {"num_hidden_layers", "2"},        {"num_attention_heads", "3"},
      {"intermediate_size", "50"}, {"max_position_embeddings", "80"}, {"vocab_size", "1100"}};
  request.label_names = {"low", "middle", "high"};
  request.seed = seed;
  return hone::load_model(request);
}

// `count` samples of 1 to 70 tokens; a few common ids and many that occur once, padding among them.
inline hone::TokenizedData random_sequences(std::int64_t count, std::uint64_t seed = 5) {
  hone::TokenizedData data;
  hone::RandomStream random(seed, 9);
  data.offsets.push_back(0);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t length = i == 0 ? 1 : 1 + random.below(70);
    for (std::int64_t t = 0; t < length; ++t)
      data.ids.push_back(
          static_cast<std::int32_t>(random.below(2) == 0 ? random.below(20) : random.below(1100)));
    data.offsets.push_back(static_cast<std::int64_t>(data.ids.size()));
    data.labels.push_back(static_cast<std::int32_t>(random.below(3)));
  }
  data.label_names = {"low", "middle", "high"};
  return data;
}

inline const std::string query_weight = "bert.encoder.layer.0.attention.self.query.weight";

// One format for all linear nodes.
inline hone::Quantization linear_formats(
    const hone::Model& model, const std::string& format,
    std::vector<std::pair<std::string, std::string>> keys = {}) {
  return hone::select_formats(model.graph, {{"linear", format, std::move(keys)}});
}

// Samples of a text classifier; `data` must outlive what they are used in.
inline hone::Samples text_samples(const hone::TokenizedData& data) {
  return {&hone::find_task("text_classification"), data};
}

}  // namespace hone_test
