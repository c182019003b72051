#include "hone/data/image.hpp"

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/lazy_library.hpp"

namespace hone {
namespace {

constexpr LazyLibrary jpeg_library("libjpeg.so.62");
HONE_LAZY_FUNCTION(jpeg_library, jpeg_CreateDecompress);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_destroy_decompress);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_finish_decompress);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_mem_src);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_read_header);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_read_scanlines);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_start_decompress);
HONE_LAZY_FUNCTION(jpeg_library, jpeg_std_error);
constexpr LazyLibrary png_library("libpng16.so.16");
HONE_LAZY_FUNCTION(png_library, png_image_begin_read_from_memory);
HONE_LAZY_FUNCTION(png_library, png_image_finish_read);
HONE_LAZY_FUNCTION(png_library, png_image_free);

constexpr std::int64_t most_places = std::int64_t{1} << 28;

[[noreturn]] void fail_picture(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::bad_format, where + ": " + what,
              "the file is damaged or cut short: take it out of the data, or fetch it again");
}

void check_places(std::int64_t height, std::int64_t width, const std::string& where) {
  if (height < 1 || width < 1) fail_picture(where, "the picture is empty");
  if (height > most_places / width)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: {} x {} places are too many", where, width, height),
                "make the picture smaller");
}

// libjpeg reports by a call that does not return: it jumps over frames that hold nothing to
// destroy.
struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf back{};
  char message[JMSG_LENGTH_MAX] = {};
  bool is_warned = false;
};

[[noreturn]] void leave_jpeg(j_common_ptr info) {
  auto* reader = static_cast<JpegReader*>(info->client_data);
  info->err->format_message(info, reader->message);
  std::longjmp(reader->back, 1);
}

// Of what is cut short libjpeg only warns, and fills up with grey. (What lies between parts, or
// says how old the file is, does no harm.)
void keep_warning(j_common_ptr info, int level) {
  auto* reader = static_cast<JpegReader*>(info->client_data);
  const int code = info->err->msg_code;
  if (level >= 0 || reader->is_warned || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR ||
      code == JWRN_ADOBE_XFORM || code == JWRN_NOT_SEQUENTIAL)
    return;
  reader->is_warned = true;
  info->err->format_message(info, reader->message);
}

// Both parts of reading; false when libjpeg gave up.
bool begin_jpeg(JpegReader& reader, std::span<const std::byte> bytes) {
  if (setjmp(reader.back) != 0) return false;
  jpeg_CreateDecompress(&reader.info, JPEG_LIB_VERSION, sizeof(jpeg_decompress_struct));
  jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&reader.info, static_cast<boolean>(TRUE));
  return true;
}
bool finish_jpeg(JpegReader& reader, std::uint8_t* pixels, std::int64_t stride) {
  if (setjmp(reader.back) != 0) return false;
  jpeg_start_decompress(&reader.info);
  while (reader.info.output_scanline < reader.info.output_height) {
    JSAMPROW row = pixels + static_cast<std::int64_t>(reader.info.output_scanline) * stride;
    jpeg_read_scanlines(&reader.info, &row, JDIMENSION{1});
  }
  jpeg_finish_decompress(&reader.info);
  return true;
}

// Adobe's files hold what is left of the light, the others what ink there is.
void cmyk_to_rgb(Picture& picture, bool inverted) {
  const std::size_t places = static_cast<std::size_t>(picture.height * picture.width);
  std::vector<std::uint8_t> rgb(places * 3);
  for (std::size_t i = 0; i < places; ++i) {
    const std::uint8_t* from = picture.pixels.data() + 4 * i;
    const int k = inverted ? from[3] : 255 - from[3];
    for (std::size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] =
          static_cast<std::uint8_t>(((inverted ? from[c] : 255 - from[c]) * k + 127) / 255);
  }
  picture.pixels = std::move(rgb);
  picture.channels = 3;
}

