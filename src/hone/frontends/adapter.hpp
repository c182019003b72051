// Adapters in the layout of PEFT (https://huggingface.co/docs/peft): adapter_config.json, and the
// tensors in adapter_model.safetensors (or adapter_model.bin), named "base_model.model." and then
// as passes/lora.hpp names them.
#pragma once

#include <filesystem>
#include <string>

#include "hone/passes/lora.hpp"

namespace hone {

struct AdapterFiles {
  LoraSettings settings;  // targets are not asked: the tensors name the layers
  TensorStore tensors;    // float32, as add_adapter takes them
  std::string base;       // base_model_name_or_path; "" where nothing is said
};

// Whether a folder holds an adapter and no model.
bool is_adapter(const std::filesystem::path& directory);
// Whether a file of that name belongs to an adapter.
bool is_adapter_file(const std::string& name);

// Throws Error naming the file and the key or tensor: not_found, bad_format, unsupported for what
// is no LoRA adapter as hone computes them, numeric for NaN or infinity.
AdapterFiles read_adapter(const std::filesystem::path& directory);
// The folder of the base that an adapter's folder names: as it is, or seen from the adapter's own
// folder. Throws Error(not_found).
std::filesystem::path adapter_base(const std::filesystem::path& directory);

// Writes the files of an adapter of `model`; `tensors` take the place of the model's own.
void write_adapter(const std::filesystem::path& folder, const Model& model,
                   const TensorStore& tensors, const Adapter& adapter);
// The one of them that stands in the model's own folder: the one that is trained, else the first.
const Adapter& main_adapter(const std::vector<Adapter>& adapters);

}  // namespace hone
