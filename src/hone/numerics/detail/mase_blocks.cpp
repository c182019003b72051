#include "hone/numerics/detail/mase_blocks.hpp"

#include <limits>

#include "hone/core/threads.hpp"
#include "hone/numerics/detail/format_options.hpp"
#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/numerics/detail/mase_kernels.hpp"

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

// Rows that share blocks, of all batches.
struct Bands {
  std::int64_t across, down, count;

  explicit Bands(const Geometry& g)
      : across(ceil_div(g.columns, g.block_columns)),
        down(ceil_div(g.rows, g.block_rows)),
        count(g.batches * down) {}
  static std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
};

// Calls body(block, first, rows, columns) for the blocks of a band: where the box begins and
// its size.
template <typename Body>
void for_boxes(const Geometry& g, const Bands& bands, std::int64_t band, const Body& body) {
  const std::int64_t batch = band / bands.down;
  const std::int64_t r = band % bands.down * g.block_rows;
  for (std::int64_t b = 0; b < bands.across; ++b) {
    const std::int64_t c = b * g.block_columns;
    body(band * bands.across + b, (batch * g.rows + r) * g.columns + c,
         std::min(g.block_rows, g.rows - r), std::min(g.block_columns, g.columns - c));
  }
}

// floor or ceil of log2 with what a logarithm makes of infinity.
template <typename Log2>
int log2_or_top(float v, const Log2& log2) {
  return std::isfinite(v) ? log2(v) : 1 << 20;
}

// Calls body(rule) with the rule of a block whose largest magnitude is `largest`.
template <typename Body>
void with_rule(const BlockOptions& o, float largest, float zero, const Body& body) {
  const int most = largest_exponent(o.exponent_bias_width, 0);
  switch (o.kind) {
    case BlockKind::fp: {
      const int top = largest_exponent(o.exponent_width, o.exponent_bias);
      const int e = std::clamp(log2_or_top(largest, ceil_log2), -o.exponent_bias, top);
      return body(
          BlockFloat{power_of_two(e), power_of_two(o.width - 1), largest_code(o.width - 1), zero});
    }
    case BlockKind::minifloat: {
      const int bias = std::clamp(log2_or_top(largest, floor_log2), 0, most);
      MinifloatIeee rule(o.width, o.exponent_width, bias);
      rule.zero = zero;
      return body(rule);
    }
    case BlockKind::log: break;
  }
  const std::int64_t highest = (std::int64_t{1} << (o.width - 1)) - 1;
  const int bias = static_cast<int>(
      std::clamp<std::int64_t>(highest - log2_or_top(largest, ceil_log2), 0, most));
  Log rule(o.width, bias);
  rule.shift = power_of_two(-bias) * 0.1f;
  rule.zero = zero;
  body(rule);
}

class BlockRule : public RuleQuantizer {
public:
  BlockRule(const BlockOptions& options, double bits, bool by_rows)
      : RuleQuantizer(options.format, "mase", bits), options_(options), by_rows_(by_rows) {}

  bool by_rows(std::int64_t) const override { return by_rows_; }
  bool by_shape() const override { return true; }
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    if (rows * columns == 0) return;
    if (options_.kind == BlockKind::log && by_rows_ && rows > 1) {
      for (std::int64_t r = 0; r < rows; ++r)
        quantize(x + r * columns, y + r * columns, 1, columns);
      return;
    }
    const Geometry g = geometry_of(options_, {rows, columns});
    const Bands bands(g);
    round(x, y, g, bands, [&](const auto& body) {
      for (std::int64_t band = 0; band < bands.count; ++band) body(band);
    });
  }
  Tensor quantize(const Tensor& x) const override {
    Tensor y(DType::f32, x.shape());
    if (x.size() == 0) return y;
    const Geometry g = geometry_of(options_, x.shape());
    const Bands bands(g);
    round(x.as<float>(), y.as<float>(), g, bands, [&](const auto& body) {
      parallel_items(bands.count, [&](std::int64_t band, int) { body(band); });
    });
    return y;
  }

private:
  template <typename ForBands>
  void round(const float* x, float* y, const Geometry& g, const Bands& bands,
             const ForBands& for_bands) const {
    std::vector<float> largest(static_cast<std::size_t>(bands.count * bands.across));
    for_bands([&](std::int64_t band) {
      for_boxes(
          g, bands, band,
          [&](std::int64_t block, std::int64_t first, std::int64_t rows, std::int64_t columns) {
            std::uint32_t most = 0;
            for (std::int64_t r = 0; r < rows; ++r)
              most = std::max(most, largest_magnitude_bits(x + first + r * g.columns, columns));
            largest[static_cast<std::size_t>(block)] = std::bit_cast<float>(most);
          });
    });
    // Blocks of zeros borrow the smallest maximum of the others.
    float least = std::numeric_limits<float>::infinity();
    for (const float most : largest)
      if (most > 0) least = std::min(least, most);
    const float borrowed = std::isfinite(least) ? least : 1.0f;
    const float zero = g.positive_zeros ? 0.0f : no_change;
    for_bands([&](std::int64_t band) {
      for_boxes(
          g, bands, band,
          [&](std::int64_t block, std::int64_t first, std::int64_t rows, std::int64_t columns) {
            const float most = largest[static_cast<std::size_t>(block)];
            with_rule(options_, most > 0 ? most : borrowed, zero, [&](const auto& rule) {
              for (std::int64_t r = 0; r < rows; ++r)
                round_values(rule, x + first + r * g.columns, y + first + r * g.columns, columns);
            });
          });
    });
  }

  BlockOptions options_;
  bool by_rows_;
};

}  // namespace

std::unique_ptr<const Quantizer> make_block_quantizer(const BlockOptions& options) {
  std::int64_t numbers = 1;
  for (const std::int64_t size : options.block_size) numbers *= std::max<std::int64_t>(size, 1);
  const int shared =
      options.kind == BlockKind::fp ? options.exponent_width : options.exponent_bias_width;
  const double bits = options.width + static_cast<double>(shared) / static_cast<double>(numbers);
  // A matrix is cut into rows where its blocks are. A block of zeros of block_log borrows from the
  // whole tensor; of activations in models, whose rows are of several texts, from its own row.
  const bool one_row =
      options.skip_first_dim ||
      (options.block_size.size() > 1 && options.block_size[options.block_size.size() - 2] == 1);
  const bool borrows = options.kind == BlockKind::log && !options.skip_first_dim;
  return std::make_unique<BlockRule>(options, bits, one_row && !borrows);
}

}  // namespace hone::mase
