// AdamW on a table, updated densely and lazily, against a plain implementation in double
// (Loshchilov and Hutter, algorithm 2, with clipping by global norm before it), over 50 steps of
// random visits.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "hone/core/philox.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/pass.hpp"
#include "hone/run/executor.hpp"
#include "support/thread_scope.hpp"

namespace hone_test {
namespace {

using namespace hone;

constexpr std::int64_t rows = 23;
constexpr std::int64_t columns = 37;
constexpr int steps = 50;

// Rows and the gradients that they get in one step.
struct Visit {
  std::vector<std::int32_t> ids;
  std::vector<float> gradient;  // [ids, columns]
};

// Some rows are met in every step, some once in a while, one never before the last step, in which
// all are met (so that lazy rows are up to date at the end).
std::vector<Visit> make_visits() {
  RandomStream random(4, 4);
  std::vector<Visit> visits(steps);
  for (int s = 0; s < steps; ++s) {
    Visit& visit = visits[static_cast<std::size_t>(s)];
    if (s + 1 == steps)
      for (std::int32_t r = 0; r < rows; ++r) visit.ids.push_back(r);
    else
      for (std::uint32_t i = 0; i < 1 + random.below(9); ++i)
        visit.ids.push_back(
            static_cast<std::int32_t>(random.below(random.below(3) == 0 ? rows - 1 : 4)));
    for (std::size_t i = 0; i < visit.ids.size() * columns; ++i)
      visit.gradient.push_back(
          static_cast<float>(random.normal() * std::exp(-2.0 + 0.1 * visit.ids[i / columns])));
  }
  return visits;
}

struct Settings {
  double weight_decay, clip, epsilon;
};

std::vector<float> rates() {
  std::vector<float> list;
  for (int s = 0; s < steps; ++s) list.push_back(1e-2f * (1.0f - static_cast<float>(s) / steps));
  return list;
}

std::vector<float> start() {
  std::vector<float> table(rows * columns);
  RandomStream random(8, 8);
  for (float& value : table) value = static_cast<float>(random.normal() * 0.05);
  return table;
}

std::vector<double> plain_adamw(const Settings& settings, const std::vector<Visit>& visits) {
  const std::vector<float> first = start();
  std::vector<double> p(first.begin(), first.end());
  std::vector<double> m(p.size(), 0);
  std::vector<double> v(p.size(), 0);
  const std::vector<float> lr = rates();
  for (int s = 1; s <= steps; ++s) {
    const Visit& visit = visits[static_cast<std::size_t>(s - 1)];
    std::vector<double> g(p.size(), 0);
    for (std::size_t i = 0; i < visit.gradient.size(); ++i)
      g[static_cast<std::size_t>(visit.ids[i / columns]) * columns + i % columns] +=
          visit.gradient[i];
    double norm = 0;
    for (double value : g) norm += value * value;
    norm = std::sqrt(norm);
    // As torch.nn.utils.clip_grad_norm_ has it.
    const double factor = settings.clip > 0 ? std::min(1.0, settings.clip / (norm + 1e-6)) : 1.0;
    const double rate = lr[static_cast<std::size_t>(s - 1)];
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double gradient = g[i] * factor;
      p[i] -= rate * settings.weight_decay * p[i];
      m[i] = 0.9 * m[i] + 0.1 * gradient;
      v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
      const double m_hat = m[i] / (1 - std::pow(0.9, s));
      const double v_hat = v[i] / (1 - std::pow(0.999, s));
      p[i] -= rate * m_hat / (std::sqrt(v_hat) + settings.epsilon);
    }
  }
  return p;
}

// The loss is the sum of all looked-up elements times `c`: the gradient of a row is the sum of the
// c where it was looked up.
Graph table_graph(const Settings& settings, bool sparse) {
  Graph graph = parse_graph(R"(graph table {
  input %ids : i32[T]
  input %c : f32[T,37]
  param %table : f32[23,37]
  %x : f32[T,37] = embedding(%table, %ids)
  %y : f32[T,37] = mul(%x, %c)
  %s : f32[37] = sum_rows(%y)
  %r : f32[1,37] = reshape(%s) {shape = "1,37"}
  %loss : f32[1] = reduce_sum(%r)
  return loss = %loss
})");
  std::vector<PassRequest> passes{{"differentiate"},
                                  {"append_optimizer",
                                   {{"weight_decay", settings.weight_decay},
                                    {"clip", settings.clip},
                                    {"epsilon", settings.epsilon}}}};
  if (sparse) passes.push_back({"sparse_embedding", {{"least_rows", std::int64_t{1}}}});
  const auto reports = run_passes(graph, passes);
  EXPECT_EQ(reports.back().changes, 1);
  return graph;
}

std::vector<float> train_table(const Settings& settings, const std::vector<Visit>& visits,
                               bool sparse, bool use_kernels) {
  Executor executor(table_graph(settings, sparse), use_kernels);
  const Tensor table = Tensor::from<float>(DType::f32, {rows, columns}, start());
  executor.bind("table", table);
  for (const char* state : {"table.m", "table.v"})
    executor.bind(state, Tensor(DType::f32, {rows, columns}));
  if (sparse) executor.bind("table.last", Tensor(DType::i32, {rows}));
  const Tensor one = Tensor::from<float>(DType::f32, {1}, std::vector<float>{1});
  const Tensor schedule = Tensor::from<float>(DType::f32, {steps}, rates());
  for (int s = 1; s <= steps; ++s) {
    const Visit& visit = visits[static_cast<std::size_t>(s - 1)];
    const auto count = static_cast<std::int64_t>(visit.ids.size());
    executor.run(
        {{"ids", Tensor::from<std::int32_t>(DType::i32, {count}, visit.ids)},
         {"c", Tensor::from<float>(DType::f32, {count, columns}, visit.gradient)},
         {"loss_gradient", one},
         {"schedule", schedule},
         {"step", Tensor::from<std::int32_t>(DType::i32, {1}, std::vector<std::int32_t>{s})}});
  }
  const auto values = table.span<float>();
  return {values.begin(), values.end()};
}

TEST(Adamw, DenseAndLazyEqualThePlainOne) {
  const std::vector<Visit> visits = make_visits();
  for (const Settings& settings :
       {Settings{0, 0, 1e-8}, Settings{0.1, 0.5, 1e-8}, Settings{0.01, 1.0, 1e-3}}) {
    const std::vector<double> expected = plain_adamw(settings, visits);
    for (const bool sparse : {false, true})
      for (const bool use_kernels : {false, true})
        for (int threads : {1, 3}) {
          SCOPED_TRACE(testing::Message() << (sparse ? "lazy" : "dense")
                                          << (use_kernels ? ", kernels, " : ", reference, ")
                                          << threads << " threads, decay " << settings.weight_decay
                                          << ", clip " << settings.clip);
          const ThreadScope scope(threads);
          const std::vector<float> got = train_table(settings, visits, sparse, use_kernels);
          for (std::size_t i = 0; i < got.size(); ++i)
            ASSERT_NEAR(got[i], expected[i], 2e-6)
                << "row " << i / columns << ", column " << i % columns;
        }
  }
}

}  // namespace
}  // namespace hone_test
