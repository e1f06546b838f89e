/* SPDX-License-Identifier: MIT */
#include "worker/count.h"

void count_request(struct shared *shared, int status, int64_t ms)
{
	enum counter outcome = COUNTER_REQUEST_FAILED;

	if (status < 400)
		outcome = COUNTER_REQUEST_OK;
	else if (status == 429 || status == 503)
		outcome = COUNTER_REQUEST_BUSY;
	else if (status < 500)
		outcome = COUNTER_REQUEST_REFUSED;
	counter_add(&shared->counters, outcome, 1);
	timing_note(&shared->counters, TIMING_REQUEST, ms);
}

void count_operation(struct shared *shared, enum operation operation, bool failed)
{
	static const enum counter rows[][2] = {
		[OPERATION_CREATE] = {COUNTER_CREATE_DONE, COUNTER_CREATE_FAILED},
		[OPERATION_UPDATE] = {COUNTER_UPDATE_DONE, COUNTER_UPDATE_FAILED},
		[OPERATION_DELETE] = {COUNTER_DELETE_DONE, COUNTER_DELETE_FAILED},
	};

	counter_add(&shared->counters, rows[operation][failed], 1);
}

static void count_call(void *data, enum err_code code, int status, bool write, int64_t ms)
{
	static const struct {
		enum err_code code;
		enum counter row;
	} rows[] = {
		{ERR_NONE, COUNTER_VCD_OK},
		{ERR_EXPIRED, COUNTER_VCD_EXPIRED},
		{ERR_DENIED, COUNTER_VCD_DENIED},
		{ERR_GONE, COUNTER_VCD_GONE},
		{ERR_BUSY, COUNTER_VCD_BUSY},
		{ERR_CONFLICT, COUNTER_VCD_CONFLICT},
		{ERR_INVALID, COUNTER_VCD_REFUSED},
	};
	struct counters *counters = &((struct shared *)data)->counters;
	enum counter row = COUNTER_VCD_SERVER_ERROR;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			row = rows[i].row;
	if (status == 0)
		row = COUNTER_VCD_NO_ANSWER;
	counter_add(counters, row, 1);
	timing_note(counters, write ? TIMING_VCD_WRITE : TIMING_VCD_READ, ms);
}

static void count_login(void *data, bool ok)
{
	counter_add(&((struct shared *)data)->counters,
		ok ? COUNTER_LOGIN_OK : COUNTER_LOGIN_FAILED, 1);
}

struct vcd_watch count_vcd(struct shared *shared)
{
	return (struct vcd_watch){.call = count_call, .login = count_login, .data = shared};
}
