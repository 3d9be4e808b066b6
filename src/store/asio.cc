// The bodies of Asio, compiled once for all rooms: everywhere else its headers only declare them.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
