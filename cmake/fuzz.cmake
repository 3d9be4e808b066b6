# Fuzz targets are found by name: fuzz/fuzz_<name>.cc, corpus in fuzz/corpus/<name>/.
# With CAIRN_FUZZ (clang) each becomes the libFuzzer program fuzz_<name>. In every other build with
# tests it becomes fuzz_<name>_replay, a test that feeds it its whole corpus under any compiler.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.cc)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" name ${target})
  if(CAIRN_FUZZ)
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE cairn_server)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  elseif(CAIRN_TESTS)
    add_executable(${target}_replay ${source} ${PROJECT_SOURCE_DIR}/fuzz/replay_main.cc)
    target_link_libraries(${target}_replay PRIVATE cairn_server)
    add_test(NAME ${target}_replay COMMAND ${target}_replay ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
    set_tests_properties(${target}_replay PROPERTIES LABELS fuzz TIMEOUT ${CAIRN_TEST_TIMEOUT_S})
  endif()
endforeach()
