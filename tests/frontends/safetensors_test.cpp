#include "hone/frontends/safetensors.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"

namespace hone {
namespace {

using hone_test::bytes_of;
using hone_test::expect_error;
using hone_test::fixture;
using hone_test::TemporaryFolder;

// A file from its header and the number of data bytes.
std::string file_of(const std::string& header, std::size_t data) {
  std::string text(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(text.data(), &length, 8);
  return text + header + std::string(data, '\x01');
}

void expect_bad(const std::string& header, std::size_t data, const std::vector<std::string>& texts,
                ErrorCode code = ErrorCode::bad_format) {
  SCOPED_TRACE(header);
  expect_error(code, texts, [&] { read_safetensors(bytes_of(file_of(header, data)), "m.st"); });
}

void expect_fixture(const TensorStore& store) {
  ASSERT_EQ(store.names().size(), 12u);
  for (const char* name : {"float32", "float64", "float16", "bfloat16"}) {
    const Tensor values = store.at(name).to_f32();
    ASSERT_EQ(values.shape(), (Shape{3, 5}));
    for (std::int64_t i = 0; i < 15; ++i)
      EXPECT_EQ(values.as<float>()[i], hone_test::fixture_value(i));
  }
  for (const char* name : {"int8", "uint8", "int16", "int32", "int64"}) {
    const Tensor values = store.at(name).to_f32();
    for (std::int64_t i = 0; i < 15; ++i) EXPECT_EQ(values.as<float>()[i], static_cast<float>(i));
  }
  const Tensor flags = store.at("bool").to_f32();
  for (std::int64_t i = 0; i < 15; ++i) EXPECT_EQ(flags.as<float>()[i], i == 0 ? 0.0f : 1.0f);
  EXPECT_EQ(store.at("float64").dtype(), DType::f64);
  EXPECT_EQ(store.at("bfloat16").dtype(), DType::bf16);
  EXPECT_EQ(store.at("uint8").dtype(), DType::u8);
  EXPECT_EQ(store.at("bool").dtype(), DType::boolean);
  EXPECT_EQ(store.at("scalar").shape(), Shape{});
  EXPECT_EQ(store.at("scalar").as<float>()[0], 2.5f);
  EXPECT_EQ(store.at("empty").shape(), (Shape{0, 4}));
}

TEST(Safetensors, ReadsEveryTypeOfTheReferenceWriter) {
  expect_fixture(read_safetensors(fixture("every_type.safetensors")));
  const std::string content = read_file(fixture("every_type.safetensors"));
  expect_fixture(read_safetensors(bytes_of(content), "memory"));
}

TEST(Safetensors, WhatIsWrittenReadsBack) {
  const TemporaryFolder folder;
  const TensorStore store = read_safetensors(fixture("every_type.safetensors"));
  write_safetensors(folder / "copy.safetensors", store);
  expect_fixture(read_safetensors(folder / "copy.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.safetensors.partial"));
}

TEST(Safetensors, TheDataStartsOnACacheLineAndItsTypesAreAligned) {
  const TemporaryFolder folder;
  TensorStore store;
  store.set("flag", Tensor(DType::boolean, {3}));
  store.set("half", Tensor(DType::f16, {5}));
  store.set("wide", Tensor(DType::f64, {1}));
  store.set("float", Tensor(DType::f32, {2}));
  write_safetensors(folder / "m.safetensors", store);
  const std::string content = read_file(folder / "m.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, content.data(), 8);
  EXPECT_EQ((8 + length) % 64, 0u);
  const TensorStore back = read_safetensors(folder / "m.safetensors");
  EXPECT_EQ(back.names(), (std::vector<std::string>{"wide", "float", "half", "flag"}));
}

TEST(Safetensors, AnEmptyStoreIsAFile) {
  const TemporaryFolder folder;
  write_safetensors(folder / "m.safetensors", TensorStore{});
  EXPECT_TRUE(read_safetensors(folder / "m.safetensors").names().empty());
  EXPECT_TRUE(read_safetensors(bytes_of(file_of("{}", 0)), "m.st").names().empty());
}

// A mapped tensor is trained in place: the file must not change, the memory must.
TEST(Safetensors, WritingToAMappedTensorLeavesTheFile) {
  const TemporaryFolder folder;
  TensorStore store;
  store.set("large", Tensor(DType::f32, {64, 64}));
  store.set("last", Tensor(DType::f32, {1}));
  write_safetensors(folder / "m.safetensors", store);
  const std::string before = read_file(folder / "m.safetensors");
  TensorStore mapped = read_safetensors(folder / "m.safetensors");
  for (const char* name : {"large", "last"})
    for (float& value : mapped.at(name).span<float>()) value = 3.0f;
  EXPECT_EQ(mapped.at("large").as<float>()[4095], 3.0f);
  EXPECT_EQ(read_file(folder / "m.safetensors"), before);
}

TEST(Safetensors, TheMapOutlivesTheFileAndTheStore) {
  const TemporaryFolder folder;
  Tensor tensor;
  {
    TensorStore store;
    Tensor ones(DType::f32, {2000});
    for (float& value : ones.span<float>()) value = 1.0f;
    store.set("ones", std::move(ones));
    store.set("last", Tensor(DType::f32, {100}));
    write_safetensors(folder / "m.safetensors", store);
    tensor = read_safetensors(folder / "m.safetensors").at("ones");
  }
  std::filesystem::remove(folder / "m.safetensors");
  for (const float value : tensor.span<float>()) ASSERT_EQ(value, 1.0f);
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string whole = read_file(fixture("every_type.safetensors"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(ErrorCode::bad_format, {"cut.st"},
                 [&] { read_safetensors(bytes_of(whole.substr(0, size)), "cut.st"); });
  }
  expect_error(ErrorCode::bad_format, {"1 bytes follow the last tensor"},
               [&] { read_safetensors(bytes_of(whole + "x"), "long.st"); });
}

// Any flipped bit gives tensors (when it hits values or a name) or Error, never anything else.
TEST(Safetensors, EveryFlippedBitIsReadOrRefused) {
  std::string content = read_file(fixture("every_type.safetensors"));
  int refused = 0;
  int accepted = 0;
  for (std::size_t bit = 0; bit < 8 * content.size(); ++bit) {
    content[bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << (bit % 8)));
    try {
      read_safetensors(bytes_of(content), "flip.st");
      ++accepted;
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.message().rfind("flip.st", 0), 0u) << error.message();
      ASSERT_NE(error.code(), ErrorCode::internal) << error.message();
    }
    content[bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << (bit % 8)));
  }
  EXPECT_GT(refused, 2000);
  EXPECT_GT(accepted, 2000);
}

TEST(Safetensors, HostileLengths) {
  const auto with_length = [](std::uint64_t length) {
    std::string text = file_of("{}", 0);
    std::memcpy(text.data(), &length, 8);
    return text;
  };
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{100'000'000}})
    expect_error(ErrorCode::bad_format, {"m.st", "header claims", "2 are there"},
                 [&] { read_safetensors(bytes_of(with_length(length)), "m.st"); });
  for (const std::uint64_t length :
       {~std::uint64_t{0}, ~std::uint64_t{0} - 7, std::uint64_t{1} << 63})
    expect_error(ErrorCode::bad_format, {"m.st", "header claims", "the limit is"},
                 [&] { read_safetensors(bytes_of(with_length(length)), "m.st"); });
  expect_error(ErrorCode::bad_format, {"m.st", "does not begin with '{'"},
               [&] { read_safetensors(bytes_of(with_length(0)), "m.st"); });
}

