/* SPDX-License-Identifier: MIT */
/*
 * One create on its way through admission: cluster_create.c makes, create_undo.c takes back,
 * create_resume.c finds what an earlier delivery of the same request has left.
 */
#ifndef WORKER_HANDLERS_CREATE_H
#define WORKER_HANDLERS_CREATE_H

#include "worker/admission.h"
#include "worker/handlers/cluster_common.h"

struct create {
	struct admission adm;
	const struct request *req;
	struct open_task open;
	const char *urn;	      /* of the entity; NULL until made */
	const char *vapp;	      /* uuid; NULL until made */
	struct json_object *document; /* our entity */
	struct json_object *winner;   /* another copy of this request was faster */
	bool in_doubt;		      /* an entity or a vApp may appear that was not found */
	bool entity_unknown;	      /* its POST had no answer, and VCD could not be asked since */
	/* This delivery made its entity: whoever else is there goes on with it. */
	bool own_entity;
	/* What it works on was there already: another delivery may be at work on it right now. */
	bool shared;
	bool running;  /* an operation has claimed the task: nothing is left to do */
	bool linked;   /* this delivery made the entity name the vApp: the create is accepted */
	bool repeated; /* a step that failed was tried once more; only one is */
	bool again;    /* its entity is the second that this request makes, see plans/twin.h */
	bool told;     /* it has written so into the record, or has tried to */
};

/*
 * What an earlier delivery of this request has left, when claim_look found its entity
 * (create->winner). 1: go on with the writes that are missing; 0: answer with the winner; -1: it
 * cannot be continued (BUSY), or VCD could not be asked.
 */
int create_resume(struct create *create, struct error *err) MUST_CHECK;

/*
 * For a redelivered request without an entity, after create_set_task: the task that the earlier
 * delivery made is used again. Not finding it is no error: the resync ends it.
 */
void create_resume_task(struct create *create);

/* What is asked for, as the operation will read it for its whole life, and the task's text. */
void create_set_task(struct create *create);

/*
 * After a lost answer the entity may exist: only the claim in its externalId can tell, that of the
 * latest POST. Sets create->urn or, when VCD cannot be asked, entity_unknown.
 */
void create_find_entity(struct create *create);

/*
 * Before another entity is made while VCD may still make the one that was asked for before: writes
 * that into the record, for whoever ends the operation, and sets create->again. BUSY: there were
 * two already, or another delivery has come further.
 */
int create_expect_twin(struct create *create, struct error *err) MUST_CHECK;

/* The same when one was seen of which the record, written by a slower delivery, does not know. */
int create_note_twin(struct create *create, struct error *err) MUST_CHECK;

/*
 * Has a later delivery gone on with the task, while this one hung in its POST, and made an entity
 * of its own? The record as VCD has it now says so.
 */
bool create_is_followed(const struct create *create, const struct details *details);

/*
 * The vApp that carries our entity's URN in its Description, by the VDC of the record: 1 and
 * create->vapp, 0 there is none, -1 VCD could not be asked.
 */
int create_find_vapp(struct create *create, struct error *err) MUST_CHECK;

/*
 * Takes back what was made after *err, and puts what became of it into the text. True: another
 * delivery has finished the create meanwhile; nothing was touched and create->winner is set.
 */
bool create_undo(struct create *create, struct error *err);

#endif
