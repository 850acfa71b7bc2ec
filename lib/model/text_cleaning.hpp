// Cleaning of prompts before the tokenizer, the way the published pipeline does it.
#pragma once

#include <string>
#include <string_view>

namespace causeway {

/// The prompt as the text encoder was meant to see it: Wan2.1's "whitespace" cleaning, that is ftfy
/// 6's `fix_text` with default options (HTML references, C1 controls, ligatures, character widths,
/// quotes, line breaks, terminal escapes, control characters, NFC), `html.unescape` twice, every
/// run of white space one space, none at the ends. Letters keep their case, punctuation stays.
///
/// One step of ftfy is left out: the repair of text that was decoded in a wrong encoding ("cafÃ©").
/// It is a heuristic that never acts on prompts that were read as the UTF-8 they were written in.
///
/// `utf8` must be valid UTF-8 (checked where prompts are read); throws Error(internal) if it is
/// not.
std::string clean_prompt(std::string_view utf8);

}  // namespace causeway
