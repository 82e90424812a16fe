//! Everything that a wallet can do, on the command line, against a real server and proxy.