TEST(Safetensors, HostileHeaders) {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  expect_bad("[1,2]", 0, {"does not begin with '{'"});
  expect_bad("{\"a\":", 0, {"m.st: header", "line 1", "not valid JSON"});
  expect_bad("{\"a\":1}", 0, {"tensor 'a'", "not an object"});
  expect_bad(R"({"a":{"dtype":"F32","shape":[2]}})", 8,
             {"tensor 'a'", "\"data_offsets\" is missing"});
  expect_bad(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8,
             {"tensor 'a'", "\"dtype\" is missing"});
  expect_bad(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8,
             {"unknown keys"});
  expect_bad(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8,
             {"tensor 'a'", "unknown element type 'F31'"});
  expect_bad(R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8, {"\"dtype\" is not text"});
  expect_bad(R"({"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", 2,
             {"tensor 'a'", "F8_E4M3 is not supported"}, ErrorCode::unsupported);
  for (const char* shape : {"2", "[-2]", "[2.0]", "[\"2\"]", "[9223372036854775808]", "[null]"})
    expect_bad(fmt::format(R"({{"a":{{"dtype":"F32","shape":{},"data_offsets":[0,8]}}}})", shape),
               8, {"tensor 'a'", "\"shape\""});
  expect_bad(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8,
             {"tensor 'a'", "too large to exist"});
  // 2^62 elements of four bytes wrap to zero bytes.
  expect_bad(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
             {"tensor 'a'", "too large to exist"});
  for (const char* offsets : {"[0]", "[0,8,9]", "[-1,7]", "{}", "[0,8.0]", "8"})
    expect_bad(fmt::format(R"({{"a":{{"dtype":"F32","shape":[2],"data_offsets":{}}}}})", offsets),
               8, {"tensor 'a'", "\"data_offsets\" is not a pair"});
  for (const char* offsets : {"[8,0]", "[0,9]", "[18446744073709551608,18446744073709551615]"})
    expect_bad(fmt::format(R"({{"a":{{"dtype":"F32","shape":[2],"data_offsets":{}}}}})", offsets),
               8, {"tensor 'a'", "does not lie in the 8 bytes"});
  expect_bad(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
             {"tensor 'a'", "takes 12 bytes, its data has 8"});
  expect_bad(good + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
             {"tensor 'b'", "inside"});
  expect_bad(good + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", 16,
             {"tensor 'b'", "hole"});
  expect_bad(good + "}", 9, {"1 bytes follow the last tensor"});
  expect_bad(good + R"(,"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", 12,
             {"key 'a' is given twice"});
  expect_bad(R"({"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}})", 8,
             {"key 'dtype' is given twice"});
  expect_bad(good + R"(,"__metadata__":{"format":1}})", 8,
             {"__metadata__", "'format' is not text"});
  expect_bad(good + R"(,"__metadata__":[]})", 8, {"\"__metadata__\" is not an object"});
  expect_bad("{\"a\":" + std::string(100'000, '['), 0, {"nested deeper than"});
  expect_bad("{\"a\xff\":1}", 0, {"not valid JSON"});
  // A hostile name must not reach a terminal as it is.
  expect_bad("{\"\\u001b[2J" + std::string(500, 'n') + "\":1}", 0, {"tensor '?[2Jnnn", "nnn...'"});
}

TEST(Safetensors, SpacesAfterTheHeaderAndMetadataAreFine) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}    )";
  const TensorStore store = read_safetensors(bytes_of(file_of(header, 2)), "m.st");
  EXPECT_EQ(store.names(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(store.at("a").as<std::uint8_t>()[1], 1);
}

TEST(Safetensors, NamesThatTheFormatCannotHoldAreRefused) {
  const TemporaryFolder folder;
  for (const char* name : {"__metadata__", "bad\xff"}) {
    TensorStore store;
    store.set(name, Tensor(DType::f32, {1}));
    expect_error(ErrorCode::invalid_argument, {"cannot be named"},
                 [&] { write_safetensors(folder / "m.safetensors", store); });
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  TensorStore small;
  small.set("a", Tensor(DType::f32, {4}));
  write_safetensors(folder / "m.safetensors", small);
  const std::string before = read_file(folder / "m.safetensors");
  TensorStore large;
  large.set("a", Tensor(DType::f32, {100, 1000}));
  {
    const hone_test::FullDisk full(64 * 1024);
    expect_error(ErrorCode::io, {"m.safetensors", "cannot write"},
                 [&] { write_safetensors(folder / "m.safetensors", large); });
  }
  EXPECT_EQ(read_file(folder / "m.safetensors"), before);
  EXPECT_FALSE(std::filesystem::exists(folder / "m.safetensors.partial"));
}

TEST(Safetensors, AMissingFileIsNamed) {
  expect_error(ErrorCode::not_found, {"/nowhere/m.safetensors"},
               [] { read_safetensors("/nowhere/m.safetensors"); });
}

}  // namespace
}  // namespace hone
