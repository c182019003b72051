#include "hone/data/load.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/text.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/token_cache.hpp"

namespace hone {
namespace {

// Keeps the draws of the validation cut apart from other uses of the seed.
constexpr std::uint32_t validation_stream = 0x76616C00u;

// The split the dataset kind is asked for.
std::string source_split(const DataRequest& request) {
  const std::vector<std::string> known{"train", "validation", "test", "all"};
  if (std::find(known.begin(), known.end(), request.split) == known.end())
    throw Error(ErrorCode::invalid_argument, fmt::format("unknown split '{}'", request.split),
                did_you_mean(request.split, known));
  if (!(request.validation >= 0 && request.validation < 1))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the validation share is {}; expected at least 0 and less than 1",
                            request.validation));
  if (request.split == "validation" && request.validation == 0)
    throw Error(ErrorCode::invalid_argument,
                "the split 'validation' is empty: its share of train is 0",
                "set a validation share such as 0.1");
  if (request.split == "all" && splits_of(request).size() > 1)
    throw Error(ErrorCode::invalid_argument, "the split 'all' is that of a single file",
                fmt::format("this data has the splits {}", fmt::join(splits_of(request), ", ")));
  return request.split == "test" ? "test" : "train";
}

bool is_cut(const DataRequest& request) {
  return (request.split == "train" || request.split == "validation") && request.validation > 0;
}

// What comes through a pipe: asking it for a fingerprint would use it up.
bool comes_once(const std::string& location) {
  std::error_code failed;
  const auto status = std::filesystem::status(location, failed);
  return !failed && std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
         !std::filesystem::is_directory(status);
}

TokenizedData load_all_pictures(const DataRequest& request, const DatasetKind& kind,
                                const std::string& split, const Options& options,
                                const Progress& progress) {
  if (request.labels == LabelUse::values)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the data '{}' are pictures with classes, the model gives a value", kind.name),
        "use a model with classes");
  TokenizedData data =
      kind.load_pictures(request.location, split, options, request.image, progress);
  if (data.labels.empty())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: {} holds no pictures", request.location, split), "check the path");
  return data;
}

void check_label_use(const DataRequest& request, const DatasetKind& kind) {
  if (request.labels == LabelUse::values && !kind.classes.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the data '{}' has classes ({}), the model has one label: a value",
                            kind.name, fmt::join(kind.classes, ", ")),
                "use data with real numbers, or a model with these classes");
}

std::vector<std::int64_t> chosen(const DataRequest& request, std::span<const std::int32_t> labels) {
  ValidationCut cut = cut_validation(labels, request.validation, request.seed);
  return request.split == "train" ? std::move(cut.train) : std::move(cut.validation);
}

Options options_of(const DataRequest& request, const DatasetKind& kind) {
  return complete_options(kind.options, request.options, "data '" + kind.name + "'");
}

}  // namespace

DataRequest parse_data(std::string_view text) {
  const std::size_t colon = text.find(':');
  DataRequest request;
  request.kind = text.substr(0, colon);
  if (colon != std::string_view::npos) request.location = text.substr(colon + 1);
  find_dataset(request.kind);
  return request;
}

const DatasetKind& find_dataset(std::string_view kind) {
  std::vector<std::string> names;
  for (const DatasetKind& candidate : dataset_table()) {
    if (candidate.name == kind) return candidate;
    names.push_back(candidate.name);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("unknown data '{}'; expected KIND or KIND:PATH", kind),
              did_you_mean(kind, names));
}

void check_reads(const DatasetKind& kind, bool pictures, const std::string& model) {
  if ((kind.load_pictures != nullptr) == pictures) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the data '{}' are {}, {} reads {}", kind.name,
                          pictures ? "texts" : "pictures", model, pictures ? "pictures" : "texts"),
              "hone list datasets and hone list models say which is which");
}

std::vector<std::string> splits_of(const DataRequest& request) {
  const DatasetKind& kind = find_dataset(request.kind);
  const bool single = kind.is_single != nullptr
                          ? kind.is_single(request.location)
                          : kind.read != nullptr && request.options.text_or("test", "").empty();
  return single ? std::vector<std::string>{"all"} : std::vector<std::string>{"train", "test"};
}

void check_split_options(const DataRequest& request) {
  // The validation split is cut from train.
  const std::string split = request.split == "validation" ? "train" : request.split;
  for (const auto& [name, own] : find_dataset(request.kind).split_of)
    if (request.options.contains(name) && own != split)
      throw UsageError(fmt::format("data.{} changes nothing on the split {}", name, request.split),
                       fmt::format("leave it out, or use --split {}", own));
}

