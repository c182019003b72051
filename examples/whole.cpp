#include <hone/hone.hpp>
#include <iostream>

int main(int argc, char** argv) try {
  const std::string out = argc > 1 ? argv[1] : "runs";
  hone::train({.data = "reviews", .out = out + "/float", .settings = {{"epochs", "2"}}});
  hone::quantize({.model = out + "/float", .format = "affine", .out = out + "/int8"});
  const hone::TextClassifier before = hone::open(out + "/float"), after = hone::open(out + "/int8");
  const hone::Judgement a = before.evaluate("reviews"), b = after.evaluate("reviews");
  std::cout << after.predict({"a great film"})[0].labels[0] << ", accuracy " << a.accuracy
            << " and " << b.accuracy << ", p = " << hone::compare(a, b).p << "\n";
} catch (const hone::Error& error) {
  std::cerr << "error: " << error.what() << "\nhint: " << error.hint() << "\n";
  return 1;
}
