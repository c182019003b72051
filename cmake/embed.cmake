# hone_embed(<target> <name> <file> [PACKED])
#
# Puts a file into the target as `std::string_view hone::embedded::<name>()`. With PACKED it is JavaScript: minified,
# then gzip, then base64. With an empty <file> the function returns an empty view.
function(hone_embed target name file)
  cmake_parse_arguments(PARSE_ARGV 3 embed "PACKED" "" "")
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
  if(embed_PACKED)
    set(packed "${PROJECT_BINARY_DIR}/generated/${name}.b64")
    set(minified "${PROJECT_BINARY_DIR}/generated/${name}.js")
    add_custom_command(OUTPUT "${packed}"
      COMMAND "${HONE_ESBUILD}" --minify --target=es2018 --log-level=error "--outfile=${minified}" "${file}"
      # The comment it begins with says whose it is: it stays.
      COMMAND sh -c "{ sed '/\\*\\//q' '${file}'; cat '${minified}'; } | gzip -9 -n | base64 -w 0 > '${packed}'"
      DEPENDS "${file}" COMMENT "Packing ${file}" VERBATIM)
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
  # (Files that are compiled together lose what one of them depends on.)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${file}"
    SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(${target} PRIVATE "${source}")
endfunction()

# Debian's python3-plotly ships plotly.js (MIT); esbuild halves it. Without both the build works, and a report in HTML
# says what is missing.
find_file(HONE_PLOTLY_JS NAMES plotly.js plotly.min.js
  PATHS /usr/share/python3-plotly /usr/share/javascript/plotly.js
  NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH DOC "plotly.js, put into HTML reports")
find_program(HONE_ESBUILD esbuild DOC "makes plotly.js smaller")
if(NOT HONE_PLOTLY_JS OR NOT HONE_ESBUILD)
  message(STATUS "plotly.js or esbuild not found (Debian: python3-plotly, esbuild): HTML reports are left out")
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
hone_embed(hone report_runs_script "${template}/runs.js")
hone_embed(hone report_studies_script "${template}/studies.js")
hone_embed(hone plotly "${plotly}" PACKED)

# The recipes that hone brings, found by their names.
file(GLOB recipes CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/recipes/*.toml")
list(SORT recipes)
set(declarations "")
set(entries "")
foreach(recipe IN LISTS recipes)
  get_filename_component(name "${recipe}" NAME_WE)
  string(MAKE_C_IDENTIFIER "recipe_${name}" function)
  hone_embed(hone ${function} "${recipe}")
  string(APPEND declarations "std::string_view ${function}();\n")
  string(APPEND entries "      {\"${name}\", embedded::${function}()},\n")
endforeach()
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/shipped_recipes.cpp" CONTENT
"// Generated from the files of recipes/.
#include \"hone/recipes/recipe.hpp\"

namespace hone {
namespace embedded {
${declarations}}  // namespace embedded

const std::vector<ShippedRecipe>& shipped_recipes() {
  static const std::vector<ShippedRecipe> recipes{
${entries}  };
  return recipes;
}

}  // namespace hone
" @ONLY)
target_sources(hone_fast PRIVATE "${PROJECT_BINARY_DIR}/generated/shipped_recipes.cpp")
