// Any bytes as an ONNX file: a source graph that prints and reads back the same, or hone::Error.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/graph/text.hpp"
#include "hone/graph/verify.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // External data, if any is named, would lie in an empty folder.
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("hone_onnx_fuzz_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / "m.onnx";
  hone::write_file_atomically(file, std::string_view(reinterpret_cast<const char*>(data), size));
  for (const bool pictures : {false, true}) {
    try {
      const hone::Model model =
          pictures ? hone::import_picture_classifier(file, {}) : hone::import_onnx(file);
      hone::verify_graph(model.graph);
      const std::string text = hone::print_graph(model.graph);
      if (hone::print_graph(hone::parse_graph(text, "fuzz")) != text) __builtin_trap();
    } catch (const hone::Error& error) {
      if (error.code() == hone::ErrorCode::internal) __builtin_trap();
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
