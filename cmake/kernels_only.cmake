# What base and kernels need when nothing but a compiler is there for the target: fmt and Highway by
# their headers alone, which are the same for every processor. They are linked into a folder of their
# own, because the rest of /usr/include belongs to this machine's processor.
find_package(Threads REQUIRED)
find_path(CAIRN_FMT_HEADERS fmt/format.h PATHS /usr/include /usr/local/include NO_CMAKE_FIND_ROOT_PATH REQUIRED)
find_path(CAIRN_HWY_HEADERS hwy/highway.h PATHS /usr/include /usr/local/include NO_CMAKE_FIND_ROOT_PATH REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/headers)
file(CREATE_LINK ${CAIRN_FMT_HEADERS}/fmt ${CMAKE_BINARY_DIR}/headers/fmt SYMBOLIC)
file(CREATE_LINK ${CAIRN_HWY_HEADERS}/hwy ${CMAKE_BINARY_DIR}/headers/hwy SYMBOLIC)

target_include_directories(cairn_base SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/headers)
target_compile_definitions(cairn_base PUBLIC FMT_HEADER_ONLY)
target_link_libraries(cairn_base PUBLIC Threads::Threads)
