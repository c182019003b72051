// tsv:PATH, tab-separated values with a header line, quoted as in RFC 4180.
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace tsv_data {

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse use) {
  require_location(location, "tsv");
  return load_rows(location, split, options, use, read_delimited_file);
}

}  // namespace tsv_data
}  // namespace

DatasetKind dataset_tsv() {
  using namespace tsv_data;
  return {{"tsv", "tab-separated values: tsv:PATH", delimited_options("tab")},
          load,
          fingerprint_rows,
          read_delimited_file};
}

}  // namespace hone
