# cairn_room(name deps...): the library of src/<name> (every .cc that is not a test) and its tests
# (every *_test.cc), named cairn_<name> and <name>_test. Files named *_testing.cc are test support,
# which the tests of higher rooms may use too (cairn_<name>_testing);
# main.cc belongs to the program, not to the library. Files are found by name, so that a new file needs
# no line here. Each test carries its room as a label: `ctest -L kernels`.
function(cairn_room name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  if(CAIRN_KERNELS_ONLY)
    list(FILTER sources EXCLUDE REGEX "/sha256(_test)?\\.cc$")  # needs libcrypto
  endif()
  set(tests ${sources})
  set(support ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|_testing|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER support INCLUDE REGEX "_testing\\.cc$")

  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/cmake/empty.cc)
  endif()
  add_library(cairn_${name} STATIC ${sources})
  target_link_libraries(cairn_${name} PUBLIC cairn_flags)
  foreach(dep IN LISTS ARGN)
    target_link_libraries(cairn_${name} PUBLIC cairn_${dep})
  endforeach()

  if(CAIRN_TESTS AND tests)
    if(NOT support)
      set(support ${PROJECT_SOURCE_DIR}/cmake/empty.cc)
    endif()
    add_library(cairn_${name}_testing STATIC ${support})
    target_link_libraries(cairn_${name}_testing PUBLIC cairn_${name} GTest::gtest)
    target_compile_definitions(cairn_${name}_testing PUBLIC CAIRN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    foreach(dep IN LISTS ARGN)
      target_link_libraries(cairn_${name}_testing PUBLIC cairn_${dep}_testing)
    endforeach()
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE cairn_${name}_testing GTest::gtest_main)
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
      PROPERTIES LABELS ${name} TIMEOUT ${CAIRN_TEST_TIMEOUT_S})
  endif()
endfunction()
