#include "hone/frontends/torch_bin.hpp"

#include <gtest/gtest.h>

#include "frontends/frontend_support.hpp"
#include "frontends/pickle_writer.hpp"
#include "hone/core/philox.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/torch_pickle.hpp"

namespace hone {
namespace {

using hone_test::bytes_of;
using hone_test::expect_error;
using hone_test::fixture;
using hone_test::fixture_value;

using namespace std::string_literals;
using namespace hone_test::pickled;

std::vector<float> floats(const Tensor& tensor) {
  const Tensor values = tensor.to_f32();
  return {values.span<float>().begin(), values.span<float>().end()};
}

// All formats, written by PyTorch from the same tensors, must read alike.
TEST(TorchBin, ReadsEveryTypeAsTheSafetensorsFileHoldsIt) {
  const TensorStore expected = read_safetensors(fixture("every_type.safetensors"));
  for (const char* name : {"every_type.bin", "deflated.bin", "legacy.bin"}) {
    SCOPED_TRACE(name);
    const std::string content = read_file(fixture(name));
    for (const TensorStore& store :
         {read_torch_bin(fixture(name)), read_torch_bin(bytes_of(content), "memory")}) {
      ASSERT_EQ(store.names().size(), expected.names().size());
      EXPECT_EQ(store.names().front(), "float32");
      EXPECT_EQ(store.names().back(), "empty");
      for (const std::string& tensor : expected.names()) {
        EXPECT_EQ(store.at(tensor).dtype(), expected.at(tensor).dtype()) << tensor;
        EXPECT_EQ(store.at(tensor).shape(), expected.at(tensor).shape()) << tensor;
        EXPECT_EQ(floats(store.at(tensor)), floats(expected.at(tensor))) << tensor;
      }
    }
  }
}

TEST(TorchBin, StridedViewsBecomeContiguous) {
  for (const char* name : {"views_protocol2.bin", "views_protocol4.bin"}) {
    SCOPED_TRACE(name);
    TensorStore store = read_torch_bin(fixture(name));
    EXPECT_EQ(store.names(), (std::vector<std::string>{"base", "tied", "transposed", "slice",
                                                       "expanded", "parameter"}));
    for (std::int64_t i = 0; i < 24; ++i) {
      EXPECT_EQ(store.at("base").as<float>()[i], fixture_value(i));
      EXPECT_EQ(store.at("tied").as<float>()[i], fixture_value(i));
    }
    ASSERT_EQ(store.at("transposed").shape(), (Shape{4, 6}));
    for (std::int64_t row = 0; row < 4; ++row)
      for (std::int64_t column = 0; column < 6; ++column)
        EXPECT_EQ(store.at("transposed").as<float>()[row * 6 + column],
                  fixture_value(column * 4 + row));
    EXPECT_EQ(floats(store.at("slice")),
              (std::vector<float>{fixture_value(5), fixture_value(6), fixture_value(13),
                                  fixture_value(14)}));
    EXPECT_EQ(floats(store.at("expanded")),
              (std::vector<float>{1.5f, 1.5f, 1.5f, 2.5f, 2.5f, 2.5f}));
    EXPECT_EQ(store.at("parameter").as<float>()[5], fixture_value(5, 1.0f));
    // Tied tensors are two tensors here: training one must not move the other.
    store.at("base").as<float>()[0] = 99.0f;
    EXPECT_EQ(store.at("tied").as<float>()[0], fixture_value(0));
  }
}

TEST(TorchBin, RefusesToExecute) {
  std::filesystem::remove("hone_was_here");
  expect_error(ErrorCode::bad_format,
               {"hostile.bin", "data.pkl", "refuses to execute posix.system"},
               [] { read_torch_bin(fixture("hostile.bin")); });
  EXPECT_FALSE(std::filesystem::exists("hone_was_here"));
}

TEST(TorchBin, SaysWhatItDoesNotRead) {
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  expect_error(ErrorCode::unsupported, {"old.bin", "before version 0.4"},
               [&] { read_torch_bin(bytes_of(tar), "old.bin"); });
  expect_error(ErrorCode::unsupported, {"checkpoint.bin", "'state_dict' is not a tensor"},
               [] { read_torch_bin(fixture("checkpoint.bin")); });
  expect_error(ErrorCode::bad_format, {"every_type.safetensors", "not a file of torch.save"},
               [] { read_torch_bin(fixture("every_type.safetensors")); });
  expect_error(ErrorCode::bad_format, {"m.bin", "not a file of torch.save"},
               [] { read_torch_bin(bytes_of(""), "m.bin"); });
  expect_error(ErrorCode::bad_format, {"m.bin"},
               [] { read_torch_bin(bytes_of("PK\x03\x04 and nothing else"), "m.bin"); });
}

TEST(TorchBin, EveryTruncationIsAnError) {
  const std::string whole = read_file(fixture("views_protocol2.bin"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_error(ErrorCode::bad_format, {"cut.bin"},
                 [&] { read_torch_bin(bytes_of(whole.substr(0, size)), "cut.bin"); });
  }
}

// A flipped bit is found by a checksum, refused, or in bytes that carry nothing; values never
// change.
TEST(TorchBin, NoFlippedBitChangesAValue) {
  for (const char* name : {"views_protocol4.bin", "deflated.bin"}) {
    std::string content = read_file(fixture(name));
    const TensorStore good = read_torch_bin(bytes_of(content), name);
    int refused = 0;
    // About one bit of every byte, each time another: all bits would take seconds.
    for (std::size_t bit = 0; bit < 8 * content.size(); bit += 9) {
      content[bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << (bit % 8)));
      try {
        const TensorStore store = read_torch_bin(bytes_of(content), "flip.bin");
        ASSERT_EQ(store.names(), good.names()) << bit;
        for (const std::string& tensor : good.names())
          ASSERT_EQ(floats(store.at(tensor)), floats(good.at(tensor))) << bit << " " << tensor;
      } catch (const Error& error) {
        ++refused;
        ASSERT_EQ(error.message().rfind("flip.bin", 0), 0u) << error.message();
        ASSERT_NE(error.code(), ErrorCode::internal) << error.message();
      }
      content[bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << (bit % 8)));
    }
    EXPECT_GT(refused, 700) << name;
  }
}

// Pickles built by hand.
// ---------------------------------------------------------

std::vector<PickledTensor> read(const std::string& pickle) {
  return read_torch_pickle(bytes_of(pickle), "data.pkl");
}
void expect_refused(const std::string& pickle, const std::vector<std::string>& texts,
                    ErrorCode code = ErrorCode::bad_format) {
  expect_error(code, texts, [&] { read(pickle); });
}

TEST(TorchPickle, ATensorByHand) {
  const auto tensors = read(state(
      text("w") + tensor(storage(12), integer(2), integer(2) + integer(3), integer(4) + "K\x01")));
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "w");
  EXPECT_EQ(tensors[0].dtype, DType::f32);
  EXPECT_EQ(tensors[0].storage, "0");
  EXPECT_EQ(tensors[0].storage_elements, 12);
  EXPECT_EQ(tensors[0].offset, 2);
  EXPECT_EQ(tensors[0].shape, (Shape{2, 3}));
  EXPECT_EQ(tensors[0].strides, (std::vector<std::int64_t>{4, 1}));
  EXPECT_TRUE(read("\x80\x02}.").empty());
}

