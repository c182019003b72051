// Arithmetic of sizes that are not known yet. Results are in a normal form: sizes that are equal by
// the rules of sums and products have the same text.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "hone/graph/graph.hpp"

namespace hone {

Dim add(const Dim& a, const Dim& b);
Dim subtract(const Dim& a, const Dim& b);
Dim multiply(const Dim& a, const Dim& b);
// The largest whole number not above a / by; by > 0.
Dim divide_down(const Dim& a, std::int64_t by);
// a / b where that is a polynomial for all sizes; throws Error(invalid_argument) where it is not.
Dim divide_exactly(const Dim& a, const Dim& b);
Dim product(std::span<const Dim> dims);
// The named sizes that it is made of.
std::set<std::string> names_of(const Dim& dim);
// Whether it is so for all sizes of 0 and more, as far as signs tell: false where they do not.
bool is_at_least(const Dim& dim, std::int64_t bound);
// Whether it never falls when a named size grows: nothing is subtracted in it.
bool grows_with_sizes(const Dim& dim);
// Whether two are equal for all sizes, or different for all; nothing where neither is known.
std::optional<bool> are_equal(const Dim& a, const Dim& b);

// Of a shape: "T,2,64", and back; "" is that of one number without dimensions.
std::string to_string(const std::vector<Dim>& dims);
std::vector<Dim> parse_dims(std::string_view text);

// "2*B*S+1", "floor((H+1)/2)", "128". Throws Error(bad_format) saying what is wrong with it.
Dim parse_dim(std::string_view text);

}  // namespace hone
