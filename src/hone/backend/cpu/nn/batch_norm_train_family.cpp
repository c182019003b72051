// Batch norm of training over planes whose channels lie together: two passes over memory forward
// (sums, then one multiply-add a number) and two backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hone/backend/cpu/nn/batch_norm_train_family.cpp"
#include "hone/core/foreach_target.hpp"  // must come first
#include "hone/core/highway-inl.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "hone/backend/kernel.hpp"
#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace hone {
namespace HWY_NAMESPACE {

// Rows whose sums stay in float32.
constexpr std::int64_t norm_block = 32;

// first[c] += sum over rows of f(row, c), second[c] of g: `terms` gives both as vectors.
template <typename Terms>
HWY_INLINE void add_block(std::int64_t begin, std::int64_t end, std::int64_t c, const Terms& terms,
                          VecF& first, VecF& second) {
  first = second = hn::Zero(F32());
  for (std::int64_t r = begin; r < end; ++r) terms(r, c, first, second);
}

// Two sums a channel over the rows [begin, end), in double: sums[c] and sums[channels + c].
template <typename Terms, typename TailTerms>
HWY_INLINE void add_sums(std::int64_t begin, std::int64_t end, std::int64_t channels,
                         const Terms& terms, const TailTerms& tail_terms, double* sums) {
  const F32 d;
  HWY_ALIGN float lanes[2 * hn::MaxLanes(F32())];
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t b = begin; b < end; b += norm_block) {
    const std::int64_t last = std::min(end, b + norm_block);
    for (std::int64_t c = 0; c < channels; c += width) {
      VecF first, second;
      const std::int64_t count = std::min(width, channels - c);
      if (count == width)
        add_block(b, last, c, terms, first, second);
      else
        add_block(
            b, last, c,
            [&](std::int64_t r, std::int64_t at, VecF& one, VecF& two) {
              tail_terms(r, at, static_cast<std::size_t>(count), one, two);
            },
            first, second);
      hn::Store(first, d, lanes);
      hn::Store(second, d, lanes + width);
      for (std::int64_t i = 0; i < count; ++i) {
        sums[c + i] += lanes[i];
        sums[channels + c + i] += lanes[width + i];
      }
    }
  }
}

// Sums of x - shift and of its square.
void norm_moments(const float* x, std::int64_t begin, std::int64_t end, std::int64_t channels,
                  const float* shift, double* sums) {
  const F32 d;
  const auto add = [](VecF v, VecF& one, VecF& two) {
    one = hn::Add(one, v);
    two = hn::MulAdd(v, v, two);
  };
  add_sums(
      begin, end, channels,
      [&](std::int64_t r, std::int64_t c, VecF& one, VecF& two) {
        add(hn::Sub(hn::LoadU(d, x + r * channels + c), hn::LoadU(d, shift + c)), one, two);
      },
      [&](std::int64_t r, std::int64_t c, std::size_t count, VecF& one, VecF& two) {
        const auto mask = hn::FirstN(d, count);
        add(hn::Sub(masked_load(mask, d, x + r * channels + c), masked_load(mask, d, shift + c)),
            one, two);
      },
      sums);
}

// Sums of dy and of dy (x - mean).
void norm_slopes(const float* x, const float* dy, std::int64_t begin, std::int64_t end,
                 std::int64_t channels, const float* mean, double* sums) {
  const F32 d;
  const auto add = [](VecF g, VecF v, VecF& one, VecF& two) {
    one = hn::Add(one, g);
    two = hn::MulAdd(g, v, two);
  };
  add_sums(
      begin, end, channels,
      [&](std::int64_t r, std::int64_t c, VecF& one, VecF& two) {
        add(hn::LoadU(d, dy + r * channels + c),
            hn::Sub(hn::LoadU(d, x + r * channels + c), hn::LoadU(d, mean + c)), one, two);
      },
      [&](std::int64_t r, std::int64_t c, std::size_t count, VecF& one, VecF& two) {
        const auto mask = hn::FirstN(d, count);
        add(masked_load(mask, d, dy + r * channels + c),
            hn::Sub(masked_load(mask, d, x + r * channels + c), masked_load(mask, d, mean + c)),
            one, two);
      },
      sums);
}

