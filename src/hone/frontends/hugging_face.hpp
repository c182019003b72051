// Hugging Face model directories: config.json with weights beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/frontends/model.hpp"
#include "hone/model/model.hpp"

namespace hone {

// What hone's own form of a model has beside config.json (saved_model.hpp). Other libraries look
// for none of these names: they fail loudly instead of computing something else.
inline constexpr const char* own_facts_file = "hone_model.json";
inline constexpr const char* own_graph_file = "hone_graph.txt";
inline constexpr const char* own_weights_file = "hone_model.safetensors";

// A loaded model directory: its config.json, and its tensors as float32. Integers stay what they
// are: they are buffers, or bits whose meaning somebody else knows.
struct ModelFiles {
  Json config;
  TensorStore parameters;
  std::filesystem::path directory;
  std::map<std::string, std::filesystem::path> file_of;  // by tensor: which file it came from
  // What was changed on reading, as sentences for the user.
  std::vector<std::string> notes = {};
};

// Reads config.json and the first weights there are, in this order: model.safetensors, its shards
// by model.safetensors.index.json, pytorch_model.bin, its shards by pytorch_model.bin.index.json.
// Real numbers come back as float32; those stored so share the mapped file. Shards must be plain
// file names inside the directory. Prefixes that wrappers left (module., _orig_mod., model.) are
// taken off where every name has them, or the architecture wants the names without them; weights
// that other libraries quantized become float32 (foreign_quantization.hpp). Throws Error naming the
// file and the tensor, or what was looked for.
ModelFiles load_model_files(const std::filesystem::path& directory);
// Whether a file of that name belongs to a model directory: its configuration, weights or
// tokenizer.
bool is_model_file(const std::string& name);
// Whether it is one of the weights, or lists its shards.
bool is_weights_file(const std::string& name);
// Whether there are weights in a directory.
bool holds_weights(const std::filesystem::path& directory);
// config.json of a directory, without its weights.
Json load_model_config(const std::filesystem::path& directory);

struct MatchedParameters {
  TensorStore parameters;  // in the order of the specs, all float32
  LoadReport report;
};

// Takes what `specs` want out of `files`. A name is looked up as it is, without its `backbone`
// prefix (a file of the bare backbone), and with TensorFlow's LayerNorm names gamma and beta. A
// missing head (`head`, all that is not backbone, and its pooler) is initialised from `seed` and
// reported. Throws Error(bad_format) for a wrong shape, Error(unsupported) for integers in place of
// numbers, Error(numeric) for NaN or infinity, Error(not_found) when a tensor of the backbone is
// missing. Without `check_values` NaN and infinity pass: looking for them reads every page of the
// file.
MatchedParameters match_parameters(const std::vector<ParameterSpec>& specs, ModelFiles& files,
                                   std::uint64_t seed, const std::string& backbone = "bert.",
                                   const std::vector<std::string>& head = {},
                                   bool check_values = true);

// Fresh values. Those of a parameter depend on (seed, its name) alone, not on the other parameters
// or on the number of threads. Throws Error(unsupported) when they exceed the machine's memory.
TensorStore initialize_parameters(const std::vector<ParameterSpec>& specs, std::uint64_t seed);

// What the tensors are saved as, and texts beside them, by name.
struct SavedForm {
  std::string weights = "model.safetensors";
  std::vector<std::pair<std::string, std::string>> texts = {};
  // Writes what else belongs to the form: an adapter's files.
  std::function<void(const std::filesystem::path&)> write = {};
};

// Writes a directory that `transformers` loads: config.json (its "dtype" set to what is stored),
// the tensors and texts as `form` names them, copies of the existing files among `copies` under
// their own names, and whatever `more` writes into the folder it is given.
//
// When `directory` is not there yet, or holds only plain files, everything is written into
// `directory` + ".partial", flushed, and put in its place in one step (rename, or an exchange of
// the two): a crash leaves the old directory or the new one, whole. Other files of the old
// directory are kept, but for those of a model (is_model_file): they belong to the old one. When it
// holds folders, is a mount point, or the file system cannot exchange, the files are replaced one
// by one, each atomically, the weights last; there a `more` that writes a tokenizer removes the
// files of the old one itself. A failure leaves the old files.
void save_model_directory(const std::filesystem::path& directory, Json config,
                          const TensorStore& parameters,
                          const std::vector<std::filesystem::path>& copies = {},
                          const std::function<void(const std::filesystem::path&)>& more = {},
                          const SavedForm& form = {});

}  // namespace hone
