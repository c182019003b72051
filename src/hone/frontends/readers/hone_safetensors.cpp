#include "hone/frontends/model.hpp"
#include "hone/frontends/safetensors.hpp"

namespace hone {

WeightsReader weights_reader_hone_safetensors() {
  WeightsReader reader;
  reader.name = "hone_safetensors";
  reader.summary = "weights that take number formats: safetensors under a name of hone's own";
  reader.file_name = "hone_model.safetensors";
  reader.common = false;
  reader.read = [](const std::filesystem::path& file) { return read_safetensors(file); };
  return reader;
}

}  // namespace hone
