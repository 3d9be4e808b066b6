// The bodies of Beast, compiled once: everywhere else its headers only declare them (Asio's are in store/asio.cc).
#include <boost/beast/src.hpp>
