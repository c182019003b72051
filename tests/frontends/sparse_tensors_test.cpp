// Masks and masked weights as files store them: every bit comes back, and files that do not fit
// are refused.
#include "hone/frontends/sparse_tensors.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include <gtest/gtest.h>

#include "hone/core/file.hpp"
#include "hone/core/philox.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/saved_model.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/select_formats.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone_test {
namespace {

using namespace hone;

const std::string weight = "bert.encoder.layer.0.intermediate.dense.weight";  // [50, 36]
const std::string mask = weight + ".mask";

void expect_equal_bits(const TensorStore& a, const TensorStore& b) {
  ASSERT_EQ(a.names().size(), b.names().size());
  for (const std::string& name : b.names()) {
    ASSERT_TRUE(a.contains(name)) << name;
    const Tensor& x = a.at(name);
    const Tensor& y = b.at(name);
    ASSERT_EQ(x.dtype(), y.dtype()) << name;
    ASSERT_EQ(x.shape(), y.shape()) << name;
    EXPECT_EQ(std::memcmp(x.data(), y.data(), x.bytes()), 0) << name;
  }
}

std::int64_t bytes_of(const TensorStore& tensors) {
  std::int64_t bytes = 0;
  for (const std::string& name : tensors.names())
    bytes += static_cast<std::int64_t>(tensors.at(name).bytes());
  return bytes;
}

// Every number of the weight is kept with the chance `density`.
Model masked_model(double density, std::uint64_t seed = 1) {
  Model model = small_bert();
  Tensor keep(DType::u8, model.tensors.at(weight).shape());
  RandomStream random(seed, 2);
  for (std::int64_t i = 0; i < keep.size(); ++i)
    keep.as<std::uint8_t>()[i] = random.below(1000) < 1000 * density;
  if (density == 1) keep.as<std::uint8_t>()[7] = 0;  // a mask of ones would go
  set_masks(model, {{weight, keep}});
  return model;
}

TEST(SparseTensors, EveryDensityComesBackBitForBit) {
  for (const double density : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    SCOPED_TRACE(density);
    const Model model = masked_model(density);
    const TensorStore stored = store_sparse(model.graph, model.tensors);
    EXPECT_TRUE(holds_sparse(model.graph, stored));
    expect_equal_bits(restore_sparse(model.graph, stored), model.tensors);
    EXPECT_FALSE(stored.contains(mask)) << "masks take a bit a number";
    EXPECT_EQ(stored.at(mask + ".bits").size(), 225);
    EXPECT_EQ(stored.contains(weight), density > 0.95) << "dense where that is smaller";
    if (density < 0.95) {
      const std::int64_t kept = 1800 - dropped_count(model.tensors.at(mask));
      EXPECT_EQ(stored.at(weight + ".sparse_values").size(), kept);
      EXPECT_EQ(bytes_of(stored), bytes_of(model.tensors) - 4 * (1800 - kept) - 1800 + 225);
    }
  }
}

TEST(SparseTensors, NegativeZeroAndNanKeepTheirBitsAndPlaces) {
  for (const bool dropped : {false, true}) {
    Model model = masked_model(0.3);
    Tensor numbers = model.tensors.at(weight).clone();
    const auto* keep = model.tensors.at(mask).as<std::uint8_t>();
    const float odd[] = {-0.0f,
                         std::numeric_limits<float>::quiet_NaN(),
                         std::bit_cast<float>(0xFFC12345u),
                         std::numeric_limits<float>::infinity(),
                         1e-45f,
                         0.0f};
    std::size_t next = 0;
    for (std::int64_t i = 0; i < numbers.size() && next < std::size(odd); ++i)
      if ((keep[i] == 0) == dropped) numbers.as<float>()[i] = odd[next++];
    model.tensors.set(weight, numbers);
    const TensorStore stored = store_sparse(model.graph, model.tensors);
    EXPECT_TRUE(stored.contains(weight + ".sparse_values"));
    // Where a mask drops what is not +0, the weight has bits of its own.
    EXPECT_EQ(stored.contains(weight + ".sparse_bits"), dropped);
    expect_equal_bits(restore_sparse(model.graph, stored), model.tensors);
  }
}

TEST(SparseTensors, OddMasksAndOtherTensorsStayAsTheyAre) {
  Model model = masked_model(0.5);
  Tensor odd = model.tensors.at(mask).clone();
  odd.as<std::uint8_t>()[3] = 2;  // kept, but not a bit
  model.tensors.set(mask, odd);
  model.tensors.set("state.of.another", Tensor(DType::i32, {3}));
  const TensorStore stored = store_sparse(model.graph, model.tensors);
  EXPECT_TRUE(stored.contains(mask));
  expect_equal_bits(restore_sparse(model.graph, stored), model.tensors);
  const Model plain = small_bert();
  EXPECT_FALSE(holds_sparse(plain.graph, store_sparse(plain.graph, plain.tensors)));
}

TEST(SparseTensors, SavedModelsAreSmallerAndEqual) {
  const ScratchDirectory scratch;
  for (const bool packed : {false, true}) {
    Model model = masked_model(0.1);
    if (packed) {
      set_formats(model, select_formats(model.graph, {{"linear", "mxint", {}}}));
      pack_weights(model);
    }
    const auto folder = scratch.path() / (packed ? "packed" : "float");
    save_model(folder, model, model.tensors);
    const TensorStore stored = read_safetensors(folder / "hone_model.safetensors");
    EXPECT_TRUE(stored.contains(mask + ".bits"));
    EXPECT_EQ(stored.contains(weight + ".sparse_values"), !packed);
    EXPECT_EQ(stored.contains(weight + ".codes.sparse_codes"), packed);
    EXPECT_LT(bytes_of(stored), bytes_of(model.tensors));
    const Model loaded = load_model({.name = folder.string()});
    expect_equal_bits(loaded.tensors, model.tensors);
    EXPECT_TRUE(loaded.report.unused.empty());
    // Saved again: the same file.
    save_model(scratch.path() / "again", loaded, loaded.tensors);
    EXPECT_EQ(read_file(scratch.path() / "again/hone_model.safetensors"),
              read_file(folder / "hone_model.safetensors"));
  }
  // Of every format the codes that are left, smaller than all of them, and the same bits again.
  for (const Format& format : format_table()) {
    Model model = masked_model(0.1);
    set_formats(model, select_formats(model.graph, {{"linear", "integer", {}}}));
    try {
      set_formats(model, select_formats(model.graph, {{"linear", format.name, {}}}));
    } catch (const Error&) {
      continue;  // it holds no zero
    }
    pack_weights(model);
    const TensorStore stored = store_sparse(model.graph, model.tensors);
    expect_equal_bits(restore_sparse(model.graph, stored), model.tensors);
    const std::string codes = weight + ".codes";
    if (model.tensors.at(codes).size() > 1000) {
      ASSERT_TRUE(stored.contains(codes + ".sparse_codes")) << format.name;
      EXPECT_LT(stored.at(codes + ".sparse_codes").size(), model.tensors.at(codes).size() / 4)
          << format.name;
      TensorStore damaged = stored;
      damaged.set(codes + ".sparse_codes", Tensor(DType::u8, {7}));
      EXPECT_ERROR(restore_sparse(model.graph, damaged), ErrorCode::bad_format, "expected u8[");
    }
  }
  // NaN is found where it lies, and let through where nobody asked.
  Model model = masked_model(0.1);
  Tensor numbers = model.tensors.at(weight).clone();
  numbers.as<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  model.tensors.set(weight, numbers);
  const std::string folder = (scratch.path() / "nan").string();
  save_model(folder, model, model.tensors);
  EXPECT_ERROR(load_model({.name = folder}), ErrorCode::numeric, "'" + weight + "'");
  EXPECT_TRUE(std::isnan(
      load_model({.name = folder, .check_values = false}).tensors.at(weight).as<float>()[4]));
}

TEST(SparseTensors, WhatDoesNotFitIsRefusedByName) {
  const Model model = masked_model(0.3);
  const TensorStore good = store_sparse(model.graph, model.tensors);
  const std::string values = weight + ".sparse_values", bits = mask + ".bits";
  const auto refused = [&](const std::string& name, Tensor tensor, const std::string& message) {
    TensorStore bad = good;
    bad.set(name, std::move(tensor));
    EXPECT_ERROR(restore_sparse(model.graph, bad), ErrorCode::bad_format, message);
  };
  const std::int64_t kept = good.at(values).size();
  refused(values, Tensor(DType::f32, {kept - 1}), "its bits keep " + std::to_string(kept));
  refused(values, Tensor(DType::f32, {kept + 1}), "'" + values + "': has");
  refused(values, Tensor(DType::f32, {1, kept}), "expected a list of f32");
  refused(values, Tensor(DType::i32, {kept}), "expected a list of f32");
  refused(bits, Tensor(DType::u8, {224}), "expected u8[225]");
  refused(bits, Tensor(DType::i8, {225}), "expected u8[225]");
  refused(mask, Tensor(DType::u8, {50, 36}), "a second time");
  refused(weight, Tensor(DType::f32, {50, 36}), "a second time");
  refused(weight + ".sparse_bits", Tensor(DType::u8, {4}), "expected u8[225]");
  Tensor flipped = good.at(bits).clone();
  flipped.as<std::uint8_t>()[10] ^= 4;
  refused(bits, flipped, "numbers, its bits keep");
  TensorStore bad = good;
  bad.erase(bits);
  EXPECT_ERROR(restore_sparse(model.graph, bad), ErrorCode::bad_format,
               "'" + mask + "', which says");
  bad = good;
  bad.erase(values);
  bad.set(weight + ".sparse_bits", Tensor(DType::u8, {225}));
  EXPECT_ERROR(restore_sparse(model.graph, bad), ErrorCode::bad_format, "are missing");
  // In a folder the file is named too.
  const ScratchDirectory scratch;
  save_model(scratch.path() / "m", model, model.tensors);
  bad = good;
  bad.set(values, Tensor(DType::f32, {3}));
  write_safetensors(scratch.path() / "m/hone_model.safetensors", bad);
  EXPECT_ERROR(load_model({.name = (scratch.path() / "m").string()}), ErrorCode::bad_format,
               "hone_model.safetensors: tensor '" + values + "'");
}

// Sizes that are no multiple of eight: bits past the end must be zero.
TEST(SparseTensors, OddSizes) {
  for (const std::int64_t n : {1, 7, 8, 9, 17, 63, 401}) {
    Graph graph;
    const ValueId w = graph.parameter("w", {DType::f32, {Dim(n)}});
    const ValueId m = graph.buffer("m", {DType::u8, {Dim(n)}});
    graph.outputs.emplace_back("y", graph.apply("mask", {w, m}));
    TensorStore tensors;
    Tensor numbers(DType::f32, {n}), keep(DType::u8, {n});
    for (std::int64_t i = 0; i < n; ++i) {
      keep.as<std::uint8_t>()[i] = i % 4 == 1;
      numbers.as<float>()[i] = i % 4 == 1 ? static_cast<float>(i) : 0.0f;
    }
    tensors.set("w", numbers);
    tensors.set("m", keep);
    TensorStore stored = store_sparse(graph, tensors);
    expect_equal_bits(restore_sparse(graph, stored), tensors);
    if (n % 8 == 0 || !stored.contains("m.bits")) continue;
    Tensor bits = stored.at("m.bits").clone();
    bits.as<std::uint8_t>()[bits.size() - 1] |= 0x80;
    stored.set("m.bits", bits);
    EXPECT_ERROR(restore_sparse(graph, stored), ErrorCode::bad_format, "beyond its");
  }
}

}  // namespace
}  // namespace hone_test
