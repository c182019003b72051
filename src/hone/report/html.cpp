#include "hone/report/html.hpp"

#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/report/resources.hpp"
#include "hone/report/study_page.hpp"

namespace hone {
namespace {

// gzip in base64, as the page unpacks it.
std::string_view plotly_source() {
  if (embedded::plotly().empty())
    throw Error(
        ErrorCode::unsupported, "this hone was built without plotly.js, which an HTML report needs",
        "install the Debian packages python3-plotly and esbuild and build again, from an empty "
        "build folder; the report in the terminal works without them");
  return embedded::plotly();
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string json_for_script(const Json& value) {
  const std::string text = value.dump();
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    // These stand only inside JSON strings, where an escape means the same.
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

void write_html_report(const std::filesystem::path& path, std::span<const RunSummary> runs,
                       std::span<const StudySummary> studies) {
  if (runs.empty() && studies.empty())
    throw Error(ErrorCode::invalid_argument, "a report needs at least one run or study",
                "name the directory of a run, its record.jsonl, or a study");
  const std::string_view plotly = plotly_source();
  Json page{{"runs", Json::array()}, {"tables", Json::array()}, {"title", ""}, {"finding", ""}};
  if (!runs.empty()) page = report_data(runs);
  if (!studies.empty()) {
    page["studies"] = study_page_data(studies);
    for (const char* key : {"title", "finding"}) {
      const std::string before = page.at(key).text();
      page[key] = before + (before.empty() ? "" : " · ") + page.at("studies").at(key).text();
    }
  }
  const std::string data = json_for_script(page);
  const std::string title = html_text(page.at("title").text() + ": " + page.at("finding").text());
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"{{title}}", title},
      {"{{style}}", embedded::report_style()},
      {"{{data}}", data},
      {"{{plotly}}", plotly},
      {"{{script}}", embedded::report_script()},
      // (A page holds what it needs.)
      {"{{runs}}", runs.empty() ? "" : embedded::report_runs_script()},
      {"{{studies}}", studies.empty() ? "" : embedded::report_studies_script()}};
  write_file_atomically(path, [&](const ByteSink& sink) {
    const auto write = [&](std::string_view text) {
      sink(std::as_bytes(std::span(text.data(), text.size())));
    };
    // The template is read once from front to back: what a part holds is never taken for a mark.
    std::string_view rest = embedded::report_page();
    while (true) {
      const auto* next = std::min_element(
          std::begin(parts), std::end(parts),
          [&](const auto& a, const auto& b) { return rest.find(a.first) < rest.find(b.first); });
      const std::size_t at = rest.find(next->first);
      if (at == std::string_view::npos) break;
      write(rest.substr(0, at));
      write(next->second);
      rest.remove_prefix(at + next->first.size());
    }
    write(rest);
  });
}

}  // namespace hone
