// The determinant of every matrix [..., M, M], by elimination with row exchanges.
#include <cmath>
#include <utility>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace det_op {

double determinant(std::vector<double> a, std::int64_t size) {
  const auto n = static_cast<std::size_t>(size);
  double det = 1;
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t best = c;
    for (std::size_t r = c + 1; r < n; ++r)
      if (std::abs(a[r * n + c]) > std::abs(a[best * n + c])) best = r;
    const double pivot = a[best * n + c];
    if (pivot == 0) return 0;
    if (best != c) {
      det = -det;
      for (std::size_t k = 0; k < n; ++k) std::swap(a[best * n + k], a[c * n + k]);
    }
    det *= pivot;
    for (std::size_t r = c + 1; r < n; ++r) {
      const double factor = a[r * n + c] / pivot;
      for (std::size_t k = c; k < n; ++k) a[r * n + k] -= factor * a[c * n + k];
    }
  }
  return det;
}

std::vector<double> matrix_at(const Tensor& x, std::int64_t first, std::int64_t count) {
  std::vector<double> a;
  for (std::int64_t i = 0; i < count; ++i) a.push_back(real_at(x, first + i));
  return a;
}

}  // namespace det_op
}  // namespace

Op op_det() {
  using namespace det_op;
  Op op{{"det", "the determinant of every matrix"}, 1, 1, {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::vector<Dim>& x = t[0].dims;
    if (x.size() < 2 || !is_real(t[0].dtype) || !(x[x.size() - 1] == x[x.size() - 2]))
      fail_shapes("det", "reals [...,M,M]", t);
    return {{t[0].dtype, {x.begin(), x.end() - 2}}};
  };
  op.reference = [](const OpCall& call) {
    const std::int64_t m = call.in(0).shape().back();
    for (std::int64_t i = 0; i < call.out(0).size(); ++i)
      set_real(call.out(0), i, determinant(matrix_at(call.in(0), i * m * m, m * m), m));
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"one", {random_tensor({3, 3}, 1)}, {}},
            {"many", {random_tensor({2, 2, 4, 4}, 2)}, {}},
            {"singular", {f32_tensor({2, 2}, {1, 2, 2, 4})}, {}}};
  };
  return op;
}

}  // namespace hone
