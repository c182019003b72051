#include "hone/frontends/hugging_face.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/foreign_quantization.hpp"
#include "hone/frontends/zoo/architecture.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

bool is_real(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

void add_tensors(ModelFiles& files, const fs::path& source, const TensorStore& tensors) {
  for (const std::string& name : tensors.names()) {
    if (files.parameters.contains(name))
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: tensor '{}' is also in {}", source.string(), printable(name),
                              files.file_of.at(name).string()),
                  "the shards do not belong together: download the model again");
    const Tensor& tensor = tensors.at(name);
    const bool keep = tensor.dtype() == DType::f32 || !is_real(tensor.dtype());
    files.parameters.set(name, keep ? tensor : tensor.to_f32());
    files.file_of[name] = source;
  }
}

// The shard each tensor is in, by an index file.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const std::string where = path.string();
  const Json index = parse_json(read_file(path), where);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw Error(ErrorCode::bad_format, where + ": has no object \"weight_map\"",
                "an index maps each tensor to the file that holds it");
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    const std::string what =
        fmt::format("{}: \"weight_map\": tensor '{}'", where, printable(tensor));
    if (!shard.is_string())
      throw Error(ErrorCode::bad_format, what + ": the shard is not a file name");
    const std::string& name = shard.text();
    const bool plain = !name.empty() && name != "." && name != ".." &&
                       name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (!plain)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: '{}' is not a plain file name", what, printable(name)),
                  "shards must lie in the folder of the index");
    shards[tensor] = name;
  }
  if (shards.empty()) throw Error(ErrorCode::bad_format, where + ": \"weight_map\" is empty");
  return shards;
}

void load_shards(ModelFiles& files, const fs::path& index, const WeightsReader& reader) {
  const auto shards = read_index(index);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : shards) names.insert(shard);
  for (const std::string& name : names) {
    const fs::path path = files.directory / name;
    if (!fs::is_regular_file(path))
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: the shard '{}' is missing", index.string(), printable(name)),
                  "download the missing file into the folder");
    add_tensors(files, path, reader.read(path));
  }
  for (const auto& [tensor, shard] : shards) {
    const auto found = files.file_of.find(tensor);
    if (found == files.file_of.end() || found->second.filename() != shard)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: tensor '{}' is not in '{}'", index.string(), printable(tensor),
                              printable(shard)),
                  "the index does not belong to these shards: download the model again");
  }
}

constexpr std::string_view wrapper_prefixes[] = {"module.", "_orig_mod.", "model."};

// What of these `name` begins with, one after another.
std::string wrappers_of(std::string_view name) {
  std::size_t taken = 0;
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view prefix : wrapper_prefixes)
      if (name.substr(taken).starts_with(prefix)) {
        taken += prefix.size();
        found = true;
      }
  }
  return std::string(name.substr(0, taken));
}

// The prefix of wrappers that all names have.
std::string common_wrappers(const std::vector<std::string>& names) {
  std::string taken = names.empty() ? "" : wrappers_of(names.front());
  const auto have_it = [&] {
    return std::all_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name.starts_with(taken); });
  };
  // Shorter by whole wrappers: "module.model." by "model.".
  while (!have_it()) taken.resize(taken.rfind('.', taken.size() - 2) + 1);
  return taken;
}

// The prefix of wrappers that some names have and without which they are parameters of the
// architecture, where no other tensor has these names.
std::string wrappers_of_some(const ModelFiles& files) {
  const std::vector<std::string>& names = files.parameters.names();
  if (std::all_of(names.begin(), names.end(),
                  [](const std::string& name) { return wrappers_of(name).empty(); }))
    return "";
  std::set<std::string> wanted;
  try {
    const Architecture& architecture = architecture_of(files.config, "");
    for (const ParameterSpec& spec : architecture.make(files.config, "").parameters) {
      wanted.insert(spec.name);
      // A file of the bare backbone lacks its prefix.
      if (spec.name.starts_with(architecture.backbone))
        wanted.insert(spec.name.substr(architecture.backbone.size()));
    }
  } catch (const Error&) {
    return "";  // said by whoever builds the model
  }
  for (const std::string& name : names) {
    const std::string prefix = wrappers_of(name);
    if (prefix.empty() || !wanted.contains(name.substr(prefix.size()))) continue;
    const bool collides = std::any_of(names.begin(), names.end(), [&](const std::string& other) {
      return other.starts_with(prefix) && files.parameters.contains(other.substr(prefix.size()));
    });
    return collides ? "" : prefix;
  }
  return "";
}

void take_off(ModelFiles& files, const std::string& prefix) {
  TensorStore renamed;
  std::map<std::string, fs::path> file_of;
  for (const std::string& name : files.parameters.names()) {
    const std::string bare = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    renamed.set(bare, files.parameters.at(name));
    file_of[bare] = files.file_of.at(name);
  }
  files.parameters = std::move(renamed);
  files.file_of = std::move(file_of);
}

