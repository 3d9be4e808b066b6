# The test runner's setting: ctest, GoogleTest, and the test that reads the source (tools/tidy).
if(NOT CAIRN_TESTS)
  return()
endif()
enable_testing()
include(GoogleTest)

if(CAIRN_GTEST_SOURCE)
  set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
  set(BUILD_GMOCK OFF CACHE BOOL "" FORCE)
  add_subdirectory(${CAIRN_GTEST_SOURCE} ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
else()
  find_package(GTest REQUIRED)
endif()

set(CAIRN_TEST_TIMEOUT_S 300)
if(CMAKE_CROSSCOMPILING OR CAIRN_SANITIZE)
  set(CAIRN_TEST_TIMEOUT_S 1500)  # under an emulator, or with every access to memory checked
endif()
if(NOT CMAKE_CROSSCOMPILING)
  find_package(Python3 3.9 COMPONENTS Interpreter REQUIRED)
  add_test(NAME tidy COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/tidy)
  add_test(NAME tidy_self_test COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/tidy_test.py)
endif()
