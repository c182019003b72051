// Rounds a model to 8-bit fixed point and packs it: quantize MODEL OUT
#include <cstdio>

#include <hone/hone.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: quantize MODEL OUT\n");
    return 2;
  }
  try {
    hone::QuantizeJob job{.model = argv[1], .format = "integer", .out = argv[2]};
    job.options = {{"width", "8"}, {"frac_width", "6"}};
    const hone::QuantizeOutcome quantized = hone::quantize(job);
    std::printf("%d parameters: %d bytes, before %d\n", static_cast<int>(quantized.parameters),
                static_cast<int>(quantized.bytes_after), static_cast<int>(quantized.bytes_before));
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
