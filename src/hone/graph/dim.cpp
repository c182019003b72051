#include "hone/graph/dim.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

// Sorted factors: names, and quotients in their text "floor((H+1)/2)".
using Monomial = std::vector<std::string>;
// Factors of monomials; none is zero.
using Polynomial = std::map<Monomial, std::int64_t>;

constexpr std::size_t longest = 4096;  // characters of a size
constexpr int deepest = 32;            // quotients of quotients

[[noreturn]] void overflow() { throw Error(ErrorCode::invalid_argument, "a size is too large"); }
std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) overflow();
  return result;
}
std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) overflow();
  return result;
}

void add_term(Polynomial& into, const Monomial& monomial, std::int64_t factor) {
  std::int64_t& own = into[monomial];
  own = checked_add(own, factor);
  if (own == 0) into.erase(monomial);
}

Polynomial multiply(const Polynomial& a, const Polynomial& b) {
  Polynomial result;
  for (const auto& [left, p] : a)
    for (const auto& [right, q] : b) {
      Monomial both = left;
      both.insert(both.end(), right.begin(), right.end());
      std::sort(both.begin(), both.end());
      add_term(result, both, checked_multiply(p, q));
    }
  return result;
}

Dim to_dim(const Polynomial& polynomial) {
  Dim dim;
  for (const auto& [monomial, factor] : polynomial) {
    if (monomial.empty()) {
      dim.offset = factor;
      continue;
    }
    std::string term = factor == 1 ? "" : factor == -1 ? "-" : fmt::format("{}*", factor);
    for (std::size_t i = 0; i < monomial.size(); ++i) term += (i == 0 ? "" : "*") + monomial[i];
    if (!dim.symbol.empty() && term.front() != '-') dim.symbol += '+';
    dim.symbol += term;
  }
  if (dim.symbol.size() > longest)
    throw Error(ErrorCode::invalid_argument, "a size has too many terms");
  return dim;
}

// The largest number not above a / by.
std::int64_t floor_div(std::int64_t a, std::int64_t by) {
  return a / by - (a % by != 0 && (a < 0) != (by < 0) ? 1 : 0);
}

Polynomial parse(std::string_view text, int depth);
Polynomial to_polynomial(const Dim& dim) {
  Polynomial result = dim.is_fixed() ? Polynomial() : parse(dim.symbol, 0);
  if (dim.offset != 0) add_term(result, {}, dim.offset);
  return result;
}

std::string quotient_text(const Polynomial& a, std::int64_t by) {
  const Dim dim = to_dim(a);
  const std::string text = to_string(dim);
  const bool single = a.size() == 1 && text.find('*') == std::string::npos && text.front() != '-';
  return single ? fmt::format("floor({}/{})", text, by) : fmt::format("floor(({})/{})", text, by);
}

// floor(a / by): what divides evenly stands outside.
Polynomial quotient(const Polynomial& a, std::int64_t by) {
  Polynomial whole, rest;
  for (const auto& [monomial, factor] : a) {
    const std::int64_t out = floor_div(factor, by);
    // (Of a monomial only what leaves no remainder: the size itself is not known.)
    const std::int64_t inside = monomial.empty()   ? factor - out * by
                                : factor % by == 0 ? 0
                                                   : factor;
    if (inside == 0 || monomial.empty()) add_term(whole, monomial, out);
    if (inside != 0) add_term(rest, monomial, inside);
  }
  const bool constant = rest.empty() || (rest.size() == 1 && rest.begin()->first.empty());
  if (!constant) add_term(whole, {quotient_text(rest, by)}, 1);
  return whole;
}

class DimParser {
public:
  DimParser(std::string_view text, int depth) : text_(text), depth_(depth) {
    if (text.size() > longest || depth > deepest) fail("it is too long");
  }

  Polynomial whole() {
    Polynomial result = sum();
    if (at_ != text_.size()) fail("it does not end there");
    return result;
  }

private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::bad_format,
                fmt::format("'{}' is no size: {}", printable(text_, 100), why));
  }
  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Polynomial sum() {
    Polynomial result;
    bool minus = accept('-');
    do {
      for (const auto& [monomial, factor] : product_of_factors())
        add_term(result, monomial, minus ? -factor : factor);
      if (accept('+'))
        minus = false;
      else if (accept('-'))
        minus = true;
      else
        return result;
    } while (true);
  }
  Polynomial product_of_factors() {
    Polynomial result = factor();
    while (accept('*')) result = multiply(result, factor());
    return result;
  }
  std::int64_t number() {
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("a whole number is expected");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  Polynomial factor() {
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      const std::int64_t value = number();
      return value == 0 ? Polynomial() : Polynomial{{{}, value}};
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    if (at_ == begin) fail("a name or a number is expected");
    const std::string name(text_.substr(begin, at_ - begin));
    if (name != "floor" || !accept('(')) return {{{name}, 1}};
    if (++depth_ > deepest) fail("it is too deep");
    Polynomial inside;
    if (accept('(')) {
      inside = sum();
      if (!accept(')')) fail("')' is expected");
    } else {
      inside = product_of_factors();
    }
    if (!accept('/')) fail("'/' is expected");
    const std::int64_t by = number();
    if (by < 1) fail("what it is divided by is not positive");
    if (!accept(')')) fail("')' is expected");
    --depth_;
    return quotient(inside, by);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_;
};

Polynomial parse(std::string_view text, int depth) { return DimParser(text, depth).whole(); }

std::int64_t value_of(const Polynomial& polynomial, const DimSizes& sizes);

std::int64_t value_of(const std::string& factor, const DimSizes& sizes) {
  if (!factor.ends_with(')')) {
    const auto found = sizes.find(factor);
    if (found == sizes.end())
      throw Error(ErrorCode::invalid_argument, "dimension '" + factor + "' has no size");
    return found->second;
  }
  // floor(X/n) or floor((X)/n)
  const std::size_t slash = factor.rfind('/');
  std::string_view inside(factor.data() + 6, slash - 6);
  if (inside.starts_with('(')) inside = inside.substr(1, inside.size() - 2);
  const std::int64_t by = std::stoll(factor.substr(slash + 1));
  return floor_div(value_of(parse(inside, 0), sizes), by);
}

std::int64_t value_of(const Polynomial& polynomial, const DimSizes& sizes) {
  std::int64_t sum = 0;
  for (const auto& [monomial, factor] : polynomial) {
    std::int64_t product = factor;
    for (const std::string& one : monomial)
      product = checked_multiply(product, value_of(one, sizes));
    sum = checked_add(sum, product);
  }
  return sum;
}

}  // namespace

