// attention_int8 on any machine: the codes become numbers, which meet as in cpu.attention.
#include "hone/backend/cpu/detail/attention.hpp"
#include "hone/ops/detail/int8.hpp"

namespace hone {
namespace {
namespace attention_int8_kernel {

struct Bound {
  std::shared_ptr<const Quantizer> probabilities;
  float scale;  // of q, k and v
};

std::shared_ptr<const void> bind(const KernelQuery& query) {
  const Options& attributes = query.node.attributes;
  return std::make_shared<Bound>(
      Bound{bind_probabilities(attributes),
            bind_quantizer(attributes)->int8_layout(query.input_shape(0)[1])->scale});
}

std::size_t workspace(const KernelQuery& query) {
  const Shape codes = query.input_shape(0);
  // q, k, v, and logarithms of the sums, which nobody reads.
  const std::int64_t floats =
      3 * element_count(codes) + codes[0] * query.node.attributes.integer("heads");
  return static_cast<std::size_t>(floats) * sizeof(float) + attention_workspace(query, 0, false);
}

void run(const KernelCall& call) {
  const auto& bound = *static_cast<const Bound*>(call.bound);
  const std::int64_t width = call.in(0).columns();
  const std::int64_t count = call.in(0).size();
  const AttentionSetup setup(call, 0, bound.probabilities.get());
  if (call.flop != nullptr) *call.flop += setup.flop(2);
  float* memory = reinterpret_cast<float*>(call.workspace);
  const float* numbers[3];
  for (std::size_t i = 0; i < 3; ++i) {
    numbers[i] = memory;
    const auto* codes = call.in(i).as<std::uint8_t>();
    parallel_ranges(count, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t e = begin; e < end; ++e)
        memory[e] = bound.scale * static_cast<float>(codes[e] - 128);
    });
    memory += count;
  }
  float* log_sums = memory;
  memory += call.in(0).rows() * call.attributes->integer("heads");
  parallel_items(setup.items(), [&](std::int64_t item, int thread) {
    const AttentionTask task = setup.task(item);
    const std::int64_t at = task.first_token * width + task.head * task.head_size;
    attention_forward(task,
                      {numbers[0] + at, numbers[1] + at, numbers[2] + at, call.out(0).as() + at,
                       log_sums + task.first_token * task.heads + task.head},
                      memory + setup.floats_per_thread(false) * thread);
  });
}

}  // namespace attention_int8_kernel
}  // namespace

Kernel cpu_kernel_attention_int8() {
  using namespace attention_int8_kernel;
  Kernel kernel{{"cpu.attention_int8", "codes become float32 numbers, then as cpu.attention"},
                "attention_int8",
                RowRule::whole,
                10};
  kernel.bind = bind;
  kernel.workspace = workspace;
  kernel.run = run;
  return kernel;
}

}  // namespace hone
