// Files that the build puts into the library (cmake/embed.cmake).
#pragma once

#include <string>
#include <string_view>

namespace hone::embedded {

std::string_view report_page();
std::string_view report_style();
std::string_view report_script();
std::string_view report_runs_script();
std::string_view report_studies_script();
// gzip in base64; empty when plotly.js or esbuild was not found at build time.
std::string_view plotly();

}  // namespace hone::embedded