Picture decode_jpeg(std::span<const std::byte> bytes, const std::string& where) {
  JpegReader reader;
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = leave_jpeg;
  reader.errors.emit_message = keep_warning;
  reader.info.client_data = &reader;
  struct Guard {
    JpegReader& reader;
    ~Guard() { jpeg_destroy_decompress(&reader.info); }
  } guard{reader};
  const auto fail = [&] {
    fail_picture(where, fmt::format("cannot be read as JPEG: {}", reader.message));
  };
  if (!begin_jpeg(reader, bytes)) fail();
  Picture picture{reader.info.image_height, reader.info.image_width, 3};
  check_places(picture.height, picture.width, where);
  reader.info.out_color_space = JCS_RGB;
  const J_COLOR_SPACE space = reader.info.jpeg_color_space;
  const bool cmyk = space == JCS_CMYK || space == JCS_YCCK;
  if (space == JCS_GRAYSCALE) {
    picture.channels = 1;
    reader.info.out_color_space = JCS_GRAYSCALE;
  } else if (cmyk) {
    picture.channels = 4;
    reader.info.out_color_space = JCS_CMYK;
  }
  const bool inverted = reader.info.saw_Adobe_marker != 0;
  picture.pixels.resize(
      static_cast<std::size_t>(picture.height * picture.width * picture.channels));
  if (!finish_jpeg(reader, picture.pixels.data(), picture.width * picture.channels) ||
      reader.is_warned)
    fail();
  if (cmyk) cmyk_to_rgb(picture, inverted);
  return picture;
}

// A PNG without the chunks that say what light its numbers stand for: libpng would convert them,
// other readers (Pillow's) take them as they are.
std::vector<std::byte> without_colour_spaces(std::span<const std::byte> bytes) {
  constexpr std::size_t signature = 8, around = 12;  // length, name, check sum
  std::vector<std::byte> kept(bytes.begin(), bytes.begin() + std::min(signature, bytes.size()));
  for (std::size_t at = signature; at < bytes.size();) {
    std::size_t size = bytes.size() - at;
    std::string_view name;
    if (size >= around) {
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i)
        length = length << 8 | std::to_integer<std::size_t>(bytes[at + i]);
      name = {reinterpret_cast<const char*>(bytes.data()) + at + 4, 4};
      size = std::min(size, length + around);
    }
    if (name != "gAMA" && name != "cHRM" && name != "iCCP" && name != "sRGB")
      kept.insert(kept.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return kept;
}

Picture decode_png(std::span<const std::byte> file, const std::string& where) {
  const std::vector<std::byte> bytes = without_colour_spaces(file);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct Guard {
    png_image& image;
    ~Guard() { png_image_free(&image); }
  } guard{image};
  const auto fail = [&] {
    fail_picture(where, fmt::format("cannot be read as PNG: {}", image.message));
  };
  if (png_image_begin_read_from_memory(&image, static_cast<const void*>(bytes.data()),
                                       bytes.size()) == 0)
    fail();
  check_places(image.height, image.width, where);
  // (With its alpha: without it libpng would mix in a background.)
  const bool grey = (image.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_COLORMAP)) == 0;
  image.format = grey ? PNG_FORMAT_GA : PNG_FORMAT_RGBA;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  const std::size_t read = grey ? 2 : 4, kept = read - 1;
  const std::size_t places = std::size_t{image.height} * image.width;
  std::vector<std::uint8_t> all(places * read);
  Picture picture{image.height, image.width, static_cast<std::int64_t>(kept)};
  const png_color* const no_background = nullptr;
  if (png_image_finish_read(&image, no_background, static_cast<void*>(all.data()), png_int_32{0},
                            static_cast<void*>(nullptr)) == 0)
    fail();
  picture.pixels.resize(places * kept);
  for (std::size_t i = 0; i < places; ++i)
    std::copy_n(all.data() + i * read, kept, picture.pixels.data() + i * kept);
  return picture;
}

// What a place of the result takes of a line of `from` numbers: weights of numbers that lie
// together.
struct Taps {
  std::int64_t first = 0;
  std::vector<float> weights = {};
};

// Triangles as wide as a place of the result, or of the picture where that is wider.
std::vector<Taps> taps_of(std::int64_t from, std::int64_t to, std::int64_t begin,
                          std::int64_t count) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(scale, 1.0);
  std::vector<Taps> taps(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - reach + 0.5));
    const auto end = std::min(from, static_cast<std::int64_t>(centre + reach + 0.5));
    Taps& own = taps[static_cast<std::size_t>(i)];
    own.first = first;
    double sum = 0;
    for (std::int64_t k = first; k < end; ++k) {
      const double weight =
          std::max(0.0, 1 - std::abs((static_cast<double>(k) - centre + 0.5) / reach));
      own.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : own.weights) weight = static_cast<float>(weight / sum);
  }
  return taps;
}

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
}

void set_place(const std::uint8_t* from, std::int64_t has, std::int64_t wants, std::uint8_t* to) {
  if (has == wants)
    std::copy_n(from, has, to);
  else if (has == 1)
    std::fill_n(to, wants, from[0]);
  else
    to[0] = static_cast<std::uint8_t>(
        (from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) >> 16);
}

