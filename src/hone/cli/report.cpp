#include <filesystem>
#include <fstream>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/study_report.hpp"
#include "hone/report/html.hpp"
#include "hone/report/study_page.hpp"
#include "hone/report/study_tables.hpp"
#include "hone/report/summary.hpp"
#include "hone/report/tables.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

struct Found {
  std::vector<fs::path> runs;
  std::vector<std::string> studies;  // addresses
};

bool is_database(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string first(15, '\0');
  file.read(first.data(), static_cast<std::streamsize>(first.size()));
  return file && first == "SQLite format 3";
}

// A folder with study.db is that study; one without a record of its own stands for what is in it
// (the seeds of a recipe, several studies).
Found find_sources(const std::vector<std::string>& given) {
  Found found;
  for (const std::string& name : given) {
    std::error_code ignored;
    const bool exists = fs::exists(name, ignored);
    // ("C:" is no path here: what has a scheme and is no file is an address.)
    const std::size_t colon = name.find(':');
    if (!exists && colon != std::string::npos && name.find('/') > colon) {
      found.studies.push_back(name);
      continue;
    }
    if (exists && !fs::is_directory(name) && is_database(name)) {
      found.studies.push_back("sqlite:" + name);
      continue;
    }
    const auto take = [&](const fs::path& folder) {
      if (fs::exists(folder / "study.db"))
        found.studies.push_back("sqlite:" + (folder / "study.db").string());
      else if (fs::exists(folder / "record.jsonl"))
        found.runs.push_back(folder);
      else
        return false;
      return true;
    };
    if (take(name)) continue;
    std::vector<fs::path> inside;
    if (fs::is_directory(name))
      for (const auto& entry : fs::directory_iterator(name))
        if (entry.is_directory()) inside.push_back(entry.path());
    std::sort(inside.begin(), inside.end());
    bool any = false;
    for (const fs::path& folder : inside) any |= take(folder);
    if (!any) found.runs.emplace_back(name);
  }
  return found;
}

CommandResult run_report(const CommandInput& input) {
  const Found found = find_sources(input.arguments.at("SOURCE"));
  std::vector<RunSummary> runs;
  if (!found.runs.empty()) runs = read_runs(found.runs);
  std::vector<OpenStudy> open;
  for (const std::string& address : found.studies)
    for (OpenStudy& one : open_studies(address)) open.push_back(std::move(one));
  const std::vector<StudySummary> studies = summarize_studies(open);
  TerminalReportOptions options;
  options.style = console().style();
  options.width = console().output_terminal() ? console().width() : 0;
  if (!runs.empty()) console().print(render_terminal(runs, options));
  if (!runs.empty() && !studies.empty()) console().print("\n");
  if (!studies.empty()) console().print(render_studies(studies, options));
  Json results = Json::object();
  // (Of a large study the JSON is large too.)
  if (input.options.contains("json")) {
    if (!runs.empty()) results["report"] = report_data(runs);
    if (!studies.empty()) results["studies"] = study_page_data(studies);
  }
  if (input.options.contains("output")) {
    write_html_report(input.options.text("output"), runs, studies);
    console().note("wrote " + input.options.text("output"));
    results["output"] = input.options.text("output");
  }
  return {0, results};
}

}  // namespace

Command command_report() {
  Command command{{"report", "tables and curves of one or more runs or studies", {}}};
  command.options = {{.name = "output",
                      .default_value = {},
                      .help = "write a page (HTML, needs nothing else) with curves and tables"}};
  command.letters = {{"output", 'o'}};
  command.arguments = {
      {"SOURCE",
       "folders of runs or searches, folders of several, record.jsonl files, or studies: "
       "sqlite:FILE#NAME, postgresql://HOST/DB#NAME (without #NAME: all of them)",
       true, true}};
  command.placeholders = {{"output", "FILE"}};
  command.examples = {
      "hone report runs/first", "hone report runs/demo runs/first -o report.html",
      "hone report runs/nas -o study.html",
      "hone report sqlite:runs/nas.db sqlite:runs/nas/study.db#nas -o compared.html"};
  command.run = run_report;
  return command;
}

}  // namespace hone
