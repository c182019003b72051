#include "hone/numerics/detail/golden_case.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/numerics/detail/mase_group.hpp"
#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/format.hpp"

namespace hone {
namespace {

using Input = std::function<Tensor(const std::string&)>;

// A parameter under the name that the format's option has.
struct Renamed {
  const char* parameter;
  const char* option;
};

OptionValue option_value(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_array()) {
    std::string text;
    for (const Json& entry : value)
      text += (text.empty() ? "" : ",") + std::to_string(entry.get<std::int64_t>());
    return text;
  }
  return value.get<std::string>();
}

// The case as one of the formats: parameters are options of the same name unless renamed; null is
// left out.
Tensor run_format(const GoldenCase& golden, const Input& input, const std::string& format,
                  const std::string& rule, const std::vector<Renamed>& names = {},
                  const Options& more = {}) {
  Options options = more;
  for (const auto& [name, value] : golden.params.items()) {
    if (value.is_null()) continue;
    std::string option = name;
    for (const Renamed& renamed : names)
      if (name == renamed.parameter) option = renamed.option;
    if (option.empty()) continue;
    OptionValue typed = option_value(value);
    if (option == "block_size" && std::holds_alternative<std::int64_t>(typed))
      typed = std::to_string(std::get<std::int64_t>(typed));
    options.set(option, std::move(typed));
  }
  return bind_format(format, rule, options)->quantize(input(golden.input));
}

const std::string& extra(const GoldenCase& golden, const std::string& name) {
  const auto found = golden.extra_inputs.find(name);
  if (found == golden.extra_inputs.end())
    throw Error(ErrorCode::bad_format,
                fmt::format("case {}: no extra input '{}'", golden.id, name));
  return found->second;
}

Tensor map(const Tensor& x, const std::function<float(float)>& f) {
  Tensor y(DType::f32, x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.as<float>()[i] = f(x.as<float>()[i]);
  return y;
}

// OCP elements by microxcaling's names.
Tensor run_microxcaling(const GoldenCase& golden, const Input& input) {
  const auto name = golden.params.at("elem_format").get<std::string>();
  const std::vector<Renamed> names{{"elem_format", ""},
                                   {"axis", "block_dim"},
                                   {"round", "rounding"},
                                   {"flush_fp32_subnorms", "flush_subnormals"}};
  GoldenCase adjusted = golden;
  if (adjusted.params.value("scale_bits", 0) == 0) adjusted.params["scale_bits"] = 8;
  if (name.rfind("int", 0) == 0)
    return run_format(adjusted, input, "mxint", "microxcaling", names,
                      {{"width", std::int64_t{std::stoi(name.substr(3))}}});
  const std::size_t e = name.find("_e");
  if (e == std::string::npos || name.size() < e + 5)
    throw Error(ErrorCode::unsupported, fmt::format("case {}: element {}", golden.id, name));
  if (adjusted.params.at("scale_bits") == 8) adjusted.params.erase("scale_bits");
  return run_format(adjusted, input, "mxfp", "microxcaling", names,
                    {{"exponent_width", std::int64_t{name[e + 2] - '0'}},
                     {"frac_width", std::int64_t{name[e + 4] - '0'}}});
}

Tensor run_ms_fp(const GoldenCase& golden, const Input& input, std::int64_t exponent_width,
                 std::int64_t mantissa) {
  return run_format(golden, input, "minifloat_ieee", "microxcaling",
                    {{"exp_bits", ""},
                     {"mantissa_bits", ""},
                     {"bits", ""},
                     {"round", "rounding"},
                     {"allow_denorm", "subnormals"}},
                    {{"width", 1 + exponent_width + mantissa}, {"exponent_width", exponent_width}});
}

Tensor run_element_code(const GoldenCase& golden, const Input& input) {
  mase::ElementCode code;
  code.exponent_width = golden.params.at("exp_bits").get<int>();
  code.fraction = golden.params.at("frac_bits").get<int>();
  code.finite = golden.params.value("is_finite", true);
  const std::string mode = golden.params.value("round_mode", "rn");
  if (code.exponent_width < 1 || code.fraction < 1 || code.exponent_width + code.fraction > 15)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("case {}: widths out of range", golden.id));
  code.rounding = mode == "rz"   ? mase::CodeRounding::zero
                  : mode == "ru" ? mase::CodeRounding::up
                  : mode == "rd" ? mase::CodeRounding::down
                                 : mase::CodeRounding::nearest;
  return map(input(golden.input), [&](float x) { return code.value(x); });
}

std::vector<float> means_of(const GoldenCase& golden) {
  auto means = golden.params.at("means").get<std::vector<float>>();
  const auto levels = golden.params.at("levels").get<std::size_t>();
  if (levels < 1 || levels > 3 || means.size() < levels)
    throw Error(ErrorCode::unsupported,
                fmt::format("case {}: {} levels of {} means", golden.id, levels, means.size()));
  means.resize(levels);
  return means;
}

using Runner = Tensor (*)(const GoldenCase&, const Input&);

// By the manifest's name.
const std::map<std::string, Runner>& runners() {
  static const std::map<std::string, Runner> all{
      {"integer",
       [](const GoldenCase& c, const Input& in) { return run_format(c, in, "integer", "mase"); }},
      {"integer_floor",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "integer", "mase", {}, {{"rounding", std::string("floor")}});
       }},
      {"scale_integer",
       [](const GoldenCase& c, const Input& in) {
         return mase::scale_integer(in(c.input), c.params.at("width").get<int>(),
                                    c.params.value("is_signed", true));
       }},
      {"minifloat_denorm",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "minifloat_denorm", "mase");
       }},
      {"minifloat_ieee",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "minifloat_ieee", "mase");
       }},
      {"log",
       [](const GoldenCase& c, const Input& in) { return run_format(c, in, "log", "mase"); }},
      {"block_fp",
       [](const GoldenCase& c, const Input& in) { return run_format(c, in, "block_fp", "mase"); }},
      {"block_minifloat",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "block_minifloat", "mase");
       }},
      {"block_log",
       [](const GoldenCase& c, const Input& in) { return run_format(c, in, "block_log", "mase"); }},
      {"mxint",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "mxint", "mase", {{"element_bits", "width"}});
       }},
      {"mxfp",
       [](const GoldenCase& c, const Input& in) {
         return run_format(c, in, "mxfp", "mase",
                           {{"element_exp_bits", "exponent_width"},
                            {"element_frac_bits", "frac_width"},
                            {"element_is_finite", ""},
                            {"scale_exp_bits", ""},
                            {"round_mode", ""}});
       }},
      {"minifloat_mx", run_element_code},
      {"ms_mx", run_microxcaling},
      {"ms_fp",
       [](const GoldenCase& c, const Input& in) {
         return run_ms_fp(c, in, c.params.at("exp_bits").get<std::int64_t>(),
                          c.params.at("mantissa_bits").get<std::int64_t>());
       }},
      {"ms_bfloat",
       [](const GoldenCase& c, const Input& in) {
         return run_ms_fp(c, in, 8, c.params.at("bits").get<std::int64_t>() - 9);
       }},
      {"binary",
       [](const GoldenCase& c, const Input& in) {
         const bool stochastic = c.params.value("stochastic", false);
         const bool bipolar = c.params.value("bipolar", false);
         const Tensor random = stochastic && bipolar ? in(extra(c, "rand")) : Tensor();
         return mase::binary(in(c.input), stochastic, bipolar, random.empty() ? nullptr : &random);
       }},
      {"binary_grad",
       [](const GoldenCase& c, const Input& in) {
         const float slope = c.params.value("stochastic", false) ? 0.5f : 1.0f;
         return map(in(extra(c, "grad")), [=](float dy) { return dy * slope; });
       }},
      {"ternary",
       [](const GoldenCase& c, const Input& in) {
         return mase::ternary(in(c.input), c.params.value("scaling_factor", false));
       }},
      {"binarize",
       [](const GoldenCase& c, const Input& in) { return map(in(c.input), mase::binarize); }},
      {"residual_sign",
       [](const GoldenCase& c, const Input& in) {
         return mase::residual_sign(in(c.input), means_of(c));
       }},
      {"residual_sign_sum",
       [](const GoldenCase& c, const Input& in) {
         return mase::residual_sign_sum(in(c.input), means_of(c));
       }},
      {"residual_sign_grad",
       [](const GoldenCase& c, const Input& in) {
         return mase::residual_sign_gradient(in(c.input), in(extra(c, "grad")), means_of(c));
       }},
      {"lsq", [](const GoldenCase& c, const Input& in) {
         return mase::learned_step(in(c.input), c.params.at("level").get<int>(),
                                   c.params.value("sym", false), c.params.at("s").get<float>());
       }}};
  return all;
}

}  // namespace

