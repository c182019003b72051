// Which products of masked weights run on the numbers that are left (linear_sparse), and why others
// do not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"
#include "hone/model/model.hpp"

namespace hone {

// The largest estimate that is taken: below it, what the estimate misses could make it slower.
inline constexpr double max_sparse_cost = 0.9;

// How the product with one weight f32[N, K] runs.
struct SparseChoice {
  // Outputs that share one list of inputs: 1, or 4 where what is left lies in blocks of four rows;
  // 0: the dense product is faster.
  std::int64_t group = 0;
  double density = 1;  // share of numbers that are not zero
  double stored = 1;   // share of numbers that are stored: more, where groups hold zeros too
  double cost = 1;     // estimate of its time, the dense product's is 1
  std::string reason;  // "density 0.5, dense is as fast on CPUs (sparse: about 1 of its time)"
};
// `max_cost`: the largest estimate that is taken.
SparseChoice choose_sparse(const Tensor& weight, double max_cost = max_sparse_cost);

// A linear node of a model, as running it forward lowers it.
struct ProductNote {
  std::string node, weight;  // of the graph
  bool masked = false;
  std::string pattern;  // of the mask: "2:4", "blocks 4x4", "whole rows", "scattered"; "": none
  bool sparse = false;  // runs on linear_sparse
  SparseChoice choice = {};
  std::string reason;  // why, or why not
};
// Every linear node, in the order of the graph.
std::vector<ProductNote> describe_sparse_products(const Model& model);

}  // namespace hone
