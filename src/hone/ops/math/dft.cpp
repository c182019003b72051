// Discrete Fourier transform along one dimension of x [..., 1 or 2], whose last dimension holds
// real and imaginary parts: y[k] = sum over n of x[n] e^(-2 pi i n k / N); the inverse has the
// other sign and is divided by N. More or less places than x has are zeros or are left out.
#include <cmath>
#include <numbers>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace dft_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const std::vector<Dim>& x = t[0].dims;
  const auto axis = static_cast<std::size_t>(t.attributes->integer("axis"));
  const bool half = t.attributes->boolean("half");
  const bool inverse = t.attributes->boolean("inverse");
  const std::int64_t length = t.attributes->integer("length");
  bool good = x.size() >= 2 && axis + 1 < x.size() && is_real(t[0].dtype) &&
              (x.back() == Dim(1) || x.back() == Dim(2));
  good = good && (length > 0 || x[axis].is_fixed()) && !(half && !inverse && x.back() == Dim(2));
  if (!good) fail_shapes("dft", "reals [...,1] or [...,2], an axis before the last", t);
  ValueType y = t[0];
  const std::int64_t n = length > 0        ? length
                         : half && inverse ? 2 * (x[axis].offset - 1)
                                           : x[axis].offset;
  y.dims[axis] = half && !inverse ? n / 2 + 1 : n;
  y.dims.back() = half && inverse ? 1 : 2;
  return {y};
}

void reference(const OpCall& call) {
  const Tensor& x = call.in(0);
  Tensor& y = call.out(0);
  const auto axis = static_cast<std::size_t>(call.attributes->integer("axis"));
  const bool half = call.attributes->boolean("half"), inverse = call.attributes->boolean("inverse");
  if (y.size() == 0) return;
  const std::int64_t parts = x.shape().back(), result_parts = y.shape().back();
  const std::int64_t from = x.shape()[axis], to = y.shape()[axis];
  const std::int64_t given = call.attributes->integer("length");
  // (Back from one half: of an even number of places where nothing is said.)
  const std::int64_t n = given > 0 ? given : half && inverse ? to : from;
  const std::int64_t inner = strides_of(x.shape())[axis] / parts;
  const std::int64_t outer = y.size() / (to * inner * result_parts);
  // Half of a spectrum stands for the other, mirrored and conjugated.
  const auto number = [&](std::int64_t o, std::int64_t k, std::int64_t i, std::int64_t part) {
    double sign = 1;
    if (half && inverse && k > n / 2) {
      k = n - k;
      if (part == 1) sign = -1;
    }
    if (k >= from || part >= parts) return 0.0;
    return sign * real_at(x, ((o * from + k) * inner + i) * parts + part);
  };
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i)
      for (std::int64_t k = 0; k < to; ++k) {
        double real = 0, imaginary = 0;
        for (std::int64_t m = 0; m < n; ++m) {
          const double angle = (inverse ? 2 : -2) * std::numbers::pi *
                               static_cast<double>(m * k % n) / static_cast<double>(n);
          const double a = number(o, m, i, 0), b = number(o, m, i, 1);
          real += a * std::cos(angle) - b * std::sin(angle);
          imaginary += a * std::sin(angle) + b * std::cos(angle);
        }
        const double by = inverse ? 1 / static_cast<double>(n) : 1;
        const std::int64_t place = ((o * to + k) * inner + i) * result_parts;
        set_real(y, place, real * by);
        if (result_parts == 2) set_real(y, place + 1, imaginary * by);
      }
}

std::vector<OpSample> samples() {
  return {
      {"real", {random_tensor({2, 6, 1}, 1)}, {{"axis", std::int64_t{1}}}},
      {"half",
       {random_tensor({2, 5, 1}, 2)},
       {{"axis", std::int64_t{1}}, {"half", true}, {"length", std::int64_t{8}}}},
      {"inverse", {random_tensor({4, 3, 2}, 3)}, {{"axis", std::int64_t{0}}, {"inverse", true}}},
      {"half inverse",
       {random_tensor({2, 4, 2}, 4)},
       {{"axis", std::int64_t{1}}, {"inverse", true}, {"half", true}}}};
}

}  // namespace dft_op
}  // namespace

Op op_dft() {
  using namespace dft_op;
  Op op{{"dft",
         "discrete Fourier transform along a dimension",
         {{"axis", OptionType::integer, {}, "the dimension", 0, 7},
          {"length", OptionType::integer, std::int64_t{0}, "places that count; 0: all", 0, 1e8},
          {"inverse", OptionType::boolean, false, "back from frequencies"},
          {"half", OptionType::boolean, false,
           "the half of the frequencies that stands for all where numbers are real"}}},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
