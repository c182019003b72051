#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/hugging_face.hpp"

namespace hone {
namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() &&
         std::string_view(text).substr(text.size() - end.size()) == end;
}

// Not parameters: constants that older versions of transformers stored with the weights.
bool is_buffer(const std::string& name) {
  return ends_with(name, "embeddings.position_ids") || ends_with(name, "embeddings.token_type_ids");
}

// Under which names a wanted parameter may be in a file, best first.
std::vector<std::string> names_in_files(const std::string& name, const std::string& backbone) {
  std::vector<std::string> names{name};
  if (!backbone.empty() && name.rfind(backbone, 0) == 0)
    names.push_back(name.substr(backbone.size()));
  for (const auto& [now, before] :
       {std::pair{"LayerNorm.weight", "gamma"}, std::pair{"LayerNorm.bias", "beta"}}) {
    if (!ends_with(name, now)) continue;
    for (std::size_t i = 0, count = names.size(); i < count; ++i)
      names.push_back(names[i].substr(0, names[i].rfind('.') + 1) + before);
  }
  return names;
}

void check_tensor(const ParameterSpec& spec, const std::string& name, const ModelFiles& files,
                  bool check_values) {
  const Tensor& tensor = files.parameters.at(name);
  const auto source = files.file_of.find(name);
  const std::string where = fmt::format(
      "{}: tensor '{}'",
      source == files.file_of.end() ? files.directory.string() : source->second.string(),
      printable(name));
  if (tensor.dtype() != DType::f32)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: holds integers ({}), not numbers of a model", where,
                            name_of(tensor.dtype())),
                "it seems to be part of a quantized checkpoint whose scales are missing; hone "
                "computes bitsandbytes int8 (tensors SCB) and compressed-tensors int8 "
                "(weight_scale): dequantize others in their own library and save float weights");
  if (tensor.shape() != spec.shape)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: has shape {}, the configuration asks for {}", where,
                            to_string(tensor.shape()), to_string(spec.shape)),
                "config.json and the weights do not belong together, or a size was overridden");
  if (!check_values) return;
  std::uint32_t special = 0;
  for (const float value : tensor.span<float>())
    special |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & 0x7f800000u) ==
                                          0x7f800000u);
  if (special == 0) return;
  const auto values = tensor.span<float>();
  throw Error(ErrorCode::numeric,
              fmt::format("{}: holds NaN or infinity: {} NaN, {} infinite of {} numbers", where,
                          std::count_if(values.begin(), values.end(),
                                        [](float value) { return std::isnan(value); }),
                          std::count_if(values.begin(), values.end(),
                                        [](float value) { return std::isinf(value); }),
                          values.size()),
              "the model diverged when it was trained, or the file is damaged");
}

// A fresh head can be trained; a backbone with a hole is a damaged file or another model. (A
// BertForMaskedLM has no pooler: that one counts as head.)
void check_backbone(const std::vector<std::string>& missing, const std::string& backbone,
                    const std::vector<std::string>& head, const ModelFiles& files) {
  std::vector<std::string> holes;
  for (const std::string& name : missing)
    if (name.starts_with(backbone) && !name.starts_with(backbone + "pooler.") &&
        std::find(head.begin(), head.end(), name) == head.end())
      holes.push_back(name);
  if (holes.empty()) return;
  constexpr std::size_t shown = 4;
  std::string list;
  for (std::size_t i = 0; i < std::min(shown, holes.size()); ++i)
    list += (i == 0 ? "'" : ", '") + holes[i] + "'";
  if (holes.size() > shown) list += fmt::format(" and {} more", holes.size() - shown);
  throw Error(ErrorCode::not_found,
              fmt::format("{}: the weights lack {}", files.directory.string(), list),
              "the file is incomplete, or config.json belongs to another model");
}

