#include "hone/report/html.hpp"
#include "hone/core/json.hpp"

#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/report/resources.hpp"
#include "hone/report/tables.hpp"
#include "report/browser.hpp"
#include "report/synthetic_record.hpp"
#include "report/temporary_directory.hpp"

namespace hone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace hone_test;

class HtmlReport : public testing::Test {
protected:
  std::filesystem::path write_run(const std::string& name, const hone_test::SyntheticRun& run) {
    const auto path = directory_.path() / name / "record.jsonl";
    std::filesystem::create_directories(path.parent_path());
    hone_test::write_synthetic_run(path, run);
    return path.parent_path();
  }
  std::vector<RunSummary> two_runs(const std::string& model = "bert-tiny") {
    return read_runs(
        std::vector{write_run("first", {.model = model, .steps = 300, .accuracy = 0.862}),
                    write_run("second", {.command = model,
                                         .model = model,
                                         .steps = 300,
                                         .accuracy = 0.866,
                                         .learning_rate = 1e-3,
                                         .seed = 2})});
  }
  hone_test::TemporaryDirectory directory_;
};

std::vector<std::string> row_of(const Json& data, const std::string& table,
                                const std::string& name) {
  for (const auto& candidate : data.at("tables"))
    for (const auto& row : candidate.at("rows"))
      if (candidate.at("id") == table && row.at("cells").at(0) == name)
        return row.at("cells").get<std::vector<std::string>>();
  return {};
}

TEST_F(HtmlReport, DataHoldsTheNumbersOfTheRecords) {
  const auto data = report_data(two_runs());
  EXPECT_EQ(data.at("runs").size(), 2u);
  EXPECT_EQ(data.at("runs")[0].at("curves").at("loss").at("x").size(), 300u);
  EXPECT_EQ(data.at("runs")[0].at("curves").at("window"), 7);
  EXPECT_EQ(data.at("runs")[1].at("card").at("standing"), "tied");
  EXPECT_EQ(data.at("runs")[1].at("card").at("accuracy"), "86.60 %");
  EXPECT_THAT(row_of(data, "overview", "Standing"),
              ElementsAre("Standing", "tied with second", "tied with first"));
  EXPECT_THAT(row_of(data, "configuration", "lr"), ElementsAre("lr", "0.0005", "0.001"));
  EXPECT_EQ(data.at("finding"),
            "86.60 % test accuracy (86.17–87.02): no difference detected between the 2 runs "
            "(n = 25,000)");
  EXPECT_NEAR(data.at("runs")[0].at("evaluations")[0].at("loss").get<double>(), 0.33, 0.1);
}

TEST_F(HtmlReport, DifferencesOfTheConfigurationAreMarked) {
  for (const ReportTable& table : report_tables(two_runs())) {
    if (table.id != "configuration") continue;
    for (const auto& row : table.rows)
      EXPECT_EQ(row[1].differs, row[0].text == "lr" || row[0].text == "seed") << row[0].text;
  }
}

TEST_F(HtmlReport, OneRunHasAValueAnOption) {
  const auto runs = read_runs(std::vector{write_run("a", {.steps = 9})});
  for (const ReportTable& table : report_tables(runs)) {
    if (table.id != "configuration") continue;
    ASSERT_EQ(table.columns.size(), 2u);
    EXPECT_EQ(table.columns[0].title, "Option");
    EXPECT_EQ(table.columns[1].title, "Value");
  }
}

TEST_F(HtmlReport, RunsOfOneNetworkShareItsTable) {
  const auto count = [](const std::vector<ReportTable>& tables, const char* id) {
    return std::count_if(tables.begin(), tables.end(),
                         [&](const auto& table) { return table.id == id; });
  };
  EXPECT_EQ(count(report_tables(two_runs()), "layers"), 1);
  EXPECT_EQ(count(report_tables(two_runs()), "kernels"), 2);
  const auto different = read_runs(std::vector{write_run("a", {.steps = 9, .layers = 3}),
                                               write_run("b", {.steps = 9, .layers = 4})});
  EXPECT_EQ(count(report_tables(different), "layers"), 2);
}

