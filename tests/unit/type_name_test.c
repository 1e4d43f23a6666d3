/* SPDX-License-Identifier: Apache-2.0 */
/* Names of types, against the words of libstdc++'s demangler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "type_name.h"

static void assert_name(const char *mangled, const char *expected)
{
	char name[TYPE_NAME_MAX];

	memset(name, 'x', sizeof(name));
	type_name(mangled, name);
	assert_string_equal(name, expected);
}

static void names_are_those_of_the_demangler_of_libstdcpp(void **state)
{
	/* The right column is what abi::__cxa_demangle() of gcc 12 says. */
	static const char *const names[][2] = {
		{"i", "int"},
		{"PKc", "char const*"},
		{"PPKc", "char const**"},
		{"PVi", "int volatile*"},
		{"Dn", "decltype(nullptr)"},
		{"5error", "error"},
		{"St11logic_error", "std::logic_error"},
		{"NSt8ios_base7failureB5cxx11E", "std::ios_base::failure[abi:cxx11]"},
		{"NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
		 "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"},
		{"Ss", "std::string"},
		{"N4shop12no_such_dishE", "shop::no_such_dish"},
		{"N12_GLOBAL__N_15errorE", "(anonymous namespace)::error"},
		{"N4shop5errorIiEE", "shop::error<int>"},
		{"N4shop5errorISt6vectorIiSaIiEEEE",
		 "shop::error<std::vector<int, std::allocator<int> > >"},
		{"N4shop4pairINS_4dishES1_EE", "shop::pair<shop::dish, shop::dish>"},
		{"N4shop4pairINS_4dishEPKS1_EE", "shop::pair<shop::dish, shop::dish const*>"},
		{"N4shop4pairINS_4dishEPKS1_E5innerE",
		 "shop::pair<shop::dish, shop::dish const*>::inner"},
		{"5arrayIiLm16EE", "array<int, 16ul>"},
		{"4flagILb1ELin3EE", "flag<true, -3>"},
		{"4kindIL5color2EE", "kind<(color)2>"},
		{"5tupleIJicdEE", "tuple<int, char, double>"},
		{"5tupleIJEE", "tuple<>"},
		{"N5boost16exception_detail10clone_implINS0_19error_info_injectorISt11logic_"
		 "errorEEEE",
		 "boost::exception_detail::clone_impl<boost::exception_detail::error_info_injector<"
		 "std::"
		 "logic_error> >"},
		{"Z4mainE5error", "main::error"},
		{"Z1fvE5error", "f()::error"},
		{"Z1fiPKcE5error_0", "f(int, char const*)::error"},
		{"ZN4shop4openEvE5error", "shop::open()::error"},
		{"St4pairIN4shop4dishES1_E", "std::pair<shop::dish, shop::dish>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_name(names[i][0], names[i][1]);
}

static void what_is_not_understood_stays_as_it_is(void **state)
{
	static const char *const names[] = {
		"",
		"PFivE",
		"A3_i",
		"M4shopi",
		"4sho",
		"N4shop",
		"N4shopI",
		"S_",
		"S0_",
		"SZZZZZZZZZZ_",
		"ii",
		"99999999999999999999999a",
		"NIiEE",
		"XE",
		"5errorIXspT_EE",
		"Z4mainEUlvE_",
		"L",
		"5arrayILE",
		"B",
		"5arrayIJJJJJJi",
		"0",
		"N0E",
		"NE",
		"5errorB",
		"ZE",
		"Z",
		"NS",
		"KKKKK",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_name(names[i], names[i]);
	assert_name("\x01hi\xff", "?hi?");
}

static void what_a_hostile_name_becomes_is_bounded(void **state)
{
	char deep[4096], wide[4096], name[TYPE_NAME_MAX], *p = wide;

	(void)state;
	memset(deep, 'P', sizeof(deep) - 2);
	strcpy(deep + sizeof(deep) - 2, "i");
	type_name(deep, name);
	assert_int_equal(strlen(name), TYPE_NAME_MAX - 1);
	/* Each argument is twice as long as the one before: S1_ and so on are those before. */
	p = stpcpy(p, "1aI1b");
	for (int i = 0; i < 30; i++)
		p += sprintf(p, "S_IS%c_S%c_E", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i],
			     "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]);
	strcpy(p, "E");
	type_name(wide, name);
	assert_string_equal(name, wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_demangler_of_libstdcpp),
		cmocka_unit_test(what_is_not_understood_stays_as_it_is),
		cmocka_unit_test(what_a_hostile_name_becomes_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
