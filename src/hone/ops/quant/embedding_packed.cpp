// y[r] = table[ids[r]], the table packed: embedding(dequantize(codes, scales), ids) that decodes
// only the rows it reads.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/ops/detail/quantizer.hpp"

namespace hone {
namespace {
namespace embedding_packed_op {

std::vector<ValueType> infer(const OpTypes& t) {
  const Shape shape = parse_shape(t.attributes->text("shape"));
  if (shape.size() != 2 || !is_vector(t[0], DType::i32))
    fail_shapes("embedding_packed", "ids i32[R] and a packed table of two dimensions", t);
  check_packed_types("embedding_packed", t, 1);
  return {{DType::f32, {t[0].dims[0], Dim(shape[1])}}};
}

void reference(const OpCall& call) {
  const auto quantizer = bind_quantizer(*call.attributes);
  const PackedTensor table =
      packed_tensor(*call.attributes, call.in(1), call.has(2) ? &call.in(2) : nullptr);
  const Tensor rows = quantizer->unpack(table);
  const std::int64_t n = table.shape[1];
  for (std::int64_t r = 0; r < call.in(0).size(); ++r) {
    const std::int32_t id = call.in(0).as<std::int32_t>()[r];
    if (id < 0 || id >= table.shape[0])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("[embedding_packed] id {} at row {} is outside the table of {} rows",
                              id, r, table.shape[0]));
    std::copy(rows.as<float>() + id * n, rows.as<float>() + (id + 1) * n,
              call.out(0).as<float>() + r * n);
  }
}

std::vector<OpSample> samples() {
  const auto make = [](const char* name, Shape shape, Tensor ids, const char* format,
                       const char* options) {
    PackedSample packed = pack_sample(random_tensor(std::move(shape), 1), format, options);
    return OpSample{
        name, {std::move(ids), packed.codes, packed.scales}, packed.attributes, {}, 1e-12};
  };
  return {make("integer", {9, 5}, int_tensor({6}, {3, 0, 8, 3, 3, 1}), "integer", "width=5"),
          make("blocks", {4, 70}, int_tensor({3}, {3, 0, 1}), "mxint", ""),
          make("channels", {5, 37}, int_tensor({1}, {4}), "affine", "width=4"),
          make("no rows", {4, 8}, int_tensor({0}, {}), "integer", "")};
}

}  // namespace embedding_packed_op
}  // namespace

Op op_embedding_packed() {
  using namespace embedding_packed_op;
  Op op{{"embedding_packed", "looks rows up in a packed table", packed_attributes()},
        2,
        3,
        {"ids", "codes", "scales"},
        RowRule::rows};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
