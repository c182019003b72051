#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/model.hpp"

namespace hone {

WeightsReader weights_reader_safetensors() {
  WeightsReader reader;
  reader.name = "safetensors";
  reader.summary = "Hugging Face safetensors: a JSON header and plain values, mapped";
  reader.file_name = "model.safetensors";
  reader.read = [](const std::filesystem::path& file) { return read_safetensors(file); };
  return reader;
}

}  // namespace hone
