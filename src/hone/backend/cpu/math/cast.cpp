// Among float32, float16 and bfloat16.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/math/cast.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include "hone/backend/cpu/detail/halves-inl.hpp"
#include "hone/backend/kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

void run_cast(const KernelCall& call) {
  const TensorView &x = call.in(0), &y = call.out(0);
  with_load(x.dtype, [&](auto load) HWY_ATTR {
    with_store(y.dtype, [&](auto store) HWY_ATTR {
      auto* to = y.as<std::byte>();
      for_vectors(
          y.size(),
          [&](std::int64_t i) {
            store(load(x.as<std::byte>() + i * std::int64_t{load.bytes}),
                  to + i * std::int64_t{store.bytes});
          },
          [&](std::int64_t i, std::size_t count) {
            store_some(store,
                       load_some(load, x.as<std::byte>() + i * std::int64_t{load.bytes}, count),
                       to + i * std::int64_t{store.bytes}, count);
          });
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
HWY_EXPORT(run_cast);

Kernel cpu_kernel_cast() {
  Kernel kernel{
      {"cpu.cast", "vectors of float32, float16 and bfloat16"}, "cast", RowRule::rows, 10};
  kernel.refuse = [](const KernelQuery& query) -> std::string {
    for (const ValueId id : {query.node.inputs[0], query.node.outputs[0]}) {
      const DType dtype = query.graph.type(id).dtype;
      if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
        return "it casts among f32, f16 and bf16";
    }
    return "";
  };
  kernel.run = [](const KernelCall& call) { HWY_DYNAMIC_DISPATCH(run_cast)(call); };
  return kernel;
}

}  // namespace hone
#endif
