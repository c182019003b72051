// Numbers between the places of a picture: grid_sample, at places that a grid names, and roi_align,
// the means of parts of regions.
//
// Sources: the definitions of GridSample (operator set 20) and RoiAlign (16) in ONNX.
#include <algorithm>
#include <cmath>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace sampling_family {

double sample_cubic(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

double sample_cubic_slope(double x) {
  constexpr double a = -0.75;
  const double sign = x < 0 ? -1 : 1;
  x = std::abs(x);
  if (x <= 1) return sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
  if (x < 2) return sign * ((3 * a * x - 10 * a) * x + 8 * a);
  return 0;
}

// Mirrored at low and high as often as it takes.
double mirrored(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const bool below = x < low;
  if (!below && x <= high) return x;
  const double beyond = below ? low - x : x - high;
  const double turns = std::floor(beyond / range), rest = beyond - turns * range;
  const bool even = std::fmod(turns, 2) == 0;
  return below == even ? low + rest : high - rest;
}

// Along one dimension: which places a grid's number takes, and how much of each. -1: outside.
struct Taken {
  std::int64_t place[4];
  double weight[4];
  double slope[4];  // of the weights, by the grid's number
  int count;
};
Taken taken_at(double given, std::int64_t size, const std::string& mode, const std::string& outside,
               bool corners) {
  const auto n = static_cast<double>(size);
  const double low = corners ? 0 : -0.5, high = corners ? n - 1 : n - 0.5;
  double x = corners ? (given + 1) / 2 * (n - 1) : ((given + 1) * n - 1) / 2;
  if (mode == "nearest") x = std::nearbyint(x);
  if (!std::isfinite(x)) x = -2;                // outside, whatever it was
  double step = corners ? (n - 1) / 2 : n / 2;  // of x, by the grid's number
  if (x < low || x > high) {
    if (outside == "border") {
      x = std::clamp(x, 0.0, n - 1);
      step = 0;
    }
    if (outside == "reflection") {
      // (Turned round or not: the sign of a small move.)
      const double moved = mirrored(x, low, high);
      if (mirrored(x + 1e-6, low, high) < moved) step = -step;
      x = moved;
    }
  }
  const auto place = [&](double at) -> std::int64_t {
    if (outside == "reflection") at = mirrored(at, low, high);
    if (outside == "border") at = std::clamp(at, 0.0, n - 1);
    const auto i = static_cast<std::int64_t>(at);
    return at < 0 || i >= size ? -1 : i;
  };
  Taken taken{};
  if (mode == "nearest") {
    taken = {{place(x)}, {1.0}, {0.0}, 1};
    return taken;
  }
  const double first = std::floor(x);
  taken.count = mode == "linear" ? 2 : 4;
  for (int i = 0; i < taken.count; ++i) {
    const double at = first + i - (mode == "linear" ? 0 : 1);
    taken.place[i] = place(at);
    taken.weight[i] = mode == "linear" ? 1 - std::abs(at - x) : sample_cubic(at - x);
    taken.slope[i] =
        step * (mode == "linear" ? (i == 0 ? -1.0 : 1.0) : -sample_cubic_slope(at - x));
  }
  return taken;
}

std::vector<OptionSpec> grid_options() {
  return {{.name = "mode",
           .type = OptionType::text,
           .default_value = std::string("linear"),
           .help = "the nearest number, or the mean of the two or four around in each dimension",
           .choices = {"nearest", "linear", "cubic"}},
          {.name = "outside",
           .type = OptionType::text,
           .default_value = std::string("zeros"),
           .help = "what stands outside",
           .choices = {"zeros", "border", "reflection"}},
          {"corners", OptionType::boolean, false,
           "-1 and 1 are the middles of the first and last places, not their edges"}};
}

ValueType infer_grid(const OpTypes& t, const std::string& op) {
  const std::vector<Dim>&x = t[0].dims, &grid = t[1].dims;
  if (x.size() < 3 || x.size() > 5 || grid.size() != x.size() || !is_real(t[0].dtype) ||
      !is_real(t[1].dtype) || !(grid[0] == x[0]) ||
      !(grid.back() == Dim(static_cast<std::int64_t>(x.size()) - 2)))
    fail_shapes(op, "reals x [N,C,...] and a grid [N,...,D] of D numbers a place", t);
  ValueType y{t[0].dtype, {x[0], x[1]}};
  y.dims.insert(y.dims.end(), grid.begin() + 1, grid.end() - 1);
  return y;
}

// For each element of y: channel(its place), then f(element of x, weight, first number of the grid,
// slopes of the weight by the numbers from there) for each tap, then end(its place).
template <typename Channel, typename F, typename End>
void for_each_sample(const OpCall& call, const Channel& channel, const F& f, const End& end) {
  const Tensor &x = call.in(0), &grid = call.in(1);
  const std::string &mode = call.attributes->text("mode"),
                    &outside = call.attributes->text("outside");
  const bool corners = call.attributes->boolean("corners");
  const Shape from(x.shape().begin() + 2, x.shape().end());
  const std::size_t rank = from.size();
  const std::int64_t channels = x.shape()[1], plane = element_count(from), batch = x.shape()[0];
  if (x.size() == 0 || grid.size() == 0) return;
  const std::int64_t places = grid.size() / (batch * static_cast<std::int64_t>(rank));
  const std::vector<std::int64_t> steps = strides_of(from);
  std::vector<Taken> taken(rank);
  std::vector<double> slopes(rank);
  Shape counts(rank);
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t p = 0; p < places; ++p) {
      const std::int64_t first = (n * places + p) * static_cast<std::int64_t>(rank);
      // (The grid's last number is of the first dimension.)
      for (std::size_t d = 0; d < rank; ++d) {
        const std::int64_t at = first + static_cast<std::int64_t>(rank - 1 - d);
        taken[d] = taken_at(real_at(grid, at), from[d], mode, outside, corners);
        counts[d] = taken[d].count;
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t to = (n * channels + c) * places + p;
        channel(to);
        std::vector<std::int64_t> tap(rank, 0);
        do {
          double weight = 1;
          std::int64_t at = 0;
          bool inside = true;
          std::fill(slopes.begin(), slopes.end(), 1.0);
          for (std::size_t d = 0; d < rank; ++d) {
            const auto k = static_cast<std::size_t>(tap[d]);
            inside = inside && taken[d].place[k] >= 0;
            weight *= taken[d].weight[k];
            for (std::size_t e = 0; e < rank; ++e)
              slopes[rank - 1 - e] *= e == d ? taken[d].slope[k] : taken[d].weight[k];
            at += taken[d].place[k] * steps[d];
          }
          if (inside) f((n * channels + c) * plane + at, weight, first, slopes);
        } while (advance(tap, counts));
        end(to);
      }
    }
}

