# cmake --install: the library (headers, one archive of all rooms, the package that find_package(cairn) finds), the
# program and its demo model. docs/embedding.md shows how it is used; cmake/install_test.cmake sees that it works.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# One archive, so that nobody need know the rooms. What they link from outside is found again by cairnConfig.cmake.
set(rooms base kernels store kv text files model engine)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:cairn_\\1>" OUTPUT_VARIABLE objects)
add_library(cairn_library STATIC ${objects})
set_target_properties(cairn_library PROPERTIES OUTPUT_NAME cairn EXPORT_NAME cairn LINKER_LANGUAGE CXX)
add_library(cairn::cairn ALIAS cairn_library)
target_compile_features(cairn_library PUBLIC cxx_std_20)
target_include_directories(cairn_library PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(cairn_library PRIVATE Threads::Threads fmt::fmt OpenSSL::SSL OpenSSL::Crypto Boost::headers
  Boost::json PkgConfig::HWY PkgConfig::PCRE2 PkgConfig::ICU PkgConfig::XXHASH PkgConfig::URING)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)
install(TARGETS cairn_library EXPORT cairn_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT cairn_targets FILE cairnTargets.cmake NAMESPACE cairn:: DESTINATION ${package_folder})
install(DIRECTORY include/cairn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set(demo_folder ${CMAKE_INSTALL_DATADIR}/cairn)  # where the program looks, seen from its own folder
configure_package_config_file(cmake/cairnConfig.cmake.in ${CMAKE_BINARY_DIR}/cairnConfig.cmake
  INSTALL_DESTINATION ${package_folder} PATH_VARS demo_folder)
# Before 1.0 a minor version may change the face.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cairnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cairnConfig.cmake ${CMAKE_BINARY_DIR}/cairnConfigVersion.cmake
  DESTINATION ${package_folder})

file(RELATIVE_PATH pkgconfig_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/cairn.pc.in ${CMAKE_BINARY_DIR}/cairn.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/cairn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS cairn RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES models/cairn-demo.gguf models/README.md models/storybooks_ccby.ATTRIBUTION.tsv
  DESTINATION ${demo_folder})
if(NOT CMAKE_CROSSCOMPILING)
  install(FILES ${CMAKE_BINARY_DIR}/cairn.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES docs/cairn.service docs/grafana.json DESTINATION ${CMAKE_INSTALL_DATADIR}/cairn)  # to be copied and changed
install(FILES LICENSE README.md docs/constrained.md docs/embedding.md docs/kv.md docs/operations.md docs/serving.md
  docs/tiers.md docs/block-format.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(CAIRN_TESTS)
  add_test(NAME install COMMAND ${CMAKE_COMMAND}
    -D build=${CMAKE_BINARY_DIR} -D source=${PROJECT_SOURCE_DIR} -D config=$<CONFIG>
    -D generator=${CMAKE_GENERATOR} -D make_program=${CMAKE_MAKE_PROGRAM} -D compiler=${CMAKE_CXX_COMPILER}
    -D sanitize=${CAIRN_SANITIZE} -D werror=${CAIRN_WERROR} -D lto=${CMAKE_INTERPROCEDURAL_OPTIMIZATION}
    -P ${PROJECT_SOURCE_DIR}/cmake/install_test.cmake)
  set_tests_properties(install PROPERTIES LABELS install TIMEOUT ${CAIRN_TEST_TIMEOUT_S}
    SKIP_REGULAR_EXPRESSION "install test skipped")
endif()
