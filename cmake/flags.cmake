# Compiler flags that hold everywhere. -ffp-contract=off: a product and a sum are fused only where the
# source says so, or the same source would give other bits under another compiler.
add_library(cairn_flags INTERFACE)
target_compile_options(cairn_flags INTERFACE
  -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-missing-field-initializers
  -ffp-contract=off -fno-math-errno -fno-trapping-math)
target_include_directories(cairn_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)

if(CAIRN_SANITIZE)
  target_compile_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer -g
    -fno-sanitize-recover=all)
  target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()
if(CAIRN_FUZZ)
  target_compile_options(cairn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(CAIRN_MOLD mold)
if(CAIRN_MOLD AND NOT CMAKE_CROSSCOMPILING)
  target_link_options(cairn_flags INTERFACE -fuse-ld=mold)
endif()
find_program(CAIRN_CCACHE ccache)
if(CAIRN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CAIRN_CCACHE})
endif()
