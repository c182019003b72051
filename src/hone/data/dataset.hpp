// Labelled texts: where they come from, and what they are once tokenized.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/core/options.hpp"

namespace hone {

// One split of a labelled text data set.
struct TextData {
  std::vector<std::string> texts;        // UTF-8
  std::vector<std::int32_t> labels;      // 0-based, one a text
  std::vector<std::string> label_names;  // by label
  std::string source;                    // what messages call it: path, archive member or column
  std::vector<std::string> pairs = {};   // second texts, one a text; empty: single texts
};

// Contract of a dataset: one file in data/datasets/, chosen by the part of `--data` before ':'.
struct DatasetKind : Described {
  // `location` is the part after ':' (may be empty), `split` is "train" or "test". Throws Error
  // naming file and place for a missing column, a bad label, text that is not UTF-8, one class
  // only.
  TextData (*load)(const std::string& location, const std::string& split, const Options& options);
  // What identifies the content of `location` (for the token cache): changes when the data changes.
  std::string (*fingerprint)(const std::string& location, const std::string& split,
                             const Options& options);
  // Options that concern one split only: "train" or "test".
  std::map<std::string, std::string> split_of = {};
};

// Every dataset kind (generated from the folder).
const std::vector<DatasetKind>& dataset_table();

// Token ids of a split, end to end.
struct TokenizedData {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t>
      offsets;  // size() + 1 values; sample i is ids[offsets[i]..offsets[i+1])
  std::vector<std::int32_t> labels;
  std::vector<std::string> label_names;
  std::vector<std::uint8_t> type_ids = {};  // token types, one an id; empty: all 0

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t length(std::int64_t i) const { return offsets[i + 1] - offsets[i]; }
};

}  // namespace hone