// Each centre is of the resized picture's.
struct Cut {
  std::int64_t whole = 0, begin = 0;
};
Cut cut_of(std::int64_t size, std::int64_t shorter, std::int64_t resize, std::int64_t wanted) {
  // (As torchvision: the longer side is cut off to a whole number; where the cut is larger than the
  // picture that grows instead.)
  const std::int64_t whole = std::max(size * resize / shorter, wanted);
  // (Halves to the even number, as Python rounds.)
  return {whole,
          static_cast<std::int64_t>(std::nearbyint(static_cast<double>(whole - wanted) / 2))};
}

}  // namespace

void check_image_input(const ImageInput& input, const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, where + ": " + what);
  };
  constexpr std::int64_t largest = 1 << 14;
  if (input.channels != 1 && input.channels != 3)
    refuse(
        fmt::format("pictures of {} channels: expected 1 (grey) or 3 (colours)", input.channels));
  for (const std::int64_t size : {input.height, input.width, input.resize})
    if (size < 1 || size > largest)
      refuse(fmt::format("pictures of {} x {} places, resized to {}: expected 1 to {}", input.width,
                         input.height, input.resize, largest));
  for (const std::vector<float>* list : {&input.mean, &input.deviation}) {
    if (std::ssize(*list) != input.channels)
      refuse(fmt::format("{} means and {} deviations for {} channels", input.mean.size(),
                         input.deviation.size(), input.channels));
    for (const float value : *list)
      if (!std::isfinite(value) || (list == &input.deviation && !(value > 0)))
        refuse(fmt::format("a mean or deviation of pictures is {}", value));
  }
}

Picture decode_picture(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.empty()) fail_picture(where, "the file is empty");
  const auto begins = [&](std::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (begins("\xff\xd8\xff")) return decode_jpeg(bytes, where);
  if (begins("\x89PNG\r\n\x1a\n")) return decode_png(bytes, where);
  throw Error(ErrorCode::unsupported, where + ": is neither a JPEG nor a PNG",
              "convert it, or take it out of the data");
}

Picture read_picture(const std::filesystem::path& file) {
  const MappedFile mapped = map_file(file);
  return decode_picture(mapped.bytes, file.string());
}

void fit_picture(const Picture& picture, const ImageInput& input, std::uint8_t* to) {
  const std::int64_t channels = picture.channels;
  if (picture.height == input.height && picture.width == input.width &&
      std::min(input.height, input.width) == input.resize) {
    for (std::int64_t i = 0; i < input.height * input.width; ++i)
      set_place(picture.pixels.data() + i * channels, channels, input.channels,
                to + i * input.channels);
    return;
  }
  const std::int64_t shorter = std::min(picture.height, picture.width);
  const Cut rows = cut_of(picture.height, shorter, input.resize, input.height);
  const Cut columns = cut_of(picture.width, shorter, input.resize, input.width);
  const std::vector<Taps> across =
      taps_of(picture.width, columns.whole, columns.begin, input.width);
  const std::vector<Taps> down = taps_of(picture.height, rows.whole, rows.begin, input.height);
  // Across first, of the lines that count; rounded in between, as Pillow does.
  const std::int64_t first = down.front().first;
  const std::int64_t end = down.back().first + std::ssize(down.back().weights);
  const std::int64_t line = input.width * channels;
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>((end - first) * line));
  for (std::int64_t y = first; y < end; ++y) {
    const std::uint8_t* from = picture.pixels.data() + y * picture.width * channels;
    std::uint8_t* row = narrow.data() + (y - first) * line;
    for (const Taps& taps : across)
      for (std::int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        for (std::size_t k = 0; k < taps.weights.size(); ++k)
          sum +=
              taps.weights[k] *
              static_cast<float>(from[(taps.first + static_cast<std::int64_t>(k)) * channels + c]);
        *row++ = to_byte(sum);
      }
  }
  std::vector<float> sums(static_cast<std::size_t>(line));
  std::vector<std::uint8_t> made(sums.size());
  for (std::int64_t y = 0; y < input.height; ++y) {
    const Taps& taps = down[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t k = 0; k < taps.weights.size(); ++k) {
      const std::uint8_t* from =
          narrow.data() + (taps.first - first + static_cast<std::int64_t>(k)) * line;
      for (std::size_t i = 0; i < sums.size(); ++i)
        sums[i] += taps.weights[k] * static_cast<float>(from[i]);
    }
    std::transform(sums.begin(), sums.end(), made.begin(), to_byte);
    for (std::int64_t x = 0; x < input.width; ++x)
      set_place(made.data() + x * channels, channels, input.channels,
                to + (y * input.width + x) * input.channels);
  }
}

}  // namespace hone
