// Files of torch.save before version 1.6, written byte by byte.
#include <cstring>

#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "frontends/pickle_writer.hpp"
#include "hone/core/philox.hpp"
#include "hone/frontends/torch_bin.hpp"

namespace hone {
namespace {

using hone_test::bytes_of;
using hone_test::expect_error;
using namespace hone_test::pickled;
using namespace std::string_literals;

const std::string& magic = legacy_magic;
const std::string& protocol = legacy_protocol;
const std::string& machine = legacy_machine;

std::string keys(const std::vector<std::string>& names) { return legacy_keys(names); }

template <typename T>
std::string bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A storage as it lies in the file: its number of elements, its values.
template <typename T>
std::string content(const std::vector<T>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return bytes<std::int64_t>({count}) + bytes(values);
}

std::string file(const std::string& pickled_state, const std::string& rest) {
  return magic + protocol + machine + pickled_state + rest;
}

std::string whole(std::int32_t elements, const std::string& type, const std::string& key) {
  return storage(elements, type, key, "N");
}

TensorStore read_legacy(const std::string& content) {
  return read_torch_bin(bytes_of(content), "old.bin");
}

std::vector<float> numbers_of(const Tensor& tensor) {
  const Tensor values = tensor.to_f32();
  return {values.span<float>().begin(), values.span<float>().end()};
}

const std::vector<float> twelve{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

// A matrix, its transpose, a part of it with an offset, an expanded row; a second storage.
std::string views() {
  const std::string s = whole(12, "FloatStorage", "s");
  return file(state(text("m") + tensor(s, "K\x00"s, "K\x03K\x04", "K\x04K\x01") +  //
                    text("t") + tensor(s, "K\x00"s, "K\x04K\x03", "K\x01K\x04") + text("part") +
                    tensor(s, "K\x05", "K\x02K\x02", "K\x04K\x01") + text("row") +
                    tensor(s, "K\x07", "K\x02K\x03", "K\x00K\x00"s) + text("other") +
                    tensor(whole(3, "DoubleStorage", "d"), "K\x01", "K\x02", "K\x01") +
                    text("scalar") + tensor(s, "K\x0b", "", "")),
              keys({"d", "s"}) + content<double>({0.5, -1.5, 2.5}) + content(twelve));
}

TEST(TorchLegacy, ViewsOffsetsAndSharedStorages) {
  TensorStore store = read_legacy(views());
  EXPECT_EQ(store.names(), (std::vector<std::string>{"m", "t", "part", "row", "other", "scalar"}));
  EXPECT_EQ(numbers_of(store.at("m")), twelve);
  EXPECT_EQ(store.at("t").shape(), (Shape{4, 3}));
  EXPECT_EQ(numbers_of(store.at("t")), (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(numbers_of(store.at("part")), (std::vector<float>{5, 6, 9, 10}));
  EXPECT_EQ(numbers_of(store.at("row")), (std::vector<float>(6, 7.0f)));
  EXPECT_EQ(store.at("other").dtype(), DType::f64);
  EXPECT_EQ(numbers_of(store.at("other")), (std::vector<float>{-1.5f, 2.5f}));
  EXPECT_EQ(numbers_of(store.at("scalar")), (std::vector<float>{11}));
  // Tensors of one storage are not one memory.
  store.at("m").as<float>()[5] = 99;
  EXPECT_EQ(numbers_of(store.at("part"))[0], 5);
}

TEST(TorchLegacy, EveryType) {
  struct Case {
    const char* type;
    DType dtype;
    std::string values;
    std::vector<float> expected;
  };
  const std::vector<Case> cases{
      {"FloatStorage", DType::f32, bytes<float>({1.5f, -2}), {1.5f, -2}},
      {"DoubleStorage", DType::f64, bytes<double>({1.5, -2}), {1.5f, -2}},
      {"HalfStorage", DType::f16, bytes<std::uint16_t>({0x3e00, 0xc000}), {1.5f, -2}},
      {"BFloat16Storage", DType::bf16, bytes<std::uint16_t>({0x3fc0, 0xc000}), {1.5f, -2}},
      {"CharStorage", DType::i8, bytes<std::int8_t>({3, -2}), {3, -2}},
      {"ByteStorage", DType::u8, bytes<std::uint8_t>({3, 255}), {3, 255}},
      {"ShortStorage", DType::i16, bytes<std::int16_t>({300, -2}), {300, -2}},
      {"IntStorage", DType::i32, bytes<std::int32_t>({70000, -2}), {70000, -2}},
      {"LongStorage", DType::i64, bytes<std::int64_t>({7, -2}), {7, -2}},
      {"BoolStorage", DType::boolean, std::string("\x01\x00", 2), {1, 0}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.type);
    const TensorStore store = read_legacy(
        file(state(text("w") + tensor(whole(2, one.type, "k"), "K\x00"s, "K\x02", "K\x01")),
             keys({"k"}) + bytes<std::int64_t>({2}) + one.values));
    EXPECT_EQ(store.at("w").dtype(), one.dtype);
    EXPECT_EQ(numbers_of(store.at("w")), one.expected);
  }
}

// What torch before 0.4 wrote: storages that are parts of others, tensors without hooks, texts of
// Python 2.
TEST(TorchLegacy, PartsOfStoragesAndOlderCalls) {
  const auto part = [](const std::string& offset, const std::string& size) {
    return storage(12, "FloatStorage", "s", "(" + text("v") + offset + size + "t");
  };
  const auto old_tensor = [](const std::string& content) {
    return global("torch._utils", "_rebuild_tensor") + "(" + content + "K\x01(K\x02t(K\x01ttR";
  };
  const std::string rest = keys({"s"}) + content(twelve);
  const TensorStore store =
      read_legacy(file(state("U\x01"s + "w" + old_tensor(part("K\x04", "K\x03"))), rest));
  EXPECT_EQ(numbers_of(store.at("w")), (std::vector<float>{5, 6}));
  for (const auto& [offset, size, said] :
       {std::tuple{"K\x04"s, "K\x02"s, "reaches element 2 of a storage of 2"},
        {"K\x0b"s, "K\x02"s, "a part of 2 elements from 11 of a storage of 12"},
        {integer(-1), "K\x02"s, "a part of 2 elements from -1"},
        {"K\x0d"s, "K\x00"s, "a part of 0 elements from 13"}})
    expect_error(ErrorCode::bad_format, {"old.bin: byte", said}, [&, &o = offset, &n = size] {
      read_legacy(file(state(text("w") + old_tensor(part(o, n))), rest));
    });
}

TEST(TorchLegacy, LaterProtocolsPutTheNumberIntoAFrame) {
  const std::string framed = "\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00"s + magic.substr(2);
  const std::string plain = views();
  EXPECT_EQ(numbers_of(read_legacy(framed + plain.substr(magic.size())).at("m")), twelve);
}

TEST(TorchLegacy, EveryTruncationIsAnError) {
  const std::string good = views();
  for (std::size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(ErrorCode::bad_format, {"old.bin"}, [&] { read_legacy(good.substr(0, size)); });
  }
  expect_error(ErrorCode::bad_format, {"old.bin", "1 bytes follow its last storage"},
               [&] { read_legacy(good + "x"); });
}

TEST(TorchLegacy, StoragesThatDoNotFitAreNamed) {
  const std::string one =
      state(text("w") + tensor(whole(2, "FloatStorage", "k"), "K\x00"s, "K\x02", "K\x01"));
  const auto refused = [&](const std::string& pickled, const std::string& rest,
                           const std::vector<std::string>& said) {
    expect_error(ErrorCode::bad_format, said, [&] { read_legacy(file(pickled, rest)); });
  };
  const std::string values = content<float>({1, 2});
  refused(one, keys({}), {"tensor 'w': its storage k is not listed"});
  refused(one, keys({"k", "z"}) + values + values, {"the storage z belongs to no tensor"});
  refused(one, keys({"k", "k"}) + values + values, {"the storage k is listed twice"});
  refused(one, keys({"k"}) + content<float>({1, 2, 3}),
          {"byte", "the storage k of tensor 'w' has 3 elements instead of 2"});
  refused(one, keys({"k"}) + values.substr(0, 13), {"has 5 of its 8 bytes"});
  refused(one, "\x80\x02}.", {"the keys of its storages are no list"});
  refused(one,
          "\x80\x02]K\x01"
          "a.",
          {"the key of a storage is no text"});
  // Bytes without end.
  const std::string huge = storage(-1, "FloatStorage", "k", "N");
  refused(state(text("w") + tensor(huge, "K\x00"s, "K\x02", "K\x01")), keys({"k"}),
          {"negative size"});
  // The same storage with two types.
  refused(state(text("w") + tensor(whole(2, "FloatStorage", "k"), "K\x00"s, "K\x02", "K\x01") +
                text("v") + tensor(whole(2, "DoubleStorage", "k"), "K\x00"s, "K\x02", "K\x01")),
          keys({"k"}) + values, {"tensor 'v'", "8 bytes instead of 16"});
  expect_error(ErrorCode::unsupported, {"old.bin", "protocol"}, [&] {
    read_legacy(magic + "\x80\x02M\xe8\x03." + machine + one + keys({"k"}) + values);
  });
  expect_error(ErrorCode::bad_format, {"description of the machine"},
               [&] { read_legacy(magic + protocol + "\x80\x02]." + one + keys({"k"}) + values); });
}

TEST(TorchLegacy, RefusesToExecute) {
  for (const std::string& hostile :
       {"\x80\x02" + global("os", "system") + text("touch hone_was_here") + "\x85R.",
        state(text("w") + global("builtins", "eval") + text("1") + "\x85R")}) {
    expect_error(ErrorCode::bad_format, {"old.bin: byte", "refuses to execute"},
                 [&] { read_legacy(file(hostile, keys({}))); });
    // In the description of the machine and in the list of keys as well.
    expect_error(ErrorCode::bad_format, {"refuses to execute"},
                 [&] { read_legacy(magic + protocol + hostile); });
    expect_error(ErrorCode::bad_format, {"refuses to execute"},
                 [&] { read_legacy(file(state(""), hostile)); });
  }
  EXPECT_FALSE(std::filesystem::exists("hone_was_here"));
}

TEST(TorchLegacy, RandomDamageNeverCrashes) {
  const std::string good = views();
  RandomStream random(1, 3);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = good;
    for (std::uint32_t edits = 1 + random.below(3); edits > 0; --edits)
      damaged[magic.size() + random.below(static_cast<std::uint32_t>(good.size() - magic.size()))] =
          static_cast<char>(random.below(256));
    try {
      read_legacy(damaged);
    } catch (const Error& error) {
      ++refused;
      ASSERT_NE(error.code(), ErrorCode::internal) << error.message();
      ASSERT_EQ(error.message().rfind("old.bin", 0), 0u) << error.message();
    }
  }
  EXPECT_GT(refused, 3000);
}

}  // namespace
}  // namespace hone
