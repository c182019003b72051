// Formats under the rules of other systems, against vectors that those systems made.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/detail/golden_case.hpp"
#include "numerics/samples.hpp"
#include "support/shared_data.hpp"

namespace hone_test {
namespace {

// What the manifest has and hone does not (learned rounding, a hardware model, pruning).
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
    const Tensor& x = inputs.at(golden.input);
    try {
      problem = difference(
          golden, run_golden_case(golden, [&](const std::string& name) { return inputs.at(name); }),
          outputs.at(golden.output));
      (void)x;
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

}  // namespace
}  // namespace hone_test