TEST_F(HtmlReport, LongRunsAreThinned) {
  const auto runs = read_runs(std::vector{write_run("long", {.steps = 12000})});
  const auto curves = report_data(runs).at("runs")[0].at("curves");
  EXPECT_EQ(curves.at("steps"), 12000);
  for (const char* name : {"loss", "loss_smooth", "lr", "grad_norm"}) {
    EXPECT_LE(curves.at(name).at("x").size(), most_points_drawn) << name;
    EXPECT_GT(curves.at(name).at("x").size(), most_points_drawn / 3) << name;
  }
  EXPECT_EQ(points_of_curve(1), most_points_drawn);
  EXPECT_LT(points_of_curve(8), most_points_drawn);
  EXPECT_GE(points_of_curve(1000), 200u);
}

TEST_F(HtmlReport, ARecordOfAlmostNothingStillGivesAReport) {
  const std::vector<Json> lines{{{"event", "weather"}}};
  std::vector<RunSummary> runs{summarize(lines, "x")};
  runs[0].name = "x";
  const auto data = report_data(runs);
  EXPECT_TRUE(data.at("runs")[0].at("curves").at("loss").is_null());
  EXPECT_THAT(render_terminal(runs), HasSubstr("unfinished"));
}

TEST_F(HtmlReport, TerminalShowsTheSameNumbers) {
  const auto runs = two_runs();
  const std::string text = render_terminal(runs, {.width = 0, .most_rows = 0});
  const auto data = report_data(runs);
  for (const auto& table : data.at("tables"))
    for (const auto& row : table.at("rows"))
      for (const auto& cell : row.at("cells"))
        EXPECT_THAT(text, HasSubstr(cell.get<std::string>()));
  const std::string ascii =
      render_terminal(runs, {.style = TextStyle::ascii, .width = 80, .most_rows = 5});
  for (const char c : ascii) ASSERT_TRUE(static_cast<unsigned char>(c) < 0x80);
  EXPECT_THAT(ascii, HasSubstr("and 25 more"));
}

TEST(JsonForScript, CannotEndTheScript) {
  const std::string text = json_for_script({{"name", hostile}});
  EXPECT_THAT(text, Not(HasSubstr("<")));
  EXPECT_EQ(parse_json(text).at("name"), hostile);
  EXPECT_THAT(json_for_script("\xff"), HasSubstr("\uFFFD"));
}

// What the browser is given: base64 of gzip.
std::string unpack_plotly(const std::string& page) {
  const std::string mark = "id=\"plotly\">";
  const std::size_t begin = page.find(mark) + mark.size();
  const std::string packed = page.substr(begin, page.find('<', begin) - begin);
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : packed) {
    const std::size_t value = letters.find(c);
    if (value == std::string::npos) continue;
    bits = (bits << 6) | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xff);
  }
  z_stream stream{};
  inflateInit2(&stream, 16 + MAX_WBITS);
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text(16 << 20, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

TEST_F(HtmlReport, ManyLongRunsStayBelowTwoMegabytes) {
  REQUIRE_PLOTLY();
  const auto path = directory_.path() / "report.html";
  std::vector<std::filesystem::path> folders;
  for (int i = 0; i < 8; ++i)
    folders.push_back(
        write_run("run-" + std::to_string(i),
                  {.steps = 6000, .layers = 80, .seed = static_cast<unsigned>(i + 1)}));
  write_html_report(path, read_runs(folders));
  EXPECT_LT(std::filesystem::file_size(path), 2'000'000u);
}

TEST_F(HtmlReport, PageHoldsEverythingAndFetchesNothing) {
  REQUIRE_PLOTLY();
  const auto path = directory_.path() / "report.html";
  auto runs = two_runs(hostile);
  runs[0].name = hostile;
  write_html_report(path, runs);
  std::string page = read_file(path);
  EXPECT_EQ(unpack_plotly(page).rfind("/**\n* plotly.js v", 0), 0u);
  EXPECT_LT(page.size(), 2'000'000u);
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, Not(HasSubstr("document.title='taken'</script>")));
  EXPECT_THAT(page, Not(HasSubstr("<script src")));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
  // The headline is the finding.
  EXPECT_THAT(page, HasSubstr("no difference detected between the 2 runs (n = 25,000)</title>"));
  // Three script elements end: data, plotly, page; nothing in them ends one early.
  std::size_t ends = 0;
  for (std::size_t at = 0; (at = page.find("</script", at)) != std::string::npos; ++at) ++ends;
  EXPECT_EQ(ends, 3u);
}

