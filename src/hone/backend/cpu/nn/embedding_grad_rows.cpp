// embedding_grad_rows: a counting sort of the token ids, then the sums of each row that occurs.
#include <algorithm>
#include <cstring>
#include <utility>

#include "hone/backend/kernel.hpp"
#include "hone/core/threads.hpp"

namespace hone {
namespace {
namespace embedding_grad_rows_kernel {

// Workspace: next[V] (where a row's next token goes), begin[R + 1], tokens[R].
std::size_t workspace(const KernelQuery& query) {
  const std::int64_t rows = query.input_shape(0)[0];
  const std::int64_t tokens = query.input_shape(1)[0];
  return static_cast<std::size_t>(rows + 2 * tokens + 1) * sizeof(std::int32_t);
}

void run(const KernelCall& call) {
  const std::int64_t vocabulary = call.in(0).rows();
  const std::int64_t n = call.in(0).columns();
  const std::int64_t count = call.in(1).rows();
  const std::int32_t* ids = call.in(1).as<std::int32_t>();
  auto* next = reinterpret_cast<std::int32_t*>(call.workspace);
  std::int32_t* begin = next + vocabulary;
  std::int32_t* tokens = begin + count + 1;
  std::fill(next, next + vocabulary, 0);
  for (std::int64_t t = 0; t < count; ++t) ++next[ids[t]];
  const std::int64_t padding = call.attributes->integer("padding");
  if (padding >= 0) next[padding] = 0;
  auto* rows = call.out(0).as<std::int32_t>();
  std::int32_t unique = 0;
  std::int32_t place = 0;
  for (std::int64_t v = 0; v < vocabulary; ++v) {
    if (next[v] == 0) continue;
    rows[unique] = static_cast<std::int32_t>(v);
    begin[unique++] = place;
    place += std::exchange(next[v], place);
  }
  begin[unique] = place;
  for (std::int64_t t = 0; t < count; ++t)
    if (ids[t] != padding) tokens[next[ids[t]]++] = static_cast<std::int32_t>(t);
  call.out(1).as<std::int32_t>()[0] = unique;
  const float* dy = call.in(2).as();
  float* values = call.out(2).as();
  constexpr std::int64_t chunk = 32;
  parallel_items((unique + chunk - 1) / chunk, [&](std::int64_t item, int) {
    for (std::int64_t i = item * chunk; i < std::min<std::int64_t>(unique, (item + 1) * chunk);
         ++i) {
      float* to = values + i * n;
      std::memcpy(to, dy + tokens[begin[i]] * n, static_cast<std::size_t>(n) * sizeof(float));
      for (std::int32_t t = begin[i] + 1; t < begin[i + 1]; ++t) {
        const float* from = dy + tokens[t] * n;
        for (std::int64_t j = 0; j < n; ++j) to[j] += from[j];
      }
    }
  });
}

}  // namespace embedding_grad_rows_kernel
}  // namespace

Kernel cpu_kernel_embedding_grad_rows() {
  using namespace embedding_grad_rows_kernel;
  Kernel kernel{{"cpu.embedding_grad_rows", "counting sort of ids, then sums a row"},
                "embedding_grad_rows",
                RowRule::whole,
                10};
  kernel.workspace = workspace;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
