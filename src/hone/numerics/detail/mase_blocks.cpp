#include "hone/numerics/detail/mase_blocks.hpp"

#include <limits>
#include <optional>

#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone::mase {
namespace {

// A tensor as `batches` matrices whose blocks are boxes.
struct Geometry {
  std::int64_t batches = 1, rows = 1, columns = 1;
  std::int64_t block_rows = 1, block_columns = 1;
  bool positive_zeros = false;  // -0 comes back as +0
};

Geometry geometry_of(const BlockOptions& options, const Shape& shape) {
  const bool skip = options.skip_first_dim;
  const std::size_t rank = shape.size();
  const auto refuse = [&](const char* what) {
    fail_format(options.format,
                fmt::format("rule mase does not block a tensor {} {}", to_string(shape), what),
                "it takes vectors and matrices, with skip_first_dim matrices and three dimensions");
  };
  if (rank == 0 || rank > 3) refuse("of this rank");
  if (rank == 1 && skip) refuse("with skip_first_dim");
  if (rank == 3 && !skip) refuse("without skip_first_dim");
  Geometry g;
  Shape blocked = shape;
  if (skip) blocked[0] = 1;
  std::vector<std::int64_t> sizes = options.block_size;
  if (sizes.size() > rank)
    sizes.erase(sizes.begin(), sizes.end() - static_cast<std::ptrdiff_t>(rank));
  sizes.insert(sizes.begin(), rank - sizes.size(), -1);
  for (std::size_t i = 0; i < rank; ++i)
    if (sizes[i] == -1 || sizes[i] > blocked[i]) sizes[i] = std::max<std::int64_t>(1, blocked[i]);
  g.columns = shape[rank - 1];
  g.block_columns = sizes[rank - 1];
  if (rank == 2) {
    g.rows = shape[0];
    g.block_rows = sizes[0];
  } else if (rank == 3) {
    g.batches = shape[0];
    g.rows = shape[1];
    g.block_rows = sizes[1];
  }
  g.positive_zeros = (rank == 2 && !skip) || rank == 3;
  return g;
}

// Calls body(block, first, rows, columns): where the box begins and its size.
template <typename Body>
void for_boxes(const Geometry& g, const Body& body) {
  std::size_t block = 0;
  for (std::int64_t batch = 0; batch < g.batches; ++batch)
    for (std::int64_t r = 0; r < g.rows; r += g.block_rows)
      for (std::int64_t c = 0; c < g.columns; c += g.block_columns)
        body(block++, (batch * g.rows + r) * g.columns + c, std::min(g.block_rows, g.rows - r),
             std::min(g.block_columns, g.columns - c));
}

// floor or ceil of log2 with what a logarithm makes of infinity.
template <typename Log2>
int log2_or_top(float v, const Log2& log2) {
  return std::isfinite(v) ? log2(v) : 1 << 20;
}

// The numbers of one block with largest magnitude `largest`.
std::function<float(float)> block_rule(const BlockOptions& o, float largest, bool positive_zeros) {
  const float zero = positive_zeros ? 0.0f : -0.0f;
  switch (o.kind) {
    case BlockKind::fp: {
      const int mantissa = o.width - 1;
      const int top = (1 << o.exponent_width) - 1 - o.exponent_bias;
      const int e = std::clamp(log2_or_top(largest, ceil_log2), -o.exponent_bias, top);
      const float power = power_of_two(e);
      const float steps = power_of_two(mantissa);
      const float high = largest_code(mantissa);
      return [=](float x) {
        const float k =
            clamp(std::nearbyint((std::fabs(x) + tiny_shift) / power * steps), 0.0f, high);
        const float q = sign(x + tiny_shift) * power * (k / steps) + zero;
        return keep_tiny(x, q);
      };
    }
    case BlockKind::minifloat: {
      const int most = (1 << o.exponent_bias_width) - 1;
      const int bias = std::clamp(log2_or_top(largest, floor_log2), 0, most);
      const Minifloat rule(o.width, o.exponent_width, bias);
      return [=](float x) { return rule.ieee(x) + zero; };
    }
    case BlockKind::log: break;
  }
  const int most = (1 << o.exponent_bias_width) - 1;
  const int bias = std::clamp((1 << (o.width - 1)) - 1 - log2_or_top(largest, ceil_log2), 0, most);
  Log rule(o.width, bias);
  rule.shift = power_of_two(-bias) * 0.1f;
  return [=](float x) { return rule.value(x) + zero; };
}

Tensor quantize_blocks(const BlockOptions& options, const Tensor& x) {
  Tensor y(DType::f32, x.shape());
  if (x.size() == 0) return y;
  const Geometry g = geometry_of(options, x.shape());
  const float* in = x.as<float>();
  std::vector<float> largest;
  float least = std::numeric_limits<float>::infinity();
  for_boxes(g, [&](std::size_t, std::int64_t first, std::int64_t rows, std::int64_t columns) {
    float most = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        most = std::max(most, std::fabs(in[first + r * g.columns + c]));
    largest.push_back(most);
    if (most > 0) least = std::min(least, most);
  });
  // Blocks of zeros borrow the smallest maximum of the others.
  const float borrowed = std::isfinite(least) ? least : 1.0f;
  for_boxes(g, [&](std::size_t block, std::int64_t first, std::int64_t rows, std::int64_t columns) {
    const float most = largest[block] > 0 ? largest[block] : borrowed;
    const auto rule = block_rule(options, most, g.positive_zeros);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t i = first + r * g.columns + c;
        y.as<float>()[i] = rule(in[i]);
      }
  });
  return y;
}

}  // namespace

std::unique_ptr<const Quantizer> make_block_quantizer(const BlockOptions& options) {
  std::int64_t numbers = 1;
  for (const std::int64_t size : options.block_size) numbers *= std::max<std::int64_t>(size, 1);
  const int shared =
      options.kind == BlockKind::fp ? options.exponent_width : options.exponent_bias_width;
  const double bits = options.width + static_cast<double>(shared) / static_cast<double>(numbers);
  // A matrix is cut into rows where its blocks are, and where no block borrows from another.
  const bool one_row =
      options.skip_first_dim ||
      (options.block_size.size() > 1 && options.block_size[options.block_size.size() - 2] == 1);
  return std::make_unique<TensorRule>(
      options.format, "mase", bits, one_row && options.kind != BlockKind::log,
      [options](const Tensor& x) { return quantize_blocks(options, x); });
}

}  // namespace hone::mase