TEST_F(HtmlReport, NoRunsIsAnError) {
  EXPECT_THROW(write_html_report(directory_.path() / "report.html", {}), Error);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "report.html"));
}

TEST_F(HtmlReport, WithoutPlotlyTheErrorSaysWhatToInstall) {
  if (!embedded::plotly().empty()) GTEST_SKIP() << "built with plotly.js";
  try {
    write_html_report(directory_.path() / "report.html", two_runs());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_THAT(error.hint(), HasSubstr("python3-plotly"));
  }
}

TEST_F(HtmlReport, DrawsItsPlotsInABrowser) {
  REQUIRE_PLOTLY();
  if (find_chromium().empty()) GTEST_SKIP() << "needs a program named chromium or google-chrome";
  const auto path = directory_.path() / "report.html";
  auto runs = two_runs(hostile);
  runs[0].name = std::string("%{x} ") + hostile;
  runs[0].model.layers[1].name = hostile;
  runs[0].kernels[0].kernel = hostile;
  write_html_report(path, runs);
  const Browsed page = browse(path, directory_.path());
  const std::size_t body = page.dom.find("<body");
  const std::size_t script = page.dom.find("<script type=\"application/json\"");
  ASSERT_NE(script, std::string::npos);
  const std::string main = page.dom.substr(body, script - body);
  for (const char* plot :
       {"plot-loss", "plot-accuracy", "plot-lr", "plot-grad-norm", "plot-layers", "plot-kernels"})
    EXPECT_THAT(main, HasSubstr(fmt::format("<div class=\"plot js-plotly-plot\" id=\"{}\"", plot)));
  std::size_t bars = 0;
  for (std::size_t at = 0; (at = main.find("<g class=\"point\">", at)) != std::string::npos; ++at)
    ++bars;
  EXPECT_GE(bars, 25u * 2u);
  EXPECT_THAT(main, HasSubstr("86.60"));
  EXPECT_THAT(main, Not(HasSubstr("<img")));
  EXPECT_THAT(page.dom, Not(HasSubstr("<title>taken")));
  EXPECT_THAT(page.log, Not(HasSubstr("CONSOLE")));
}

Json confusion_line() {
  return {{"event", "eval"},
          {"step", 300},
          {"epoch", 3},
          {"split", "test"},
          {"samples", 100},
          {"accuracy", 0.9},
          {"low", 0.82},
          {"high", 0.95},
          {"loss", 0.3},
          {"confusion", {{45, 5}, {5, 45}}},
          {"labels", {"negative", "positive"}}};
}

