// What models answer, and whether two are the same.
#pragma once

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "hone/data/dataset.hpp"
#include "hone/graph/text.hpp"
#include "hone/model/model.hpp"
#include "hone/run/forward.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/evaluate.hpp"

namespace hone_test {

inline hone::Tensor logits_of(const hone::Model& model, const hone::TokenizedData& data,
                              hone::Mode mode = hone::Mode::compiled) {
  hone::Executor forward = hone::make_forward(model, mode);
  return hone::evaluate(forward, hone::samples_of(model, data)).logits;
}

inline double largest_difference(const hone::Tensor& a, const hone::Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
  return largest;
}

inline bool same_bits(const hone::Tensor& a, const hone::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// Equal graphs, and equal tensors by equal names.
inline void expect_equal_models(const hone::Model& a, const hone::Model& b) {
  EXPECT_TRUE(hone::print_graph(a.graph) == hone::print_graph(b.graph));
  ASSERT_EQ(a.tensors.names().size(), b.tensors.names().size());
  for (const std::string& name : a.tensors.names())
    EXPECT_TRUE(same_bits(a.tensors.at(name), b.tensors.at(name))) << name;
}

}  // namespace hone_test
