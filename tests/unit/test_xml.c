/* SPDX-License-Identifier: MIT */
#include "common/xml.h"

#include "common/xml_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char vapp[] =
	"<?xml version=\"1.0\"?>\n"
	"<ns2:VApp xmlns:ns2=\"" XML_VCLOUD "\" xmlns:o=\"" XML_OVF "\" xmlns:w=\"" XML_VMW "\" "
	"name=\"a&amp;b\" o:required=\"false\">"
	"<other xmlns=\"urn:other\"><Children/></other>"
	"<!-- note --><ns2:Children><ns2:Vm name=\"one\"/><o:Vm/><ns2:Vm name=\"two\">"
	"<o:Section><w:ExtraConfig w:key=\"k\" w:value=\"v\"/></o:Section><ns2:Empty/>"
	"</ns2:Vm></ns2:Children></ns2:VApp>";

static struct xml_doc *parse(const char *text)
{
	struct error err = {0};
	struct xml_doc *doc = xml_parse(text, strlen(text), &err);

	if (!doc)
		fail_msg("%s", err.msg);
	return doc;
}

static void test_names_are_matched_by_namespace(void **state)
{
	struct arena arena = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = parse(vapp);
	struct xml_node *root = xml_root(doc);
	struct xml_node *vm = xml_path(root, "Children/Vm");

	(void)state;
	assert_true(xml_is(root, XML_VCLOUD, "VApp"));
	assert_false(xml_is(root, XML_OVF, "VApp"));
	assert_false(xml_is(NULL, XML_OVF, "VApp"));
	assert_string_equal(xml_attr(&arena, root, "name"), "a&b");
	assert_null(xml_attr(&arena, root, "required"));
	assert_string_equal(xml_attr_ns(&arena, root, XML_OVF, "required"), "false");
	assert_string_equal(xml_attr(&arena, vm, "name"), "one");
	vm = xml_next(vm, XML_VCLOUD, "Vm");
	assert_string_equal(xml_attr(&arena, vm, "name"), "two");
	assert_null(xml_next(vm, XML_VCLOUD, "Vm"));
	assert_string_equal(xml_text(&arena, xml_path(vm, "Empty")), "");
	assert_null(xml_text(&arena, xml_path(vm, "Absent/Empty")));
	assert_non_null(xml_find(root, XML_VMW, "ExtraConfig"));
	assert_null(xml_find(vm, XML_VCLOUD, "Children"));
	assert_int_equal(xml_count(root), 10);
	assert_int_equal(xml_depth(root), 5);
	arena_reset(&arena);
}

static void assert_refused(const char *text, const char *reason)
{
	struct error err = {0};

	assert_null(xml_parse(text, strlen(text), &err));
	assert_int_equal(err.code, ERR_INVALID);
	if (!strstr(err.msg, reason))
		fail_msg("\"%s\" lacks \"%s\"", err.msg, reason);
	assert_null(strchr(err.msg, '\n'));
}

