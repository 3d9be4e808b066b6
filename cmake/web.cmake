# The page of `cairn serve`. Its built form, web/dist, is part of the source and is embedded as it is, so that the build
# needs no npm; the tests say whether it is current.
enable_language(ASM)
set(CAIRN_PAGE_DATA ${PROJECT_SOURCE_DIR}/src/server/page_data.S)
target_sources(cairn_server PRIVATE ${CAIRN_PAGE_DATA})
file(GLOB CAIRN_PAGE_FILES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/dist/*.gz)
set_source_files_properties(${CAIRN_PAGE_DATA} TARGET_DIRECTORY cairn_server PROPERTIES
  OBJECT_DEPENDS "${CAIRN_PAGE_FILES}" INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/web/dist)
# Flags for C++ say nothing to an assembler.
set_source_files_properties(${CAIRN_PAGE_DATA} TARGET_DIRECTORY cairn_server PROPERTIES
  COMPILE_OPTIONS $<$<CXX_COMPILER_ID:Clang>:-Wno-unused-command-line-argument>)

if(CAIRN_TESTS AND NOT CMAKE_CROSSCOMPILING)
  add_test(NAME page_sources COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/web_build --check-sources)
  add_test(NAME web_build_self_test COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/web_build_test.py)
  set_tests_properties(page_sources web_build_self_test PROPERTIES LABELS web)
endif()

# The official clients and a browser drive the program. Skipped where web/node_modules is not there.
find_program(CAIRN_NODE node)
if(CAIRN_TESTS AND CAIRN_NODE AND NOT CMAKE_CROSSCOMPILING)
  add_test(NAME server_clients COMMAND ${CAIRN_NODE} ${PROJECT_SOURCE_DIR}/web/test/run.mjs test/clients)
  # Minutes where a browser has to share two cores with other tests.
  set_tests_properties(server_clients PROPERTIES LABELS web SKIP_RETURN_CODE 77 TIMEOUT 1500
    ENVIRONMENT "CAIRN_PROGRAM=${CMAKE_BINARY_DIR}/cairn")
endif()
