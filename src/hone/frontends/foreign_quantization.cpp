#include "hone/frontends/foreign_quantization.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {

constexpr const char* bitsandbytes = "bitsandbytes";
constexpr const char* compressed_tensors = "compressed-tensors";
constexpr const char* computed =
    "hone computes bitsandbytes with 8 bits and compressed-tensors int-quantized; for others load "
    "the model in its own library, dequantize it, and save it as plain float weights";

// Ends of names that only other methods write.
struct Mark {
  const char* ending;
  const char* method;
};
constexpr std::array<Mark, 8> other_methods{{{".qweight", "GPTQ or AWQ"},
                                             {".qzeros", "GPTQ or AWQ"},
                                             {".weight_packed", "compressed-tensors, packed"},
                                             {".weight_g_idx", "compressed-tensors, reordered"},
                                             {".weight.absmax", "bitsandbytes with 4 bits"},
                                             {".weight_scale_inv", "block-wise fp8"},
                                             {".weight._data", "optimum-quanto"},
                                             {".bitmask", "compressed-tensors, sparse"}}};

// Tensors beside a weight that say nothing about its numbers: how activations were rounded.
constexpr std::array<const char*, 4> activation_parts{
    {"input_scale", "input_zero_point", "output_scale", "output_zero_point"}};

std::string text_member(const Json& object, const char* key) {
  const Json* found = object.find_member(key);
  return found != nullptr && found->is_string() ? found->text() : "";
}

bool is_true(const Json& object, const char* key) {
  const Json* found = object.find_member(key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

// bitsandbytes named itself only later.
std::string method_of(const Json& section) {
  const std::string method = text_member(section, "quant_method");
  const bool old = section.contains("load_in_8bit") || section.contains("load_in_4bit");
  return method.empty() && old ? bitsandbytes : method;
}

const Json* find_section(const Json& config) {
  const Json* section = config.find_member(foreign_quantization_key);
  return section == nullptr || section->is_null() ? nullptr : section;
}

[[noreturn]] void refuse_checkpoint(const std::string& where, const std::string& what) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: key '{}': {} is not computed", where, foreign_quantization_key, what),
      computed);
}

bool rounds_activations(const Json& section) {
  const Json* groups = section.find_member("config_groups");
  if (groups == nullptr || !groups->is_object()) return false;
  for (const auto& [name, group] : groups->items()) {
    if (!group.is_object()) continue;
    const Json* inputs = group.find_member("input_activations");
    if (inputs != nullptr && !inputs->is_null()) return true;
  }
  return false;
}

// One integer weight with what stands beside it.
class IntegerWeight {
public:
  IntegerWeight(ModelFiles& files, std::string name) : files_(files), name_(std::move(name)) {
    module_ = name_.substr(0, name_.size() - std::string("weight").size());
  }

  // The method that it is of, if its scales are there.
  std::optional<std::string> method() const {
    if (has("SCB")) return bitsandbytes;
    if (has("weight_scale")) return compressed_tensors;
    return std::nullopt;
  }