static void test_dangerous_and_broken_input_is_refused(void **state)
{
	(void)state;
	assert_refused("<!DOCTYPE a [<!ENTITY x \"boom\">]><a>&x;</a>", "document type");
	assert_refused("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "document type");
	assert_refused("<a>&x;</a>", "XML line 1");
	assert_refused("<a>\n<b></a>", "XML line 2");
	assert_refused("", "XML line");
	assert_refused("<a/><b/>", "XML line 1");
}

static void test_depth_is_limited(void **state)
{
	char text[4096] = "";

	(void)state;
	for (int i = 0; i < 1000; i++)
		memcpy(text + i * 3, "<a>", 4);
	assert_refused(text, "XML line 1");
}

static void test_element_is_edited_and_sent_back(void **state)
{
	struct arena arena = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = parse(vapp);
	struct xml_node *section = xml_find(xml_root(doc), XML_OVF, "Section");
	CLEANUP(xml_free)
	struct xml_doc *copy = xml_copy(section);
	struct xml_node *extra = xml_add(xml_root(copy), XML_VMW, "ExtraConfig", NULL);
	CLEANUP(xml_free)
	struct xml_doc *again = NULL;
	size_t len;
	const char *text;

	(void)state;
	xml_set_attr(extra, XML_VMW, "key", "new<\"&\x01");
	xml_set_attr(extra, XML_OVF, "required", "true");
	xml_remove(xml_child(xml_root(copy), XML_VMW, "ExtraConfig"));
	text = xml_serialise(&arena, xml_root(copy), &len);
	assert_int_equal(strlen(text), len);
	again = parse(text);
	assert_true(xml_is(xml_root(again), XML_OVF, "Section"));
	extra = xml_child(xml_root(again), XML_VMW, "ExtraConfig");
	assert_string_equal(xml_attr_ns(&arena, extra, XML_VMW, "key"), "new<\"&?");
	assert_string_equal(xml_attr_ns(&arena, extra, XML_OVF, "required"), "true");
	assert_null(xml_next(extra, NULL, NULL));
	/* The original is untouched. */
	assert_string_equal(
		xml_attr_ns(&arena, xml_child(section, NULL, NULL), XML_VMW, "key"), "k");
	arena_reset(&arena);
}

static void test_part_of_a_document_keeps_its_namespaces(void **state)
{
	struct arena arena = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = parse(vapp);
	CLEANUP(xml_free)
	struct xml_doc *again = NULL;
	size_t len;

	(void)state;
	again = parse(xml_serialise(&arena, xml_path(xml_root(doc), "Children"), &len));
	assert_true(xml_is(xml_root(again), XML_VCLOUD, "Children"));
	assert_non_null(xml_find(xml_root(again), XML_VMW, "ExtraConfig"));
	arena_reset(&arena);
}

static void test_written_text_reads_back(void **state)
{
	static const char nasty[] = "<a b=\"c\">&'\r\n\t]]> \xc3\xa9";
	struct arena arena = {0};
	CLEANUP(xml_writer_free)
	struct xml_writer *writer = xml_writer_new();
	CLEANUP(xml_free)
	struct xml_doc *doc = NULL;
	struct xml_node *root;
	size_t len;

	(void)state;
	xw_open(writer, "Params");
	xw_ns(writer, NULL, XML_VCLOUD);
	xw_ns(writer, "ovf", XML_OVF);
	xw_attr(writer, "name", nasty);
	xw_attr(writer, "absent", NULL);
	xw_attr_int(writer, "n", -5);
	xw_leaf(writer, "ovf:Info", "info");
	xw_leaf(writer, "Text", nasty);
	xw_leaf(writer, "Bad", "\x02\xff");
	xw_leaf(writer, "Absent", NULL);
	xw_leaf_int(writer, "Int", 7);
	xw_close(writer);
	doc = parse(xw_finish(writer, &arena, &len));
	root = xml_root(doc);
	assert_true(xml_is(root, XML_VCLOUD, "Params"));
	assert_string_equal(xml_attr(&arena, root, "name"), nasty);
	assert_string_equal(xml_attr(&arena, root, "n"), "-5");
	assert_null(xml_attr(&arena, root, "absent"));
	assert_non_null(xml_child(root, XML_OVF, "Info"));
	assert_string_equal(xml_text(&arena, xml_path(root, "Text")), nasty);
	assert_string_equal(xml_text(&arena, xml_path(root, "Bad")), "??");
	assert_null(xml_path(root, "Absent"));
	assert_string_equal(xml_text(&arena, xml_path(root, "Int")), "7");
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_matched_by_namespace),
		cmocka_unit_test(test_dangerous_and_broken_input_is_refused),
		cmocka_unit_test(test_depth_is_limited),
		cmocka_unit_test(test_element_is_edited_and_sent_back),
		cmocka_unit_test(test_part_of_a_document_keeps_its_namespaces),
		cmocka_unit_test(test_written_text_reads_back),
	};

	xml_startup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
