// Says what a saved model takes texts for: predict MODEL TEXT...
#include <cstdio>

#include <hone/hone.hpp>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: predict MODEL TEXT...\n");
    return 2;
  }
  try {
    const hone::TextClassifier model = hone::open(argv[1]);
    for (const hone::Prediction& prediction : model.predict({argv + 2, argv + argc})) {
      std::printf("%s", prediction.labels.front().c_str());
      for (const double probability : prediction.probabilities) std::printf(" %.4f", probability);
      std::printf("\n");
    }
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
