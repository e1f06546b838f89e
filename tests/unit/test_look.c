/* SPDX-License-Identifier: MIT */
/* What a delete takes for its cluster's when only names are left to go by. VCD is played here. */
#include "worker/plans/plan.h"

#include "common/json.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/vcd/entity.h"

#define URN "urn:vcloud:entity:cse:nativeCluster:1.0.0:6e6f0c9a-5d2b-4b3e-8e9b-0f4b6f6e7a10"
#define EDGE "urn:vcloud:gateway:1"

static struct {
	const char *named[3]; /* the vApps of the cluster's name */
	size_t count;
	const char *marked; /* the one with our marks */
	bool exposed;	    /* as the entity says */
} cloud;

int __wrap_vcd_entity_get(struct vcd *vcd, struct vcd_as as, const char *urn,
	struct json_object **document, struct error *err);
int __wrap_vcd_vapp_find_in_org(struct vcd *vcd, const char *org_uuid, const char *name,
	const char ***uuids, size_t *count, struct error *err);
int __wrap_vcd_vapp_get(struct vcd *vcd, struct vcd_as as, const char *uuid, struct vcd_vapp *out,
	struct error *err);
int __wrap_vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out,
	size_t *count, struct error *err);

int __wrap_vcd_entity_get(struct vcd *vcd, struct vcd_as as, const char *urn,
	struct json_object **document, struct error *err)
{
	(void)vcd, (void)as, (void)err;
	*document = json_object_new_object();
	json_set_str(*document, "id", urn);
	json_set_str(*document, "name", "tkg1");
	json_set_bool(*document, "entity.status.exposed", cloud.exposed);
	return 0;
}

int __wrap_vcd_vapp_find_in_org(struct vcd *vcd, const char *org_uuid, const char *name,
	const char ***uuids, size_t *count, struct error *err)
{
	(void)vcd, (void)org_uuid, (void)err;
	assert_string_equal(name, "tkg1");
	*uuids = cloud.named;
	*count = cloud.count;
	return 0;
}

int __wrap_vcd_vapp_get(struct vcd *vcd, struct vcd_as as, const char *uuid, struct vcd_vapp *out,
	struct error *err)
{
	(void)vcd, (void)as, (void)err;
	*out = (struct vcd_vapp){.uuid = uuid,
		.href = uuid,
		.name = "tkg1",
		.description = "",
		.owner_urn = "",
		.vdc_href = "",
		.status = 8};
	return 0;
}

int __wrap_vcd_metadata_get(struct vcd *vcd, const char *href, struct vcd_metadata **out,
	size_t *count, struct error *err)
{
	static struct vcd_metadata marks[] = {
		{"SYSTEM", "READONLY", "cse.cluster.id", URN},
		{"SYSTEM", "READONLY", "cse.deployment", "lab"},
		{"SYSTEM", "PRIVATE", "cse.edge", EDGE},
	};
	static struct vcd_metadata foreign[] = {{"SYSTEM", "PRIVATE", "cse.edge", "other"}};
	bool ours = str_eq(href, cloud.marked);

	(void)vcd, (void)err;
	*out = ours ? marks : foreign;
	*count = ours ? ARRAY_LEN(marks) : ARRAY_LEN(foreign);
	return 0;
}

struct fixture {
	struct arena arena;
	struct config config;
	struct details details;
	struct work work;
	struct observed seen;
	struct error err;
};

static void start(struct fixture *f)
{
	*f = (struct fixture){.config = {.deployment = "lab"}};
	f->details = details_new("lab", OPERATION_DELETE, "r1");
	f->details.cluster = URN;
	f->work = (struct work){.config = &f->config,
		.arena = &f->arena,
		.details = &f->details,
		.cluster = URN,
		.org_urn = "urn:vcloud:org:1"};
	observed_init(&f->seen, &f->details, URN, "task-1");
}

static void end(struct fixture *f)
{
	observed_release(&f->seen);
	arena_reset(&f->arena);
}

/* Each VDC of the org may have one of the name. */
static void of_many_vapps_the_marked_one_is_ours(void **state)
{
	static const char *const uuids[] = {"a", "b", "c"};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uuids); i++) {
		start(&f);
		cloud.count = ARRAY_LEN(uuids);
		memcpy(cloud.named, uuids, sizeof(uuids));
		cloud.marked = uuids[i];
		assert_int_equal(observed_look(&f.work, &f.seen, SEE_MARKS, &f.err), 0);
		assert_true(f.seen.vapp_ours);
		assert_string_equal(f.seen.vapp_uuid, uuids[i]);
		assert_string_equal(f.details.vapp, uuids[i]);
		assert_string_equal(f.seen.edge, EDGE);
		end(&f);
	}
	start(&f);
	cloud.marked = NULL;
	assert_int_equal(observed_look(&f.work, &f.seen, SEE_MARKS, &f.err), 0);
	assert_false(f.seen.vapp_ours);
	assert_null(f.details.vapp);
	assert_string_equal(f.seen.edge, "");
	end(&f);
}

/* No vApp and no record tell where a rule may be left. */
static void a_lost_edge_is_noticed(void **state)
{
	struct fixture f;

	(void)state;
	cloud.count = 0;
	for (int exposed = 0; exposed <= 1; exposed++) {
		start(&f);
		cloud.exposed = exposed;
		assert_int_equal(observed_look(&f.work, &f.seen, SEE_MARKS | SEE_RULES, &f.err), 0);
		assert_int_equal(f.seen.edge_lost, exposed);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_many_vapps_the_marked_one_is_ours),
		cmocka_unit_test(a_lost_edge_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
