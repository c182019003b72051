// Fuzz target: the first byte chooses encoding, separator and columns, the rest is a file of texts.
// It is either refused with an Error or gives rows that are whole: UTF-8, as many labels and pairs
// as texts; a JSON row is what the JSON parser reads there.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/data/labels.hpp"
#include "hone/data/rows.hpp"
#include "hone/data/unpack.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

template <typename Read>
void read_and_check(const Read& read) {
  try {
    const hone::Rows rows = read();
    require(rows.lines.size() == rows.texts.size());
    require(rows.pairs.empty() || rows.pairs.size() == rows.texts.size());
    require(rows.labels.empty() || rows.labels.size() == rows.texts.size());
    for (const auto* column : {&rows.texts, &rows.pairs, &rows.labels})
      for (const std::string& text : *column)
        require(hone::find_invalid_utf8(text) == std::string::npos);
    hone::TextData classes;
    if (!rows.labels.empty()) hone::number_classes(rows, classes);
    for (const std::int32_t label : classes.labels)
      require(label >= 0 && static_cast<std::size_t>(label) < classes.label_names.size());
  } catch (const hone::Error&) {
  }
}

// The fast reader of flat objects against the parser.
void compare_line(std::string_view line) {
  if (line.find_first_of("\r\n[") != std::string_view::npos) return;
  try {
    const hone::Rows rows = hone::read_json_rows(line, "f", {.text = "t"});
    const hone::Json json = hone::parse_json_or_null(line);
    if (rows.texts.empty()) return;
    const std::string want = json.is_string()         ? json.text()
                             : json.at("t").is_null() ? ""
                                                      : json.at("t").text();
    require(rows.texts.size() == 1 && rows.texts[0] == want);
  } catch (const hone::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  hone::TextFile file;
  try {
    const char* encodings[] = {"auto", "utf-8", "utf-16", "latin-1"};
    std::string unpacked;
    if (!hone::compression_of(bytes).empty()) unpacked = hone::unpack(bytes, "f");
    file = hone::decode_text({nullptr, unpacked.empty() ? bytes : std::string_view(unpacked)}, "f",
                             encodings[choice % 4]);
    // The text may lie in `unpacked`, which ends here.
    const auto kept = std::make_shared<const std::string>(file.text);
    file = {kept, *kept};
  } catch (const hone::Error&) {
    return 0;
  }
  require(hone::find_invalid_utf8(file.text) == std::string_view::npos);
  const hone::Columns columns{.text = "t",
                              .pair = choice & 8u ? "p" : "",
                              .pair_if_there = (choice & 16u) != 0,
                              .label = choice & 32u ? "l" : ""};
  const char separator = choice & 64u ? '\t' : ',';
  read_and_check([&] {
    return hone::read_delimited(file.text, "f", separator, (choice & 128u) == 0, columns);
  });
  read_and_check([&] { return hone::read_json_rows(file.text, "f", columns); });
  read_and_check([&] { return hone::read_plain_rows(file.text, "f"); });
  compare_line(file.text);
  return 0;
}
