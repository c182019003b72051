// Kernels on 8-bit codes against each other: whatever the sizes leave at the ends of tiles, all
// give the same bits.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "contract/sample_run.hpp"
#include "hone/core/philox.hpp"
#include "hone/ops/detail/int8.hpp"
#include "support/vector_targets.hpp"

namespace hone_test {
namespace {

// Runs the sample by every set of instructions.
void expect_same_bits(const char* op, const OpSample& sample) {
  std::vector<std::string> kernels;
  std::vector<Tensor> first;
  for_each_vector_target([&] {
    const Graph graph = sample_graph(find_op(op), sample, false);
    kernels.push_back(choose_kernel({graph, graph.nodes[0], {{"R", 1}}, 2}).kernel->name);
    Executor executor(sample_graph(find_op(op), sample, false),
                      ExecutorOptions{.use_kernels = true});
    std::vector<Tensor> outputs;
    for (const Tensor& y : run_once(executor, find_op(op), sample)) outputs.push_back(y.clone());
    if (first.empty()) first = outputs;
    ASSERT_EQ(first.size(), outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_EQ(std::memcmp(first[i].data(), outputs[i].data(), outputs[i].bytes()), 0)
          << sample.name << ": " << kernels.front() << " and " << kernels.back();
  });
}

TEST(Int8Kernels, ProductsAreTheSameForEveryNumberOfRows) {
  const std::string data = "affine", options = "symmetric=false";
  for (const std::int64_t columns : {16, 60, 64, 100, 192})
    for (const std::int64_t outputs : {1, 16, 33, 70})
      for (const std::int64_t rows : {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 97}) {
        const Tensor x = random_tensor({rows, columns}, 1);
        const std::vector<Tensor> encoded =
            evaluate_reference(find_op("encode_int8"), {&x}, format_options(data, options));
        PackedSample w = pack_sample(random_tensor({outputs, columns}, 2), data, options);
        w.attributes.set("data_format", data);
        w.attributes.set("data_rule", std::string("exact"));
        w.attributes.set("data_options", options);
        const OpSample sample{std::to_string(rows) + " x " + std::to_string(columns) + " x " +
                                  std::to_string(outputs),
                              {encoded[0], encoded[1], w.codes, w.scales, Tensor()},
                              w.attributes,
                              {},
                              1e-6};
        expect_same_bits("linear_int8", sample);
      }
}

TEST(Int8Kernels, ConvolutionsAreTheSameForEveryWidth) {
  for (const std::int64_t width : {1, 2, 7, 15, 16, 17, 33, 50})
    for (const std::int64_t channels : {8, 20, 64})
      for (const std::int64_t filters : {5, 32, 49})
        for (const bool one_by_one : {false, true})
          for (const char* strides : {"1,1", "2,2"}) {
            const std::int64_t size = one_by_one ? 1 : 3;
            PackedSample w = pack_sample(random_tensor({filters, channels, size, size}, 2, 0.1),
                                         "affine", "", TensorRows::filters);
            w.attributes.set("data_format", std::string("integer"));
            w.attributes.set("data_rule", std::string("exact"));
            w.attributes.set("data_options", std::string("width=8 frac_width=5"));
            w.attributes.set("strides", std::string(strides));
            if (!one_by_one) w.attributes.set("pads", std::string("1,1,1,1"));
            w.attributes.set("relu", true);
            const OpSample sample{"width " + std::to_string(width) + ", " +
                                      std::to_string(channels) + " to " + std::to_string(filters) +
                                      (one_by_one ? ", 1 x 1" : ", 3 x 3") + ", strides " + strides,
                                  {random_tensor({2, 5, width, channels}, 1), w.codes, w.scales,
                                   random_tensor({filters}, 3)},
                                  w.attributes,
                                  {},
                                  1e-6};
            expect_same_bits("conv_int8", sample);
          }
}

// Whatever planes, pads and outputs are: all of a result's outputs, by one thread and by three.
TEST(Int8Kernels, AnyConvolutionIsTheSame) {
  RandomStream random(7, 1);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random.next_u32() % (high - low + 1));
  };
  for (int number = 0; number < 120; ++number) {
    const std::int64_t channels = number % 4 == 0   ? between(1, 3)
                                  : number % 4 == 1 ? between(4, 16)
                                                    : between(16, 70);
    const std::int64_t filters = between(14, 70), images = between(1, 3);
    const std::int64_t height = between(1, 20), width = between(1, between(1, 6) == 1 ? 210 : 24);
    const std::int64_t taps = between(1, 6) == 1 ? 2 : 3;
    std::int64_t pads[4], size[2];
    for (std::int64_t& pad : pads) pad = between(0, 2);
    size[0] = height + pads[0] + pads[2] - taps + 1;
    size[1] = width + pads[1] + pads[3] - taps + 1;
    if (size[0] < 1 || size[1] < 1) continue;
    PackedSample w = pack_sample(random_tensor({filters, channels, taps, taps}, 2, 0.1), "affine",
                                 "", TensorRows::filters);
    w.attributes.set("data_format", std::string("affine"));
    w.attributes.set("data_rule", std::string("exact"));
    w.attributes.set("data_options", std::string("scale=0.03 zero_point=77 symmetric=false"));
    w.attributes.set("pads", std::to_string(pads[0]) + "," + std::to_string(pads[1]) + "," +
                                 std::to_string(pads[2]) + "," + std::to_string(pads[3]));
    w.attributes.set("relu", between(0, 1) == 1);
    const std::int64_t gives = between(0, 2);
    if (gives > 0) {
      w.attributes.set("give_format", std::string("affine"));
      w.attributes.set("give_options", std::string("scale=0.02 zero_point=90 symmetric=false"));
      w.attributes.set("give_values", gives == 1);
    }
    const bool adds = between(0, 1) == 1;
    const OpSample sample{"number " + std::to_string(number),
                          {random_tensor({images, height, width, channels}, 1), w.codes, w.scales,
                           between(0, 1) == 1 ? random_tensor({filters}, 3) : Tensor(),
                           adds ? random_tensor({images, size[0], size[1], filters}, 4) : Tensor()},
                          w.attributes,
                          {},
                          1e-6};
    const ThreadScope threads(number % 2 == 0 ? 1 : 3);
    expect_same_bits("conv_int8", sample);
  }
}

// Sums as large as 512 channels can give: tiles' sums wrap around on the way.
TEST(Int8Kernels, ConvolutionsOfLargestCodesAreTheReferences) {
  const Shape shape{40, 512, 3, 3};
  for (const char* data : {"scale=1 zero_point=0 symmetric=false",
                           "scale=1 zero_point=255 symmetric=false", "scale=1"})
    for (const bool alike : {true, false}) {
      Tensor weight = random_tensor(shape, 1), x = random_tensor({1, 13, 15, 512}, 2);
      for (std::int64_t i = 0; i < weight.size(); ++i)
        weight.as<float>()[i] = alike || weight.as<float>()[i] < 0 ? -1.0f : 1.0f;
      for (std::int64_t i = 0; i < x.size(); ++i)
        x.as<float>()[i] = alike || x.as<float>()[i] > 0 ? 1000.0f : -1000.0f;
      PackedSample w = pack_sample(weight, "affine", "", TensorRows::filters);
      w.attributes.set("data_format", std::string("affine"));
      w.attributes.set("data_rule", std::string("exact"));
      w.attributes.set("data_options", std::string(data));
      w.attributes.set("pads", std::string("1,1,1,1"));
      const OpSample sample{std::string(data) + (alike ? ", alike" : ", mixed"),
                            {x, w.codes, w.scales},
                            w.attributes,
                            {},
                            1e-6};
      const Op& op = find_op("conv_int8");
      expect_same_bits("conv_int8", sample);
      const auto run = [&](bool use_kernels) {
        Executor executor(sample_graph(op, sample, false),
                          ExecutorOptions{.use_kernels = use_kernels});
        return run_once(executor, op, sample)[0].clone();
      };
      const Tensor y = run(true), expected = run(false);
      for (std::int64_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y.as<float>()[i], expected.as<float>()[i],
                    1e-6 * std::abs(expected.as<float>()[i]) + 1e-3)
            << sample.name << ", number " << i;
    }
}

}  // namespace
}  // namespace hone_test