// Takes what wrappers put before every name off: DistributedDataParallel, torch.compile, modules
// that hold the model as a member. Some tensors may stand beside the wrapped model: counters of an
// average, a classifier of the outer module.
void take_prefixes_off(ModelFiles& files) {
  if (const std::string prefix = common_wrappers(files.parameters.names()); !prefix.empty()) {
    take_off(files, prefix);
    files.notes.push_back(
        fmt::format("every tensor's name begins with '{}': taken off", printable(prefix)));
  }
  const std::string prefix = wrappers_of_some(files);
  if (prefix.empty()) return;
  std::vector<std::string> others;
  for (const std::string& name : files.parameters.names())
    if (!name.starts_with(prefix)) others.push_back(printable(name));
  const std::size_t all = files.parameters.names().size();
  take_off(files, prefix);
  constexpr std::size_t shown = 4;
  const std::size_t more = others.size() > shown ? others.size() - shown : 0;
  others.resize(others.size() - more);
  files.notes.push_back(
      fmt::format("the names of {} of {} tensors begin with '{}': taken off; "
                  "without it: {}{}",
                  all - others.size() - more, all, printable(prefix), fmt::join(others, ", "),
                  more > 0 ? fmt::format(" and {} more", more) : ""));
}

// Up to six names of what is there, for the message that says what is not.
std::string list_directory(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 6; ++i)
    text += (i == 0 ? "" : ", ") + printable(names[i], 60);
  if (names.size() > 6) text += ", ...";
  return names.empty() ? "the folder is empty" : "the folder holds " + text;
}

void read_weights(ModelFiles& files) {
  const fs::path& directory = files.directory;
  std::vector<std::string> looked_for;
  for (const WeightsReader& reader : weights_reader_table()) {
    const fs::path whole = directory / reader.file_name;
    if (fs::exists(whole)) {
      add_tensors(files, whole, reader.read(whole));
      return;
    }
    const fs::path index = whole.string() + ".index.json";
    if (fs::exists(index)) {
      load_shards(files, index, reader);
      return;
    }
    looked_for.push_back(reader.file_name);
    looked_for.push_back(reader.file_name + ".index.json");
  }
  throw Error(ErrorCode::not_found,
              fmt::format("{}: has no weights: looked for {}", directory.string(),
                          fmt::join(looked_for, ", ")),
              list_directory(directory));
}

void check_directory(const fs::path& directory) {
  if (!fs::exists(directory))
    throw Error(ErrorCode::not_found, directory.string() + ": there is no such folder",
                "check the path");
  if (!fs::is_directory(directory))
    throw Error(ErrorCode::invalid_argument,
                directory.string() + ": is a file, expected a model folder",
                "give the folder that holds config.json");
}

}  // namespace

bool is_weights_file(const std::string& name) {
  if (name == own_weights_file) return true;
  for (const WeightsReader& reader : weights_reader_table()) {
    const fs::path file = reader.file_name;
    // Itself, its shards NAME-00001-of-00002.END, and their index.
    if (name == reader.file_name || name == reader.file_name + ".index.json" ||
        (name.starts_with(file.stem().string() + "-") && name.ends_with(file.extension().string())))
      return true;
  }
  return false;
}

bool holds_weights(const fs::path& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    if (is_weights_file(entry.path().filename().string())) return true;
  return false;
}

bool is_model_file(const std::string& name) {
  return is_weights_file(name) || is_adapter_file(name) || name == own_facts_file ||
         name == own_graph_file || name == "config.json" || name == "tokenizer.json" ||
         name == "vocab.txt" || name == "tokenizer_config.json" ||
         name == "special_tokens_map.json" || name == "added_tokens.json";
}

Json load_model_config(const fs::path& directory) {
  check_directory(directory);
  const fs::path path = directory / "config.json";
  if (!fs::exists(path))
    throw Error(
        ErrorCode::not_found, directory.string() + ": has no config.json",
        "a model folder holds config.json and model.safetensors; " + list_directory(directory));
  Json config = parse_json(read_file(path), path.string());
  if (!config.is_object())
    throw Error(ErrorCode::bad_format, path.string() + ": is not a JSON object");
  return config;
}

ModelFiles load_model_files(const fs::path& directory) {
  ModelFiles files;
  files.config = load_model_config(directory);
  files.directory = directory;
  if (files.config.contains("hone_quantization"))
    throw Error(ErrorCode::unsupported,
                (directory / "config.json").string() +
                    ": key 'hone_quantization': an earlier hone quantized this model",
                "quantize the model that it was made from again");
  check_foreign_quantization(files.config, (directory / "config.json").string());
  read_weights(files);
  take_prefixes_off(files);
  dequantize_foreign(files);
  return files;
}

}  // namespace hone
