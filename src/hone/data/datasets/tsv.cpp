// tsv:PATH, tab-separated values with a header line, quoted as in RFC 4180.
#include "hone/data/delimited.hpp"

namespace hone {
namespace {

LabelledRows read(const std::filesystem::path& path, const Options& options) {
  return read_delimited(path, '\t', options.boolean_or("quotes", true),
                        options.text_or("text", "text"), options.text_or("label", "label"));
}

TextData load(const std::string& location, const std::string& split, const Options& options) {
  require_location(location, "tsv");
  return load_rows(location, split, options, read);
}

}  // namespace

DatasetKind dataset_tsv() {
  std::vector<OptionSpec> options = row_options();
  options.push_back({.name = "quotes",
                     .type = OptionType::boolean,
                     .default_value = true,
                     .help = "whether fields may be quoted as in RFC 4180"});
  return {{"tsv", "tab-separated values: tsv:PATH", std::move(options)}, load, fingerprint_rows};
}

}  // namespace hone