// In a frame of 390 pixels, as on a phone: the page does not scroll sideways, panels stand below
// each other.
TEST_F(HtmlReport, IsReadableOnAPhone) {
  REQUIRE_PLOTLY();
  if (find_chromium().empty()) GTEST_SKIP() << "needs a program named chromium or google-chrome";
  const auto path = directory_.path() / "report.html";
  auto runs = two_runs();
  runs[0].evals.push_back(summarize(std::vector{confusion_line()}, "x").evals[0]);
  runs[0].machine["cpu_flags"] = std::string(600, 'x');
  write_html_report(path, runs);
  std::string quoted;
  for (const char c : read_file(path))
    quoted += c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  write_file_atomically(
      directory_.path() / "phone.html",
      "<body><iframe id=f width=390 height=3000 style=\"border:0\" srcdoc=\"" + quoted +
          "\"></iframe><p id=o></p><script>const f = document.getElementById('f');"
          "f.onload = () => { const d = f.contentDocument; const lefts = [...d.querySelectorAll("
          "'.panel, .card')].map(n => Math.round(n.getBoundingClientRect().left));"
          "const plots = [...d.querySelectorAll('.main-svg')].map(n => "
          "n.getBoundingClientRect().right);"
          "document.getElementById('o').textContent = `width ${d.documentElement.scrollWidth} "
          "columns ${new Set(lefts).size} right ${Math.round(Math.max(...plots))} end`; };"
          "</script></body>");
  const std::string dom =
      run_chromium(fmt::format("--virtual-time-budget=10000 --dump-dom 'file://{}'",
                               (directory_.path() / "phone.html").string()),
                   directory_.path());
  const std::size_t at = dom.find("<p id=\"o\">");
  int width = 0, columns = 0, right = 0;
  ASSERT_EQ(std::sscanf(dom.c_str() + at, "<p id=\"o\">width %d columns %d right %d end", &width,
                        &columns, &right),
            3)
      << dom.substr(at, 200);
  EXPECT_LE(width, 390);
  EXPECT_EQ(columns, 1);
  EXPECT_LE(right, 390);
}

// As paper has it: no time is waited, every chart and the last column of every table is there.
TEST_F(HtmlReport, PrintsWithoutLoss) {
  REQUIRE_PLOTLY();
  if (find_chromium().empty()) GTEST_SKIP() << "needs a program named chromium or google-chrome";
  if (std::system("pdftotext -v >/dev/null 2>&1") != 0) GTEST_SKIP() << "needs pdftotext (poppler)";
  const auto path = directory_.path() / "report.html";
  auto runs = two_runs();
  runs[0].evals.push_back(summarize(std::vector{confusion_line()}, "x").evals[0]);
  write_html_report(path, runs);
  const std::string pdf = (directory_.path() / "report.pdf").string();
  run_chromium(
      fmt::format("--no-pdf-header-footer --print-to-pdf='{}' 'file://{}'", pdf, path.string()),
      directory_.path());
  const std::string text_file = (directory_.path() / "report.txt").string();
  ASSERT_EQ(std::system(fmt::format("pdftotext -layout '{}' '{}'", pdf, text_file).c_str()), 0);
  const std::string text = read_file(text_file);
  for (const char* part : {"gradient norm", "learning rate", "seconds in all calls", "MACs a token",
                           "Share of MACs", "Samples/s", "GFLOP/s", "Recall"})
    EXPECT_THAT(text, HasSubstr(part));
  // The last cell of the last column.
  EXPECT_THAT(text, HasSubstr("100.0 %"));
  EXPECT_THAT(text, HasSubstr("contained in this file"));
}

TEST_F(HtmlReport, AnAlmostEmptyRunDrawsWithoutErrors) {
  REQUIRE_PLOTLY();
  if (find_chromium().empty()) GTEST_SKIP() << "needs a program named chromium or google-chrome";
  const auto path = directory_.path() / "report.html";
  const std::vector<Json> lines{{{"event", "step"}, {"step", 1}, {"loss", 0.5}},
                                {{"event", "model"}, {"layers", {{{"name", "a"}}}}}};
  std::vector<RunSummary> runs{summarize(lines, "x")};
  runs[0].name = "x";
  write_html_report(path, runs);
  const Browsed page = browse(path, directory_.path());
  EXPECT_THAT(page.dom, HasSubstr("<div class=\"plot js-plotly-plot\" id=\"plot-loss\""));
  EXPECT_THAT(page.dom, HasSubstr("No accuracy recorded."));
  EXPECT_THAT(page.log, Not(HasSubstr("CONSOLE")));
}

}  // namespace
}  // namespace hone
