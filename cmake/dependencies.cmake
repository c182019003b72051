# Debian packages; docs/dependencies.md gives the reason for each.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(LibArchive REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(libpq REQUIRED libpq)
find_package(SQLite3 REQUIRED)
find_library(ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
find_package(Protobuf REQUIRED)
find_library(XSMM_LIBRARY xsmm)
find_library(XSMM_NOBLAS_LIBRARY xsmmnoblas)

# Links what the library needs. libxsmm exists for x86-64 only; without it the portable kernels run.
function(hone_link_dependencies target)
  target_link_libraries(${target} PUBLIC fmt::fmt)
  # Nothing here walks JSON with <ranges>, which takes long to parse.
  target_compile_definitions(${target} PRIVATE JSON_HAS_RANGES=0)
  target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json Threads::Threads CLI11::CLI11 CURL::libcurl
    OpenSSL::Crypto LibArchive::LibArchive ZLIB::ZLIB PkgConfig::tomlplusplus PkgConfig::utf8proc
    PkgConfig::hwy SQLite::SQLite3 "${ONNX_PROTO_LIBRARY}" protobuf::libprotobuf)
  if(XSMM_LIBRARY AND XSMM_NOBLAS_LIBRARY)
    target_link_libraries(${target} PRIVATE "${XSMM_LIBRARY}" "${XSMM_NOBLAS_LIBRARY}" dl)
    target_compile_definitions(${target} PRIVATE HONE_HAVE_LIBXSMM=1)
  endif()
endfunction()
