// Formats under the rules of other systems, against vectors that those systems made.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "hone/cli/detail/golden_manifest.hpp"
#include "hone/core/error.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/detail/golden_case.hpp"
#include "hone/numerics/detail/mxint8.hpp"
#include "numerics/samples.hpp"
#include "support/expect_error.hpp"
#include "support/shared_data.hpp"

namespace hone_test {
namespace {

// What is no format of hone: learned rounding, a hardware model, masks (tests/sparsity/).
bool is_left_out(const std::string& format) {
  return format.rfind("flexround_", 0) == 0 || format == "mxint_hardware" ||
         format.rfind("prune_", 0) == 0;
}

// "" or where and how the tensors differ.
std::string difference(const GoldenCase& golden, const Tensor& got, const Tensor& expected) {
  if (got.shape() != expected.shape())
    return "shape " + to_string(got.shape()) + ", expected " + to_string(expected.shape());
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const float a = got.as<float>()[i];
    const float b = expected.as<float>()[i];
    const bool close =
        golden.compare == "close" &&
        (a == b || std::fabs(static_cast<double>(a) - b) <= golden.tolerance * std::fabs(b));
    if (close || same_bits(a, b)) continue;
    std::ostringstream text;
    text << std::hexfloat << "element " << i << ": " << a << ", expected " << b;
    return text.str();
  }
  return "";
}

TEST(Golden, RulesGiveTheBitsOfTheSystemsTheyComeFrom) {
  HONE_REQUIRE_SHARED("golden/mase/manifest.json");
  const auto inputs = read_safetensors(shared_path.parent_path() / "inputs.safetensors");
  const auto outputs = read_safetensors(shared_path.parent_path() / "outputs.safetensors");
  std::map<std::string, int> passed;
  std::size_t left_out = 0, failed = 0;
  for (const GoldenCase& golden : read_golden_manifest(shared_path)) {
    if (is_left_out(golden.format)) {
      ++left_out;
      continue;
    }
    std::string problem;
    try {
      problem = difference(
          golden, run_golden_case(golden, [&](const std::string& name) { return inputs.at(name); }),
          outputs.at(golden.output));
    } catch (const Error& error) {
      problem = error.message();
    }
    if (problem.empty()) {
      ++passed[golden.format];
      continue;
    }
    ++failed;
    ADD_FAILURE() << golden.id << " " << golden.format << " " << golden.params.dump() << " on "
                  << golden.input << ": " << problem;
  }
  std::size_t total = 0;
  for (const auto& [format, count] : passed) total += static_cast<std::size_t>(count);
  RecordProperty("passed", static_cast<int>(total));
  std::cout << total << " cases of " << passed.size() << " names equal, " << failed << " differ, "
            << left_out << " left out\n";
  EXPECT_GT(total, 0u);
}

// Codes and scales equal, numbers bit for bit (any NaN equals any NaN), sums within their bound.
std::string mxint8_difference(const std::string& name, const Tensor& got,
                              const TensorStore& stored) {
  const Tensor& expected = stored.at(name);
  if (got.size() != expected.size()) return "size";
  for (std::int64_t i = 0; i < got.size(); ++i) {
    bool same = false;
    if (name == "y") {
      const double bound = static_cast<double>(stored.at("w").shape()[1]) * 0x1p-23 *
                           stored.at("y_abs_mass").as<double>()[i];
      same = std::fabs(got.as<float>()[i] - expected.as<double>()[i]) <= bound;
    } else if (got.dtype() == DType::bf16) {
      same = got.as<std::uint16_t>()[i] == expected.as<std::uint16_t>()[i] ||
             (std::isnan(bf16_to_f32(got.as<std::uint16_t>()[i])) &&
              std::isnan(bf16_to_f32(expected.as<std::uint16_t>()[i])));
    } else {
      same = got.as<std::uint8_t>()[i] == expected.as<std::uint8_t>()[i];
    }
    if (!same) return "element " + std::to_string(i);
  }
  return "";
}

TEST(Golden, MxInt8EncodesAndDecodesAsItsReference) {
  HONE_REQUIRE_SHARED("golden/mxint8/manifest.json");
  const ManifestResult result = run_manifest(shared_path, {});
  EXPECT_TRUE(result.failed.empty());
  EXPECT_EQ(result.written, result.cases);
  std::map<std::string, TensorStore> files;
  for (const std::string& output : result.outputs.names()) {
    const std::string name = output.substr(0, output.find('.'));
    if (files.count(name) == 0)
      files[name] = read_vectors(shared_path.parent_path() / (name + ".safetensors"));
    const std::string problem = mxint8_difference(output.substr(output.find('.') + 1),
                                                  result.outputs.at(output), files.at(name));
    EXPECT_EQ(problem, "") << output;
  }
  EXPECT_GT(files.size(), 0u);
}

// What hone packs as mxint is what the OCP encoder of the vectors makes of the same numbers.
TEST(Golden, PackedMxIntIsTheOcpEncoding) {
  HONE_REQUIRE_SHARED("golden/mxint8/quant_f32_g32.safetensors");
  const TensorStore stored = read_vectors(shared_path);
  const std::int64_t groups = stored.at("ocp_rne_scales").size();
  const auto quantizer = FormatCase{"mxint", "block_size=32"}.bind();
  std::int64_t compared = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    if (stored.at("ocp_rne_scales").as<std::uint8_t>()[g] == 255) continue;
    Tensor x(DType::f32, {1, 32});
    std::copy_n(stored.at("x").as<float>() + g * 32, 32, x.as<float>());
    const PackedTensor packed = quantizer->pack(x);
    ASSERT_EQ(packed.scales.as<std::uint8_t>()[0],
              stored.at("ocp_rne_scales").as<std::uint8_t>()[g]);
    for (std::int64_t i = 0; i < 32; ++i)
      ASSERT_EQ(packed.codes.as<std::int8_t>()[i],
                stored.at("ocp_rne_codes").as<std::int8_t>()[g * 32 + i]);
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(Golden, GroupsThatDoNotDivideAreRefused) {
  const std::vector<float> x(33);
  EXPECT_ERROR(encode_mxint8(x, 32, MxInt8Encoder::mase), ErrorCode::invalid_argument, "33");
  EXPECT_ERROR(encode_mxint8(x, 0, MxInt8Encoder::mase), ErrorCode::invalid_argument, "positive");
  EXPECT_ERROR(encode_mxint8(x, -8, MxInt8Encoder::mase), ErrorCode::invalid_argument, "positive");
  const std::vector<std::int8_t> codes(40);
  const std::vector<std::uint8_t> scales(3);
  EXPECT_ERROR(decode_mxint8(codes, scales, 16, MxInt8Decoder::ocp), ErrorCode::invalid_argument,
               "16");
}

}  // namespace
}  // namespace hone_test
