// jsonl:PATH, one JSON object a line, or an array of objects.
#include "hone/data/source.hpp"

namespace hone {
namespace {
namespace jsonl_data {

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse use) {
  require_location(location, "jsonl");
  return load_rows(location, split, options, use, read_json_file);
}

}  // namespace jsonl_data
}  // namespace

DatasetKind dataset_jsonl() {
  using namespace jsonl_data;
  return {{"jsonl", "one JSON object a line, or an array of objects: jsonl:PATH", row_options()},
          load,
          fingerprint_rows,
          read_json_file};
}

}  // namespace hone
