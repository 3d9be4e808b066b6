# What each room links from outside; docs/hacking.md says why each was chosen.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
find_package(Boost 1.75 CONFIG REQUIRED COMPONENTS json)  # CONFIG: Boost's own file, whatever the CMake
find_package(fmt REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy>=1.0.3)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)

target_link_libraries(cairn_base PUBLIC Threads::Threads fmt::fmt PRIVATE OpenSSL::Crypto)
target_link_libraries(cairn_kernels PRIVATE PkgConfig::HWY)
# Asio and Beast are headers; their bodies are compiled once (src/store/asio.cc, src/server/http/beast.cc). Whoever sees
# these headers must see the same definitions.
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing>=2.3)
target_link_libraries(cairn_store PUBLIC Boost::headers
  PRIVATE PkgConfig::XXHASH PkgConfig::URING OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(cairn_store PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
if(CAIRN_SANITIZE MATCHES "thread")  # it does not know what a fence is; Asio's locks say enough
  target_compile_definitions(cairn_store PUBLIC BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
target_link_libraries(cairn_kv PRIVATE Boost::headers Boost::json)
target_link_libraries(cairn_text PUBLIC Boost::headers Boost::json PRIVATE PkgConfig::PCRE2 PkgConfig::ICU)
target_link_libraries(cairn_files PUBLIC Boost::headers Boost::json)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(spdlog CONFIG REQUIRED)
target_compile_definitions(cairn_server PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(cairn_server PUBLIC Boost::headers Boost::json
  PRIVATE OpenSSL::SSL OpenSSL::Crypto prometheus-cpp::core spdlog::spdlog)
