// How often each n-gram of a pool is in each row of x [C] or [N, C]: numbers that follow each other
// at the distance 1, 2, ... up to skips + 1.
#include <algorithm>
#include <map>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/common.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {
namespace count_ngrams_op {

// n-grams to where they are counted.
using Pool = std::map<std::vector<std::int64_t>, std::int64_t>;

// `starts`: where those of 1, 2, ... numbers begin in the pool.
Pool pool_of(const Options& attributes) {
  const std::vector<std::int64_t> pool = integers_of(attributes, "pool"),
                                  starts = integers_of(attributes, "starts"),
                                  places = integers_of(attributes, "places");
  Pool all;
  std::size_t next = 0;
  for (std::size_t n = 1; n <= starts.size(); ++n) {
    const std::int64_t end = n < starts.size() ? starts[n] : std::ssize(pool);
    std::int64_t at = starts[n - 1];
    const auto size = static_cast<std::int64_t>(n);
    if (at < 0 || end > std::ssize(pool) || at > end || (end - at) % size != 0)
      throw Error(ErrorCode::invalid_argument, "[count_ngrams] starts do not fit the pool");
    for (; at < end; at += size) {
      if (next >= places.size() || places[next] < 0)
        throw Error(ErrorCode::invalid_argument, "[count_ngrams] an n-gram without a place");
      all[{pool.begin() + at, pool.begin() + at + size}] = places[next++];
    }
  }
  return all;
}

std::vector<ValueType> infer(const OpTypes& t) {
  const std::vector<std::int64_t> places = integers_of(*t.attributes, "places");
  if ((t[0].dtype != DType::i32 && t[0].dtype != DType::i64) || t[0].dims.empty() ||
      t[0].dims.size() > 2 || places.empty())
    fail_shapes("count_ngrams", "i32 or i64 [C] or [N,C], and a pool that is not empty", t);
  pool_of(*t.attributes);
  ValueType y{DType::f32, t[0].dims};
  y.dims.back() = *std::max_element(places.begin(), places.end()) + 1;
  return {y};
}

void reference(const OpCall& call) {
  const Tensor& x = call.in(0);
  const Pool pool = pool_of(*call.attributes);
  const std::int64_t shortest = call.attributes->integer("shortest"),
                     longest = call.attributes->integer("longest"),
                     skips = call.attributes->integer("skips");
  const std::int64_t count = x.shape().back(), width = call.out(0).shape().back();
  const std::int64_t rows = x.shape().size() == 2 ? x.shape()[0] : 1;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t step = 1; step <= skips + 1; ++step)
      for (std::int64_t n = shortest; n <= longest; ++n) {
        if (n == 1 && step > 1) continue;  // it has no distance
        for (std::int64_t first = 0; first + (n - 1) * step < count; ++first) {
          std::vector<std::int64_t> gram;
          for (std::int64_t i = 0; i < n; ++i)
            gram.push_back(integer_at(x, row * count + first + i * step));
          const auto found = pool.find(gram);
          if (found == pool.end()) continue;
          const std::int64_t to = row * width + found->second;
          set_real(call.out(0), to, real_at(call.out(0), to) + 1);
        }
      }
}

std::vector<OpSample> samples() {
  const auto text = [](const char* value) { return OptionValue(std::string(value)); };
  const Options attributes{{"pool", text("2,3,5,4,5,6,7,8,6,7")}, {"starts", text("0,4")},
                           {"places", text("0,1,2,3,4,5,6")},     {"shortest", std::int64_t{1}},
                           {"longest", std::int64_t{2}},          {"skips", std::int64_t{1}}};
  return {{"rows", {int_tensor({2, 6}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8})}, attributes},
          {"one row", {int_tensor({4}, {5, 0, 6, 7})}, attributes}};
}

}  // namespace count_ngrams_op
}  // namespace

Op op_count_ngrams() {
  using namespace count_ngrams_op;
  Op op{{"count_ngrams",
         "how often each n-gram of a pool is there",
         {{"pool", OptionType::text, {}, "the n-grams, one behind the other, shorter ones first"},
          {"starts", OptionType::text, {}, "where those of 1, 2, ... numbers begin"},
          {"places", OptionType::text, {}, "where each is counted"},
          {"shortest", OptionType::integer, std::int64_t{1}, "numbers of an n-gram", 1, 1000},
          {"longest", OptionType::integer, std::int64_t{1}, "numbers of an n-gram", 1, 1000},
          {"skips", OptionType::integer, std::int64_t{0}, "numbers left out between two", 0, 1e6}}},
        1,
        1,
        {"x"}};
  op.infer = infer;
  op.reference = reference;
  op.samples = samples;
  return op;
}

}  // namespace hone
