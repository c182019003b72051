// The same bits in another element type of as many.
#include <cstring>

#include "hone/core/error.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {

Op op_bit_cast() {
  Op op{{"bit_cast",
         "the same bits in another element type",
         {{"to", OptionType::text, {}, "the element type, e.g. i32"}}},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::string& to = t.attributes->text("to");
    DType dtype = DType::f32;
    try {
      dtype = dtype_from_name(to);
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_argument, "[bit_cast] " + error.message(), error.hint());
    }
    if (size_of(dtype) != size_of(t[0].dtype))
      fail_shapes("bit_cast", "an element type of as many bits as " + to, t);
    return {{dtype, t[0].dims}};
  };
  op.reference = [](const OpCall& call) {
    const Tensor& x = call.in(0);
    const std::size_t bytes = static_cast<std::size_t>(x.size()) * size_of(x.dtype());
    if (bytes > 0) std::memcpy(call.out(0).data(), x.data(), bytes);
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"to integers", {random_tensor({3, 5}, 1)}, {{"to", std::string("i32")}}},
            {"to reals", {int_tensor({2}, {0, 1065353216})}, {{"to", std::string("f32")}}}};
  };
  return op;
}

}  // namespace hone
