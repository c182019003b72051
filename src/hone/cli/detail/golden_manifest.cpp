#include "hone/cli/detail/golden_manifest.hpp"

#include <cstring>
#include <span>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/detail/golden_case.hpp"
#include "hone/numerics/detail/mxint8.hpp"
#include "hone/sparsity/detail/mase.hpp"

namespace hone {
namespace {

bool is_mask(const GoldenCase& golden) {
  return golden.format == "prune_l1_local" || golden.format == "prune_l1_global";
}

// The mask of the input as float32 0 and 1: of a global one the threshold is that of the input and
// all extra inputs together.
Tensor run_mask_case(const GoldenCase& golden, const TensorStore& tensors) {
  const Tensor& x = tensors.at(golden.input);
  std::vector<const Tensor*> ranked{&x};
  if (golden.format == "prune_l1_global")
    for (const auto& [role, name] : golden.extra_inputs) ranked.push_back(&tensors.at(name));
  for (const Tensor* tensor : ranked)
    if (tensor->dtype() != DType::f32)
      throw Error(ErrorCode::bad_format, fmt::format("case {}: expected float32", golden.id));
  const double sparsity = golden.params.at("sparsity").get<double>();
  if (!(sparsity >= 0 && sparsity <= 1))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("case {}: sparsity {:g} is outside 0 to 1", golden.id, sparsity));
  return mase::above(x, mase::magnitude_quantile(ranked, sparsity)).to_f32();
}

ManifestResult run_cases(const std::filesystem::path& manifest,
                         const std::filesystem::path& inputs) {
  const TensorStore tensors =
      read_vectors(inputs.empty() ? manifest.parent_path() / "inputs.safetensors" : inputs);
  ManifestResult result;
  for (const GoldenCase& golden : read_golden_manifest(manifest)) {
    ++result.cases;
    if (!is_mask(golden) && !is_supported(golden)) {
      ++result.skipped[golden.format];
      continue;
    }
    try {
      result.outputs.set(golden.output, is_mask(golden)
                                            ? run_mask_case(golden, tensors)
                                            : run_golden_case(golden, [&](const std::string& name) {
                                                return tensors.at(name);
                                              }));
      ++result.written;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported)
        ++result.skipped[golden.format];
      else
        result.failed.emplace_back(golden.id, error.message());
    }
  }
  return result;
}

ManifestResult run_mxint8_files(const std::filesystem::path& manifest, const Json& files) {
  ManifestResult result;
  for (const auto& [name, entry] : files.items()) {
    ++result.cases;
    try {
      const auto kind = entry.at("kind").get<std::string>();
      const auto group = entry.at("group_size").get<std::int64_t>();
      const TensorStore stored =
          read_vectors(manifest.parent_path() / entry.at("file").get<std::string>());
      std::map<std::string, Tensor> inputs;
      for (const char* input : {"x", "codes", "scales", "w", "b", "x_bf16"})
        if (stored.contains(input)) inputs[input] = stored.at(input);
      for (auto& [output, tensor] : run_mxint8_case(kind, group, inputs))
        result.outputs.set(fmt::format("{}.{}", name, output), std::move(tensor));
      ++result.written;
    } catch (const Error& error) {
      result.failed.emplace_back(name, error.message());
    }
  }
  return result;
}

}  // namespace

TensorStore read_vectors(const std::filesystem::path& file) {
  std::string bytes = read_file(file);
  std::uint64_t header = 0;
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t end = std::min<std::uint64_t>(bytes.size(), header + sizeof header);
  for (std::size_t at = bytes.find("\"U16\""); at < end; at = bytes.find("\"U16\"", at + 1))
    bytes[at + 1] = 'I';
  return read_safetensors(std::as_bytes(std::span(bytes)), file.string());
}

ManifestResult run_manifest(const std::filesystem::path& manifest,
                            const std::filesystem::path& inputs) {
  const Json json = parse_json(read_file(manifest), manifest.string());
  if (json.is_object() && json.contains("cases")) return run_cases(manifest, inputs);
  if (json.is_object() && json.contains("files") && json["files"].is_object()) {
    if (!inputs.empty())
      throw UsageError("--in changes nothing: the cases of this manifest have their own files",
                       "leave it out");
    return run_mxint8_files(manifest, json["files"]);
  }
  throw Error(ErrorCode::bad_format,
              fmt::format("{}: it has neither \"cases\" nor \"files\"", manifest.string()));
}

}  // namespace hone
