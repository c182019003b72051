// attention_grad for a few picked queries: each query adds its share to the keys and values of its
// sequence.
#include "hone/backend/cpu/detail/picked_rows.hpp"

namespace hone {
namespace {
namespace attention_picked_grad_kernel {

void run(const KernelCall& call) {
  const AttentionSizes sizes = attention_sizes(call.in(0).columns(), *call.attributes);
  const std::int64_t width = call.in(0).columns();
  const std::vector<PickedQueries> sequences = picked_queries(call.in(6), call.in(8));
  parallel_items(
      static_cast<std::int64_t>(sequences.size()) * sizes.heads, [&](std::int64_t item, int) {
        const PickedQueries& sequence = sequences[static_cast<std::size_t>(item / sizes.heads)];
        const std::int64_t head = item % sizes.heads;
        const AttentionTask task = picked_task(sequence, head, width, sizes, call, 7);
        const std::int64_t token = task.first_token * width + head * sizes.head_size;
        float* dk = call.out(1).as() + token;
        float* dv = call.out(2).as() + token;
        for (std::int64_t j = 0; j < task.length; ++j) {
          std::fill(dk + j * width, dk + j * width + sizes.head_size, 0.0f);
          std::fill(dv + j * width, dv + j * width + sizes.head_size, 0.0f);
        }
        std::vector<float> memory(static_cast<std::size_t>(4 * task.length + 16));
        for (std::int32_t i : sequence.queries) {
          const std::int64_t at = i * width + head * sizes.head_size;
          attention_picked_backward(
              task,
              {call.in(0).as() + at, call.in(1).as() + at, call.in(2).as() + i * sizes.heads + head,
               call.in(3).as() + at, call.in(4).as() + token, call.in(5).as() + token,
               call.out(0).as() + at, dk, dv},
              static_cast<std::uint32_t>(call.in(8).as<std::int32_t>()[i]), memory.data());
        }
      });
}

}  // namespace attention_picked_grad_kernel
}  // namespace

Kernel cpu_kernel_attention_picked_grad() {
  using namespace attention_picked_grad_kernel;
  Kernel kernel{{"cpu.attention_picked_grad", "vector by matrix products for a few queries"},
                "attention_grad",
                RowRule::whole,
                10};
  kernel.refuse = [](const KernelQuery& query) {
    return query.has(8) ? std::string() : "all queries of a sequence are wanted";
  };
  kernel.bind = bind_node_probabilities;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