TEST(TorchPickle, EveryWayToNameAFunctionIsRefusedByItsName) {
  expect_refused("\x80\x02" + global("os", "system") + text("id") + "\x85R.",
                 {"data.pkl", "byte 2", "refuses to execute os.system"});
  expect_refused("\x80\x04" + text("os") + text("system") + "\x93.",
                 {"refuses to execute os.system"});
  expect_refused(
      "\x80\x04\x8c\x08"
      "builtins\x8c\x04"
      "eval\x93.",
      {"refuses to execute builtins.eval"});
  expect_refused("\x80\x02(" + text("id") + "ios\nsystem\n.", {"refuses to execute os.system"});
  // Allowed modules do not allow their other names, nor attributes of allowed names.
  expect_refused("\x80\x02" + global("torch", "load") + ".", {"refuses to execute torch.load"});
  expect_refused("\x80\x02" + global("torch._utils", "_rebuild_tensor_v2.__globals__") + ".",
                 {"refuses to execute torch._utils._rebuild_tensor_v2.__globals__"});
  expect_refused("\x80\x02" + global("collections", "OrderedDict\t") + ".", {"refuses to execute"});
  // Extension registry, persistent ids as text, out-of-band buffers, objects with arguments by
  // name.
  for (const char* opcode :
       {"\x82\x01", "\x83\x01\x01", "\x84\x01\x01\x01\x01", "P1\n", "\x97", "\x92", "o"})
    expect_refused("\x80\x02"s + opcode + ".", {"opcode 0x", "does not belong"});
}

