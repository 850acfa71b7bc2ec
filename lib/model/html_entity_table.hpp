// The tables behind HTML character references: names and what they stand for.
#pragma once

#include <span>
#include <string_view>

namespace causeway {

struct HtmlEntity {
  std::string_view name;     ///< without the '&'; with ';' unless the name may stand without it
  std::u32string_view text;  ///< one or two code points
};

/// The names of the HTML standard, sorted by name in byte order.
std::span<const HtmlEntity> html5_entities();

/// Names in capitals ("NTILDE;") that the standard does not know but ftfy decodes, sorted as above.
std::span<const HtmlEntity> capital_entities();

}  // namespace causeway
