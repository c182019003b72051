// jsonl:PATH, one JSON object a line, or an array of objects.
#include "hone/data/source.hpp"

namespace hone {
namespace {

TextData load(const std::string& location, const std::string& split, const Options& options,
              LabelUse use) {
  require_location(location, "jsonl");
  return load_rows(location, split, options, use, read_json_file);
}

}  // namespace

DatasetKind dataset_jsonl() {
  return {{"jsonl", "one JSON object a line, or an array of objects: jsonl:PATH", row_options()},
          load,
          fingerprint_rows,
          read_json_file};
}

}  // namespace hone
