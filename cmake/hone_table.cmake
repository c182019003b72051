# hone_table(<folder> <prefix> <type> <header> <accessor>)
#
# A table is a folder with one contract struct and one file a member. The file name is the
# registration: ops/nn/gelu.cpp must define `hone::Op op_gelu()`. This function globs the folder and
# generates the function `const std::vector<type>& accessor()` that lists every member, in the order
# of their names. An added file is listed at the next build, a deleted one leaves, a misnamed one
# fails at link. Subfolders are looked into (a family may have one); what lies in detail/ helps and
# is no member, and so is main.cpp. A file may hold a family of members that differ in a line each:
# ops/math/unary_family.cpp must define `std::vector<hone::Op> op_unary_family()`. Members are compiled together: what
# is in an unnamed namespace stands in one named by the file within it (`gelu_op`, `binary_family`), where others have the
# same names.
function(hone_table folder prefix type header accessor)
  file(GLOB_RECURSE members CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/hone/${folder}/*.cpp")
  list(FILTER members EXCLUDE REGEX "/main\\.cpp$|/detail/")
  list(TRANSFORM members REPLACE "^.*/([^/]+)\\.cpp$" "\\1")
  list(SORT members)
  set(declarations "")
  set(entries "")
  set(families "")
  foreach(name IN LISTS members)
    if(name MATCHES "_family$")
      string(APPEND declarations "std::vector<${type}> ${prefix}_${name}();\n")
      string(APPEND families "      ${prefix}_${name},\n")
    else()
      string(APPEND declarations "${type} ${prefix}_${name}();\n")
      string(APPEND entries "      ${prefix}_${name}(),\n")
    endif()
  endforeach()
  string(REPLACE "/" "_" flat "${folder}")
  set(output "${PROJECT_BINARY_DIR}/generated/${flat}_table.cpp")
  file(CONFIGURE OUTPUT "${output}" CONTENT
"// Generated from the files of src/hone/${folder}/.
#include <algorithm>

#include \"${header}\"

namespace hone {

${declarations}
const std::vector<${type}>& ${accessor}() {
  static const std::vector<${type}> table = [] {
    std::vector<${type}> members{
${entries}    };
    const std::vector<std::vector<${type}> (*)()> families{
${families}    };
    for (const auto& family : families)
      for (${type}& member : family()) members.push_back(std::move(member));
    std::sort(members.begin(), members.end(),
              [](const ${type}& a, const ${type}& b) { return a.name < b.name; });
    return members;
  }();
  return table;
}

}  // namespace hone
" @ONLY)
  target_sources(hone_fast PRIVATE "${output}")
endfunction()

# hone_group_by_folder(<target> <count> [<alone>]): where CMAKE_UNITY_BUILD is on, files of one folder are compiled
# together, <count> at a time; but those that include themselves, once for each vector target, and those whose path
# matches <alone>.
function(hone_group_by_folder target count)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    if(NOT IS_ABSOLUTE "${source}")
      continue()  # objects of another target
    endif()
    get_source_file_property(generated "${source}" GENERATED)
    set(includes_itself "")
    if(EXISTS "${source}" AND NOT generated)
      file(STRINGS "${source}" includes_itself REGEX "core/foreach_target.hpp")
    endif()
    if(includes_itself OR (ARGC GREATER 2 AND source MATCHES "${ARGV2}"))
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
      continue()
    endif()
    get_filename_component(folder "${source}" DIRECTORY)
    file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}/src/hone" "${folder}")
    string(MAKE_C_IDENTIFIER "${name}" name)
    if(NOT DEFINED files_in_${name})
      set(files_in_${name} 0)
    endif()
    math(EXPR group "${files_in_${name}} / ${count}")
    math(EXPR files_in_${name} "${files_in_${name}} + 1")
    set_source_files_properties("${source}" PROPERTIES UNITY_GROUP "${name}_${group}")
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()
