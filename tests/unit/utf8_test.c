/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xef\xbf\xbd"

/* Text, whether it is UTF-8, and what it is repaired to. */
static const struct {
	const char *text;
	bool valid;
	const char *repaired;
} table[] = {
	{"", true, ""},
	{"plain text, more than eight bytes", true, "plain text, more than eight bytes"},
	{"\xc3\xa4", true, "\xc3\xa4"},
	{"\xe2\x82\xac", true, "\xe2\x82\xac"},
	{"\xf0\x9f\x8d\xb3", true, "\xf0\x9f\x8d\xb3"},
	{"\xf4\x8f\xbf\xbf", true, "\xf4\x8f\xbf\xbf"},
	{"\xed\x9f\xbf", true, "\xed\x9f\xbf"},
	{"\x80", false, BAD},
	{"a\xff"
	 "b",
	 false, "a" BAD "b"},
	{"\xc3", false, BAD},
	{"\xc3(", false, BAD "("},
	{"\xc0\x80", false, BAD BAD},		      /* overlong */
	{"\xc1\xbf", false, BAD BAD},		      /* overlong */
	{"\xe0\x9f\xbf", false, BAD BAD BAD},	      /* overlong */
	{"\xf0\x8f\xbf\xbf", false, BAD BAD BAD BAD}, /* overlong */
	{"\xed\xa0\x80", false, BAD BAD BAD},	      /* a surrogate */
	{"\xf4\x90\x80\x80", false, BAD BAD BAD BAD}, /* above U+10FFFF */
	{"\xf5\x80\x80\x80", false, BAD BAD BAD BAD},
	{"\xe2\x82", false, BAD BAD},
	{"\xf0\x9f\x8d", false, BAD BAD BAD},
	{"12345678\xe2\x82\xac"
	 "12345678\xe2",
	 false,
	 "12345678\xe2\x82\xac"
	 "12345678" BAD},
};

static void text_is_valid_or_repaired_as_the_table_says(void **state)
{
	uint8_t out[128];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t size = strlen(table[i].text), want = strlen(table[i].repaired);

		if (utf8_valid(table[i].text, size) != table[i].valid)
			fprintf(stderr, "line %zu of the table\n", i);
		assert_true(utf8_valid(table[i].text, size) == table[i].valid);
		assert_int_equal(utf8_repaired_size(table[i].text, size), want);
		assert_int_equal(utf8_repair(out, table[i].text, size) - out, want);
		assert_memory_equal(out, table[i].repaired, want);
		assert_true(utf8_valid(out, want));
	}
}

static void nul_is_a_character_like_any_other(void **state)
{
	(void)state;
	assert_true(utf8_valid("a\0b", 3));
	assert_true(utf8_valid("\0\0\0\0\0\0\0\0\0", 9));
}

static void two_byte_prefixes_of_all_kinds_agree_with_the_definition(void **state)
{
	uint8_t text[2];

	(void)state;
	for (int a = 0; a < 256; a++) {
		for (int b = 0; b < 256; b++) {
			bool want = (a < 0x80 && b < 0x80) ||
				    (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);

			text[0] = (uint8_t)a;
			text[1] = (uint8_t)b;
			assert_true(utf8_valid(text, 2) == want);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_valid_or_repaired_as_the_table_says),
		cmocka_unit_test(nul_is_a_character_like_any_other),
		cmocka_unit_test(two_byte_prefixes_of_all_kinds_agree_with_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
