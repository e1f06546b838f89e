/* SPDX-License-Identifier: MIT */
/*
 * What the files of the client share, and nobody else includes. Layers, from the wire up: vcd.c
 * (limits, log, one HTTP exchange) ← session.c (the service session) ← call.c (authentication,
 * error classes, XML and JSON) ← the files named after objects.
 */
#ifndef WORKER_VCD_CLIENT_H
#define WORKER_VCD_CLIENT_H

#include "common/http.h"
#include "worker/vcd/vcd.h"

struct vcd_task;
struct vcd_task_write;

/* What VCD said when it refused; strings live in the arena, "" when unknown. */
struct vcd_fault {
	int status;
	enum err_code code;
	const char *minor, *message;
};

struct vcd {
	struct vcd_shared *shared;
	const struct config *config;
	struct http_client *http;
	bool (*tick)(void *);
	void *tick_data;
	void (*task_written)(
		void *data, const struct vcd_task *task, const struct vcd_task_write *write);
	void *task_data;
	int64_t moved_ms; /* when this thread was last seen to run */
	bool stood_still; /* since vcd_begin, for so long that it may have a successor */
	struct arena *arena;
	int64_t end_ms, mutate_until_ms;
	int calls;
	int64_t now_ms, answered_ms;
	bool in_doubt;		/* of the latest mutating call */
	struct vcd_fault fault; /* of the latest call; status 0 when it succeeded */
};

struct vcd_call {
	struct vcd_as as;
	const char *method, *path; /* path: from '/' on, or a href of VCD */
	const char *accept;
	const char *content_type; /* NULL: no body */
	const char *body;
	size_t body_len;
	const char *what; /* for the error text: "task 1234: read" */
};

/* vcd.c: the URL of a path or href; NULL with DENIED when its host is not VCD's. */
const char *vcd_url(struct vcd *vcd, const char *path, const char *what, struct error *err);
/*
 * One exchange within the limits of vcd_begin, logged and counted; url and timeout are set here.
 * Any status is a success here; vcd->fault says what it means.
 */
int vcd_exchange(struct vcd *vcd, const char *path, struct http_request *request, const char *what,
	struct http_response *out, struct error *err) MUST_CHECK;
/* A sign of life, given at least once a second. False when the thread should stop. */
bool vcd_tick(struct vcd *vcd);
const char *vcd_accept_xml(struct vcd *vcd);
const char *vcd_accept_json(struct vcd *vcd);
bool vcd_api_at_least(const struct vcd *vcd, int major);

/*
 * session.c: a copy of the service session's token, logging in when there is none (one thread does,
 * the others wait). TRANSIENT when VCD cannot be reached or refuses the login.
 */
int session_token(
	struct vcd *vcd, struct secret *out, unsigned *generation, struct error *err) MUST_CHECK;
const struct config *session_config(const struct vcd_shared *shared);
const struct vcd_watch *session_watch(const struct vcd_shared *shared);
/* VCD has answered 401 to the token of that generation: the next caller logs in again. */
void session_forget(struct vcd_shared *shared, unsigned generation);

/* call.c: authentication and error classes on top of one exchange; 2xx only. */
int vcd_call(struct vcd *vcd, const struct vcd_call *call, struct http_response *out,
	struct error *err) MUST_CHECK;

/* fault.c: fills vcd->fault from an answer; one of 2xx is no fault. */
void fault_read(struct vcd *vcd, const struct http_response *response);
/* Class and text for vcd->fault; returns -1. */
int fault_set(const struct vcd *vcd, const char *what, struct error *err);
/* The class that VCD's codes stand for. Pure. */
enum err_code fault_class(int status, const char *minor, const char *message);

#endif