// y = x factor + more, and with dy: dy by + x factor + more.
void norm_rows(const float* x, const float* dy, float* y, std::int64_t begin, std::int64_t end,
               std::int64_t channels, const float* factor, const float* more, const float* by) {
  const F32 d;
  for (std::int64_t r = begin; r < end; ++r) {
    const float* row = x + r * channels;
    const float* slope = dy == nullptr ? nullptr : dy + r * channels;
    float* to = y + r * channels;
    for_vectors(
        channels,
        [&](std::int64_t i) {
          VecF v =
              hn::MulAdd(hn::LoadU(d, row + i), hn::LoadU(d, factor + i), hn::LoadU(d, more + i));
          if (slope != nullptr) v = hn::MulAdd(hn::LoadU(d, slope + i), hn::LoadU(d, by + i), v);
          hn::StoreU(v, d, to + i);
        },
        [&](std::int64_t i, std::size_t left) {
          const auto mask = hn::FirstN(d, left);
          VecF v = hn::MulAdd(masked_load(mask, d, row + i), masked_load(mask, d, factor + i),
                              masked_load(mask, d, more + i));
          if (slope != nullptr)
            v = hn::MulAdd(masked_load(mask, d, slope + i), masked_load(mask, d, by + i), v);
          blended_store(v, mask, d, to + i);
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hone {
namespace {

HWY_EXPORT(norm_moments);
HWY_EXPORT(norm_slopes);
HWY_EXPORT(norm_rows);

// x as rows of channels.
struct NormRows {
  std::int64_t rows, channels;
};
NormRows rows_of(const TensorView& x) {
  const std::int64_t channels = x.dims[static_cast<std::size_t>(x.rank - 1)];
  return {channels == 0 ? 0 : x.size() / channels, channels};
}

// add(begin, end, sums) adds both sums of its rows; the results are the same on as many threads.
template <typename Add>
std::vector<double> sum_rows_of(const NormRows& size, const Add& add) {
  const auto threads = static_cast<std::size_t>(thread_count());
  const std::size_t both = 2 * static_cast<std::size_t>(size.channels);
  std::vector<double> partial(threads * both);
  parallel_ranges(size.rows, [&](std::int64_t begin, std::int64_t end, int range) {
    add(begin, end, partial.data() + static_cast<std::size_t>(range) * both);
  });
  for (std::size_t t = 1; t < threads; ++t)
    for (std::size_t i = 0; i < both; ++i) partial[i] += partial[t * both + i];
  partial.resize(both);
  return partial;
}

void run_train(const KernelCall& call) {
  const TensorView& x = call.in(0);
  const NormRows size = rows_of(x);
  if (size.rows < 2)
    throw Error(ErrorCode::invalid_argument,
                "[batch_norm_train] one number a channel has no variance", "use a larger batch");
  // (Sums of what lies around the first row: a mean far from zero costs no digits.)
  const float* shift = x.as();
  const std::vector<double> sums =
      sum_rows_of(size, [&](std::int64_t begin, std::int64_t end, double* to) {
        HWY_DYNAMIC_DISPATCH(norm_moments)(x.as(), begin, end, size.channels, shift, to);
      });
  const double epsilon = call.attributes->real("epsilon");
  const auto count = static_cast<double>(size.rows);
  const auto channels = static_cast<std::size_t>(size.channels);
  std::vector<float> factor(channels), more(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double moved = sums[c] / count, mean = shift[c] + moved;
    const double variance = std::max(0.0, sums[channels + c] / count - moved * moved);
    call.out(1).as()[c] = static_cast<float>(mean);
    call.out(2).as()[c] = static_cast<float>(variance);
    const double by = call.in(1).as()[c] / std::sqrt(variance + epsilon);
    factor[c] = static_cast<float>(by);
    more[c] = static_cast<float>(call.in(2).as()[c] - mean * by);
  }
  parallel_ranges(size.rows, [&](std::int64_t begin, std::int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(norm_rows)
    (x.as(), nullptr, call.out(0).as(), begin, end, size.channels, factor.data(), more.data(),
     nullptr);
  });
}

void run_gradient(const KernelCall& call) {
  const TensorView &x = call.in(0), &dy = call.in(1);
  const NormRows size = rows_of(x);
  const float* mean = call.in(3).as();
  const std::vector<double> sums =
      sum_rows_of(size, [&](std::int64_t begin, std::int64_t end, double* to) {
        HWY_DYNAMIC_DISPATCH(norm_slopes)(x.as(), dy.as(), begin, end, size.channels, mean, to);
      });
  const double epsilon = call.attributes->real("epsilon");
  const auto count = static_cast<double>(size.rows);
  const auto channels = static_cast<std::size_t>(size.channels);
  std::vector<float> factor(channels), more(channels), by(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double root = 1 / std::sqrt(call.in(4).as()[c] + epsilon);
    const double dshift = sums[c], dscale = sums[channels + c] * root;
    call.out(1).as()[c] = static_cast<float>(dscale);
    call.out(2).as()[c] = static_cast<float>(dshift);
    const double a = call.in(2).as()[c] * root, b = -a * root * dscale / count;
    by[c] = static_cast<float>(a);
    factor[c] = static_cast<float>(b);
    more[c] = static_cast<float>(-a * dshift / count - b * mean[c]);
  }
  parallel_ranges(size.rows, [&](std::int64_t begin, std::int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(norm_rows)
    (x.as(), dy.as(), call.out(0).as(), begin, end, size.channels, factor.data(), more.data(),
     by.data());
  });
}

void run_update(const KernelCall& call) {
  const TensorView& x = call.in(0);
  const double share = call.attributes->real("momentum");
  const std::int64_t channels = call.in(1).size();
  const double count =
      channels == 0 ? 0 : static_cast<double>(x.size()) / static_cast<double>(channels);
  for (std::size_t i = 0; i < 2; ++i) {
    const double factor = share * (i == 0 ? 1 : count / (count - 1));
    float* running = call.out(i).as();
    for (std::int64_t c = 0; c < channels; ++c)
      running[c] = static_cast<float>((1 - share) * running[c] + factor * call.in(3 + i).as()[c]);
  }
}

std::string refuse(const KernelQuery& query) {
  const auto rank = static_cast<std::int64_t>(query.graph.type(query.node.inputs[0]).dims.size());
  return query.node.attributes.integer("axis") == rank - 1 ? ""
                                                           : "the channels do not lie together";
}

}  // namespace

std::vector<Kernel> cpu_kernel_batch_norm_train_family() {
  Kernel train{{"cpu.batch_norm_train", "sums of channels, then one multiply-add a number"},
               "batch_norm_train",
               RowRule::whole,
               10};
  train.refuse = refuse;
  train.run = run_train;
  Kernel gradient{
      {"cpu.batch_norm_train_grad", "sums of channels, then two multiply-adds a number"},
      "batch_norm_train_grad",
      RowRule::whole,
      10};
  gradient.refuse = refuse;
  gradient.run = run_gradient;
  Kernel update{{"cpu.update_moments", "channel by channel"}, "update_moments", RowRule::whole, 10};
  update.serial = true;
  update.run = run_update;
  return {train, gradient, update};
}

}  // namespace hone
#endif
