// What every job on texts needs before it can start: which tokenizer, which data, how long a text
// may be; and settings given as text, sorted by what they belong to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/data/load.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/model/model.hpp"

namespace hone {

// key, value as they were typed.
using TextSettings = std::vector<std::pair<std::string, std::string>>;

// `key=value` settings, each where it belongs.
struct Settings {
  Options values;      // those of the job's own specs, typed and checked
  TextSettings model;  // sizes of a built-in model
  TextSettings data;   // options of the dataset kind, without "data."
};

// Sorts settings: a key of `specs`, a size of a built-in model (only with `model_sizes`), or
// "data.KEY". A later value replaces an earlier one. `where` starts messages. Throws
// Error(invalid_argument) naming the nearest known key.
Settings sort_settings(const TextSettings& given, const std::vector<OptionSpec>& specs,
                       bool model_sizes, const std::string& where);
// "key=value"; throws Error(invalid_argument).
std::pair<std::string, std::string> split_setting(const std::string& text,
                                                  const std::string& where);

// The tokenizer of a job, first found of: `given` (a directory or file), the one in the model's
// directory (or in its last checkpoint), the embedded one of the data `reviews`. None (an empty
// one) for data that are pictures. Throws Error(not_found) saying what to give.
struct ChosenTokenizer {
  Tokenizer tokenizer;
  std::string source;  // its path, or "embedded"
};
ChosenTokenizer choose_tokenizer(const std::string& model, const std::string& given,
                                 const std::string& data_kind);
// The same when the name is a tokenizer itself (a directory, a file, or "reviews") or a model.
ChosenTokenizer load_named_tokenizer(const std::string& name);

// A request for `data` ("imdb:PATH") with options of its kind; relative to the working directory.
DataRequest make_data_request(const std::string& data, const TextSettings& options);

// Ids a text is cut at. `asked` above the model's positions is an error; 0 asks for the default:
// these positions, or model_max_length of the tokenizer where that is less. What the tokenizer's
// files ask for and do not get is said (`say` may be empty).
std::int64_t length_limit(const TextLimits& limits, const ChosenTokenizer& tokenizer,
                          std::int64_t asked, const std::function<void(const std::string&)>& say);
// Says what loading a model did to the tensors of its files, what starts afresh and what is not
// used.
void say_report(const Model& model, const std::function<void(const std::string&)>& say);
// Throws Error(invalid_argument) when the tokenizer makes ids that the model's vocabulary lacks; a
// mask and a pad, which texts do not hold, may be among them, which is said. A
// tokenizer with fewer tokens than the vocabulary is said (`say` may be empty): a vocabulary may be
// padded, a tokenizer may be cut short.
void check_fit(const TextLimits& limits, const Tokenizer& tokenizer, const std::string& source,
               const std::function<void(const std::string&)>& say);
// Throws Error(invalid_argument) when a sample has an id or a token type that the model has not.
void check_samples(const TextLimits& limits, const TokenizedData& data);

}  // namespace hone
