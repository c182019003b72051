// ONNX's products of matrices beyond MatMul: Einsum as batched products of matrices; Det.
#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "hone/core/text.hpp"
#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// A value whose dimensions have letters. Those that an ellipsis stands for are called by capitals
// with a mark, from behind: '\1', '\2', ...
struct Lettered {
  ValueId value;
  std::string letters;
};

class Summation {
public:
  explicit Summation(OnnxCall& call) : call_(call) {}

  void run() {
    parse();
    Lettered all = single(operands_[0]);
    for (std::size_t i = 1; i < operands_.size(); ++i) {
      std::string wanted = result_;
      for (std::size_t k = i + 1; k < operands_.size(); ++k) wanted += operands_[k].letters;
      all = joined(without(all, wanted + operands_[i].letters), single(operands_[i]), wanted);
    }
    all = without(all, result_);
    for (const char c : result_)
      if (all.letters.find(c) == std::string::npos)
        call_.fail("a letter of the result that no input has");
    call_.out(0, ordered(all, result_).value);
  }

private:
  std::vector<Dim> dims(ValueId id) { return call_.graph().type(id).dims; }
  static bool has(const std::string& letters, char c) {
    return letters.find(c) != std::string::npos;
  }

  void parse() {
    std::string equation;
    for (const char c : call_.text("equation"))
      if (c != ' ') equation += c;
    const std::size_t arrow = equation.find("->");
    const std::vector<std::string> terms = split(equation.substr(0, arrow), ',');
    if (terms.size() != call_.count())
      call_.fail(fmt::format("{} terms for {} inputs", terms.size(), call_.count()));
    std::map<char, int> counts;
    std::size_t most = 0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      std::size_t hidden = 0;
      const std::string letters = named(terms[i], call_.rank(i), hidden);
      most = std::max(most, hidden);
      if (letters.size() != call_.rank(i))
        call_.fail(
            fmt::format("term '{}' for {} dimensions", printable(terms[i], 40), call_.rank(i)));
      for (const char c : letters) ++counts[c];
      operands_.push_back({call_.in(i), letters});
    }
    std::size_t hidden = 0;
    if (arrow != std::string::npos) {
      result_ = named(equation.substr(arrow + 2), 0, hidden, most);
    } else {
      for (std::size_t k = most; k > 0; --k) result_ += static_cast<char>(k);
      for (const auto& [letter, count] : counts)
        if (count == 1 && std::isalpha(static_cast<unsigned char>(letter)) != 0) result_ += letter;
    }
  }

  // The letters of a term, its ellipsis replaced by as many as there are dimensions without.
  std::string named(const std::string& term, std::size_t rank, std::size_t& hidden,
                    std::size_t given = 0) {
    const std::size_t dots = term.find("...");
    std::string letters;
    for (std::size_t i = 0; i < term.size(); ++i) {
      if (i == dots) {
        hidden = given;
        if (given == 0 && rank + 3 > term.size()) hidden = rank + 3 - term.size();
        for (std::size_t k = hidden; k > 0; --k) letters += static_cast<char>(k);
        i += 2;
        continue;
      }
      if (std::isalpha(static_cast<unsigned char>(term[i])) == 0)
        call_.fail("attribute 'equation' has something else than letters");
      letters += term[i];
    }
    return letters;
  }

  Lettered summed(const Lettered& x, const std::vector<std::int64_t>& axes) {
    if (axes.empty()) return x;
    Lettered y{call_.apply("sum", {x.value}, {{"axes", to_text(axes)}, {"keep", false}}), ""};
    for (std::size_t i = 0; i < x.letters.size(); ++i)
      if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) == axes.end())
        y.letters += x.letters[i];
    return y;
  }

  // Without the letters that nothing wants: summed.
  Lettered without(const Lettered& x, const std::string& wanted) {
    std::vector<std::int64_t> axes;
    for (std::size_t i = 0; i < x.letters.size(); ++i)
      if (!has(wanted, x.letters[i])) axes.push_back(static_cast<std::int64_t>(i));
    return summed(x, axes);
  }

  Lettered ordered(const Lettered& x, const std::string& letters) {
    std::vector<std::int64_t> order;
    for (const char c : letters) order.push_back(static_cast<std::int64_t>(x.letters.find(c)));
    return {call_.transposed(x.value, order), letters};
  }

  // A letter that is there twice is a diagonal: the product with a matrix of ones on it, summed.
  Lettered single(Lettered x) {
    for (std::size_t i = 0; i < x.letters.size(); ++i) {
      std::size_t k = x.letters.find(x.letters[i], i + 1);
      if (k == std::string::npos) continue;
      const std::vector<Dim> all = dims(x.value);
      if (!(all[i] == all[k])) call_.fail("one letter for two sizes");
      if (!all[i].is_fixed()) call_.refuse("the diagonal of sizes that only a run knows");
      const DType dtype = call_.graph().type(x.value).dtype;
      Tensor eye(dtype, {all[i].offset, all[i].offset});
      for (std::int64_t d = 0; d < all[i].offset; ++d) set_real(eye, d * all[i].offset + d, 1);
      std::vector<Dim> wide(all.size(), Dim(1));
      wide[i] = all[i];
      wide[k] = all[k];
      const ValueId mask = call_.expanded(call_.reshaped(call_.buffer(eye), wide), all);
      const ValueId zero = call_.number(0, dtype, all);
      const ValueId diagonal =
          call_.apply("where", {call_.cast(mask, DType::boolean), x.value, zero});
      x = summed({diagonal, x.letters}, {static_cast<std::int64_t>(k)});
      --i;  // (It may be there a third time.)
    }
    return x;
  }

  Dim merged(const Lettered& x, const std::string& letters) {
    Dim all = 1;
    for (const char c : letters) all = multiply(all, dims(x.value)[x.letters.find(c)]);
    return all;
  }

  // Both have it with one size; a size of 1 is repeated.
  void match(Lettered& a, Lettered& b) {
    std::vector<Dim> left = dims(a.value), right = dims(b.value);
    for (std::size_t i = 0; i < a.letters.size(); ++i) {
      const std::size_t k = b.letters.find(a.letters[i]);
      if (k == std::string::npos || left[i] == right[k]) continue;
      if (left[i] == Dim(1))
        left[i] = right[k];
      else if (right[k] == Dim(1))
        right[k] = left[i];
      else
        call_.fail(fmt::format("one letter for the sizes {} and {}", to_string(left[i]),
                               to_string(right[k])));
    }
    a.value = call_.expanded(a.value, left);
    b.value = call_.expanded(b.value, right);
  }

  // a [batch, rows, inner] b [batch, inner, columns].
  Lettered joined(Lettered a, Lettered b, const std::string& wanted) {
    b = without(b, wanted + a.letters);
    match(a, b);
    std::string batch, rows, inner, columns;
    for (const char c : a.letters) {
      if (!has(b.letters, c))
        rows += c;
      else
        (has(wanted, c) ? batch : inner) += c;
    }
    for (const char c : b.letters)
      if (!has(a.letters, c)) columns += c;
    const std::vector<Dim> front = sizes(a, batch), left = sizes(a, rows),
                           right = sizes(b, columns);
    const ValueId x = call_.reshaped(ordered(a, batch + rows + inner).value,
                                     {product(front), product(left), merged(a, inner)});
    const ValueId y = call_.reshaped(ordered(b, batch + inner + columns).value,
                                     {product(front), merged(a, inner), product(right)});
    std::vector<Dim> shape = front;
    shape.insert(shape.end(), left.begin(), left.end());
    shape.insert(shape.end(), right.begin(), right.end());
    return {call_.reshaped(call_.apply("batch_matmul", {x, y}), shape), batch + rows + columns};
  }

  std::vector<Dim> sizes(const Lettered& x, const std::string& letters) {
    std::vector<Dim> all;
    for (const char c : letters) all.push_back(dims(x.value)[x.letters.find(c)]);
    return all;
  }

  OnnxCall& call_;
  std::vector<Lettered> operands_;
  std::string result_;
};

void convert_einsum(OnnxCall& call) {
  if (call.count() == 0) call.fail("it has no input");
  Summation(call).run();
}

void convert_det(OnnxCall& call) { call.out(0, call.apply("det", {call.in(0)})); }

}  // namespace

std::vector<OnnxOp> onnx_einsum_family() {
  OnnxOp einsum{{"Einsum", "sums of products by letters"}};
  einsum.since = 12;
  einsum.convert = convert_einsum;
  OnnxOp det{{"Det", "determinants"}};
  det.since = 11;
  det.convert = convert_det;
  return {einsum, det};
}

}  // namespace hone
