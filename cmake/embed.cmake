# hone_embed(<target> <name> <file> [COMPRESSED])
#
# Puts a file into the target as `std::string_view hone::embedded::<name>()`. With COMPRESSED the bytes
# are those of gzip, after the spaces that begin lines were taken away (JavaScript does not need them).
# With an empty <file> the function returns an empty view.
function(hone_embed target name file)
  cmake_parse_arguments(PARSE_ARGV 3 embed "COMPRESSED" "" "")
  set(source "${PROJECT_BINARY_DIR}/generated/embedded_${name}.cpp")
  if(NOT file)
    file(CONFIGURE OUTPUT "${source}" CONTENT
"#include <string_view>
namespace hone::embedded {
std::string_view ${name}();
std::string_view ${name}() { return {}; }
}  // namespace hone::embedded
" @ONLY)
    target_sources(${target} PRIVATE "${source}")
    return()
  endif()
  if(embed_COMPRESSED)
    set(packed "${PROJECT_BINARY_DIR}/generated/${name}.gz")
    add_custom_command(OUTPUT "${packed}"
      COMMAND sh -c "sed 's/^[[:blank:]]*//' '${file}' | gzip -9 -n > '${packed}'"
      DEPENDS "${file}" COMMENT "Compressing ${file}" VERBATIM)
    set(file "${packed}")
  endif()
  file(CONFIGURE OUTPUT "${source}" CONTENT
"// Generated: the bytes of a file between two symbols.
#include <string_view>

asm(R\"(
  .pushsection .rodata
  .hidden hone_embedded_${name}_begin
  .hidden hone_embedded_${name}_end
  .global hone_embedded_${name}_begin
  .global hone_embedded_${name}_end
hone_embedded_${name}_begin:
  .incbin \"${file}\"
hone_embedded_${name}_end:
  .byte 0
  .popsection
)\");

extern \"C\" const char hone_embedded_${name}_begin[];
extern \"C\" const char hone_embedded_${name}_end[];

namespace hone::embedded {

std::string_view ${name}();
std::string_view ${name}() {
  return {hone_embedded_${name}_begin, hone_embedded_${name}_end};
}

}  // namespace hone::embedded
" @ONLY)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${file}")
  target_sources(${target} PRIVATE "${source}")
endfunction()

# Debian's python3-plotly ships plotly.js (MIT). Without it the build works, and a report in HTML says
# what is missing.
find_file(HONE_PLOTLY_JS NAMES plotly.js plotly.min.js
  PATHS /usr/share/python3-plotly /usr/share/javascript/plotly.js
  NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH DOC "plotly.js, put into HTML reports")
if(NOT HONE_PLOTLY_JS)
  message(STATUS "plotly.js not found (Debian: python3-plotly): HTML reports are left out")
  set(plotly "")
elseif(NOT EXISTS "${HONE_PLOTLY_JS}")
  message(FATAL_ERROR "HONE_PLOTLY_JS: ${HONE_PLOTLY_JS} is not there")
else()
  set(plotly "${HONE_PLOTLY_JS}")
endif()
set(template "${PROJECT_SOURCE_DIR}/src/hone/report/template")
hone_embed(hone report_page "${template}/page.html")
hone_embed(hone report_style "${template}/page.css")
hone_embed(hone report_script "${template}/page.js")
hone_embed(hone plotly "${plotly}" COMPRESSED)