Dim add(const Dim& a, const Dim& b) {
  if (a.is_fixed() || b.is_fixed()) {
    Dim sum = a.is_fixed() ? b : a;
    sum.offset = checked_add(a.offset, b.offset);
    return sum;
  }
  Polynomial sum = to_polynomial(a);
  for (const auto& [monomial, factor] : to_polynomial(b)) add_term(sum, monomial, factor);
  return to_dim(sum);
}

Dim subtract(const Dim& a, const Dim& b) { return add(a, multiply(b, Dim(-1))); }

Dim multiply(const Dim& a, const Dim& b) {
  if (a.is_fixed() && b.is_fixed()) return checked_multiply(a.offset, b.offset);
  return to_dim(multiply(to_polynomial(a), to_polynomial(b)));
}

Dim divide_down(const Dim& a, std::int64_t by) {
  if (a.is_fixed()) return floor_div(a.offset, by);
  return to_dim(quotient(to_polynomial(a), by));
}

Dim divide_exactly(const Dim& a, const Dim& b) {
  const Polynomial divisor = to_polynomial(b);
  if (a == b && !divisor.empty()) return 1;
  Polynomial result;
  bool good = divisor.size() == 1;
  for (const auto& [monomial, factor] : to_polynomial(a)) {
    if (!good) break;
    const auto& [by, by_factor] = *divisor.begin();
    good = factor % by_factor == 0 &&
           std::includes(monomial.begin(), monomial.end(), by.begin(), by.end());
    Monomial rest;
    std::set_difference(monomial.begin(), monomial.end(), by.begin(), by.end(),
                        std::back_inserter(rest));
    if (good) add_term(result, rest, factor / by_factor);
  }
  if (!good)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is not divided evenly by {}", to_string(a), to_string(b)));
  return to_dim(result);
}

Dim product(std::span<const Dim> dims) {
  Dim result = 1;
  for (const Dim& dim : dims) result = multiply(result, dim);
  return result;
}

std::set<std::string> names_of(const Dim& dim) {
  // (Names are what is left of the text without numbers, signs and the word for quotients.)
  std::set<std::string> names;
  const std::string& text = dim.symbol;
  const auto in_name = [&](std::size_t i) {
    const char c = text[i];
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && in_name(end)) ++end;
    const std::string word = text.substr(i, end - i);
    const bool number = !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) != 0;
    const bool quotient = word == "floor" && end < text.size() && text[end] == '(';
    if (!word.empty() && !number && !quotient) names.insert(word);
    i = std::max(end, i + 1);
  }
  return names;
}

bool grows_with_sizes(const Dim& dim) { return dim.symbol.find('-') == std::string::npos; }

bool is_at_least(const Dim& dim, std::int64_t bound) {
  return dim.offset >= bound && grows_with_sizes(dim);
}

std::optional<bool> are_equal(const Dim& a, const Dim& b) {
  const Dim difference = subtract(a, b);
  if (difference.is_fixed()) return difference.offset == 0;
  if (is_at_least(difference, 1) || is_at_least(subtract(b, a), 1)) return false;
  return std::nullopt;
}

std::string to_string(const std::vector<Dim>& dims) {
  std::string text;
  for (const Dim& dim : dims) text += (text.empty() ? "" : ",") + to_string(dim);
  return text;
}

std::vector<Dim> parse_dims(std::string_view text) {
  std::vector<Dim> dims;
  if (trim(text).empty()) return dims;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    dims.push_back(parse_dim(trim(text.substr(begin, i - begin))));
    begin = i + 1;
  }
  return dims;
}

Dim parse_dim(std::string_view text) { return to_dim(parse(text, 0)); }

std::int64_t evaluate(const Dim& dim, const DimSizes& sizes) {
  if (dim.is_fixed()) return dim.offset;
  // A name alone, most of all.
  const auto found = sizes.find(dim.symbol);
  const std::int64_t size = found != sizes.end() ? checked_add(found->second, dim.offset)
                                                 : value_of(to_polynomial(dim), sizes);
  if (size < 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the size {} comes to {}", to_string(dim), size));
  return size;
}

}  // namespace hone
