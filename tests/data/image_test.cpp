// Pictures: every kind of file, broken ones, and the sizes they are brought to.
#include "hone/data/image.hpp"

#include <cmath>
#include <cstring>

#include "support/expect_error.hpp"
#include "support/picture_files.hpp"
#include "support/scratch_directory.hpp"

namespace hone_test {
namespace {

using namespace hone;

using Bytes = std::vector<std::uint8_t>;

Picture decode(const std::string& file) {
  return decode_picture(std::as_bytes(std::span(file)), "x.png");
}
Picture decode_hex(const char* text) { return decode(bytes_of_hex(text)); }

const Bytes six_places{255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 40, 50, 60, 200, 210, 220};

TEST(Image, PngsOfEveryKind) {
  for (const char* file : {rgb_png, palette_png, rgba_png}) {
    const Picture picture = decode_hex(file);
    EXPECT_EQ(picture.height, 2);
    EXPECT_EQ(picture.width, 3);
    EXPECT_EQ(picture.channels, 3);
    EXPECT_EQ(picture.pixels, six_places);
  }
  EXPECT_EQ(decode_hex(grey_png).pixels, (Bytes{0, 100, 255}));
  EXPECT_EQ(decode_hex(grey_png).channels, 1);
  EXPECT_EQ(decode_hex(grey16_png).pixels, (Bytes{0, 128, 255}));
  // A chunk gAMA of 1.0 behind the head changes no number.
  const std::string hex = grey_png;
  const std::string gamma = "0000000467414d41000186a031e8965f";
  EXPECT_EQ(decode_hex((hex.substr(0, 66) + gamma + hex.substr(66)).c_str()).pixels,
            (Bytes{0, 100, 255}));
}

TEST(Image, JpegsOfEveryKind) {
  const auto expect_flat = [](const Picture& picture, const Bytes& colour) {
    ASSERT_EQ(picture.channels, std::ssize(colour));
    ASSERT_EQ(picture.pixels.size(), 64 * colour.size());
    for (std::size_t i = 0; i < picture.pixels.size(); ++i)
      ASSERT_NEAR(picture.pixels[i], colour[i % colour.size()], 2) << i;
  };
  expect_flat(decode_hex(colour_jpeg), {200, 100, 50});
  expect_flat(decode_hex(grey_jpeg), {77});
  expect_flat(decode_hex(cmyk_jpeg), {204, 102, 0});
}

TEST(Image, BrokenFilesAreRefused) {
  EXPECT_ERROR(decode(""), ErrorCode::bad_format, "x.png: the file is empty");
  EXPECT_ERROR(decode("GIF89a"), ErrorCode::unsupported, "x.png: is neither a JPEG nor a PNG");
  for (const char* file : {rgb_png, palette_png, grey16_png, colour_jpeg, grey_jpeg, cmyk_jpeg}) {
    const std::string whole = bytes_of_hex(file);
    // Wherever a file is cut (JPEG's last two bytes are the mark of its end).
    for (std::size_t size = 8; size + 13 < whole.size(); size += 7)
      EXPECT_ERROR(decode(whole.substr(0, size)), ErrorCode::bad_format,
                   "x.png: cannot be read as");
  }
  // Changed bytes give a picture or an error.
  for (const char* file : {rgb_png, colour_jpeg})
    for (std::size_t at = 0; at < bytes_of_hex(file).size(); at += 3) {
      std::string changed = bytes_of_hex(file);
      changed[at] = static_cast<char>(changed[at] ^ 0x5a);
      try {
        decode(changed);
      } catch (const Error&) {
      }
    }
  std::string huge = bytes_of_hex(rgb_png);
  std::memcpy(huge.data() + 16, "\x00\xff\xff\xff\x00\xff\xff\xff", 8);
  EXPECT_THROW(decode(huge), Error);
}

TEST(Image, AFileIsNamed) {
  const ScratchDirectory scratch;
  const std::string path = scratch.write("cats/a.jpg", "no picture");
  EXPECT_ERROR(read_picture(path), ErrorCode::unsupported, path);
  EXPECT_ERROR(read_picture("/nowhere.png"), ErrorCode::not_found, "/nowhere.png");
}

ImageInput input_of(std::int64_t channels, std::int64_t height, std::int64_t width,
                    std::int64_t resize) {
  const auto count = static_cast<std::size_t>(channels);
  return {channels,
          height,
          width,
          resize,
          std::vector<float>(count, 0.5f),
          std::vector<float>(count, 0.5f)};
}

Bytes fit(const Picture& picture, const ImageInput& input) {
  Bytes made(static_cast<std::size_t>(input.size()));
  fit_picture(picture, input, made.data());
  return made;
}

TEST(Image, FitsAPicture) {
  const Picture six{2, 3, 3, six_places};
  // Its own size: the same; the centre of it.
  EXPECT_EQ(fit(six, input_of(3, 2, 3, 2)), six_places);
  EXPECT_EQ(fit(six, input_of(3, 2, 1, 2)), (Bytes{0, 255, 0, 40, 50, 60}));
  // Colours to grey by ITU-R 601, grey to colours.
  EXPECT_EQ(fit(six, input_of(1, 1, 1, 2)), (Bytes{150}));
  EXPECT_EQ(fit({1, 1, 1, {9}}, input_of(3, 1, 1, 1)), (Bytes{9, 9, 9}));
  // Half of the size: what Pillow 12 gives, Image.resize((2, 1), BILINEAR).
  EXPECT_EQ(fit({2, 4, 1, {0, 100, 200, 50, 0, 100, 200, 50}}, input_of(1, 1, 2, 1)),
            (Bytes{71, 121}));
  // Twice the size: between the places, the ends kept.
  EXPECT_EQ(fit({1, 2, 1, {0, 200}}, input_of(1, 2, 4, 2)),
            (Bytes{0, 50, 150, 200, 0, 50, 150, 200}));
  // A picture of one colour stays so at any size.
  for (const std::int64_t size : {1, 7, 32, 100})
    for (const std::uint8_t byte : fit({5, 9, 1, Bytes(45, 77)}, input_of(1, size, size, size + 3)))
      ASSERT_EQ(byte, 77);
}

TEST(Image, RefusesInputsThatCannotBe) {
  EXPECT_ERROR(check_image_input(input_of(2, 8, 8, 8), "m"), ErrorCode::bad_format,
               "m: pictures of 2 channels");
  EXPECT_ERROR(check_image_input(input_of(3, 0, 8, 8), "m"), ErrorCode::bad_format, "8 x 0");
  ImageInput input = input_of(3, 8, 8, 8);
  input.deviation[1] = 0;
  EXPECT_ERROR(check_image_input(input, "m"), ErrorCode::bad_format, "deviation of pictures is 0");
  input.deviation.pop_back();
  EXPECT_ERROR(check_image_input(input, "m"), ErrorCode::bad_format, "2 deviations for 3 channels");
}

}  // namespace
}  // namespace hone_test