std::vector<OpSample> grid_samples() {
  const auto make = [](const char* name, const char* mode, const char* outside, bool corners) {
    OpSample sample{
        name,
        {random_tensor({2, 3, 4, 5}, 1), random_tensor({2, 3, 2, 2}, 2)},
        {{"mode", std::string(mode)}, {"outside", std::string(outside)}, {"corners", corners}},
        {0, 1}};
    // Between the places, where there is no kink: (i + 0.3) for some i, of 4 and 5 places.
    float* grid = sample.inputs[1].as<float>();
    for (std::int64_t i = 0; i < sample.inputs[1].size(); ++i) {
      const double n = i % 2 == 0 ? 5 : 4, at = static_cast<double>(i * 5 % 7) - 1.7;
      grid[i] = static_cast<float>(corners ? 2 * at / (n - 1) - 1 : (2 * at + 1) / n - 1);
    }
    return sample;
  };
  std::vector<OpSample> all{
      make("linear", "linear", "zeros", false), make("border", "linear", "border", true),
      make("cubic", "cubic", "reflection", false), make("nearest", "nearest", "zeros", true)};
  all[3].differentiable = {0};
  all.push_back(
      {"volume", {random_tensor({1, 2, 3, 4, 2}, 1), random_tensor({1, 2, 2, 2, 3}, 2)}, {}});
  return all;
}

