#include "hone/frontends/torch_bin.hpp"
#include "hone/frontends/model.hpp"

namespace hone {

WeightsReader weights_reader_torch_bin() {
  WeightsReader reader;
  reader.name = "torch_bin";
  reader.summary =
      "a file of torch.save (zip archive, or older row of pickles), its pickle read without "
      "executing "
      "anything";
  reader.file_name = "pytorch_model.bin";
  reader.read = [](const std::filesystem::path& file) { return read_torch_bin(file); };
  return reader;
}

}  // namespace hone
