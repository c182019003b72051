// Pass tests as text: every tests/text/*.txt holds cases of the form
//
//   === name of the case
//   pass push_gather
//   pass sparse_embedding {least_rows = 8}
//   changes 1                     (optional: what the last pass reports)
//   --- in
//   graph ... { ... }
//   --- out
//   graph ... { ... }
//
// or, in place of `--- out`, `error` and a part of the message. With HONE_UPDATE_TEXT=1 the files
// are written anew from what the passes do; read the difference before you keep it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/pass.hpp"

namespace hone_test {
namespace {

using namespace hone;

struct TextCase {
  std::string name;
  std::string header;  // the lines before `--- in`
  std::vector<PassRequest> passes;
  std::optional<int> changes;
  std::string in, out;
  std::string error;
};

std::vector<std::filesystem::path> text_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(HONE_SOURCE_DIR) / "tests" / "text"))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// Parts between commas; a part may be quoted: 'a, b'.
std::vector<std::string> split_outside_quotes(const std::string& text) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (char c : text) {
    if (c == '\'') quoted = !quoted;
    if (c == ',' && !quoted)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// Tensors for the parameters and buffers of a graph.
TensorStore zeros_of(const Graph& graph) {
  TensorStore tensors;
  for (const Value& value : graph.values)
    if (value.kind == ValueKind::parameter || value.kind == ValueKind::buffer)
      tensors.set(value.name, Tensor(value.type.dtype, evaluate(value.type, {})));
  return tensors;
}

// "push_gather" or "name {key = value, key = 'a, b'}".
PassRequest read_request(const std::string& text, const std::string& where) {
  const std::size_t brace = text.find('{');
  PassRequest request{std::string(trim(text.substr(0, brace)))};
  if (brace == std::string::npos) return request;
  const Pass& pass = find_pass(request.name);
  for (const std::string& pair :
       split_outside_quotes(text.substr(brace + 1, text.rfind('}') - brace - 1))) {
    const std::size_t equals = pair.find('=');
    const std::string key(trim(pair.substr(0, equals)));
    std::string value(trim(pair.substr(equals + 1)));
    if (value.size() > 1 && value.front() == '\'') value = value.substr(1, value.size() - 2);
    const std::vector<OptionSpec> specs = options_of(pass, request.options);
    request.options.set(key, parse_option(find_option(specs, key, where), value, where));
  }
  return request;
}

std::vector<TextCase> read_cases(const std::filesystem::path& file) {
  std::vector<TextCase> cases;
  std::string* section = nullptr;
  for (const std::string& line : split(read_file(file), '\n')) {
    if (line.rfind("=== ", 0) == 0) {
      cases.push_back({line.substr(4)});
      section = nullptr;
    } else if (cases.empty()) {
      continue;  // the file's opening comment
    } else if (line == "--- in") {
      section = &cases.back().in;
    } else if (line == "--- out") {
      section = &cases.back().out;
    } else if (section != nullptr && line.rfind("error ", 0) != 0) {
      *section += line + "\n";
    } else if (line.rfind("error ", 0) == 0) {
      cases.back().error = line.substr(6);
    } else {
      cases.back().header += line + "\n";
      if (line.rfind("pass ", 0) == 0)
        cases.back().passes.push_back(read_request(line.substr(5), file.filename().string()));
      if (line.rfind("changes ", 0) == 0) cases.back().changes = std::stoi(line.substr(8));
    }
  }
  return cases;
}

void rewrite(const std::filesystem::path& file, const std::vector<TextCase>& cases,
             const std::vector<std::string>& results) {
  std::string text = read_file(file).substr(0, read_file(file).find("=== "));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const TextCase& each = cases[i];
    text += "=== " + each.name + "\n" + each.header + "--- in\n" +
            each.in.substr(0, each.in.find("\n}\n") + 3);
    text += (each.error.empty() ? "--- out\n" + results[i] : "error " + each.error + "\n") + "\n";
  }
  while (text.size() > 1 && text[text.size() - 2] == '\n') text.pop_back();
  std::ofstream(file) << text;
}

class PassText : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(PassText, GraphInGraphOut) {
  const std::vector<TextCase> cases = read_cases(GetParam());
  ASSERT_FALSE(cases.empty()) << GetParam();
  std::vector<std::string> results;
  for (const TextCase& each : cases) {
    SCOPED_TRACE(GetParam().filename().string() + ": " + each.name);
    results.emplace_back();
    ASSERT_FALSE(each.passes.empty());
    Graph graph = parse_graph(each.in, each.name);
    EXPECT_EQ(print_graph(parse_graph(print_graph(graph))), print_graph(graph));
    try {
      TensorStore tensors = zeros_of(graph);
      const auto reports = run_passes(graph, each.passes, {}, &tensors);
      if (each.changes) EXPECT_EQ(reports.back().changes, *each.changes);
      EXPECT_TRUE(each.error.empty()) << "no error";
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(each.error.empty() ? "no error is expected" : each.error),
                std::string::npos)
          << error.message();
      continue;
    }
    results.back() = print_graph(graph);
    if (std::getenv("HONE_UPDATE_TEXT") == nullptr)
      EXPECT_EQ(results.back(), print_graph(parse_graph(each.out, each.name + " (out)")));
  }
  if (std::getenv("HONE_UPDATE_TEXT") != nullptr) rewrite(GetParam(), cases, results);
}

INSTANTIATE_TEST_SUITE_P(Files, PassText, testing::ValuesIn(text_files()),
                         [](const auto& instance) { return instance.param.stem().string(); });

// Each pass has a file of its own name.
TEST(PassTextFiles, EveryPassHasOne) {
  for (const Pass& pass : pass_table())
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(HONE_SOURCE_DIR) / "tests" / "text" /
                                        (pass.name + ".txt")))
        << pass.name;
}

}  // namespace
}  // namespace hone_test