Op grid_sample() {
  Op op{
      {"grid_sample", "numbers at the places that a grid names, from -1 to 1 along each dimension",
       grid_options()},
      2,
      2,
      {"x", "grid"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    return {infer_grid(t, "grid_sample")};
  };
  op.reference = [](const OpCall& call) {
    double sum = 0;
    for_each_sample(
        call, [&](std::int64_t) { sum = 0; },
        [&](std::int64_t at, double weight, std::int64_t, const std::vector<double>&) {
          if (weight != 0) sum += weight * real_at(call.in(0), at);
        },
        [&](std::int64_t to) { set_real(call.out(0), to, sum); });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    const NodeId node = call.graph.append("grid_sample_grad", {call.in(0), call.in(1), call.grad()},
                                          call.attributes());
    const std::vector<ValueId> outputs = call.graph.node(node).outputs;
    return {outputs[0], outputs[1]};
  };
  op.samples = grid_samples;
  return op;
}

// dx by the weights; of the grid by their slopes.
Op grid_sample_grad() {
  Op op{{"grid_sample_grad", "gradients of grid_sample in x and in the grid", grid_options()},
        3,
        3,
        {"x", "grid", "dy"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    if (!(infer_grid(t, "grid_sample_grad") == t[2]))
      fail_shapes("grid_sample_grad", "dy of what is sampled", t);
    return {t[0], t[1]};
  };
  op.reference = [](const OpCall& call) {
    std::vector<double> dx(static_cast<std::size_t>(call.in(0).size()), 0.0),
        grid(static_cast<std::size_t>(call.in(1).size()), 0.0);
    double dy = 0;
    for_each_sample(
        call, [&](std::int64_t to) { dy = real_at(call.in(2), to); },
        [&](std::int64_t at, double weight, std::int64_t first, const std::vector<double>& slopes) {
          dx[static_cast<std::size_t>(at)] += weight * dy;
          for (std::size_t d = 0; d < slopes.size(); ++d)
            grid[static_cast<std::size_t>(first) + d] += slopes[d] * dy * real_at(call.in(0), at);
        },
        [](std::int64_t) {});
    for (std::size_t i = 0; i < dx.size(); ++i)
      set_real(call.out(0), static_cast<std::int64_t>(i), dx[i]);
    for (std::size_t i = 0; i < grid.size(); ++i)
      set_real(call.out(1), static_cast<std::int64_t>(i), grid[i]);
  };
  op.samples = [] {
    std::vector<OpSample> samples = grid_samples();
    for (OpSample& sample : samples) {
      Shape shape(sample.inputs[0].shape().begin(), sample.inputs[0].shape().begin() + 2);
      const Shape grid = sample.inputs[1].shape();
      shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
      sample.inputs.push_back(random_tensor(shape, 3));
      sample.differentiable.clear();
    }
    return samples;
  };
  return op;
}

// The four places around (y, x) with their weights; none outside by more than one place.
struct Corner {
  std::int64_t at;
  double weight;
};
int corners_of(double y, double x, std::int64_t height, std::int64_t width, Corner* corners) {
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width)))
    return 0;
  const auto split = [](double at, std::int64_t size, std::int64_t& low, std::int64_t& high) {
    at = std::max(at, 0.0);
    low = static_cast<std::int64_t>(at);
    if (low >= size - 1) {
      low = high = size - 1;
      return 0.0;
    }
    high = low + 1;
    return at - static_cast<double>(low);
  };
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  const double down = split(y, height, top, bottom), across = split(x, width, left, right);
  corners[0] = {top * width + left, (1 - down) * (1 - across)};
  corners[1] = {top * width + right, (1 - down) * across};
  corners[2] = {bottom * width + left, down * (1 - across)};
  corners[3] = {bottom * width + right, down * across};
  return 4;
}

