# `make install`: the program, the static library, its headers, and a package for find_package(hone).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS hone EXPORT hone-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET hone_program)
  install(TARGETS hone_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/src/hone" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp")
# To copy from: the program has them in itself.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/recipes" DESTINATION ${CMAKE_INSTALL_DATADIR}/hone FILES_MATCHING PATTERN "*.toml")
install(EXPORT hone-targets NAMESPACE hone:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/hone-config.cmake.in"
  "${PROJECT_BINARY_DIR}/hone-config.cmake"
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/hone-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/hone-config.cmake" "${PROJECT_BINARY_DIR}/hone-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
