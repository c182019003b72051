// Two classifiers judged on the same samples: is the difference of their accuracies more than
// noise?
#pragma once

#include <cstdint>
#include <string>

namespace hone {

// McNemar's test (Psychometrika 1947). Samples that both have right, or both wrong, say nothing;
// without a difference the others fall to either side like a fair coin.
struct PairedTest {
  std::int64_t only_first = 0, only_second = 0;  // right by one of the two alone
  bool exact = true;  // binomial; false: chi-square with continuity correction
  double p = 1;       // two-sided

  bool differs() const { return p < 0.05; }
};
PairedTest mcnemar(std::int64_t only_first, std::int64_t only_second);

// 0.0123, or "< 0.0001".
std::string format_p(double p);

}  // namespace hone