Op roi_align() {
  Op op{{"roi_align",
         "each region [x1, y1, x2, y2] of the picture that `batch` names, as a small picture",
         {{.name = "mode",
           .type = OptionType::text,
           .default_value = std::string("avg"),
           .help = "the mean of samples, or the largest of their weighted corners",
           .choices = {"avg", "max"}},
          {"height", OptionType::integer, std::int64_t{1}, "of what comes out", 1, 1e6},
          {"width", OptionType::integer, std::int64_t{1}, "of what comes out", 1, 1e6},
          {"samples", OptionType::integer, std::int64_t{0},
           "along each dimension of a part; 0: as many as it has places", 0, 1e6},
          {"scale", OptionType::real, 1.0, "places of x for one of the regions' units"},
          {"half_pixel", OptionType::boolean, true, "places are the middles of pixels"}}},
        3,
        3,
        {"x", "regions", "batch"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::vector<Dim>&x = t[0].dims, &regions = t[1].dims;
    if (x.size() != 4 || regions.size() != 2 || !(regions[1] == Dim(4)) || !is_real(t[0].dtype) ||
        !is_real(t[1].dtype) || t[2].dtype != DType::i64 ||
        !(t[2].dims == std::vector<Dim>{regions[0]}))
      fail_shapes("roi_align", "reals x [N,C,H,W], regions [R,4], a picture i64[R] of each", t);
    return {{t[0].dtype,
             {regions[0], x[1], t.attributes->integer("height"), t.attributes->integer("width")}}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    Tensor& y = call.out(0);
    const Options& o = *call.attributes;
    const std::int64_t channels = x.shape()[1], height = x.shape()[2], width = x.shape()[3];
    const std::int64_t rows = o.integer("height"), columns = o.integer("width");
    const double shift = o.boolean("half_pixel") ? 0.5 : 0.0, scale = o.real("scale");
    const bool largest = o.text("mode") == "max";
    for (std::int64_t r = 0; r < y.shape()[0]; ++r) {
      const std::int64_t n = integer_at(call.in(2), r);
      if (n < 0 || n >= x.shape()[0])
        throw Error(ErrorCode::invalid_argument, "[roi_align] picture " + std::to_string(n) +
                                                     " of " + std::to_string(x.shape()[0]));
      const auto bound = [&](std::int64_t k) {
        return real_at(call.in(1), r * 4 + k) * scale - shift;
      };
      const double left = bound(0), top = bound(1);
      double across = bound(2) - left, down = bound(3) - top;
      if (shift == 0) {
        across = std::max(across, 1.0);
        down = std::max(down, 1.0);
      }
      const double part_down = down / static_cast<double>(rows),
                   part_across = across / static_cast<double>(columns);
      const auto samples = [&](double part) {
        return o.integer("samples") > 0
                   ? o.integer("samples")
                   : static_cast<std::int64_t>(std::clamp(std::ceil(part), 0.0, 1e6));
      };
      const std::int64_t high = samples(part_down), wide = samples(part_across);
      const auto count = static_cast<double>(std::max<std::int64_t>(1, high * wide));
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t p = 0; p < rows * columns; ++p) {
          double result = 0;
          bool first = true;
          for (std::int64_t s = 0; s < high * wide; ++s) {
            Corner corners[4];
            const double at_y =
                top + (static_cast<double>(p / columns) +
                       (static_cast<double>(s / wide) + 0.5) / static_cast<double>(high)) *
                          part_down;
            const double at_x =
                left + (static_cast<double>(p % columns) +
                        (static_cast<double>(s % wide) + 0.5) / static_cast<double>(wide)) *
                           part_across;
            const int found = corners_of(at_y, at_x, height, width, corners);
            double sum = 0, most = 0;
            for (int k = 0; k < found; ++k) {
              const double part = corners[k].weight *
                                  real_at(x, (n * channels + c) * height * width + corners[k].at);
              sum += part;
              most = k == 0 ? part : std::max(most, part);
            }
            if (!largest)
              result += sum / count;
            else
              result = first ? most : std::max(result, most);
            first = false;
          }
          set_real(y, (r * channels + c) * rows * columns + p, result);
        }
    }
  };
  op.samples = []() -> std::vector<OpSample> {
    Tensor batch(DType::i64, {2});
    set_integer(batch, 0, 1);
    const Tensor regions = f32_tensor({2, 4}, {0, 1, 3.5, 4, 1, -2, 9, 2});
    const std::int64_t two = 2;
    return {{"means",
             {random_tensor({2, 2, 5, 6}, 1), regions, batch},
             {{"height", two}, {"width", two}, {"samples", two}}},
            {"largest",
             {random_tensor({2, 2, 5, 6}, 1), regions, batch},
             {{"height", two}, {"mode", std::string("max")}, {"half_pixel", false}}}};
  };
  return op;
}

}  // namespace sampling_family
}  // namespace

std::vector<Op> op_sampling_family() {
  using namespace sampling_family;
  return {grid_sample(), grid_sample_grad(), roi_align()};
}

}  // namespace hone