  void dequantize() {
    const Tensor weight = files_.parameters.at(name_);
    if (weight.shape().size() != 2)
      fail(name_,
           "has shape " + to_string(weight.shape()) + ", a quantized matrix has two dimensions");
    const bool rows = has("SCB");
    const Tensor scales = part(rows ? "SCB" : "weight_scale");
    const std::int64_t groups = group_count(weight.shape(), scales, rows ? "SCB" : "weight_scale");
    if (rows) check_layout();
    std::optional<Tensor> zeros;
    if (has("weight_zero_point")) {
      zeros = part("weight_zero_point");
      if (zeros->size() != scales.size())
        fail(module_ + "weight_zero_point", "has shape " + to_string(zeros->shape()) +
                                                ", its scales have " + to_string(scales.shape()));
    }
    files_.parameters.set(name_, multiply(weight, scales, zeros, groups, rows ? 127.0 : 1.0));
    for (const char* used :
         {"SCB", "weight_format", "weight_scale", "weight_zero_point", "weight_shape"})
      files_.parameters.erase(module_ + used);
    for (const char* unused : activation_parts) files_.parameters.erase(module_ + unused);
  }

private:
  bool has(const char* part) const { return files_.parameters.contains(module_ + part); }
  Tensor part(const char* part) const { return files_.parameters.at(module_ + part).to_f32(); }

  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: tensor '{}': {}", files_.file_of.at(name_).string(),
                            printable(tensor), what),
                "the file is damaged, or was quantized in a way that hone does not know");
  }

  // Scales of a row; 0: one of the whole matrix.
  std::int64_t group_count(const Shape& weight, const Tensor& scales, const char* part) const {
    const Shape& shape = scales.shape();
    const std::int64_t rows = weight[0];
    if (scales.size() == 1 && shape.size() <= 1 && std::string_view(part) != "SCB") return 0;
    const bool of_rows = !shape.empty() && shape.size() <= 2 && shape[0] == rows;
    const std::int64_t groups = shape.size() == 2 ? shape[1] : 1;
    const bool one = std::string_view(part) == "SCB" && groups != 1;
    if (!of_rows || groups < 1 || weight[1] % groups != 0 || one)
      fail(module_ + part,
           fmt::format("has shape {}, its weight has {}", to_string(shape), to_string(weight)));
    return groups;
  }

  // Layouts of older GPU kernels have their rows and columns elsewhere.
  void check_layout() const {
    if (!has("weight_format")) return;
    const Tensor layout = part("weight_format");
    if (layout.size() == 1 && layout.as<float>()[0] == 0) return;
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: tensor '{}weight_format': a layout other than rows",
                            files_.file_of.at(name_).string(), printable(module_)),
                "save it again with a newer bitsandbytes");
  }

  static Tensor multiply(const Tensor& weight, const Tensor& scales,
                         const std::optional<Tensor>& zeros, std::int64_t groups, double divisor) {
    Tensor numbers(DType::f32, weight.shape());
    const std::int64_t columns = weight.shape()[1];
    const std::int64_t width = groups > 0 ? columns / groups : columns;
    const auto* in = weight.as<std::int8_t>();
    auto* out = numbers.as<float>();
    parallel_ranges(weight.shape()[0], [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row)
        for (std::int64_t column = 0; column < columns; ++column) {
          const std::int64_t scale = groups > 0 ? row * groups + column / width : 0;
          const double zero = zeros ? zeros->as<float>()[scale] : 0.0;
          out[row * columns + column] = static_cast<float>((in[row * columns + column] - zero) *
                                                           scales.as<float>()[scale] / divisor);
        }
    });
    return numbers;
  }

  ModelFiles& files_;
  std::string name_;
  std::string module_;  // its name without "weight"
};

void refuse_other_methods(const ModelFiles& files) {
  for (const std::string& name : files.parameters.names())
    for (const Mark& mark : other_methods)
      if (name.ends_with(mark.ending))
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: tensor '{}': quantized by {}, which is not computed",
                                files.file_of.at(name).string(), printable(name), mark.method),
                    computed);
}

std::string describe(const ModelFiles& files, const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [method, count] : counts) {
    text += text.empty() ? "" : "; ";
    text += fmt::format(
        "{} weights of 8 bits by {} are turned into the float32 numbers they stand "
        "for",
        count, method);
  }
  if (text.empty())
    text =
        fmt::format("its weights are plain numbers, '{}' is not applied", foreign_quantization_key);
  else if (counts.count(bitsandbytes) != 0 || (find_section(files.config) != nullptr &&
                                               rounds_activations(*find_section(files.config))))
    text += ", data between layers is not rounded as there";
  return text + "; what is saved are plain float32 weights";
}

}  // namespace

void check_foreign_quantization(const Json& config, const std::string& where) {
  const Json* section = find_section(config);
  if (section == nullptr) return;
  if (!section->is_object())
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: key '{}' is not an object", where, foreign_quantization_key),
                "an object such as {\"quant_method\": \"bitsandbytes\", \"load_in_8bit\": true}");
  const std::string method = method_of(*section);
  const std::string named = fmt::format("quant_method '{}'", printable(method));
  if (method == bitsandbytes) {
    if (is_true(*section, "load_in_4bit") || is_true(*section, "_load_in_4bit"))
      refuse_checkpoint(where, named + " with load_in_4bit");
  } else if (method == compressed_tensors) {
    const std::string format = text_member(*section, "format");
    if (format != "int-quantized" && format != "naive-quantized" && format != "dense")
      refuse_checkpoint(where, fmt::format("{} with format '{}'", named, printable(format)));
  } else {
    refuse_checkpoint(where, method.empty() ? "a method without a name ('quant_method')" : named);
  }
}

void dequantize_foreign(ModelFiles& files) {
  refuse_other_methods(files);
  std::map<std::string, int> counts;
  const std::vector<std::string> names = files.parameters.names();
  for (const std::string& name : names) {
    if (!name.ends_with(".weight") || files.parameters.at(name).dtype() != DType::i8) continue;
    IntegerWeight weight(files, name);
    const std::optional<std::string> method = weight.method();
    if (!method) continue;  // refused where it is wanted
    weight.dequantize();
    ++counts[*method];
  }
  if (counts.empty() && find_section(files.config) == nullptr) return;
  files.notes.push_back(describe(files, counts));
  files.config.erase(foreign_quantization_key);
}

}  // namespace hone
