// json:PATH, a JSON array of objects, or one object a line.
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace json_data {

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse use) {
  require_location(location, "json");
  return load_rows(location, split, options, use, read_json_file);
}

}  // namespace json_data
}  // namespace

DatasetKind dataset_json() {
  using namespace json_data;
  return {{"json", "a JSON array of objects, or one object a line: json:PATH", row_options()},
          load,
          fingerprint_rows,
          read_json_file};
}

}  // namespace hone