TEST(TorchPickle, CallsOfAllowedNamesAreChecked) {
  const std::string dict = global("collections", "OrderedDict");
  expect_refused("\x80\x02" + global("torch", "FloatStorage") + ")R.", {"calls a storage type"});
  expect_refused("\x80\x02" + text("f") + ")R.", {"calls something that is not a name"});
  expect_refused("\x80\x02" + dict + "NR.", {"arguments of a call is not a tuple"});
  expect_refused("\x80\x02" + dict + "(" + integer(1) + integer(2) + "tR.",
                 {"OrderedDict with arguments"});
  expect_refused("\x80\x02" + global("torch._utils", "_rebuild_parameter") + ")R.",
                 {"parameter without its tensor"});
  expect_refused("\x80\x02" + global("torch._utils", "_rebuild_tensor_v2") + ")R.",
                 {"described by 0 values"});
  expect_refused("\x80\x02NNb.", {"a dictionary to give attributes to"});
}

TEST(TorchPickle, StoragesAreChecked) {
  expect_refused("\x80\x02NQ.", {"persistent id is not a tuple"});
  expect_refused("\x80\x02)Q.", {"persistent id is not a storage"});
  expect_refused("\x80\x02" + storage(-1) + ".", {"negative size"});
  expect_refused("\x80\x02(" + text("module") + "NNNNtQ.", {"persistent id is not a storage"});
  expect_refused("\x80\x02(" + text("storage") + "NNNNtQ.", {"without a storage type"});
  expect_refused("\x80\x02" + storage(1, "ComplexFloatStorage") + ".",
                 {"refuses to execute torch.ComplexFloatStorage"});
}

TEST(TorchPickle, ViewsOutsideTheirStorageAreRefused) {
  const auto expect_bad = [](const std::string& offset, const std::string& sizes,
                             const std::string& strides, const char* what) {
    expect_refused(state(text("w") + tensor(storage(12), offset, sizes, strides)), {"byte", what});
  };
  const std::string one = integer(1);
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  expect_bad(integer(0), integer(13), one, "reaches element 12 of a storage of 12");
  expect_bad(integer(12), one, one, "reaches element 12");
  expect_bad(integer(1), integer(2) + integer(3), integer(6) + integer(3), "reaches element 13");
  expect_bad(integer(-1), one, one, "impossible");
  expect_bad(integer(0), integer(-1), one, "impossible");
  expect_bad(integer(0), integer(2), integer(-1), "impossible");
  expect_bad(huge, integer(2), one, "impossible");
  expect_bad(integer(0), huge + huge, one + one, "impossible");
  expect_bad(integer(0), integer(3), huge, "impossible");
  expect_bad(integer(0), integer(3), one + one, "more sizes than strides");
  expect_bad(text("0"), integer(3), one, "not a whole number");
  expect_bad(integer(0), text("3"), one, "not a whole number");
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += "K\x01";
  expect_bad(integer(0), ones, ones, "65 dimensions");
  expect_refused(state(text("w") + tensor("N", integer(0), one, one)), {"without a storage"});
}

