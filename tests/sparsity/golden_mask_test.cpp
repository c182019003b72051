// Masks under rule mase, against those that MASE made.
#include <gtest/gtest.h>

#include "hone/cli/detail/golden_manifest.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/numerics/detail/golden_case.hpp"
#include "support/shared_data.hpp"

namespace hone_test {
namespace {

using namespace hone;

TEST(GoldenMasks, EveryPruneCaseOfTheManifestBitForBit) {
  HONE_REQUIRE_SHARED("golden/mase/manifest.json");
  const TensorStore expected = read_vectors(shared_path.parent_path() / "outputs.safetensors");
  const ManifestResult result = run_manifest(shared_path, {});
  int cases = 0;
  for (const GoldenCase& golden : read_golden_manifest(shared_path)) {
    if (golden.format.rfind("prune_", 0) != 0) continue;
    SCOPED_TRACE(golden.id + " " + golden.format + " " + golden.params.dump() + " on " +
                 golden.input);
    ++cases;
    ASSERT_TRUE(result.outputs.contains(golden.output));
    const Tensor& got = result.outputs.at(golden.output);
    const Tensor& wanted = expected.at(golden.output);
    ASSERT_EQ(got.dtype(), DType::f32);
    ASSERT_EQ(got.shape(), wanted.shape());
    EXPECT_EQ(std::memcmp(got.data(), wanted.data(), got.bytes()), 0);
  }
  EXPECT_GT(cases, 0);
}

}  // namespace
}  // namespace hone_test
