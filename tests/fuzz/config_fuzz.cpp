// Any text as a config.json: a configuration that writes and reads back the same, or hone::Error.
#include "hone/frontends/bert_config.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto config = hone::BertConfig::from_json(hone::parse_json(text, "fuzz"), "fuzz");
    if (config.num_hidden_layers < 64) hone::bert_parameter_specs(config);
    const auto written = config.to_json();
    if (hone::BertConfig::from_json(written, "fuzz").to_json() != written) __builtin_trap();
  } catch (const hone::Error& error) {
    if (error.code() == hone::ErrorCode::internal) __builtin_trap();
  }
  return 0;
}
