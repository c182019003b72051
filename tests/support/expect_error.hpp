// EXPECT_ERROR(statement, code, "part of the message"[, "part of the hint"]).
#pragma once

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"

namespace hone_test {

template <typename Body>
void expect_error(const Body& body, hone::ErrorCode code, const std::string& message,
                  const std::string& hint = "") {
  try {
    body();
    ADD_FAILURE() << "no error; expected one with '" << message << "'";
  } catch (const hone::Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.message();
    EXPECT_THAT(error.message(), testing::HasSubstr(message));
    EXPECT_THAT(error.hint(), testing::HasSubstr(hint));
  }
}

}  // namespace hone_test

#define EXPECT_ERROR(statement, ...) \
  hone_test::expect_error([&] { (void)(statement); }, __VA_ARGS__)
