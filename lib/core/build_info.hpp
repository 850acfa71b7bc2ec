// What this binary was built from: version, commit, compilers, libraries.
#pragma once

#include <string>

namespace causeway {

/// Semantic version of the source tree, e.g. "0.1.0".
std::string version();

/// Commit the build was configured at, with "-dirty" appended for a changed tree; "unknown" outside
/// git.
std::string build_commit();

/// The text of `causeway --version`: version, commit, compilers, build type, libraries.
std::string build_description();

}  // namespace causeway