TEST(TorchPickle, MalformedStreams) {
  expect_refused("", {"ends in the middle"});
  expect_refused("\x80\x02}", {"ends in the middle"});
  expect_refused("\x80\x02.", {"one value"});
  expect_refused("\x80\x02}}.", {"one value"});
  expect_refused("\x80\x02}(.", {"one value"});
  expect_refused("\x80\x02}.}", {"1 bytes follow its end"});
  expect_refused("\x80\x07}.", {"protocol 7"});
  expect_refused("\x80\x02(0.", {"takes a value where there is none"});
  expect_refused("\x80\x02u.", {"a mark that is not there"});
  expect_refused("\x80\x02}(Nu.", {"a key without a value"});
  expect_refused("\x80\x02N(NNu.", {"expected a dictionary"});
  expect_refused("\x80\x02}Na.", {"expected a list"});
  expect_refused("\x80\x02h\x05.", {"recalls value 5"});
  expect_refused(
      "\x80\x02X\xff\xff\xff\xff"
      "abc",
      {"ends in the middle"});
  expect_refused(
      "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
      "abc",
      {"ends in the middle"});
  expect_refused("\x80\x02X\x02\x00\x00\x00\xff\xfe."s, {"not UTF-8"});
  expect_refused("\x80\x02\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x01.", {"longer than 64 bits"});
  expect_refused(
      "\x80\x02"
      "cos",
      {"middle of a name"});
  expect_refused("\x80\x02].", {"no dictionary of tensors"}, ErrorCode::unsupported);
  expect_refused(state("K\x01K\x02"), {"a key of the dictionary is not a text"},
                 ErrorCode::unsupported);
  expect_refused(state(text("epoch") + "K\x02"), {"'epoch' is not a tensor"},
                 ErrorCode::unsupported);
  const std::string w = text("w") + tensor(storage(1), integer(0), "", "");
  expect_refused(state(w + w), {"'w' is given twice"});
}

// Depth, cycles and repetition must cost neither the call stack nor memory out of proportion.
TEST(TorchPickle, BombsAreHarmless) {
  std::string deep = "\x80\x02N";
  for (int i = 0; i < 1'000'000; ++i) deep += '\x85';
  expect_refused(deep + ".", {"no dictionary"}, ErrorCode::unsupported);
  expect_refused(
      "\x80\x02]q\x00h\x00"
      "a."s,
      {"no dictionary"}, ErrorCode::unsupported);
  expect_refused(
      "\x80\x02}q\x00X\x01\x00\x00\x00"
      "ah\x00s."s,
      {"'a' is not a tensor"}, ErrorCode::unsupported);
  std::string many = "\x80\x02(" + std::string(4'100'000, 'N');
  expect_refused(many + "t.", {"more than 4000000 values"});
  // One long tuple named again and again: only its name may be copied.
  std::string again =
      "\x80\x02(" + std::string(100'000, 'N') + "tq\x01" + global("torch", "Size") + "q\x02";
  for (int i = 0; i < 20'000; ++i) again += "h\x02h\x01\x85R";
  expect_refused(again + ".", {"one value"});
}

TEST(TorchPickle, NumbersOfEveryWidth) {
  const auto sizes = [](const std::string& size) {
    return read(state(text("w") + tensor(storage(1 << 30), integer(0), size, integer(1))))
        .at(0)
        .shape.at(0);
  };
  EXPECT_EQ(sizes("K\xff"), 255);
  EXPECT_EQ(sizes("M\x01\x02"), 513);
  EXPECT_EQ(sizes(integer(70'000)), 70'000);
  EXPECT_EQ(sizes("\x8a\x03\x01\x00\x01"s), 65'537);
  EXPECT_EQ(sizes("\x8a\x00"s), 0);
  EXPECT_EQ(sizes("\x8b\x02\x00\x00\x00\xff\x00"s), 255);
  expect_refused(state(text("w") + tensor(storage(9), integer(0), "\x8a\x01\xff", integer(1))),
                 {"impossible"});
}

TEST(TorchPickle, RandomOpcodesNeverCrash) {
  const std::string seed_pickle = state(
      text("w") + tensor(storage(12), integer(2), integer(2) + integer(3), integer(4) + "K\x01"));
  RandomStream random(1, 2);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string pickle = seed_pickle;
    for (std::uint32_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(static_cast<std::uint32_t>(pickle.size()));
      switch (random.below(3)) {
        case 0: pickle[at] = static_cast<char>(random.below(256)); break;
        case 1: pickle.erase(at, 1 + random.below(8)); break;
        default:
          pickle.insert(at,
                        pickle.substr(random.below(static_cast<std::uint32_t>(pickle.size())), 6));
      }
      if (pickle.empty()) pickle = ".";
    }
    try {
      read(pickle);
    } catch (const Error& error) {
      ++refused;
      ASSERT_NE(error.code(), ErrorCode::internal) << error.message();
    }
  }
  EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace hone
