# hone_table(<folder> <prefix> <type> <header> <accessor>)
#
# A table is a folder with one contract struct and one file a member. The file name is the
# registration: ops/nn/gelu.cpp must define `hone::Op op_gelu()`. This function globs the folder and
# generates the function `const std::vector<type>& accessor()` that lists every member, in the order
# of their names. An added file is listed at the next build, a deleted one leaves, a misnamed one
# fails at link. Subfolders are looked into (a family may have one); what lies in detail/ helps and
# is no member, and so is main.cpp.
function(hone_table folder prefix type header accessor)
  file(GLOB_RECURSE members CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/hone/${folder}/*.cpp")
  list(FILTER members EXCLUDE REGEX "/main\\.cpp$|/detail/")
  list(TRANSFORM members REPLACE "^.*/([^/]+)\\.cpp$" "\\1")
  list(SORT members)
  set(declarations "")
  set(entries "")
  foreach(name IN LISTS members)
    string(APPEND declarations "${type} ${prefix}_${name}();\n")
    string(APPEND entries "      ${prefix}_${name}(),\n")
  endforeach()
  string(REPLACE "/" "_" flat "${folder}")
  set(output "${PROJECT_BINARY_DIR}/generated/${flat}_table.cpp")
  file(CONFIGURE OUTPUT "${output}" CONTENT
"// Generated from the files of src/hone/${folder}/.
#include \"${header}\"

namespace hone {

${declarations}
const std::vector<${type}>& ${accessor}() {
  static const std::vector<${type}> table{
${entries}  };
  return table;
}

}  // namespace hone
" @ONLY)
  target_sources(hone PRIVATE "${output}")
endfunction()
