// From `--data` to token ids: names the data, cuts the validation split, tokenizes once and keeps
// the result on disk.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/dataset.hpp"
#include "hone/data/progress.hpp"
#include "hone/data/tokenizer.hpp"

namespace hone {

struct DataRequest {
  std::string kind;
  std::string location;
  // train, validation or test; all: the whole of a single file, which has no other split.
  std::string split = "train";
  std::int64_t max_length = 512;
  // Share of the train split that becomes the validation split, in [0, 1). With a share above zero
  // "train" is what is left.
  double validation = 0;
  std::uint64_t seed = 0;  // chooses which samples are validation samples
  Options options;         // of the dataset kind
  LabelUse labels = LabelUse::classes;
  ImageInput image = {};  // of a model that reads pictures
};

// "imdb:PATH" or "reviews": the part before the first ':' names the kind. Throws
// Error(invalid_argument) for an unknown one, naming the nearest.
DataRequest parse_data(std::string_view text);
const DatasetKind& find_dataset(std::string_view kind);
// Throws Error(invalid_argument) where one has pictures and the other reads texts.
void check_reads(const DatasetKind& kind, bool pictures, const std::string& model);

// "train" and "test"; "all" for a single file.
std::vector<std::string> splits_of(const DataRequest& request);
// Throws Error(invalid_argument) for an option that concerns another split than the request's.
void check_split_options(const DataRequest& request);
// The texts of a request (validation cut included). Throws what the dataset kind throws, and
// Error(invalid_argument) for an unknown split or option, a validation split without a share, or
// values of data that has classes.
TextData load_texts(const DataRequest& request);
// A split as a model reads it: pictures of data that has them (`tokenizer` may be empty then), else
// texts, tokenized. The tokens of the whole split are kept under cache_directory()/tokens, found
// by the content of the data, its options, the tokenizer and max_length; a damaged file there is
// made anew.
TokenizedData load_tokenized(const DataRequest& request, const Tokenizer& tokenizer,
                             const Progress& progress = {});

// Sample numbers of the two parts of a split, each ascending: of every class the same share
// (rounded; at least one sample where the class has two) is drawn for validation.
struct ValidationCut {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> validation;
};
ValidationCut cut_validation(std::span<const std::int32_t> labels, double share,
                             std::uint64_t seed);
// The samples with these numbers, in this order.
TokenizedData subset(const TokenizedData& data, std::span<const std::int64_t> indices);

}  // namespace hone
