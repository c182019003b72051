// Is one model better than another on the same data, or is it noise? compare A B DATA
#include <cstdio>

#include <hone/hone.hpp>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: compare A B DATA\n");
    return 2;
  }
  try {
    const hone::Judgement a = hone::open(argv[1]).evaluate(argv[3], "test");
    const hone::Judgement b = hone::open(argv[2]).evaluate(argv[3], "test");
    const hone::PairedTest test = hone::compare(a, b);
    std::printf("%s: %.4f\n%s: %.4f\n", argv[1], a.accuracy, argv[2], b.accuracy);
    if (test.differs())
      std::printf("%s is better (p = %.4f)\n", argv[a.accuracy > b.accuracy ? 1 : 2], test.p);
    else
      std::printf("no difference detected (n = %d, p = %.4f)\n", static_cast<int>(a.samples),
                  test.p);
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
