// The bodies of Asio and Beast, compiled once: everywhere else their headers only declare them.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
