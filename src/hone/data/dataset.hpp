// Labelled texts and pictures: where they come from, and what they are once a model can read them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/data/column.hpp"
#include "hone/data/image.hpp"
#include "hone/data/progress.hpp"

namespace hone {

// What is made of the labels of data: classes, the real numbers that a model with one label
// learns, or nothing: calibration and predictions need none.
enum class LabelUse { classes, values, ignored };

// One split of a text data set.
struct TextData {
  std::vector<std::string> texts;        // UTF-8
  std::vector<std::int32_t> labels;      // 0-based, one a text; 0 where labels are no classes
  std::vector<std::string> label_names;  // by label; empty where labels are no classes
  std::string source;                    // what messages call it: path, archive member or column
  std::vector<std::string> pairs = {};   // second texts, one a text; empty: single texts
  std::vector<float> targets = {};       // LabelUse::values: one a text; else empty
  std::vector<std::int64_t> lines = {};  // of the file, where each text starts; empty: no lines
  std::int64_t skipped = 0;              // rows left out because a text was empty
};

struct TokenizedData;
struct Columns;
struct Rows;
using ReadRows = Rows (*)(const std::filesystem::path& path, const Options& options,
                          const Columns& columns);

// Contract of a dataset: one file in data/datasets/, chosen by the part of `--data` before ':'.
struct DatasetKind : Described {
  // `location` is the part after ':' (may be empty), `split` is "train" or "test". Labels are
  // numbered by what the split itself holds. Throws Error naming file and place for a missing
  // column, a bad label, text that is not UTF-8.
  // Null: the kind has pictures.
  TextData (*load)(const std::string& location, const std::string& split, const Options& options,
                   LabelUse use);
  // What identifies the content of `location` (for the token cache): changes when the data changes.
  std::string (*fingerprint)(const std::string& location, const std::string& split,
                             const Options& options);
  // Of files with rows: reads one. A single file is one split; the option test names another.
  ReadRows read = nullptr;
  // Where the kind has classes of its own: their names, numbered as it numbers them.
  std::vector<std::string> classes = {};
  // Options that concern one split only: "train" or "test".
  std::map<std::string, std::string> split_of = {};
  // Of pictures, in place of `load`: all of a split as `input` takes them.
  TokenizedData (*load_pictures)(const std::string& location, const std::string& split,
                                 const Options& options, const ImageInput& input,
                                 const Progress& progress) = nullptr;
  // Whether what lies there is one split only, "all"; null: by `read`.
  bool (*is_single)(const std::string& location) = nullptr;
};

// Every dataset kind (generated from the folder).
const std::vector<DatasetKind>& dataset_table();

// A split as a model reads it: token ids, end to end, or pictures.
struct TokenizedData {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t>
      offsets;  // size() + 1 values; sample i is ids[offsets[i]..offsets[i+1])
  std::vector<std::int32_t> labels;
  std::vector<std::string> label_names;
  std::vector<std::uint8_t> type_ids = {};  // token types, one an id; empty: all 0
  std::vector<float> targets = {};          // LabelUse::values: one a sample; else empty
  std::int64_t skipped = 0;                 // as TextData
  // Of pictures: bytes [samples, height, width, channels] of `image`; ids and offsets are empty.
  std::vector<std::uint8_t> pixels = {};
  ImageInput image = {};

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t length(std::int64_t i) const {
    return offsets.empty() ? 1 : offsets[i + 1] - offsets[i];
  }
  // Columns ids or pixels, labels, type_ids and targets, the last two where they are there.
  operator Dataset() const;
};

}  // namespace hone