// Normal numbers by Box and Muller, four from each Philox block; block i makes elements 4 i .. 4 i
// + 3.
void fill_normal(std::span<float> values, double deviation, std::uint64_t seed,
                 std::uint32_t stream) {
  // Keeps these numbers apart from those of every other use of the seed.
  constexpr std::uint32_t purpose = 0x696e6974u;
  const auto count = static_cast<std::int64_t>(values.size());
  const auto scale = static_cast<float>(deviation);
  const auto uniform = [](std::uint32_t bits) {
    return (static_cast<float>(bits) + 0.5f) * 0x1p-32f;
  };
  parallel_ranges((count + 3) / 4, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t block = begin; block < end; ++block) {
      const auto index = static_cast<std::uint64_t>(block);
      const PhiloxBlock bits =
          philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                  stream, purpose},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
      for (std::size_t pair = 0; pair < 4; pair += 2) {
        // In float: a fifth of the time, and 32 random bits have no more to give.
        const float radius = scale * std::sqrt(-2.0f * std::log(uniform(bits[pair])));
        const float angle = 2.0f * std::numbers::pi_v<float> * uniform(bits[pair + 1]);
        const std::size_t at = static_cast<std::size_t>(4 * block) + pair;
        if (at < values.size()) values[at] = radius * std::cos(angle);
        if (at + 1 < values.size()) values[at + 1] = radius * std::sin(angle);
      }
    }
  });
}

Tensor initialize(const ParameterSpec& spec, std::uint64_t seed) {
  Tensor tensor(DType::f32, spec.shape);
  const std::span<float> values = tensor.span<float>();
  switch (spec.initializer) {
    case Initializer::zeros: break;
    case Initializer::ones: std::fill(values.begin(), values.end(), 1.0f); break;
    case Initializer::normal:
      fill_normal(values, spec.deviation, seed, stream_of(spec.name));
      break;
  }
  return tensor;
}

// Linux hands out memory that it does not have and kills the process later: ask first.
void check_memory(const std::vector<ParameterSpec>& specs) {
  double bytes = 0;
  for (const ParameterSpec& spec : specs)
    bytes += 4.0 * static_cast<double>(element_count(spec.shape));
  const double memory =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (bytes > memory)
    throw Error(ErrorCode::unsupported,
                fmt::format("the model's parameters take {:.1f} GB, this machine has {:.1f} GB",
                            bytes / 1e9, memory / 1e9),
                "check the sizes in config.json, or choose a smaller model");
}

}  // namespace

TensorStore initialize_parameters(const std::vector<ParameterSpec>& specs, std::uint64_t seed) {
  check_memory(specs);
  TensorStore store;
  for (const ParameterSpec& spec : specs) store.set(spec.name, initialize(spec, seed));
  return store;
}

MatchedParameters match_parameters(const std::vector<ParameterSpec>& specs, ModelFiles& files,
                                   std::uint64_t seed, const std::string& backbone,
                                   const std::vector<std::string>& head, bool check_values) {
  MatchedParameters matched;
  matched.report.notes = files.notes;
  std::vector<ParameterSpec> missing;
  std::vector<std::string> found_as;  // by spec; "" when missing
  std::set<std::string> used;
  bool any_of_backbone = false;
  for (const ParameterSpec& spec : specs) {
    const auto names = names_in_files(spec.name, backbone);
    const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return files.parameters.contains(name) && used.count(name) == 0;
    });
    if (found == names.end()) {
      missing.push_back(spec);
      matched.report.initialized.push_back(spec.name);
      found_as.emplace_back();
      continue;
    }
    check_tensor(spec, *found, files, check_values);
    used.insert(*found);
    found_as.push_back(*found);
    any_of_backbone = any_of_backbone || spec.name.rfind(backbone, 0) == 0;
  }
  if (!any_of_backbone)
    throw Error(ErrorCode::not_found,
                fmt::format("{}: none of the tensors of the backbone ('{}...') is in the weights",
                            files.directory.string(), backbone),
                fmt::format("wanted for example '{}', found '{}': is this another kind of model?",
                            specs.empty() ? "" : specs.front().name,
                            files.parameters.names().empty()
                                ? "nothing"
                                : printable(files.parameters.names().front())));
  check_backbone(matched.report.initialized, backbone, head, files);
  for (const std::string& name : files.parameters.names()) {
    if (used.count(name) == 0 && !is_buffer(name)) matched.report.unused.push_back(name);
  }
  TensorStore fresh = initialize_parameters(missing, seed);
  for (std::size_t i = 0; i < specs.size(); ++i)
    matched.parameters.set(specs[i].name, found_as[i].empty() ? fresh.at(specs[i].name)
                                                              : files.parameters.at(found_as[i]));
  return matched;
}

}  // namespace hone
