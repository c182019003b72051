#include <filesystem>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/core/json.hpp"
#include "hone/report/html.hpp"
#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// A folder without a record of its own stands for the runs in it (the seeds of a recipe).
std::vector<fs::path> find_runs(const std::vector<std::string>& given) {
  std::vector<fs::path> runs;
  for (const std::string& name : given) {
    std::vector<fs::path> inside;
    if (fs::is_directory(name) && !fs::exists(fs::path(name) / "record.jsonl"))
      for (const auto& entry : fs::directory_iterator(name))
        if (fs::exists(entry.path() / "record.jsonl")) inside.push_back(entry.path());
    std::sort(inside.begin(), inside.end());
    if (inside.empty()) inside.emplace_back(name);
    runs.insert(runs.end(), inside.begin(), inside.end());
  }
  return runs;
}

CommandResult run(const CommandInput& input) {
  const std::vector<fs::path> paths = find_runs(input.arguments.at("RUN"));
  const std::vector<RunSummary> runs = read_runs(paths);
  TerminalReportOptions options;
  options.style = console().style();
  options.width = console().output_terminal() ? console().width() : 0;
  console().print(render_terminal(runs, options));
  Json results{{"report", report_data(runs)}};
  if (input.options.contains("output")) {
    write_html_report(input.options.text("output"), runs);
    console().note("wrote " + input.options.text("output"));
    results["output"] = input.options.text("output");
  }
  return {0, results};
}

}  // namespace

Command command_report() {
  Command command{{"report", "tables and curves of one or more runs, from their records", {}}};
  command.options = {{.name = "output",
                      .default_value = {},
                      .help = "write a page (HTML, needs nothing else) with curves and tables"}};
  command.letters = {{"output", 'o'}};
  command.arguments = {
      {"RUN", "folders of runs, folders of several runs, or record.jsonl files", true, true}};
  command.placeholders = {{"output", "FILE"}};
  command.examples = {"hone report runs/first", "hone report runs/demo runs/first -o report.html"};
  command.run = run;
  return command;
}

}  // namespace hone
