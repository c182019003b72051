#include "hone/frontends/vision_config.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

constexpr double most_labels = 1 << 20, largest_side = 4096;
constexpr std::int64_t usual_labels = 1000, smallest_cut = 128;

[[noreturn]] void fail_key(const std::string& where, const std::string& key,
                           const std::string& what) {
  throw Error(ErrorCode::bad_format, fmt::format("{}: key '{}': {}", where, key, what));
}

std::vector<std::string> numbered_labels(std::int64_t count) {
  std::vector<std::string> labels;
  for (std::int64_t i = 0; i < count; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  return labels;
}

std::vector<std::string> labels_of(const Json& json, const std::string& where) {
  if (const Json* names = json.find_member("id2label"); names != nullptr && !names->is_null()) {
    if (!names->is_object() || names->empty())
      fail_key(where, "id2label", "expected an object of label names");
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < names->size(); ++i) {
      const Json* found = names->find_member(std::to_string(i));
      if (found == nullptr || !found->is_string())
        fail_key(where, "id2label", fmt::format("label {} has no name", i));
      labels.push_back(found->text());
    }
    return labels;
  }
  const Json* prepared = json.find_member("pretrained_cfg");
  if (prepared != nullptr)
    if (const Json* names = prepared->find_member("label_names");
        names != nullptr && names->is_array() && !names->empty())
      return names->get<std::vector<std::string>>();
  const auto count = json.value("num_classes", usual_labels);
  if (count < 2 || count > static_cast<std::int64_t>(most_labels))
    fail_key(where, "num_classes", fmt::format("is {}, expected at least two", count));
  return numbered_labels(count);
}

ImageInput image_of(const Json& json, const std::string& where) {
  const Json* found = json.find_member("pretrained_cfg");
  const Json prepared = found == nullptr ? Json::object() : *found;
  std::vector<std::int64_t> size{3, 224, 224};
  if (prepared.contains("input_size"))
    size = prepared["input_size"].get<std::vector<std::int64_t>>();
  if (size.size() != 3)
    fail_key(where, "pretrained_cfg.input_size", "expected [channels, height, width]");
  ImageInput image = usual_image_input(size[0], std::min(size[1], size[2]));
  image.height = size[1];
  image.width = size[2];
  if (prepared.contains("mean")) image.mean = prepared["mean"].get<std::vector<float>>();
  if (prepared.contains("std")) image.deviation = prepared["std"].get<std::vector<float>>();
  if (const Json* share = prepared.find_member("crop_pct"); share != nullptr && !share->is_null()) {
    const auto crop = share->get<double>();
    if (!(crop > 0 && crop <= 1)) fail_key(where, "pretrained_cfg.crop_pct", "expected 0 to 1");
    image.resize = static_cast<std::int64_t>(
        std::floor(static_cast<double>(std::min(size[1], size[2])) / crop + 1e-6));
  }
  check_image_input(image, where);
  return image;
}

OptionValue argument_of(const OptionSpec& spec, const Json& value, const std::string& place) {
  OptionValue given;
  if (value.is_boolean())
    given = value.get<bool>();
  else if (value.is_number_integer())
    given = value.get<std::int64_t>();
  else if (value.is_number())
    given = value.get<double>();
  else if (value.is_string())
    given = value.text();
  else
    throw Error(ErrorCode::bad_format, place + ": expected a single value");
  return check_option(spec, given, place);
}

}  // namespace

ImageInput usual_image_input(std::int64_t channels, std::int64_t size) {
  ImageInput image{channels, size, size, size};
  if (size >= smallest_cut)
    image.resize = static_cast<std::int64_t>(std::floor(static_cast<double>(size) / 0.875 + 1e-6));
  image.mean = channels == 3 ? std::vector<float>{0.485f, 0.456f, 0.406f}
                             : std::vector<float>(static_cast<std::size_t>(channels), 0.5f);
  image.deviation = channels == 3 ? std::vector<float>{0.229f, 0.224f, 0.225f}
                                  : std::vector<float>(static_cast<std::size_t>(channels), 0.5f);
  return image;
}

VisionConfig VisionConfig::from_json(const Json& json, const std::vector<OptionSpec>& specs,
                                     const std::string& where) {
  if (!json.is_object()) throw Error(ErrorCode::bad_format, where + ": is not a JSON object");
  try {
    VisionConfig config{json.at("architecture").text(), labels_of(json, where),
                        image_of(json, where)};
    Options given;
    if (const Json* all = json.find_member("model_args"); all != nullptr && !all->is_null())
      for (const auto& [key, value] : all->items()) {
        const std::string place = fmt::format("{}: key 'model_args.{}'", where, printable(key, 60));
        given.set(key, argument_of(find_option(specs, key, where + ": model_args"), value, place));
      }
    config.arguments = complete_options(specs, given, where);
    if (config.labels.size() < 2)
      throw Error(ErrorCode::bad_format, where + ": one class, expected at least two");
    return config;
  } catch (const Error& error) {
    if (error.message().rfind(where, 0) == 0) throw;
    throw Error(ErrorCode::bad_format, where + ": " + error.message(), error.hint());
  }
}

