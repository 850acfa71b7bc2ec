// The face of lib/core: words that every part of Causeway may use.
#pragma once

#include "core/build_info.hpp"
#include "core/error.hpp"