TextData load_texts(const DataRequest& request) {
  const std::string split = source_split(request);
  const DatasetKind& kind = find_dataset(request.kind);
  check_reads(kind, false, "this");
  check_label_use(request, kind);
  TextData data = kind.load(request.location, split, options_of(request, kind), request.labels);
  if (!is_cut(request)) return data;
  const std::vector<std::int64_t> numbers = chosen(request, data.labels);
  const auto pick = [&](auto& column) {
    if (column.empty()) return;
    std::remove_reference_t<decltype(column)> picked;
    picked.reserve(numbers.size());
    for (const std::int64_t i : numbers)
      picked.push_back(std::move(column[static_cast<std::size_t>(i)]));
    column = std::move(picked);
  };
  pick(data.texts);
  pick(data.pairs);
  pick(data.labels);
  pick(data.targets);
  pick(data.lines);
  return data;
}

TokenizedData load_tokenized(const DataRequest& request, const Tokenizer& tokenizer,
                             const Progress& progress) {
  const std::string split = source_split(request);
  const DatasetKind& kind = find_dataset(request.kind);
  check_reads(kind, static_cast<bool>(request.image), "the model");
  const Options options = options_of(request, kind);
  if (request.image) {
    TokenizedData pictures = load_all_pictures(request, kind, split, options, progress);
    return is_cut(request) ? subset(pictures, chosen(request, pictures.labels)) : pictures;
  }
  check_label_use(request, kind);
  const auto read = [&] {
    return tokenize(kind.load(request.location, split, options, request.labels), tokenizer,
                    request.max_length, progress);
  };
  TokenizedData data;
  if (comes_once(request.location)) {
    data = read();
    return is_cut(request) ? subset(data, chosen(request, data.labels)) : data;
  }
  const std::string key = sha256(fmt::format(
      "{}\n{}\n{}\n{}\n{}", kind.name, kind.fingerprint(request.location, split, options),
      tokenizer.fingerprint(), request.max_length, static_cast<int>(request.labels)));
  if (!read_token_cache(key, tokenizer.vocab_size(), data)) {
    data = read();
    write_token_cache(key, tokenizer.vocab_size(), data);
  }
  return is_cut(request) ? subset(data, chosen(request, data.labels)) : data;
}

ValidationCut cut_validation(std::span<const std::int32_t> labels, double share,
                             std::uint64_t seed) {
  std::map<std::int32_t, std::vector<std::int64_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i)
    classes[labels[i]].push_back(static_cast<std::int64_t>(i));
  ValidationCut cut;
  for (auto& [label, members] : classes) {
    RandomStream random(seed, validation_stream + static_cast<std::uint32_t>(label));
    for (std::size_t i = members.size(); i > 1; --i)
      std::swap(members[i - 1], members[random.below(static_cast<std::uint32_t>(i))]);
    auto taken =
        static_cast<std::size_t>(std::llround(share * static_cast<double>(members.size())));
    if (share > 0 && members.size() >= 2)
      taken = std::clamp<std::size_t>(taken, 1, members.size() - 1);
    const auto border = members.begin() + static_cast<std::ptrdiff_t>(taken);
    cut.validation.insert(cut.validation.end(), members.begin(), border);
    cut.train.insert(cut.train.end(), border, members.end());
  }
  std::sort(cut.train.begin(), cut.train.end());
  std::sort(cut.validation.begin(), cut.validation.end());
  return cut;
}

TokenizedData::operator Dataset() const {
  Dataset data{size(), offsets, {}, label_names};
  if (image) {
    data.image = &image;
    data.columns.push_back(make_column("pixels", DType::u8, pixels));
    data.columns.back().shape = {image.height, image.width, image.channels};
  } else {
    data.columns.push_back(make_column("ids", DType::i32, ids, true));
  }
  data.columns.push_back(make_column("labels", DType::i32, labels));
  if (!type_ids.empty()) data.columns.push_back(make_column("type_ids", DType::u8, type_ids, true));
  if (!targets.empty()) data.columns.push_back(make_column("targets", DType::f32, targets));
  return data;
}

TokenizedData subset(const TokenizedData& data, std::span<const std::int64_t> indices) {
  TokenizedData part;
  part.label_names = data.label_names;
  part.skipped = data.skipped;
  part.image = data.image;
  if (!data.image) part.offsets.push_back(0);
  part.pixels.reserve(static_cast<std::size_t>(data.image.size()) * indices.size());
  for (const std::int64_t i : indices) {
    if (i < 0 || i >= data.size())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("sample {} does not exist; there are {}", i, data.size()));
    const auto at = static_cast<std::size_t>(i);
    part.labels.push_back(data.labels[at]);
    if (data.image) {
      const auto first = data.pixels.begin() + i * data.image.size();
      part.pixels.insert(part.pixels.end(), first, first + data.image.size());
      continue;
    }
    part.ids.insert(part.ids.end(), data.ids.begin() + data.offsets[at],
                    data.ids.begin() + data.offsets[at + 1]);
    if (!data.type_ids.empty())
      part.type_ids.insert(part.type_ids.end(), data.type_ids.begin() + data.offsets[at],
                           data.type_ids.begin() + data.offsets[at + 1]);
    part.offsets.push_back(static_cast<std::int64_t>(part.ids.size()));
    if (!data.targets.empty()) part.targets.push_back(data.targets[at]);
  }
  return part;
}

}  // namespace hone
