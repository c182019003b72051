// csv:PATH, comma-separated values with a header line, quoted as in RFC 4180.
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace csv_data {

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse use) {
  require_location(location, "csv");
  return load_rows(location, split, options, use, read_delimited_file);
}

}  // namespace csv_data
}  // namespace

DatasetKind dataset_csv() {
  using namespace csv_data;
  return {{"csv", "comma-separated values: csv:PATH", delimited_options(",")},
          load,
          fingerprint_rows,
          read_delimited_file};
}

}  // namespace hone
