/* SPDX-License-Identifier: MIT */
#include "worker/vcd/query.h"

#include "common/str.h"
#include "worker/vcd/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_filter_is_escaped_then_encoded_once(void **state)
{
	struct arena arena = {0};
	const char *term = filter_term(&arena, "name", "a,b (c)");

	(void)state;
	assert_string_equal(term, "name==a\\,b \\(c\\)");
	assert_string_equal(
		query_filter(&arena, term), "filter=name%3D%3Da%5C%2Cb%20%5C%28c%5C%29");
	/* A value cannot bring a second condition with it. */
	term = filter_term(&arena, "name", "x;org==y\\");
	assert_string_equal(term, "name==x\\;org==y\\\\");
	assert_string_equal(filter_and(&arena, "a==1", "b==2"), "a==1;b==2");
	assert_string_equal(filter_and(&arena, NULL, "b==2"), "b==2");
	assert_string_equal(filter_and(&arena, "a==1", NULL), "a==1");
	arena_reset(&arena);
}

static void test_ids_are_taken_from_hrefs_and_put_into_paths(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_string_equal(
		href_uuid(&arena, "https://vcd.test/api/vApp/vapp-1?force=true", "vapp-"), "1");
	assert_string_equal(href_uuid(&arena, "https://vcd.test/api/vdc/2", "vapp-"), "2");
	assert_string_equal(href_uuid(&arena, NULL, "vapp-"), "");
	assert_string_equal(
		path_segment(&arena, "urn:vcloud:type:a:b:1.0.0"), "urn:vcloud:type:a:b:1.0.0");
	assert_string_equal(path_segment(&arena, "../x?y#z:"), "..%2Fx%3Fy%23z:");
	arena_reset(&arena);
}

static void test_next_page_is_found_in_a_link_header(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_string_equal(
		link_next(&arena, "<https://vcd.test/a?page=1>;rel=\"firstPage\";type=\"x\", "
				  "<https://vcd.test/a?cursor=A,b=>;rel=\"nextPage last\";"
				  "type=\"application/json\""),
		"https://vcd.test/a?cursor=A,b=");
	assert_string_equal(link_next(&arena, "<u>;rel=nextPage"), "u");
	assert_null(link_next(&arena, "<u>;rel=\"lastPage\""));
	assert_null(link_next(&arena, "<u>;rel=\"nextPages\""));
	assert_null(link_next(&arena, ""));
	assert_null(link_next(&arena, "<broken"));
	arena_reset(&arena);
}

static void test_record_is_found_by_exact_name(void **state)
{
	static const char text[] =
		"<n:QueryResultRecords xmlns:n=\"" XML_VCLOUD "\"><n:Link name=\"acme\"/>"
		"<n:OrgRecord name=\"ACME\" href=\"h1\"/><n:OrgRecord name=\"acme\" href=\"h2\"/>"
		"</n:QueryResultRecords>";
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(text, strlen(text), &err);

	(void)state;
	assert_string_equal(xml_attr(&arena, record_named(&arena, doc, "acme"), "href"), "h2");
	assert_null(record_named(&arena, doc, "acm"));
	arena_reset(&arena);
}

