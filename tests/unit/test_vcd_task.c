/* SPDX-License-Identifier: MIT */
#include "worker/vcd/task_xml.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vcd_schema.h"

static const char running[] =
	"<ns2:Task xmlns:ns2=\"" XML_VCLOUD "\" name=\"task\" status=\"running\" "
	"operation=\"Creating cluster demo\" operationName=\"cluster operation\" "
	"serviceNamespace=\"vcloud.cse\" startTime=\"2021-03-04T05:06:07.089Z\" "
	"cancelRequested=\"true\" id=\"urn:vcloud:task:k1\" "
	"href=\"https://vcd.test/api/task/0a0a0a0a-0000-4000-8000-0000000000f1\">"
	"<ns2:Link rel=\"edit\" href=\"x\"/>"
	"<ns2:Owner href=\"https://vcd.test/api/org/o1\" name=\"acme\" id=\"urn:vcloud:org:o1\" "
	"type=\"application/vnd.vmware.vcloud.org+xml\"/>"
	"<ns2:User href=\"https://vcd.test/api/admin/user/u1\" name=\"alice\"/>"
	"<ns2:Organization href=\"https://vcd.test/api/org/o1\" id=\"urn:vcloud:org:o1\"/>"
	"<ns2:Progress>45</ns2:Progress><ns2:Details>cse-worker/1 a {&quot;x&quot;:1}"
	"</ns2:Details></ns2:Task>";

static const char failed[] = "<Task xmlns=\"" XML_VCLOUD "\" name=\"task\" status=\"error\" "
			     "href=\"https://vcd.test/api/task/t2\"><Error majorErrorCode=\"400\" "
			     "minorErrorCode=\"BUSY_ENTITY\" message=\"is busy\"/></Task>";

static const char composing[] =
	"<n:VApp xmlns:n=\"" XML_VCLOUD "\" href=\"https://vcd.test/api/vApp/vapp-1\">"
	"<n:Tasks><n:Task status=\"running\" href=\"https://vcd.test/api/task/t3\"/></n:Tasks>"
	"</n:VApp>";

static struct vcd_task read_task(struct arena *arena, const char *text)
{
	struct error err = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(text, strlen(text), &err);
	struct vcd_task task;

	assert_non_null(doc);
	task_read(arena, xml_root(doc), &task);
	return task;
}

static void test_running_task_is_read(void **state)
{
	struct arena arena = {0};
	struct vcd_task task = read_task(&arena, running);
	char iso[CLOCK_ISO_SIZE];

	(void)state;
	assert_string_equal(task.uuid, "0a0a0a0a-0000-4000-8000-0000000000f1");
	assert_int_equal(task.status, TASK_RUNNING);
	assert_false(task_is_final(&task));
	assert_true(task.cancel_requested);
	assert_int_equal(task.progress, 45);
	assert_string_equal(task.details, "cse-worker/1 a {\"x\":1}");
	assert_string_equal(task.owner_name, "acme");
	assert_string_equal(task.owner_id, "urn:vcloud:org:o1");
	assert_string_equal(task.user_name, "alice");
	assert_string_equal(task.org_id, "urn:vcloud:org:o1");
	assert_string_equal(task.service_namespace, "vcloud.cse");
	assert_string_equal(task.error_message, "");
	clock_iso(iso, task.start_ms);
	assert_string_equal(iso, "2021-03-04T05:06:07.089Z");
	arena_reset(&arena);
}

static void test_failed_and_sparse_task_is_read(void **state)
{
	struct arena arena = {0};
	struct vcd_task task = read_task(&arena, failed);

	(void)state;
	assert_int_equal(task.status, TASK_ERROR);
	assert_true(task_is_final(&task));
	assert_string_equal(task.error_minor, "BUSY_ENTITY");
	assert_int_equal(task.progress, -1);
	assert_int_equal(task.start_ms, 0);
	assert_string_equal(task.details, "");
	assert_string_equal(task.owner_id, "");
	arena_reset(&arena);
}

static void assert_href(const char *text, const char *expected)
{
	struct arena arena = {0};
	struct error err = {0};
	CLEANUP(xml_free)
	struct xml_doc *doc = xml_parse(text, strlen(text), &err);

	assert_non_null(doc);
	assert_string_equal(task_href(&arena, doc), expected);
	arena_reset(&arena);
}

static void test_task_of_an_answer_is_found(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_href(failed, "https://vcd.test/api/task/t2");
	assert_href(composing, "https://vcd.test/api/task/t3");
	assert_href("<VApp xmlns=\"" XML_VCLOUD "\"/>", "");
	assert_string_equal(task_href(&arena, NULL), "");
	arena_reset(&arena);
}

static void test_body_follows_the_schema_and_reads_back(void **state)
{
	struct arena arena = {0};
	struct vcd_task about = read_task(&arena, running);
	struct vcd_task_write write = {
		.operation = "Creating <cluster> \"demo\"",
		.details = "cse-worker/1 a {\"op\":\"create\"}",
		.status = TASK_RUNNING,
		.progress = 5,
	};
	const char *body = task_body(&arena, &about, &write);
	struct vcd_task again = read_task(&arena, body);

	(void)state;
	assert_valid(body);
	assert_string_equal(again.operation, write.operation);
	assert_string_equal(again.details, write.details);
	assert_int_equal(again.progress, 5);
	assert_string_equal(again.owner_href, about.owner_href);
	assert_string_equal(again.user_href, about.user_href);
	assert_string_equal(again.service_namespace, "vcloud.cse");
	arena_reset(&arena);
}

static void test_failure_body_stands_in_the_right_place_and_is_short(void **state)
{
	struct arena arena = {0};
	struct vcd_task about = read_task(&arena, running);
	char message[3001];
	struct vcd_task_write write = {
		.operation = "Creating cluster demo",
		.details = "d",
		.status = TASK_ERROR,
		.progress = -1,
		.error_message = message,
	};
	const char *body;
	struct vcd_task again;

	(void)state;
	/* Two bytes each: the cut must not halve one. */
	for (size_t i = 0; i < 3000; i += 2)
		memcpy(message + i, "\xc3\xa9", 3);
	memmove(message + 1, message, 2999);
	message[0] = 'x';
	message[3000 - 1] = '\0';
	body = task_body(&arena, &about, &write);
	again = read_task(&arena, body);
	assert_valid(body);
	assert_int_equal(again.status, TASK_ERROR);
	assert_int_equal(strlen(again.error_message), 1023);
	assert_int_equal(again.progress, -1);
	assert_true(strstr(body, "<Error") < strstr(body, "<User"));
	assert_true(strstr(body, "<Owner") < strstr(body, "<Error"));
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running_task_is_read),
		cmocka_unit_test(test_failed_and_sparse_task_is_read),
		cmocka_unit_test(test_task_of_an_answer_is_found),
		cmocka_unit_test(test_body_follows_the_schema_and_reads_back),
		cmocka_unit_test(test_failure_body_stands_in_the_right_place_and_is_short),
	};

	xml_startup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
