// Keeps the headers of tests/support compiling on their own.
#include "support/compare.hpp"
