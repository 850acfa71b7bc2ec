// The cleaning of prompts, against ftfy and html.unescape of Python.
#include "model/text_cleaning.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "model/html_entities.hpp"
#include "model/html_entity_table.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;

TEST(TextCleaning, AgreesWithFtfyOnEveryFixture) {
  std::ifstream file(CAUSEWAY_SOURCE_DIR "/tests/model/fixtures/cleaning.json");
  const Json cases = Json::parse(file);
  ASSERT_GE(cases.size(), 500u);
  for (const Json& row : cases) {
    const auto raw = row[0].get<std::string>();
    EXPECT_EQ(clean_prompt(raw), row[1].get<std::string>())
        << "raw: " << row[0].dump(-1, ' ', true);
  }
}

TEST(TextCleaning, TurnsThePublishedExamplesIntoTheirCleanedForm) {
  EXPECT_EQ(clean_prompt("“quoted” it’s"), "\"quoted\" it's");
  EXPECT_EQ(clean_prompt("ﬁne ŉ"), "fine 'n");
  EXPECT_EQ(clean_prompt("色调艳丽，过曝"), "色调艳丽,过曝");
  EXPECT_EQ(clean_prompt("ＡＢＣ　ｶﾀｶﾅ"), "ABC カタカナ");
  EXPECT_EQ(clean_prompt("\x1b[31mred\x1b[0m"), "red");
  EXPECT_EQ(clean_prompt("a\r\nb\rc d"), "a b c d");
}

TEST(TextCleaning, LeavesCaseAndPunctuationOfPlainTextAlone) {
  const std::string text = "A Cat, in \"New York\" (2024): 50% of it's tail -- wow!?";
  EXPECT_EQ(clean_prompt(text), text);
}

TEST(TextCleaning, ChangesNothingTheSecondTime) {
  for (const char* raw : {"“a”　ｶﾞ ﬁ", " x\u2028\u0085y ", "e\u0301\u0323 &amp; z"}) {
    const std::string once = clean_prompt(raw);
    EXPECT_EQ(clean_prompt(once), once);
  }
}

TEST(TextCleaning, RemovesZeroBytes) { EXPECT_EQ(clean_prompt(std::string_view("a\0b", 3)), "ab"); }

TEST(TextCleaning, TreatsBytesThatAreNotUtf8AsABrokenPromise) {
  for (const char* bad :
       {"\xff", "caf\xe9", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    try {
      clean_prompt(bad);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::internal);
    }
  }
}

TEST(TextCleaning, LeavesTextOfAWrongEncodingAsItIs) { EXPECT_EQ(clean_prompt("cafÃ©"), "cafÃ©"); }

TEST(HtmlEntities, TablesAreSortedForTheSearch) {
  EXPECT_EQ(html5_entities().size(), 2231u);  // as the HTML standard lists them
  for (const auto table : {html5_entities(), capital_entities()}) {
    for (std::size_t i = 1; i < table.size(); ++i) EXPECT_LT(table[i - 1].name, table[i].name);
  }
}

TEST(HtmlEntities, DecodesOnceOnly) {
  EXPECT_EQ(html_unescape(U"&amp;amp;"), U"&amp;");
  EXPECT_EQ(html_unescape_unambiguous(U"&amp;amp;"), U"&amp;");
}

TEST(HtmlEntities, ReadsUnfinishedNamesOnlyWhereABrowserWould) {
  EXPECT_EQ(html_unescape(U"&notit; &not &zz;"), U"¬it; ¬ &zz;");
  EXPECT_EQ(html_unescape_unambiguous(U"&notit; &not &zz;"), U"&notit; &not &zz;");
}

}  // namespace
}  // namespace causeway
