/* SPDX-License-Identifier: MIT */
#include "worker/handlers/create_claim.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "worker/handlers/cluster_common.h"
#include "worker/vcd/vapp.h"

#include <string.h>

static int refuse_name(const struct admission *adm, struct error *err)
{
	return error_set(err, ERR_CONFLICT, "Cluster '%s' already exists.", adm->spec.name);
}

/* 1 yes, 0 no, -1 VCD could not be asked. */
static int is_same_request(const struct admission *adm, const struct request *req,
	struct json_object *document, struct error *err)
{
	const char *external_id = json_str(document, "externalId", "");
	struct last_task last;

	if (cluster_is_claimed_by(external_id, req->id))
		return 1;
	if (cluster_last_task(adm->ctx, document, &last, err))
		return -1;
	return last.ours && str_eq(last.details.request, req->id);
}

static bool in_org(const struct admission *adm, struct json_object *document)
{
	return str_eq(json_str(document, "org.id", ""), adm->caller.org_urn);
}

/* In the context of the org: what others call their clusters is no business of this request. */
static int find_named(const struct admission *adm, struct json_object **list, struct error *err)
{
	const struct vcd_as as = {.tenant_context = adm->caller.org_uuid};

	return vcd_entity_find(adm->ctx->vcd, as, "name", adm->spec.name, list, err);
}

/* Does the record of its task name this one? */
static int is_named(const struct admission *adm, struct json_object *document, struct error *err)
{
	struct last_task last;

	if (cluster_last_task(adm->ctx, document, &last, err))
		return -1;
	return last.ours && last.details.cluster;
}

/*
 * Of two that one request has made: the accepted one, else the one with a record, else the one made
 * again.
 */
static int goes_before(const struct admission *adm, struct json_object *document,
	struct json_object *other, struct error *err)
{
	bool accepted = claim_is_accepted(document);
	int named;

	if (accepted != claim_is_accepted(other))
		return accepted;
	named = is_named(adm, other, err);
	if (named)
		return named < 0 ? -1 : 0;
	named = is_named(adm, document, err);
	return named ? named : cluster_is_claimed_again(json_str(document, "externalId", ""));
}

int claim_look(const struct admission *adm, const struct request *req, struct json_object **winner,
	struct error *err)
{
	CLEANUP(json_release)
	struct json_object *list = NULL;

	*winner = NULL;
	if (find_named(adm, &list, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);
		int before = 1, same;

		if (!in_org(adm, document))
			continue;
		if (*winner)
			before = goes_before(adm, document, *winner, err);
		if (before == 0)
			continue;
		same = before < 0 ? -1 : is_same_request(adm, req, document, err);
		if (same == 0 && *winner)
			continue;
		json_release(winner);
		if (same < 0)
			return -1;
		if (same == 0)
			return refuse_name(adm, err);
		*winner = json_object_get(document);
	}
	return *winner != NULL;
}

int claim_look_vapp(const struct admission *adm, const struct request *req,
	struct json_object **winner, struct error *err)
{
	CLEANUP(json_release)
	struct json_object *document = NULL;
	struct vcd *vcd = adm->ctx->vcd;
	CLEANUP(vcd_vapp_release)
	struct vcd_vapp vapp = {0};
	const char *uuid;
	int same;

	*winner = NULL;
	if (vcd_vapp_find(vcd, VCD_SERVICE, true, adm->vdc.uuid, adm->spec.name, &uuid, err))
		return -1;
	if (uuid[0] == '\0' || vcd_vapp_get(vcd, VCD_SERVICE, uuid, &vapp, err) ||
		!str_starts(vapp.description, "urn:vcloud:entity:") ||
		vcd_entity_get(vcd, VCD_SERVICE, vapp.description, &document, err))
		return refuse_name(adm, err);
	if (!in_org(adm, document))
		return refuse_name(adm, err);
	same = is_same_request(adm, req, document, err);
	if (same < 0)
		return -1;
	if (!same)
		return refuse_name(adm, err);
	*winner = STEAL(document);
	return 1;
}

bool claim_is_accepted(struct json_object *document)
{
	const char *external_id = json_str(document, "externalId", NULL);

	return external_id && !cluster_is_claimed(external_id);
}

/* What another cluster of our name means for us. */
enum rival { RIVAL_NONE, RIVAL_WINS, RIVAL_UNDECIDED };

/*
 * Our vApp exists. One in the same VDC that is not accepted has lost: VCD keeps the names of vApps
 * apart. In another VDC the smaller id stays; but a greater one that did not see us may be accepted
 * any moment, so it is waited for.
 */
static enum rival judge_rival(
	const struct admission *adm, struct json_object *other, const char *urn)
{
	const char *id = json_str(other, "id", "");

	if (str_eq(id, urn) || !in_org(adm, other))
		return RIVAL_NONE;
	if (claim_is_accepted(other))
		return RIVAL_WINS;
	if (str_eq(json_str(other, "entity.metadata.ovdc_name", ""), adm->spec.vdc))
		return RIVAL_NONE;
	return strcmp(id, urn) < 0 ? RIVAL_WINS : RIVAL_UNDECIDED;
}

/* The worst that is in the list; *own is our document. */
static enum rival look_at_rivals(const struct admission *adm, struct json_object *list,
	const char *urn, struct json_object **own)
{
	enum rival worst = RIVAL_NONE;

	json_release(own);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);
		enum rival rival = judge_rival(adm, document, urn);

		if (str_eq(json_str(document, "id", ""), urn))
			*own = json_object_get(document);
		if (rival == RIVAL_WINS || worst == RIVAL_NONE)
			worst = rival;
		if (worst == RIVAL_WINS)
			return worst;
	}
	return worst;
}

/* Another one of this request and its task. Copies of the request have tasks of their own. */
static bool has_twin(struct json_object *list, const struct request *req, struct json_object *own)
{
	for (size_t i = 0; own && i < json_object_array_length(list); i++) {
		struct json_object *document = json_object_array_get_idx(list, i);

		if (!str_eq(json_str(document, "id", ""), json_str(own, "id", "")) &&
			cluster_is_claimed_by(json_str(document, "externalId", ""), req->id) &&
			str_eq(json_str(document, "entity.status.task_href", ""),
				json_str(own, "entity.status.task_href", "")))
			return true;
	}
	return false;
}

int claim_settle(const struct admission *adm, const struct request *req, const char *urn,
	struct json_object **own, bool *twin, struct error *err)
{
	enum { PAUSE_MS = 200 };
	int64_t until = req->received_ms + adm->ctx->shared->config->timing_first_write;

	for (;;) {
		CLEANUP(json_release)
		struct json_object *list = NULL;
		enum rival rival;

		if (find_named(adm, &list, err))
			return -1;
		rival = look_at_rivals(adm, list, urn, own);
		*twin = has_twin(list, req, *own);
		if (rival == RIVAL_WINS)
			return refuse_name(adm, err);
		if (rival == RIVAL_NONE && *own)
			return 0;
		if (clock_ms() >= until)
			return error_set(err, ERR_BUSY,
				"another request for a cluster '%s' came at the same moment, send "
				"it again",
				adm->spec.name);
		clock_sleep_ms(PAUSE_MS);
	}
}