static void test_codes_have_their_classes(void **state)
{
	static const struct {
		int status;
		const char *minor, *message;
		enum err_code code;
	} rows[] = {
		{400, "BUSY_ENTITY", "The entity x is busy completing an operation.", ERR_BUSY},
		{400, "BAD_REQUEST", "vApp \"x\" is busy, cannot proceed", ERR_BUSY},
		{400, "", "", ERR_INVALID},
		{400, "BAD_REQUEST", "cvc-complex-type.2.4.a", ERR_INVALID},
		{400, "DUPLICATE_NAME", "The VCD entity demo already exists.", ERR_CONFLICT},
		{401, "", "", ERR_EXPIRED},
		{403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"No access to entity \"com.vmware.vcloud.entity.vapp:1\".", ERR_GONE},
		{403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
			"Either you need some or all of the following rights [VDC_VIEW] to perform "
			"operations [VDC_VIEW] for 0a or the target entity is invalid.",
			ERR_DENIED},
		{403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "This operation is denied.", ERR_DENIED},
		{404, "", "", ERR_GONE},
		{406, "", "", ERR_INVALID},
		{409, "", "", ERR_CONFLICT},
		{412, "", "", ERR_CONFLICT},
		{429, "", "", ERR_TRANSIENT},
		{500, "INTERNAL_SERVER_ERROR", "Unable to perform this action.", ERR_TRANSIENT},
		{504, "GATEWAY_TIMEOUT", "", ERR_TRANSIENT},
		{302, "", "", ERR_TRANSIENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum err_code code = fault_class(rows[i].status, rows[i].minor, rows[i].message);

		if (code != rows[i].code)
			fail_msg("%d %s is %s", rows[i].status, rows[i].minor, error_name(code));
	}
}

static void assert_fault(const char *type, const char *body, int status, const char *minor,
	const char *message, const char *text)
{
	struct arena arena = {0};
	struct vcd vcd = {.arena = &arena};
	struct error err = {0};
	struct http_response response = {.status = status,
		.content_type = type,
		.body = arena_strdup(&arena, body),
		.body_len = strlen(body)};

	fault_read(&vcd, &response);
	assert_int_equal(fault_set(&vcd, "vApp 1: read", &err), -1);
	assert_string_equal(vcd.fault.minor, minor);
	assert_string_equal(vcd.fault.message, message);
	assert_string_equal(err.msg, text);
	arena_reset(&arena);
}

static void test_error_bodies_of_both_apis_are_read(void **state)
{
	(void)state;
	assert_fault("application/vnd.vmware.vcloud.error+xml",
		"<n:Error xmlns:n=\"" XML_VCLOUD "\" message=\"[ 3c0f ] No access to entity "
		"&quot;x&quot;.\" minorErrorCode=\"A\" majorErrorCode=\"403\"/>",
		403, "A", "No access to entity \"x\".",
		"vApp 1: read: VCD answered 403 A: No access to entity \"x\".");
	assert_fault("application/json;version=35.0",
		"{\"minorErrorCode\":\"B\",\"message\":\"[ 7d ] bad\",\"stackTrace\":null}", 400,
		"B", "bad", "vApp 1: read: VCD answered 400 B: bad");
	assert_fault("text/html", "<html>no", 502, "", "",
		"vApp 1: read: VCD answered 502: no explanation");
	assert_fault("", "", 401, "", "", "vApp 1: read: VCD answered 401: no explanation");
}

/* Hrefs come from answers: nobody sends us, with a token, to another host. */
static void test_hrefs_must_lead_to_vcd(void **state)
{
	static const struct {
		const char *host, *href, *url;
	} rows[] = {
		{"vcd.test", "/api/x", "https://vcd.test/api/x"},
		{"vcd.test", "https://vcd.test/api/x?y=z", "https://vcd.test/api/x?y=z"},
		{"vcd.test", "https://VCD.test:443/api/x", "https://vcd.test/api/x"},
		{"vcd.test:443", "https://vcd.test/api/x", "https://vcd.test:443/api/x"},
		{"127.0.0.1:8443", "https://127.0.0.1:8443/api", "https://127.0.0.1:8443/api"},
		{"vcd.test", "https://vcd.test:8443/api/x", NULL},
		{"vcd.test", "https://vcd.test.evil.test/api/x", NULL},
		{"vcd.test", "https://vcd.test@evil.test/api/x", NULL},
		{"vcd.test", "https://evil.test/https://vcd.test/api", NULL},
		{"vcd.test", "http://vcd.test/api/x", NULL},
		{"vcd.test", "https://vcd.test", NULL},
		{"vcd.test", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena = {0};
		struct config config = {.vcd_host = rows[i].host};
		struct vcd vcd = {.arena = &arena, .config = &config};
		struct error err = {0};
		const char *url = vcd_url(&vcd, rows[i].href, "x", &err);

		if (!str_eq(url, rows[i].url))
			fail_msg("%s gives %s", rows[i].href, url ? url : "nothing");
		assert_int_equal(err.code, url ? ERR_NONE : ERR_DENIED);
		arena_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter_is_escaped_then_encoded_once),
		cmocka_unit_test(test_ids_are_taken_from_hrefs_and_put_into_paths),
		cmocka_unit_test(test_next_page_is_found_in_a_link_header),
		cmocka_unit_test(test_record_is_found_by_exact_name),
		cmocka_unit_test(test_codes_have_their_classes),
		cmocka_unit_test(test_error_bodies_of_both_apis_are_read),
		cmocka_unit_test(test_hrefs_must_lead_to_vcd),
	};

	xml_startup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
