// The node tests of ONNX (Debian's libonnx-testdata): every model is read, run by the references of
// its ops and compared, or refused by name. HONE_ONNX_TESTS names another folder of them.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/frontends/onnx/import_onnx.hpp"
#include "hone/frontends/onnx/onnx_file.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/run/executor.hpp"

namespace hone_test {
namespace {

namespace fs = std::filesystem;
using namespace hone;

struct Tally {
  int passed = 0, refused = 0, wrong = 0;
};

// "" where it agrees, within what the standard's own runner allows.
std::string difference(const Tensor& got, const Tensor& expected) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape())
    return fmt::format("{}{} instead of {}{}", name_of(got.dtype()), to_string(got.shape()),
                       name_of(expected.dtype()), to_string(expected.shape()));
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double a = real_at(got, i), b = real_at(expected, i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b) continue;
    const double allowed = got.dtype() == DType::f16 || got.dtype() == DType::bf16 ? 1e-2 : 1e-3;
    if (!(std::abs(a - b) <= 1e-7 + allowed * std::abs(b)))
      return fmt::format("element {} is {} instead of {}", i, a, b);
  }
  return "";
}

// "" : passed; "refused: ..." or "wrong: ...".
std::string try_case(const fs::path& folder) {
  const OnnxFile file = read_onnx(folder / "model.onnx");
  for (int set = 0; fs::exists(folder / fmt::format("test_data_set_{}", set)); ++set) {
    const fs::path data = folder / fmt::format("test_data_set_{}", set);
    std::map<std::string, Tensor> given;
    for (std::size_t i = 0; i < file.graph.inputs.size(); ++i)
      if (const fs::path one = data / fmt::format("input_{}.pb", i); fs::exists(one))
        given[graph_name_of(file.graph.inputs[i].name)] = read_onnx_tensor(one);
    Model model;
    try {
      model = import_onnx_for(folder / "model.onnx", given);
    } catch (const Error& error) {
      return (error.code() == ErrorCode::unsupported ? "refused: " : "wrong: ") + error.message();
    }
    std::erase_if(given, [&](const auto& input) {
      const ValueId id = model.graph.find(input.first);
      return id == none || model.graph.value(id).kind != ValueKind::input;
    });
    std::map<std::string, Tensor> outputs;
    try {
      Executor executor(model.graph, false);
      for (const std::string& name : model.tensors.names())
        executor.bind(name, model.tensors.at(name));
      outputs = executor.run(given);
    } catch (const Error& error) {
      return "wrong: " + error.message();
    }
    for (std::size_t i = 0; i < file.graph.outputs.size(); ++i) {
      const fs::path expected = data / fmt::format("output_{}.pb", i);
      if (!fs::exists(expected)) continue;
      const std::string& name = file.graph.outputs[i].name;
      const std::string differs =
          difference(outputs.at(graph_name_of(name)), read_onnx_tensor(expected));
      if (!differs.empty()) return fmt::format("wrong: output '{}': {}", name, differs);
    }
  }
  return "";
}

TEST(OnnxNodes, PassOrAreRefusedByName) {
  const char* given = std::getenv("HONE_ONNX_TESTS");
  const fs::path root = given != nullptr ? given : "/usr/share/libonnx-testdata/data";
  if (!fs::exists(root / "node")) GTEST_SKIP() << "libonnx-testdata is not installed";
  const bool say = std::getenv("HONE_VERBOSE") != nullptr;
  Tally all;
  for (const char* kind : {"node", "simple", "pytorch-operator", "pytorch-converted"}) {
    if (!fs::exists(root / kind)) continue;
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(root / kind))
      if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    Tally tally;
    for (const fs::path& folder : folders) {
      std::string result;
      try {
        result = try_case(folder);
      } catch (const Error& error) {
        // (Test data of element types that hone does not have.)
        result =
            (error.code() == ErrorCode::unsupported ? "refused: " : "wrong: ") + error.message();
      }
      if (result.empty())
        ++tally.passed;
      else if (result.starts_with("refused"))
        ++tally.refused;
      else
        ++tally.wrong;
      if (result.starts_with("wrong")) ADD_FAILURE() << folder.filename() << ": " << result;
      if (say && result.starts_with("refused"))
        std::printf("%s: %s\n", folder.filename().c_str(), result.c_str());
    }
    std::printf("%-18s %4zu: %4d passed, %4d refused by name, %d wrong\n", kind, folders.size(),
                tally.passed, tally.refused, tally.wrong);
    all.passed += tally.passed;
    all.refused += tally.refused;
    all.wrong += tally.wrong;
  }
  EXPECT_GE(all.passed, 300);
}

}  // namespace
}  // namespace hone_test