Json VisionConfig::to_json(const std::vector<OptionSpec>& specs) const {
  Json json{{"architecture", architecture}, {"num_classes", labels.size()}};
  for (const OptionSpec& spec : specs) {
    const OptionValue& value = arguments.values().at(spec.name);
    if (value != *spec.default_value)
      json["model_args"][spec.name] = std::visit([](const auto& v) { return Json(v); }, value);
  }
  Json& prepared = json["pretrained_cfg"];
  prepared["input_size"] = std::vector<std::int64_t>{image.channels, image.height, image.width};
  prepared["mean"] = image.mean;
  prepared["std"] = image.deviation;
  prepared["crop_pct"] =
      static_cast<double>(std::min(image.height, image.width)) / static_cast<double>(image.resize);
  prepared["interpolation"] = "bilinear";
  prepared["num_classes"] = labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    json["id2label"][std::to_string(i)] = labels[i];
    json["label2id"][labels[i]] = i;
  }
  return json;
}

void VisionConfig::set_labels(std::int64_t count) { labels = numbered_labels(count); }

std::vector<OptionSpec> vision_options(std::vector<OptionSpec> more) {
  const auto whole = [](const char* name, const char* help, double low, double high) {
    return OptionSpec{name, OptionType::integer, std::nullopt, help, low, high};
  };
  std::vector<OptionSpec> all{
      whole("image_size", "height and width of the pictures it takes", 8, largest_side),
      whole("num_channels", "of pictures: 1 (grey) or 3", 1, 3),
      whole("num_labels", "classes", 1, most_labels)};
  for (OptionSpec& spec : more) {
    spec.default_value.reset();
    all.push_back(std::move(spec));
  }
  return all;
}

VisionConfig builtin_vision_config(const std::string& name, std::int64_t image_size,
                                   const std::vector<OptionSpec>& arguments,
                                   const SizeSettings& sizes) {
  VisionConfig config{name, numbered_labels(usual_labels), {}};
  std::int64_t channels = 3;
  Options given;
  const std::vector<OptionSpec> shared = vision_options({});
  for (const auto& [key, text] : sizes) {
    const std::string where = fmt::format("{}: '{}'", name, key);
    const auto own =
        std::find_if(shared.begin(), shared.end(),
                     [&, &wanted = key](const auto& spec) { return spec.name == wanted; });
    if (own == shared.end()) {
      given.set(key, parse_option(find_option(arguments, key, name), text, where));
      continue;
    }
    const auto value = std::get<std::int64_t>(parse_option(*own, text, where));
    if (key == "image_size")
      image_size = value;
    else if (key == "num_channels")
      channels = value;
    else
      config.set_labels(value);
  }
  config.image = usual_image_input(channels, image_size);
  check_image_input(config.image, name);
  config.arguments = complete_options(arguments, given, name);
  return config;
}

Json vision_with_labels(const Json& json, const std::vector<OptionSpec>& arguments,
                        const std::vector<std::string>& labels, const std::string& where) {
  VisionConfig config = VisionConfig::from_json(json, arguments, where);
  config.labels = labels;
  return config.to_json(arguments);
}

VisionConfig read_hugging_face_vision(const Json& json, const std::filesystem::path& directory,
                                      const std::string& architecture, const std::string& where) {
  VisionConfig config{architecture, labels_of(json, where), {}};
  const std::filesystem::path file = directory / "preprocessor_config.json";
  const Json prepared =
      std::filesystem::exists(file) ? parse_json(read_file(file), file.string()) : Json::object();
  const auto side = [&](const char* key) -> std::int64_t {
    const Json* size = prepared.find_member(key);
    if (size == nullptr) return 0;
    if (size->is_number_integer()) return size->get<std::int64_t>();
    for (const char* name : {"shortest_edge", "height"})
      if (size->contains(name)) return (*size)[name].get<std::int64_t>();
    return 0;
  };
  const auto channels = json.value("num_channels", std::int64_t{3});
  std::int64_t size = side("crop_size");
  if (size == 0) size = side("size");
  if (size == 0) size = json.value("image_size", std::int64_t{224});
  config.image = usual_image_input(channels, size);
  if (side("crop_size") > 0) {
    config.image.resize = std::max(side("size"), size);
  } else if (prepared.contains("crop_pct") && prepared["crop_pct"].is_number()) {
    config.image.resize =
        static_cast<std::int64_t>(static_cast<double>(size) / prepared["crop_pct"].get<double>());
  }
  if (prepared.contains("image_mean"))
    config.image.mean = prepared["image_mean"].get<std::vector<float>>();
  if (prepared.contains("image_std"))
    config.image.deviation = prepared["image_std"].get<std::vector<float>>();
  check_image_input(config.image, where);
  return config;
}

std::vector<std::int64_t> size_list(const Options& arguments, const std::string& name,
                                    const std::string& where) {
  std::vector<std::int64_t> sizes;
  for (const std::string& part : split(arguments.text(name), ',')) {
    const OptionSpec spec{name, OptionType::integer, std::nullopt, "", 1, 1 << 16};
    sizes.push_back(
        std::get<std::int64_t>(parse_option(spec, part, fmt::format("{}: key '{}'", where, name))));
  }
  return sizes;
}

}  // namespace hone
