// Repeats along dimensions of size 1, and new ones in front: numpy's broadcasting. Its gradient is
// sum_to, which adds up what was repeated.
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace expand_family {

// Whether `small` repeated gives `large`.
bool repeats(const std::vector<Dim>& small, const std::vector<Dim>& large) {
  if (small.size() > large.size()) return false;
  const std::size_t more = large.size() - small.size();
  for (std::size_t i = 0; i < small.size(); ++i)
    if (!(small[i] == Dim(1)) && !(small[i] == large[i + more])) return false;
  return true;
}

// Of each dimension of `large`, how far one step goes in `small`.
std::vector<std::int64_t> steps_of(const Shape& small, const Shape& large) {
  const std::vector<std::int64_t> own = strides_of(small);
  std::vector<std::int64_t> steps(large.size(), 0);
  const std::size_t more = large.size() - small.size();
  for (std::size_t i = 0; i < small.size(); ++i)
    if (small[i] != 1) steps[i + more] = own[i];
  return steps;
}

template <typename F>
void for_each_pair(const Shape& small, const Shape& large, const F& f) {
  const std::vector<std::int64_t> steps = steps_of(small, large);
  if (element_count(large) == 0) return;
  std::vector<std::int64_t> index(large.size(), 0);
  std::int64_t i = 0;
  do {
    std::int64_t from = 0;
    for (std::size_t d = 0; d < large.size(); ++d) from += index[d] * steps[d];
    f(from, i++);
  } while (advance(index, large));
}

OptionSpec shape_option() {
  return {"shape", OptionType::text, {}, "sizes, e.g. B,64,7; empty: one number"};
}

Op expand() {
  Op op{{"expand", "repeats along dimensions of size 1 and new ones in front", {shape_option()}},
        1,
        1,
        {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::vector<Dim> dims = parse_dims(t.attributes->text("shape"));
    if (!repeats(t[0].dims, dims))
      fail_shapes("expand", "sizes of 1 or those of [" + to_string(dims) + "]", t);
    return {{t[0].dtype, dims}};
  };
  op.reference = [](const OpCall& call) {
    for_each_pair(call.in(0).shape(), call.out(0).shape(), [&](std::int64_t from, std::int64_t to) {
      copy_element(call.in(0), from, call.out(0), to);
    });
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("sum_to", {call.grad()},
                             {{"shape", to_string(call.graph.type(call.in(0)).dims)}})};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {
        {"column", {random_tensor({3, 1}, 1)}, {{"shape", std::string("3,5")}}, {0}},
        {"row of planes", {random_tensor({4, 1, 1}, 1)}, {{"shape", std::string("2,4,3,3")}}, {0}},
        {"number", {random_tensor({}, 1)}, {{"shape", std::string("2,3")}}, {0}},
        {"whole", {int_tensor({1, 2}, {1, 2})}, {{"shape", std::string("3,2")}}, {}},
        {"nothing", {random_tensor({1, 4}, 1)}, {{"shape", std::string("0,4")}}, {}}};
  };
  return op;
}

Op sum_to() {
  Op op{{"sum_to", "adds up what expand would repeat", {shape_option()}}, 1, 1, {"x"}};
  op.infer = [](const OpTypes& t) -> std::vector<ValueType> {
    const std::vector<Dim> dims = parse_dims(t.attributes->text("shape"));
    if (!is_real(t[0].dtype) || !repeats(dims, t[0].dims))
      fail_shapes("sum_to", "reals to which [" + to_string(dims) + "] expands", t);
    return {{t[0].dtype, dims}};
  };
  op.reference = [](const OpCall& call) {
    std::vector<double> sums(static_cast<std::size_t>(call.out(0).size()), 0.0);
    for_each_pair(call.out(0).shape(), call.in(0).shape(), [&](std::int64_t to, std::int64_t from) {
      sums[static_cast<std::size_t>(to)] += real_at(call.in(0), from);
    });
    for (std::size_t i = 0; i < sums.size(); ++i)
      set_real(call.out(0), static_cast<std::int64_t>(i), sums[i]);
  };
  op.gradient = [](const GradientCall& call) -> std::vector<ValueId> {
    return {call.graph.apply("expand", {call.grad()},
                             {{"shape", to_string(call.graph.type(call.in(0)).dims)}})};
  };
  op.samples = []() -> std::vector<OpSample> {
    return {{"column", {random_tensor({3, 5}, 1)}, {{"shape", std::string("3,1")}}, {0}},
            {"planes", {random_tensor({2, 4, 3, 3}, 1)}, {{"shape", std::string("4,1,1")}}, {0}},
            {"number", {random_tensor({2, 3}, 1)}, {{"shape", std::string("")}}, {0}},
            {"nothing", {random_tensor({0, 4}, 1)}, {{"shape", std::string("4")}}, {}}};
  };
  return op;
}

}  // namespace expand_family
}  // namespace

std::vector<Op> op_expand_family() {
  using namespace expand_family;
  return {expand(), sum_to()};
}

}  // namespace hone
