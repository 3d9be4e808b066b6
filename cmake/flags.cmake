# Compiler flags that hold everywhere. -ffp-contract=off: a product and a sum are fused only where the
# source says so, or the same source would give other bits under another compiler.
add_library(cairn_flags INTERFACE)
target_compile_options(cairn_flags INTERFACE
  -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-missing-field-initializers -Wno-dangling-else
  -ffp-contract=off -fno-math-errno -fno-trapping-math)
target_include_directories(cairn_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # These guess across inlined functions, and GCC 12 guesses wrong in its own headers (std::string's
  # operator+, the AVX-512 intrinsics).
  target_compile_options(cairn_flags INTERFACE
    -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's own std::stable_sort uses what it deprecates.
  target_compile_options(cairn_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  # Highway's NEON functions are compiled for this, and GCC inlines them only into code that is too.
  target_compile_options(cairn_flags INTERFACE -march=armv8-a+crypto)
endif()
if(CAIRN_WERROR)
  target_compile_options(cairn_flags INTERFACE -Werror)
endif()

if(CAIRN_SANITIZE)
  target_compile_options(cairn_flags INTERFACE
    -fsanitize=${CAIRN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()
if(CAIRN_FUZZ)
  target_compile_options(cairn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Faster builds where these are there; nothing depends on them.
find_program(CAIRN_MOLD mold)
if(CAIRN_MOLD AND NOT CMAKE_CROSSCOMPILING)
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=mold CAIRN_LINKS_WITH_MOLD)
  if(CAIRN_LINKS_WITH_MOLD)
    target_link_options(cairn_flags INTERFACE -fuse-ld=mold)
  endif()
endif()
find_program(CAIRN_CCACHE ccache)
if(CAIRN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CAIRN_CCACHE})
endif()