std::vector<GoldenCase> read_golden_manifest(const std::filesystem::path& file) {
  std::vector<GoldenCase> cases;
  const Json manifest = parse_json(read_file(file), file.string());
  try {
    for (const Json& entry : manifest.at("cases")) {
      GoldenCase golden{entry.at("id").get<std::string>(),
                        entry.at("format").get<std::string>(),
                        entry.at("params"),
                        entry.at("input").get<std::string>(),
                        entry.at("output").get<std::string>(),
                        {},
                        entry.value("compare", "bits"),
                        entry.value("rtol", 0.0)};
      if (entry.contains("extra_inputs"))
        golden.extra_inputs = entry.at("extra_inputs").get<std::map<std::string, std::string>>();
      cases.push_back(std::move(golden));
    }
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: case {}: {}", file.string(), cases.size(), error.message()),
                "a case has id, format, params, input and output");
  }
  return cases;
}

bool is_supported(const GoldenCase& golden) { return runners().count(golden.format) != 0; }

Tensor run_golden_case(const GoldenCase& golden, const Input& input) {
  const auto found = runners().find(golden.format);
  if (found == runners().end())
    throw Error(ErrorCode::unsupported,
                fmt::format("case {}: hone has no format '{}'", golden.id, golden.format));
  try {
    return found->second(golden, input);
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format,
                fmt::format("case {}: its parameters: {}", golden.id, error.message()));
  }
}

}  // namespace hone
