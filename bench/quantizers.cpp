// Times every format on 16 M numbers (rows of 4096) against two copies of the same size, out of
// place.
// HONE_THREADS sets the threads (2 by default).
#include <cstdlib>
#include <cstring>

#include <benchmark/benchmark.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"
#include "hone/numerics/format.hpp"

namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t columns = 4096;
constexpr std::int64_t rows = 4096;

const hone::Tensor& numbers() {
  static const hone::Tensor x = [] {
    hone::Tensor made(hone::DType::f32, {rows, columns});
    hone::RandomStream random(7, 1);
    for (float& value : made.span<float>()) value = static_cast<float>(random.uniform() - 0.5);
    return made;
  }();
  return x;
}

hone::Tensor& result() {
  static hone::Tensor y(hone::DType::f32, {rows, columns});
  return y;
}

void count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

void copy(benchmark::State& state) {
  const float* x = numbers().as<float>();
  float* y = result().as<float>();
  for (auto _ : state)
    hone::parallel_ranges(rows, [&](std::int64_t begin, std::int64_t end, int) {
      std::memcpy(y + begin * columns, x + begin * columns,
                  static_cast<std::size_t>((end - begin) * columns) * sizeof(float));
    });
  count(state);
}

// A copy that stores past the caches, as the quantizers do with large results: memcpy decides for
// itself, and one that reads the lines it overwrites moves half as much again.
void copy_past_caches(benchmark::State& state) {
  const float* x = numbers().as<float>();
  float* y = result().as<float>();
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (auto _ : state)
    hone::parallel_ranges(rows, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin * columns; i < end * columns; i += lanes)
        hn::Stream(hn::LoadU(d, x + i), d, y + i);
      hwy::FlushStream();
    });
  count(state);
}

void quantize(benchmark::State& state, const std::string& name, const std::string& options) {
  const auto quantizer = hone::bind_format(
      name, "exact", hone::parse_format_options(hone::find_format(name), options));
  const float* x = numbers().as<float>();
  float* y = result().as<float>();
  for (auto _ : state)
    hone::parallel_ranges(rows, [&](std::int64_t begin, std::int64_t end, int) {
      quantizer->quantize(x + begin * columns, y + begin * columns, end - begin, columns);
    });
  count(state);
}

void encode(benchmark::State& state, const std::string& name, const std::string& options) {
  const auto quantizer = hone::bind_format(
      name, "exact", hone::parse_format_options(hone::find_format(name), options));
  const float* x = numbers().as<float>();
  auto* codes = reinterpret_cast<std::int8_t*>(result().as<float>());
  std::vector<float> scales(static_cast<std::size_t>(rows * columns / 16));
  std::vector<std::int32_t> zeros(rows);
  const auto blocks = static_cast<std::int64_t>(scales.size()) / rows;
  for (auto _ : state)
    hone::parallel_ranges(rows, [&](std::int64_t begin, std::int64_t end, int) {
      quantizer->encode_int8(x + begin * columns, end - begin, columns, codes + begin * columns,
                             columns, scales.data() + begin * blocks, zeros.data() + begin);
    });
  count(state);
}

}  // namespace

int main(int argc, char** argv) {
  const char* threads = std::getenv("HONE_THREADS");
  hone::set_thread_count(threads != nullptr ? std::atoi(threads) : 2);
  const auto add = [](const std::string& name, auto body) {
    benchmark::RegisterBenchmark(name.c_str(), body)->Unit(benchmark::kMillisecond)->UseRealTime();
  };
  add("copy", copy);
  add("copy past the caches", copy_past_caches);
  const std::vector<std::pair<const char*, const char*>> cases{
      {"integer", ""},
      {"integer", "rounding=floor"},
      {"minifloat_ieee", ""},
      {"minifloat_denorm", ""},
      {"log", ""},
      {"affine", ""},
      {"affine", "scale=0.01"},
      {"affine", "symmetric=false"},
      {"affine", "granularity=group group_size=64"},
      {"binary", ""},
      {"binary_scaling", ""},
      {"binary_residual_sign", ""},
      {"ternary", ""},
      {"block_fp", ""},
      {"block_minifloat", ""},
      {"block_log", ""},
      {"mxint", ""},
      {"mxfp", ""},
      {"mxfp", "exponent_width=2 frac_width=1"}};
  for (const auto& [format, options] : cases)
    add(std::string(format) + (*options == 0 ? "" : " ") + options,
        [format = std::string(format), options = std::string(options)](benchmark::State& state) {
          quantize(state, format, options);
        });
  for (const char* format : {"integer", "affine", "mxint", "block_fp"})
    add(std::string("encode_int8 ") + format,
        [format = std::string(format)](benchmark::State& state) { encode(state, format, ""); });
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
